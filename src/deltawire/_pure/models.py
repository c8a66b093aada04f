"""Events to a client library's own models, in plain Python.

The library would construct each model field by field from its annotations. Here that is
done from a table (`deltawire.models`) which was drawn up of them once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar, final

from ..errors import UpstreamError
from ..limits import DEFAULT_LIMITS, Limits
from ..models import Field, Fit, Kind, Model, NotCovered, Value
from .decoder import StreamDecoder

T = TypeVar("T")

# Beyond it a float does not have every integer.
_EXACT = 2**53

# What is kept as it came, and what validation makes of values of other kinds: those named
# it may convert, no other is valid.
_CONVERTED: dict[Kind, tuple[type, tuple[type, ...]]] = {
    Kind.STR: (str, ()),
    Kind.INT: (int, (str, float, bool)),
    Kind.BOOL: (bool, (str, int, float)),
}


def build(model: Model, data: dict[str, Any], validated: bool = False) -> tuple[Any, Fit]:
    """Return the model that the library would make of `data`, and whether `data` is valid.

    What the library validates counts extras among the fields set; what it constructs does not.

    Raises:
        NotCovered: the table does not say.
    """
    fit = Fit.VALID
    values = {}
    for field in model.fields:
        values[field.name], fits = _field(field, data, validated)
        fit = max(fit, fits)
    extra = {name: item for name, item in data.items() if name not in values}
    if any(name.startswith("_") for name in extra):
        raise NotCovered  # it may be named like an argument of the library's own
    made: Any = object.__new__(model.type)
    put = object.__setattr__
    put(made, "__dict__", values)
    put(made, "__pydantic_private__", None)
    put(made, "__pydantic_extra__", extra)
    put(made, "__pydantic_fields_set__", set(data) if validated else values.keys() & data.keys())
    return made, fit


def _field(field: Field, data: dict[str, Any], validated: bool) -> tuple[Any, Fit]:
    if field.name not in data:
        return field.default, Fit.INVALID if field.required else Fit.VALID
    made, fit = _value(field.value, data[field.name], validated)
    return field.default if data[field.name] is None else made, fit


def _value(value: Value, item: Any, validated: bool) -> tuple[Any, Fit]:
    """Return what becomes of an item, and whether it is valid."""
    if not value.optional:
        return _plain(value, item, validated)
    if item is None:
        return None, Fit.VALID
    made, fit = _plain(value, item, True)
    if validated or fit is Fit.VALID:
        return made, fit
    if fit is Fit.UNSURE:
        raise NotCovered  # validation may convert it
    return _plain(value, item, False)[0], fit


def _plain(value: Value, item: Any, validated: bool) -> tuple[Any, Fit]:
    kind = value.kind
    given = type(item)
    if kind is Kind.ANY:
        return item, Fit.VALID
    if kind in _CONVERTED:
        expected, converted = _CONVERTED[kind]
        return item, Fit.VALID if given is expected else Fit.UNSURE if given in converted else Fit.INVALID
    if kind is Kind.FLOAT:
        if given is bool or (given is int and not -_EXACT <= item <= _EXACT):
            raise NotCovered  # a float that is none
        if given is int or given is float:
            return float(item), Fit.VALID
        return item, Fit.UNSURE if given is str else Fit.INVALID
    if kind is Kind.LITERAL:
        return item, Fit.VALID if given is str and item in value.of else Fit.INVALID
    if kind is Kind.MODEL and given is dict:
        return build(value.of, item, validated)
    if kind is Kind.LIST and given is list:
        built = [_value(value.of, each, validated) for each in item]
        return [each for each, _ in built], max((fit for _, fit in built), default=Fit.VALID)
    if kind is Kind.OTHER or (kind is Kind.MODEL and given is list):
        raise NotCovered  # no type of the table
    return item, Fit.INVALID


@final
class ModelDecoder(StreamDecoder[T]):
    """Decodes a stream of JSON objects to a client library's own models.

    Payloads are read as `json.loads` reads them: what msgspec refuses and it takes is taken
    (NaN, lone surrogates). Empty data and `null` are skipped. An error in the stream is an
    `UpstreamError`, in each of its shapes: an event of type "error", an object with a
    truthy `error`, a line `error: {…}`.

    Args:
        model: the table of the models.
        construct: the library's own way, for what the table does not cover; takes any
            decoded JSON.
        limits: as for `StreamDecoder`.
    """

    _tolerant = True

    def __init__(self, model: Model, construct: Callable[[Any], T], *, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__(dict, limits=limits)
        self._model = model
        self._construct = construct

    def _take_value(self, value: Any, data: bytes, chunks: list[T]) -> None:
        self._raise_upstream(value)
        try:
            chunk = build(self._model, value)[0]
        except NotCovered:
            chunk = self._constructed(value, data)
        super()._take_value(chunk, data, chunks)

    def _take_refused(self, data: bytes, refusal: Exception, chunks: list[T]) -> None:
        """Take what `json.loads` reads, as the library constructs it; nothing of `null`, nor behind `[DONE]`."""
        text = data.decode(errors="replace")
        if text.startswith("[DONE]"):
            self._done = True
            return
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as reason:
            raise self._no_chunk(data, reason) from reason
        self._raise_upstream(value)
        if value is not None:
            super()._take_value(self._constructed(value, data), data, chunks)

    def _raise_upstream(self, value: Any) -> None:
        if isinstance(value, dict) and value.get("error"):
            raise UpstreamError(value["error"], event_index=self._events - 1)

    def _constructed(self, value: Any, data: bytes) -> T:
        try:
            chunk = self._construct(value)
        except MemoryError:
            raise
        except Exception as reason:
            raise self._no_chunk(data, reason) from reason
        self._coerced += 1
        return chunk
