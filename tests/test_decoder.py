"""The decoders' contract, on both twins."""

import msgspec
import pytest

from deltawire import (
    ChatCompletionChunk,
    Choice,
    ChunkDecodeError,
    Delta,
    LimitExceededError,
    Limits,
    UpstreamError,
    encode_event,
)

HI = b'{"choices":[{"index":0,"delta":{"content":"hi"}}]}'
STOP = b'{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'


def events(*payloads: bytes) -> bytes:
    return b"".join(b"data: " + payload + b"\n\n" for payload in payloads)


def contents(chunks: list[ChatCompletionChunk]) -> list[object]:
    return [chunk.choices[0].delta.content for chunk in chunks]


def test_a_stream_decodes_the_same_at_every_cut(backend) -> None:
    stream = events(HI, STOP, b"[DONE]") + b"data: not read\n\n"
    for cut in range(len(stream) + 1):
        decoder = backend.ChunkDecoder()
        chunks = decoder.feed(stream[:cut]) + decoder.feed(stream[cut:])
        assert contents(chunks) == ["hi", None]
        end = decoder.finish()
        assert (end.done, end.complete, end.finish_reasons) == (True, True, {0: "stop"})
        assert (end.unterminated, end.discarded, end.chunks) == (False, 0, [])


@pytest.mark.parametrize("sentinel", [b"[DONE]", b" [DONE]\t", b"[DONE] \r"])
def test_done_may_have_white_space_around_it(backend, sentinel: bytes) -> None:
    decoder = backend.ChunkDecoder()
    assert decoder.feed(b"data:" + sentinel + b"\n\n") == []
    assert decoder.done
    assert decoder.feed(b"data: {]\n\n") == []
    assert decoder.error is None


def test_done_without_its_blank_line_is_read_at_the_end(backend) -> None:
    for stream in (b"data: [DONE]", b"data: [DONE]\n"):
        decoder = backend.ChunkDecoder()
        assert decoder.feed(stream) == []
        end = decoder.finish()
        assert (end.done, end.unterminated, end.discarded) == (True, True, 0)


def test_a_whole_last_event_without_its_blank_line_is_read(backend) -> None:
    decoder = backend.ChunkDecoder()
    assert decoder.feed(b"data: " + STOP) == []
    end = decoder.finish()
    assert end.unterminated
    assert end.complete
    assert len(end.chunks) == 1
    assert decoder.finish() == end


def test_a_cut_last_event_is_discarded_and_reported(backend) -> None:
    decoder = backend.ChunkDecoder()
    decoder.feed(events(HI, HI) + b"id: 1\ndata: " + STOP[:-2])
    end = decoder.finish()
    assert (end.unterminated, end.discarded) == (False, len(b"id: 1\ndata: ") + len(STOP) - 2)
    assert (end.complete, end.finish_reasons) == (False, {0: None})
    assert decoder.stats.events == 2


def test_what_bears_no_chunk_is_skipped(backend) -> None:
    decoder = backend.ChunkDecoder()
    stream = b": keep-alive\n\ndata:\n\ndata:  \n\n" + events(b"null", b" null ") + b"event: ping\n\n"
    assert decoder.feed(stream + b"event: completion\n" + events(HI)) != []
    assert decoder.error is None
    assert decoder.stats.chunks == 1
    assert decoder.stats.coerced == 0


def test_the_chunks_before_a_fault_are_returned_and_reading_goes_on_behind_it(backend) -> None:
    decoder = backend.ChunkDecoder()
    chunks = decoder.feed(events(HI, b"{bad", HI, b"[1]", STOP))
    assert len(chunks) == 1
    assert isinstance(decoder.error, ChunkDecodeError)
    with pytest.raises(ChunkDecodeError) as caught:
        decoder.feed(events(b"{never taken in"))
    assert (caught.value.payload, caught.value.event_index) == (b"{bad", 1)
    assert decoder.error is None
    assert contents(decoder.feed(events(HI))) == ["hi"]
    with pytest.raises(ChunkDecodeError, match=r"^event 3: JSON array, an object expected$"):
        decoder.finish()
    end = decoder.finish()
    assert [chunk.choices[0].finish_reason for chunk in end.chunks] == ["stop", None]
    assert decoder.stats.events == 6


def test_finish_gives_the_chunks_before_a_fault_it_meets(backend) -> None:
    decoder = backend.ChunkDecoder()
    decoder.feed(events(b"1", HI, b"2", STOP))
    with pytest.raises(ChunkDecodeError):
        decoder.finish()
    with pytest.raises(ChunkDecodeError) as caught:
        decoder.finish()
    assert contents(caught.value.chunks) == ["hi"]
    assert len(decoder.finish().chunks) == 1


def test_done_behind_a_fault_ends_the_stream_too(backend) -> None:
    decoder = backend.ChunkDecoder()
    decoder.feed(events(b"{bad", b"[DONE]"))
    with pytest.raises(ChunkDecodeError):
        decoder.feed(b"")
    assert decoder.feed(events(HI)) == []
    assert decoder.finish().done
    assert decoder.stats.events == 2


def test_nothing_that_is_held_behind_a_fault_refers_to_the_callers_memory(backend) -> None:
    decoder = backend.ChunkDecoder()
    read = bytearray(events(b"{bad", HI))
    decoder.feed(read)
    read[:] = b"x" * 5
    with pytest.raises(ChunkDecodeError):
        decoder.feed(b"")
    assert contents(decoder.feed(b"")) == ["hi"]


def test_what_is_held_behind_a_fault_is_bounded(backend) -> None:
    decoder = backend.ChunkDecoder(limits=Limits(max_event=200))
    read = events(b"1", b"2", HI)
    decoder.feed(read)
    with pytest.raises(ChunkDecodeError):
        decoder.feed(b"")
    assert decoder.feed(b"x" * 201) == []
    with pytest.raises(ChunkDecodeError, match="event 1"):  # not lost
        decoder.feed(b"")
    for _ in range(2):
        with pytest.raises(LimitExceededError, match=r"^201 bytes waiting behind a faulty event, at most 200 allowed$"):
            decoder.feed(b"")
    decoder.reset()
    assert contents(decoder.feed(events(HI))) == ["hi"]


def test_a_limit_keeps_what_came_before_it(backend) -> None:
    decoder = backend.ChunkDecoder(limits=Limits(max_event=100))
    assert contents(decoder.feed(events(HI) + b"data: " + b"x" * 200)) == ["hi"]
    assert isinstance(decoder.error, LimitExceededError)
    for call in (lambda: decoder.feed(b""), decoder.finish):
        with pytest.raises(LimitExceededError, match=r"^event of 206 bytes, at most 100 allowed$"):
            call()


@pytest.mark.parametrize(
    ("stream", "body"),
    [
        (b'event: error\ndata: {"error":{"code":429,"message":"slow"}}\n\n', {"code": 429, "message": "slow"}),
        (b'event: error\ndata: {"message":"slow"}\n\n', {"message": "slow"}),
        (b"event: error\ndata: slow down\n\n", "slow down"),
        (events(b'{"error":{"message":"slow"}}'), {"message": "slow"}),
        (events(b'{"error":"slow"}'), "slow"),
        (b'error: {"code":500,"message":"slow"}\n', {"code": 500, "message": "slow"}),
        (b'data: x\nerror: {"code":500}\n', {"code": 500}),
        (b'error: {"error":{"code":500}}\r', {"code": 500}),
    ],
)
def test_each_shape_of_an_error_is_an_upstream_error(backend, stream: bytes, body: object) -> None:
    for cut in range(len(stream)):
        decoder = backend.ChunkDecoder()
        assert contents(decoder.feed(events(HI)) + decoder.feed(stream[:cut]) + decoder.feed(stream[cut:])) == ["hi"]
        with pytest.raises(UpstreamError) as caught:
            decoder.feed(b"")
        assert caught.value.body == body
        assert caught.value.event_index == 1


def test_an_upstream_error_names_its_code_message_and_chunk(backend) -> None:
    decoder = backend.ChunkDecoder()
    decoder.feed(events(b'{"id":"c","error":{"code":429,"message":"slow"},"choices":[]}'))
    error = decoder.error
    assert (error.code, error.message, error.chunk.id) == (429, "slow", "c")
    assert str(error) == "upstream error 429: slow"


def test_falsy_errors_and_unknown_error_lines_are_none(backend) -> None:
    decoder = backend.ChunkDecoder()
    decoder.feed(events(b'{"error":null}', b'{"error":{}}', b'{"error":""}') + b"error: no brace\nerror\n\n")
    assert decoder.error is None
    assert decoder.stats.chunks == 3


def test_an_error_without_its_end_is_raised_all_the_same(backend) -> None:
    for stream in (b"event: error\ndata: slow", b"error: {slow"):
        decoder = backend.ChunkDecoder()
        decoder.feed(stream)
        with pytest.raises(UpstreamError):
            decoder.finish()
        assert decoder.finish().unterminated


@pytest.mark.parametrize(
    ("payload", "path", "value"),
    [
        (b'{"id":12}', "id", "12"),
        (b'{"id":{"a":[1,null]}}', "id", '{"a":[1,null]}'),
        (b'{"created":"17"}', "created", 17),
        (b'{"created":1.0}', "created", 1),
        (b'{"created":"soon"}', "created", None),
        (b'{"created":NaN,"model":"m"}', "created", None),
        (b'{"choices":null}', "choices", []),
        (b'{"choices":[null,{"index":1}]}', "choices", [Choice(index=1)]),
        (b'{"usage":[1]}', "usage", None),
        (b'{"id":"\\ud800"}', "id", "\N{REPLACEMENT CHARACTER}"),
        (b'{"id":"\\ud83d\\ude00"}', "id", "\N{GRINNING FACE}"),
        (b'{"id":"\xff"}', "id", "\N{REPLACEMENT CHARACTER}"),
        (b'{"error":null,"x":NaN,"id":"i"}', "id", "i"),
    ],
)
def test_a_member_of_another_kind_is_brought_to_the_type(backend, payload: bytes, path: str, value: object) -> None:
    decoder = backend.ChunkDecoder()
    chunks = decoder.feed(events(payload))
    assert decoder.error is None
    assert getattr(chunks[0], path) == value
    assert decoder.stats.coerced == (0 if b"ud83d" in payload else 1)


def test_arguments_that_are_an_object_become_json_text(backend) -> None:
    payload = b'{"choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":{"a": "\xc3\xa9"}}}]}}]}'
    (chunk,) = backend.ChunkDecoder().feed(events(payload))
    assert chunk.choices[0].delta.tool_calls[0].function.arguments == '{"a":"é"}'


@pytest.mark.parametrize("payload", [b"{", b"[]", b'"text"', b"12", b"true", b"[" * 100_000, b"1" * 10_000, b"{}}"])
def test_what_is_no_json_object_is_a_chunk_decode_error(backend, payload: bytes) -> None:
    decoder = backend.ChunkDecoder()
    assert decoder.feed(events(payload)) == []
    with pytest.raises(ChunkDecodeError) as caught:
        decoder.feed(b"")
    assert caught.value.payload == payload


def test_the_finish_reason_of_each_choice_is_kept(backend) -> None:
    def chunk(index: str, reason: str) -> bytes:
        return b'{"choices":[{%s"finish_reason":%s}]}' % (index.encode(), reason.encode())

    decoder = backend.ChunkDecoder()
    decoder.feed(events(chunk('"index":1,', "null"), chunk('"index":0,', '"stop"'), chunk('"index":0,', '"null"')))
    decoder.feed(events(chunk('"index":1,', '""'), chunk('"index":2,', '"length"'), chunk('"index":2,', "null")))
    end = decoder.finish()
    assert end.finish_reasons == {1: None, 0: "stop", 2: "length"}
    assert not end.complete


def test_a_choice_without_an_index_has_its_position(backend) -> None:
    decoder = backend.ChunkDecoder()
    decoder.feed(events(b'{"choices":[{"finish_reason":"stop"},{"finish_reason":"length"}]}'))
    assert decoder.finish().finish_reasons == {0: "stop", 1: "length"}


def test_users_subclasses_keep_their_members(backend) -> None:
    class MyDelta(Delta):
        mood: str | None = None

    class MyChoice(Choice):
        delta: MyDelta | None = None
        finish_reason: str | None = "none"

    class MyChunk(ChatCompletionChunk):
        choices: tuple[MyChoice, ...] = ()

    decoder = backend.ChunkDecoder(MyChunk)
    chunks = decoder.feed(events(b'{"choices":[{"delta":{"mood":"good"}}]}', b'{"choices":[{"delta":{"mood":1}}]}'))
    assert [chunk.choices[0].delta.mood for chunk in chunks] == ["good", "1"]
    assert decoder.finish().finish_reasons == {0: "none"}


def test_chunk_decoder_takes_only_chunk_types(backend) -> None:
    for wrong in (dict, Choice, 5):
        with pytest.raises(TypeError, match="a subclass of ChatCompletionChunk is required"):
            backend.ChunkDecoder(wrong)


def test_a_stream_decoder_reads_any_type_without_tolerance(backend) -> None:
    decoder = backend.StreamDecoder(dict[str, int])
    assert decoder.feed(events(b'{"a":1}', b'{"a":"x"}')) == [{"a": 1}]
    with pytest.raises(ChunkDecodeError, match=r"^event 1: Expected `int`, got `str`") as caught:
        decoder.finish()
    assert caught.value.payload == b'{"a":"x"}'
    decoder.reset()
    decoder.feed(b"data\n\n")
    assert isinstance(decoder.error, ChunkDecodeError)


def test_a_stream_decoder_has_the_sentinel_it_is_given(backend) -> None:
    decoder = backend.StreamDecoder(int, done=b" 99 ")
    assert decoder.feed(events(b"1", b"99", b"2")) == [1]
    assert decoder.done
    decoder = backend.StreamDecoder(list, done=None)
    assert decoder.feed(events(b"[]")) == [[]]
    assert not decoder.finish().complete


def test_a_json_decoder_brings_its_hooks(backend) -> None:
    decoder = backend.StreamDecoder(msgspec.json.Decoder(complex, dec_hook=lambda kind, value: kind(value)))
    assert decoder.feed(events(b'"1+2j"')) == [1 + 2j]


def test_any_exception_of_a_hook_is_a_chunk_decode_error(backend) -> None:
    def hook(kind: type, value: object) -> object:
        return {}[value]

    decoder = backend.StreamDecoder(msgspec.json.Decoder(complex, dec_hook=hook))
    assert decoder.feed(events(b'"x"')) == []
    assert isinstance(decoder.error, ChunkDecodeError)
    assert isinstance(decoder.error.__cause__, KeyError)


def test_raw_members_outlive_the_call(backend) -> None:
    class Envelope(msgspec.Struct):
        body: msgspec.Raw

    read = bytearray(events(b'{"body": [1, 2]}'))
    (envelope,) = backend.StreamDecoder(Envelope).feed(read)
    read[:] = b"x" * len(read)
    read.clear()
    assert bytes(envelope.body) == b"[1, 2]"


@pytest.mark.parametrize("data", ["text", 5, None, [1]])
def test_only_bytes_are_taken(backend, data: object) -> None:
    decoder = backend.ChunkDecoder()
    with pytest.raises(TypeError, match="a bytes-like object is required, not"):
        decoder.feed(data)
    assert contents(decoder.feed(events(HI))) == ["hi"]


def test_strided_memory_is_refused(backend) -> None:
    with pytest.raises(BufferError, match="not C-contiguous"):
        backend.ChunkDecoder().feed(memoryview(events(HI))[::2])


def test_stats_count_what_was_read(backend) -> None:
    decoder = backend.ChunkDecoder()
    stream = events(HI, b"null", b'{"id":1}', b"[DONE]")
    decoder.feed(stream)
    decoder.feed(stream)
    stats = decoder.stats
    assert (stats.bytes, stats.events, stats.chunks, stats.coerced) == (len(stream), 4, 2, 1)
    plain = backend.StreamDecoder(int)
    plain.feed(events(b"1", b"2", b"3", b"x"))
    assert (plain.stats.events, plain.stats.chunks, plain.stats.coerced) == (4, 3, 0)


def test_reset_makes_it_new(backend) -> None:
    decoder = backend.ChunkDecoder()
    decoder.feed(events(STOP, b"{bad", b"[DONE]") + b"data: x")
    decoder.reset()
    assert (decoder.error, decoder.done, decoder.stats.bytes) == (None, False, 0)
    assert contents(decoder.feed(b"\xef\xbb\xbf" + encode_event(msgspec.Raw(HI)))) == ["hi"]
    assert decoder.finish().finish_reasons == {0: None}


def test_chunks_print_only_what_they_hold(backend) -> None:
    (chunk,) = backend.ChunkDecoder().feed(events(b'{"id":"c"}'))
    assert repr(chunk) == "ChatCompletionChunk(id='c', choices=[])"
