"""The SDK's chunk models, built by both twins: equal in every part to those that it constructs itself."""

import copy
import json
import random
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltawire import ChunkDecodeError, UpstreamError, encode_event
from deltawire.models import Kind
from deltawire.replay import SAMPLES, sample

from ..conftest import TWINS, twin

openai = pytest.importorskip("openai")
from openai._models import construct_type  # noqa: E402
from openai.types.chat import ChatCompletionChunk  # noqa: E402

from deltawire.integrations.openai.models import chunk_model, construct, described, same  # noqa: E402

TOKEN = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}
CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
RESULTS = {"type": "moderation_results", "model": "m", "results": []}

# What may stand in any place: of each kind, at the edges of what validation converts.
VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 2**53, 2**53 + 1, 2**63, -(2**70), 0.0, 1.0, 1.5, 1e300, float("inf")),
    *("", "a", "1", "1.0", " 1 ", "true", "no", "stop", "assistant", "function", "é\ud800", "chat.completion.chunk"),
    *([], [None], [1], ["a"], [{}], [[]], {}, {"a": 1}, {"index": "0"}, {"_x": 1}, {"error": None}),
    *(CALL, [CALL], [CALL, {}], {"name": 1}, USAGE, {**USAGE, "total_tokens": "3"}, [TOKEN], {"content": [TOKEN]}),
    *({"content": "x", "more": [1]}, [{"delta": {"content": "x"}, "index": 0}], {"input": RESULTS, "output": RESULTS}),
]


def payload(**members: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"role": "assistant", "content": "a"}, "logprobs": None, "finish_reason": None}
    return {"id": "i", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **members}


def decoder(name: str) -> Any:
    return twin(name).ModelDecoder(chunk_model(), construct)


def built(name: str, values: list[Any]) -> list[Any]:
    return decoder(name).feed(b"".join(b"data: %b\n\n" % json.dumps(value).encode() for value in values))


def expected(value: Any) -> Any:
    return construct_type(type_=ChatCompletionChunk, value=value)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return all places in a value, as containers and keys."""
    found = []
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        found.append((value, key))
        if isinstance(item, (dict, list)):
            found += places(item)
    return found


def full() -> dict[str, Any]:
    delta = {"role": "assistant", "content": "a", "refusal": None, "reasoning": "r", "tool_calls": [CALL]}
    delta |= {"function_call": {"name": "f", "arguments": "a"}, "audio": {"id": "a", "expires_at": 1}}
    choice = {"index": 0, "delta": delta, "logprobs": {"content": [TOKEN], "refusal": None}, "finish_reason": "stop"}
    details = {"reasoning_tokens": 1, "more": 2}
    return copy.deepcopy(payload(choices=[choice], usage={**USAGE, "completion_tokens_details": details}, x={"y": [1]}))


def test_every_value_in_every_place_is_what_the_sdk_makes_of_it() -> None:
    for number in range(len(places(full()))):
        for value in VALUES:
            whole = full()
            container, key = places(whole)[number]
            container[key] = value
            wanted = expected(copy.deepcopy(whole))
            for name in TWINS:
                (chunk,) = [construct(whole)] if whole.get("error") else built(name, [whole])
                assert same(chunk, wanted), (name, whole)


def test_every_member_may_be_missing(backend: SimpleNamespace) -> None:
    for number in range(len(places(full()))):
        whole = full()
        container, key = places(whole)[number]
        if isinstance(container, dict):
            del container[key]
            assert same(built(backend.name, [whole]), [expected(whole)])


@pytest.mark.parametrize("value", [[], [payload()], 0, "text", True, 1.5])
def test_what_is_no_object_is_what_the_sdk_makes_of_it(backend: SimpleNamespace, value: Any) -> None:
    assert same(built(backend.name, [value]), [expected(value)])


@pytest.mark.parametrize("name", [name for name in SAMPLES if name != "big"])
def test_a_sample_is_what_the_sdk_makes_of_it(backend: SimpleNamespace, name: str) -> None:
    stream = sample(name)
    chunks = decoder(backend.name).feed(stream.body)
    wanted = [expected(json.loads(each)) for each in stream.payloads]
    assert same(chunks, wanted)
    assert [chunk.model_dump_json() for chunk in chunks] == [chunk.model_dump_json() for chunk in wanted]


@settings(max_examples=300)
@given(st.randoms(use_true_random=False), st.integers(1, 4))
def test_payloads_after_one_another_do_not_mix(chance: random.Random, kinds: int) -> None:
    """Each kind comes again and again, with other values in a few places, as stencils want it."""
    makers = []
    for _ in range(kinds):
        whole = full()
        for _ in range(chance.randrange(6)):
            container, key = chance.choice(places(whole))
            if chance.random() < 0.3 and isinstance(container, dict):
                container.pop(key, None)
            else:
                container[key] = copy.deepcopy(chance.choice(VALUES))
        whole.pop("error", None)
        makers.append((whole, chance.sample(range(len(places(whole))), 2)))
    stream = []
    for _ in range(24):
        whole, varied = chance.choice(makers)
        whole = copy.deepcopy(whole)
        for number in varied:
            container, key = places(whole)[min(number, len(places(whole)) - 1)]
            if type(container[key]) in (int, str):
                container[key] = chance.choice([str, int, int])(chance.randrange(3))
        stream.append(whole)
    wanted = [expected(value) for value in copy.deepcopy(stream)]
    for name in TWINS:
        assert same(built(name, stream), wanted), name


def test_a_change_to_one_chunk_is_seen_in_no_other(backend: SimpleNamespace) -> None:
    values = [payload(obfuscation=str(number), x={"y": [number]}, usage=USAGE) for number in range(12)]
    chunks = built(backend.name, values)
    for chunk in chunks:
        chunk.id = "changed"
        chunk.choices[0].delta.content += "!"
        chunk.choices.append(None)
        chunk.usage.total_tokens = 0
        chunk.model_extra["x"]["y"].append(5)
        chunk.model_extra["z"] = 1
        chunk.seen = True
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["a!"] * 12
    assert [chunk.model_extra["x"]["y"] for chunk in chunks] == [[number, 5] for number in range(12)]
    assert same(built(backend.name, values), [expected(value) for value in values])


def test_json_that_msgspec_refuses_is_read_as_json_reads_it(backend: SimpleNamespace) -> None:
    for text in (
        '{"choices":NaN}',
        '{"id":"\\ud83d"}',
        '{"created":1e999}',
        '{"created":-0}',
        '{"created":' + "9" * 40 + "}",
    ):
        (chunk,) = decoder(backend.name).feed(b"data: %b\n\n" % text.encode())
        assert same(chunk, expected(json.loads(text)))


def test_null_empty_data_and_what_follows_done_are_skipped(backend: SimpleNamespace) -> None:
    for end in (b"[DONE]", b"[DONE]and more", b" [DONE] "):
        made = decoder(backend.name)
        assert len(made.feed(b"data: null\n\ndata\n\ndata: {}\n\ndata: %b\n\ndata: {}\n\n" % end)) == 1
        assert made.done


def test_faults_come_behind_the_chunks_before_them(backend: SimpleNamespace) -> None:
    for fault, kind in (
        (b'data: {"error":{"message":"m"}}\n\n', UpstreamError),
        (b'event: error\ndata: {"message":"m"}\n\n', UpstreamError),
        (b'error: {"message":"m"}\n', UpstreamError),
        (b"data: {bad\n\n", ChunkDecodeError),
        (b'data: {"id":"i","_fields_set":1}\n\n', ChunkDecodeError),  # the SDK raises an AttributeError
    ):
        made = decoder(backend.name)
        assert len(made.feed(encode_event(payload()) * 3 + fault + encode_event(payload()))) == 3
        assert type(made.error) is kind
        if kind is UpstreamError:
            assert made.error.body == {"message": "m"}
        with pytest.raises(kind):
            made.feed(b"")
        assert len(made.feed(b"")) == 1


def test_a_member_named_like_a_slot_is_taken_from_each_payload(backend: SimpleNamespace) -> None:
    values = [payload(error=None if number < 6 else "broken") for number in range(7)]
    made = decoder(backend.name)
    chunks = made.feed(b"".join(map(encode_event, values)))
    assert same(chunks, [expected(value) for value in values[:6]])
    assert made.error.body == "broken"


@pytest.mark.skipif("compiled" not in TWINS, reason="stencils are the compiled twin's")
def test_stencils_match_text_tools_and_usage() -> None:
    for name in ("text", "tools", "vllm"):
        made = decoder("compiled")
        made.feed(sample(name, chunks=256).body)
        stats = made.stats
        if stats.hits or stats.learned:  # they may be switched off
            assert stats.hits > 240
        assert stats.coerced == 0


def test_the_table_is_the_sdks() -> None:
    table = chunk_model()
    assert [field.name for field in table.fields] == list(ChatCompletionChunk.model_fields)
    kinds = {field.name: field.value.kind for field in table.fields}
    assert kinds["choices"] is Kind.LIST
    assert kinds["usage"] is Kind.MODEL


def test_a_class_with_a_rule_of_its_own_is_left_to_the_sdk() -> None:
    import pydantic

    class Validating(openai.BaseModel):
        name: str

        @pydantic.field_validator("name")
        @classmethod
        def upper(cls, value: str) -> str:
            return value.upper()

    class Aliased(openai.BaseModel):
        name: str = pydantic.Field(alias="other")

    class Strict(openai.BaseModel):
        model_config = pydantic.ConfigDict(str_strip_whitespace=True)

    class Hooked(openai.BaseModel):
        def model_post_init(self, context: Any) -> None:
            pass

    class Constructing(openai.BaseModel):
        @classmethod
        def construct(cls, **values: Any) -> Any:
            return super().construct(**values)

    for kind in (Validating, Aliased, Strict, Hooked, Constructing, pydantic.BaseModel):
        assert described(kind) is None
