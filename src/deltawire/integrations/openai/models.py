"""The table of openai's chunk models, drawn up of the SDK's own classes, and its check.

The SDK makes its models by `construct_type`, which walks the annotations for each chunk.
What that does with a member depends on its type alone, so it is looked up here once. A
class or a type that is not plain is left to the SDK.
"""

from __future__ import annotations

import math
import types
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

import openai
import pydantic
from openai.types.chat import ChatCompletionChunk

from ...events import encode_event
from ...models import Field, Kind, Model, Value

# Settings of a class that do not change what its models are made of.
_KNOWN_CONFIG = {"extra", "defer_build"}

_LEAVES = {str: Kind.STR, int: Kind.INT, bool: Kind.BOOL, float: Kind.FLOAT, object: Kind.ANY, Any: Kind.ANY}
_OTHER = Value(Kind.OTHER)


def described(cls: type[pydantic.BaseModel]) -> Model | None:
    """Return the table of a class of models; None where it is not plain."""
    if not _is_plain(cls):
        return None
    return Model(cls, tuple(_field(name, info) for name, info in cls.model_fields.items()))


def _is_plain(cls: type[pydantic.BaseModel]) -> bool:
    """Tell whether the SDK constructs a class as it does most: no hook, no alias, extras of any type."""
    decorators = cls.__pydantic_decorators__
    return (
        issubclass(cls, openai.BaseModel)
        and cls.construct.__func__ is openai.BaseModel.construct.__func__  # type: ignore[attr-defined]
        and cls.__new__ is object.__new__
        and cls.model_config.get("extra") == "allow"
        and cls.model_config.keys() <= _KNOWN_CONFIG
        and not cls.__private_attributes__
        and cls.__pydantic_post_init__ is None
        and not any(getattr(decorators, name) for name in decorators.__dataclass_fields__)
        and "__pydantic_extra__" not in cls.__annotations__
        and not any(field.alias or field.validation_alias for field in cls.model_fields.values())
    )


def _field(name: str, info: pydantic.fields.FieldInfo) -> Field:
    default = None if info.is_required() else info.get_default()
    value = _OTHER if info.metadata else _value(info.annotation)
    # Null is constructed as the default, and validated as null.
    if default is not None and (value.optional or value.kind is Kind.ANY):
        value = _OTHER
    return Field(name, value, info.is_required(), default)


def _value(annotation: Any) -> Value:
    arguments = get_args(annotation)
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        if len(arguments) != 2 or arguments[1] is not types.NoneType:
            return _OTHER
        inner = _value(arguments[0])
        return Value(inner.kind, optional=True, of=inner.of)
    if origin is Literal:
        return Value(Kind.LITERAL, of=frozenset(arguments)) if set(map(type, arguments)) == {str} else _OTHER
    if origin is list:
        return Value(Kind.LIST, of=_value(arguments[0]))
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        model = described(annotation)
        return _OTHER if model is None else Value(Kind.MODEL, of=model)
    return Value(_LEAVES[annotation]) if annotation in _LEAVES else _OTHER


@cache
def chunk_model() -> Model:
    """Return the table of `ChatCompletionChunk`.

    Raises:
        TypeError: it is not plain.
    """
    model = described(ChatCompletionChunk)
    if model is None:
        raise TypeError(f"{ChatCompletionChunk.__name__} is not constructed plainly")
    return model


def construct(value: Any) -> Any:
    """Return what the SDK constructs of any decoded payload."""
    if isinstance(value, list):
        return [construct(each) if isinstance(each, dict) else each for each in value]
    return ChatCompletionChunk.construct(**value) if isinstance(value, dict) else value


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are equal in every part: types, order, what was set, extras."""
    if type(one) is not type(other):
        return False
    if isinstance(one, pydantic.BaseModel):
        return one.model_fields_set == other.model_fields_set and all(
            same(getattr(one, part), getattr(other, part))
            for part in ("__dict__", "__pydantic_extra__", "__pydantic_private__")
        )
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and same(list(one.values()), list(other.values()))
    return bool(one == other) or (isinstance(one, float) and math.isnan(one) and math.isnan(other))


def _payload(delta: dict[str, Any], **members: Any) -> dict[str, Any]:
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "usage": None}
    return {**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}], **members}


def _call(arguments: Any, **members: Any) -> dict[str, Any]:
    return {"tool_calls": [{"function": {"arguments": arguments}, **members}]}


_TOKEN = {"token": "a", "logprob": -1, "bytes": [97]}

# What is compared before deltawire takes over. Twice the same but for a value makes a stencil.
SAMPLE = b"".join(
    encode_event(payload)
    for payload in (
        _payload({"role": "assistant", "content": ""}),
        *(_payload({"content": text}, obfuscation=text, unknown={"list": [text, 1]}) for text in "abc"),
        *(_payload(_call(text, index=0, id=None, type="function", extra=1)) for text in "abc"),
        *(_payload(_call(text)) for text in "abc"),  # no index: not valid, but sent
        *(_payload(_call({"as": "an object"}, index=index)) for index in ("0", 0.0, True)),
        _payload({"role": "unknown", "content": [{"type": "text"}], "refusal": 1, "function_call": {"name": "f"}}),
        _payload({}, choices=[{"logprobs": {"content": [{**_TOKEN, "top_logprobs": [_TOKEN]}], "more": 1.5}}]),
        *(
            _payload({}, choices=[], usage={"prompt_tokens": count, "completion_tokens": 1})
            for count in (1, 2, "3", None)
        ),
        *(
            _payload({}, usage={"total_tokens": 1, "prompt_tokens": count, "completion_tokens": 1.0, "cost": 0.5})
            for count in (1, 2, 3)
        ),
        {"id": None, "choices": {}, "created": "1"},
        {"choices": [None, {"delta": None}, [{"delta": {}}]], "moderation": {"input": {"type": "error"}}},
        {},
    )
)
