"""Models such as a client library makes of chunks, without the library: what `ModelDecoder` builds."""

from typing import Any

from deltawire.models import Field, Kind, Model, Value


class Made:
    """What pydantic's models are made of, and nothing else."""

    __slots__ = ("__dict__", "__pydantic_extra__", "__pydantic_fields_set__", "__pydantic_private__")

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.__dict__}, {self.__pydantic_extra__}, {sorted(self.__pydantic_fields_set__)})"
        )

    def parts(self) -> tuple[dict[str, Any], set[str], dict[str, Any], Any]:
        return self.__dict__, self.__pydantic_fields_set__, self.__pydantic_extra__, self.__pydantic_private__


class Said(Made):
    __slots__ = ()


class Answer(Made):
    __slots__ = ()


class Chunk(Made):
    __slots__ = ()


TEXT = Value(Kind.STR, optional=True)
SAID = Model(Said, (Field("role", TEXT, required=False), Field("content", TEXT, required=False)))
ANSWER = Model(
    Answer,
    (
        Field("index", Value(Kind.INT), required=True),
        Field("delta", Value(Kind.MODEL, of=SAID), required=True),
        Field("finish_reason", Value(Kind.LITERAL, optional=True, of=frozenset({"stop", "length"})), required=False),
    ),
)
CHUNK = Model(
    Chunk,
    (
        Field("id", Value(Kind.STR), required=True),
        Field("choices", Value(Kind.LIST, of=Value(Kind.MODEL, of=ANSWER)), required=True),
        Field("created", Value(Kind.INT), required=True),
        Field("usage", Value(Kind.ANY), required=False),
    ),
)


def construct(value: Any) -> Any:
    """Return what the library would make of what the table does not cover."""
    return ("constructed", value)
