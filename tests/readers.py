"""The classes that read a stream: how each is made, and all that comes of what is fed to it."""

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import msgspec

from deltawire import DeltawireError, LimitExceededError

from .client_models import CHUNK, construct

# The public ones; `made` makes a `ModelDecoder` too.
READERS = [
    *("EventParser", "StreamDecoder", "ChunkDecoder", "TextDecoder", "CompletionAccumulator", "Tap", "Rewriter"),
]
_REQUIRED: dict[str, tuple[Any, ...]] = {"StreamDecoder": (dict,), "ModelDecoder": (CHUNK, construct)}
_TASKS: dict[str, dict[str, Any]] = {
    "EventParser": {"last_event_id": "7"},
    "Tap": {"started_at": 0, "text": True, "gap_bounds": (1, 5)},
    "Rewriter": {"model": "house", "usage": "drop"},
}


def made(twin: SimpleNamespace, name: str, **options: Any) -> Any:
    """Return a new reader; those that must be told a type are."""
    return getattr(twin, name)(*_REQUIRED.get(name, ()), **options)


def at_work(twin: SimpleNamespace, name: str, **options: Any) -> Any:
    """Return a new reader that does all that its class can do."""
    return made(twin, name, **_TASKS.get(name, {}) | options)


def cut(body: bytes, size: int = 500) -> list[bytes]:
    """Return a body as reads."""
    return [body[at : at + size] for at in range(0, len(body), size)]


def shown(error: BaseException) -> tuple[type, str, str]:
    """Return what there is to compare of an error."""
    members = {name: value for name, value in vars(error).items() if not name.startswith("__")}
    return type(error), str(error), repr(members)


def result_of(call: Callable[..., Any], *arguments: Any, errors: type[Exception] = DeltawireError) -> Any:
    """Return what a call gives, or what it raises as `shown`."""
    try:
        return call(*arguments)
    except errors as error:
        return shown(error)


def log_of(reader: Any, reads: Iterable[bytes], errors: type[Exception] = DeltawireError) -> list[list[Any]]:
    """Feed reads, past faults and up to a limit, and return what each call gives, or raises as `shown`."""
    log: list[list[Any]] = []
    tapping = hasattr(reader, "close")
    at = 0
    for data in reads:
        at += len(data)
        log.append(_values(result_of(reader.feed, data, *([at] if tapping else []), errors=errors)))
        while (fault := getattr(reader, "error", None)) is not None:
            # The next call raises it, and the one after that goes on behind it.
            log += [[shown(fault)], *(_values(result_of(reader.feed, b"", errors=errors)) for _ in range(2))]
            if isinstance(fault, LimitExceededError):
                return log
    return log


def _values(result: Any) -> list[Any]:
    """Return what can be compared, which `Raw` objects cannot."""
    values = result if isinstance(result, list) else [result]
    return [bytes(value) if isinstance(value, msgspec.Raw) else value for value in values]


def all_of(reader: Any, reads: list[bytes]) -> list[Any]:
    """Feed the last reads of a stream, and return all that comes of them, and at its end."""
    log: list[Any] = log_of(reader, reads)
    if hasattr(reader, "close"):
        return [*log, repr(reader.close(sum(map(len, reads))))]
    log += [result_of(reader.finish) for _ in range(3)]  # what is read at the end may be faulty
    if hasattr(reader, "completion"):
        log.append(reader.completion())
    return log
