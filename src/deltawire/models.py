"""What pydantic models are made of, as a table that both twins build them from.

It says how a client library makes its models of decoded JSON without validation, for the
members whose rule is simple; `integrations` draws it up from the library's own classes.
Whatever it does not cover, and whatever it is unsure of, is left to the library.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from msgspec import Struct


class Kind(IntEnum):
    """What a value may be. A value of another kind is kept as it is."""

    ANY = 0
    STR = 1
    INT = 2
    BOOL = 3
    FLOAT = 4  # an integer becomes a float
    LITERAL = 5  # one of some strings
    MODEL = 6
    LIST = 7
    OTHER = 8  # left to the library, unless it is null


class Fit(IntEnum):
    """Whether a value is valid, as the library's validation sees it; the highest of the parts is that of the whole."""

    VALID = 0
    UNSURE = 1  # validation may convert it
    INVALID = 2


class Value(Struct, frozen=True, gc=False):
    """The type of a value.

    Attributes:
        kind: what it may be.
        optional: it may be null too. What is valid is then taken as validated, which may
            have converted it; what is not, as it came.
        of: the items' type of a LIST, the `Model` of a MODEL, the strings of a LITERAL.
    """

    kind: Kind
    optional: bool = False
    of: Any = None


class Field(Struct, frozen=True, gc=False):
    """A field of a model.

    Attributes:
        name: of the attribute, and of the member in JSON.
        value: its type.
        required: whether a valid object has it.
        default: what it is where it is absent or null; immutable.
    """

    name: str
    value: Value
    required: bool
    default: Any = None


class Model(Struct, frozen=True):
    """A class of models that keep unknown members as extras.

    Attributes:
        type: the class.
        fields: in their order.
    """

    type: type
    fields: tuple[Field, ...]


class NotCovered(Exception):
    """The table does not say what becomes of a value."""
