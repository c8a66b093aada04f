"""The slow way to a chunk, for the rare event that does not fit the types.

Both twins come here only after msgspec has refused an event. The event is read as
leniently as `json` allows and brought to the Structs member by member: converted where
that works; else a `str` takes the member's compact JSON, an `int` what `int()` makes of
it, and anything else its default.
"""

import json
import re
import types
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import msgspec

from .errors import DeltawireError

T = TypeVar("T")

_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_COLLECTIONS: dict[Any, Any] = {Sequence: list} | {kind: kind for kind in (list, tuple, set, frozenset)}


class NotAChunk(ValueError):
    """The payload is not JSON, or no JSON object, or lacks what the type requires."""


class _Unfit(Exception):
    """A value that cannot be brought to the type asked for."""


def loads(payload: bytes) -> Any:
    """Decode JSON, invalid UTF-8 and lone surrogates replaced by U+FFFD, NaN and Infinity read.

    Raises:
        NotAChunk: `json.loads` refuses it: no JSON, too deep, or an integer too long.
    """
    text = payload.decode("utf-8", "replace")
    try:
        value = json.loads(text)
        # json.loads has joined the pairs; what is left stands alone.
        return _without_surrogates(value) if _SURROGATE_ESCAPE.search(text) else value
    except (ValueError, RecursionError) as refusal:
        raise NotAChunk(f"not JSON: {refusal}") from refusal


def error_body(payload: bytes) -> Any:
    """Return what an error says: its `error` member, or else the whole payload, as text where it is no JSON."""
    try:
        body = loads(payload)
    except NotAChunk:
        return payload.decode("utf-8", "replace")
    return (isinstance(body, dict) and body.get("error")) or body


def coerce(payload: bytes, type: type[T]) -> T | None:
    """Return the payload as a `type`, or None for `null`.

    Raises:
        NotAChunk: see there.
    """
    value = loads(payload)
    if value is None:
        return None
    if not isinstance(value, dict):
        kind = {list: "array", str: "string", bool: "boolean"}.get(value.__class__, "number")
        raise NotAChunk(f"JSON {kind}, an object expected")
    try:
        chunk = fitted(value, type)
    except (DeltawireError, MemoryError):
        raise
    except Exception as unfit:  # what a user's __post_init__ raises, too
        raise NotAChunk(f"no {type.__name__}: {unfit}") from unfit
    return chunk


def fitted(value: dict[str, Any], struct: type[T]) -> T:
    """Return an object as a Struct, brought to it member by member."""
    made: T = _fit(value, struct)
    return made


def _fit(value: Any, hint: Any) -> Any:
    try:
        return msgspec.convert(value, hint)
    except msgspec.ValidationError as invalid:
        reason = str(invalid)
    members = _members(hint)
    if isinstance(value, dict):
        for member in members:
            if isinstance(member, type) and issubclass(member, msgspec.Struct):
                return _fit_struct(value, member)
    if isinstance(value, list):
        for member in members:
            if (collect := _COLLECTIONS.get(get_origin(member))) is not None:
                return collect(_fit_items(value, get_args(member)[0]))
    if str in members:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if int in members:
        try:
            return int(value)
        except (TypeError, ValueError, OverflowError) as refusal:
            raise _Unfit(str(refusal)) from None
    raise _Unfit(reason)


def _fit_struct(value: dict[str, Any], struct: type[msgspec.Struct]) -> Any:
    members = {}
    for field in _fields(struct):
        if field.encode_name in value:
            try:
                members[field.name] = _fit(value[field.encode_name], field.type)
            except _Unfit:
                if field.required:
                    raise
    try:
        made = struct(**members)
    except (TypeError, ValueError) as refusal:
        raise _Unfit(str(refusal)) from refusal
    # A caller's own metaclass makes what it likes, and the compiled twin reads by offsets.
    if not type.__subclasscheck__(struct, type(made)):
        raise _Unfit(f"{struct.__name__}() gave {type(made).__name__}")
    return made


def _fit_items(values: list[Any], hint: Any) -> list[Any]:
    """Fit each item; an item that cannot be fitted has no default, and is left out."""
    items = []
    for value in values:
        try:
            items.append(_fit(value, hint))
        except _Unfit:
            continue
    return items


@lru_cache(maxsize=256)
def _fields(struct: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(struct)


def _members(hint: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the type alone; constraints aside."""
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    members = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return tuple(get_args(member)[0] if get_origin(member) is Annotated else member for member in members)


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value
