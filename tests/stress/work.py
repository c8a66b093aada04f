"""Small pieces of work that together go everywhere in a twin: what stress is put on."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import msgspec

from deltawire import DeltawireError, Limits
from deltawire.replay import SAMPLES, sample

from ..chat_json import said, stream
from ..proxy_streams import FAMILIES

NAMES = [name for name in SAMPLES if name not in ("big", "demo")]
BODIES = {name: sample(name, chunks=24).body for name in NAMES}
BAD = b'data: {"choices": 5}\n\ndata: {nonsense\n\ndata: \xff\xfe\n\n: comment\nid: 7\nretry: 5\n\n'
ERROR = stream(said({"content": "a"}), {"error": {"message": "quota"}})
TINY = Limits(max_event=40, max_message=10, max_items=1)

Work = Callable[[], Any]


class Hooked(Exception):
    """What hooks of this work raise."""


def _reads(body: bytes, size: int) -> Iterator[bytes]:
    return (body[at : at + size] for at in range(0, len(body), size))


def _fed(reader: Any, *bodies: bytes, size: int = 700) -> None:
    """Feed bodies past faults, and end the stream."""
    for body in bodies:
        for read in _reads(body, size):
            with suppress(DeltawireError):
                reader.feed(read)
    with suppress(DeltawireError):
        reader.finish()


def _fail(kind: type, value: object) -> Any:
    raise Hooked


class Odd:
    """A type that msgspec asks a hook for."""


def _hooked(twin: SimpleNamespace) -> None:
    decoder = twin.StreamDecoder(msgspec.json.Decoder(Odd, dec_hook=_fail), done=None)
    for _ in range(3):
        with suppress(Hooked, DeltawireError):
            decoder.feed(b'data: {"a": 1}\n\n' * 2)


def _refused(twin: SimpleNamespace) -> None:
    for name in ("EventParser", "ChunkDecoder", "CompletionAccumulator", "Tap", "Rewriter"):
        for wrong in ("text", memoryview(b"abcdef")[::2], None):
            with suppress(TypeError, BufferError):
                getattr(twin, name)().feed(wrong)


def _edited(event: Any) -> Any:
    if b'"stop"' in event.data:
        raise Hooked
    return [event, b": seen\n\n"]


def _rewritten(twin: SimpleNamespace, body: bytes, **task: Any) -> None:
    rewriter = twin.Rewriter(**task)
    with suppress(Hooked, DeltawireError):
        for read in _reads(body, 900):
            rewriter.feed(read)
    rewriter.finish("no")


def _watched(twin: SimpleNamespace, body: bytes, **options: Any) -> None:
    tap = twin.Tap(text=True, gap_bounds=(1, 5), started_at=0, **options)
    for at, read in enumerate(_reads(body, 900)):
        tap.feed(read, at)
    repr(tap.report)
    tap.close(99)


def _folded(twin: SimpleNamespace, body: bytes, **options: Any) -> None:
    accumulator = twin.CompletionAccumulator(**options)
    for read in _reads(body, 900):
        with suppress(DeltawireError):
            accumulator.feed(read)
    with suppress(DeltawireError):
        accumulator.finish()
    with suppress(DeltawireError):
        accumulator.completion()
    accumulator.reset()


def work_of(twin: SimpleNamespace) -> dict[str, Work]:
    """Return the pieces, by name, for one twin."""
    all_of_it = b"".join(BODIES.values())
    families = [body for streams in FAMILIES.values() for body in streams.values()]
    return {
        "events": lambda: _fed(twin.EventParser(), all_of_it, BAD),
        "events by bytes": lambda: _fed(twin.EventParser(), BODIES["text"][:3000], BAD, size=1),
        "chunks": lambda: [_fed(twin.ChunkDecoder(), body) for body in BODIES.values()],
        "chunks, bad": lambda: _fed(twin.ChunkDecoder(), BAD, ERROR, BAD),
        "chunks, limited": lambda: _fed(twin.ChunkDecoder(limits=TINY), BODIES["text"]),
        "any type": lambda: [_fed(twin.StreamDecoder(dict, done=None), body) for body in BODIES.values()],
        "raw": lambda: _fed(twin.StreamDecoder(msgspec.Raw), BODIES["text"]),
        "hooks that fail": lambda: _hooked(twin),
        "text": lambda: [_fed(twin.TextDecoder(), body) for body in (*BODIES.values(), BAD, ERROR)],
        "completion": lambda: [_folded(twin, body) for body in BODIES.values()],
        "completion, bad": lambda: _folded(twin, BAD + ERROR),
        "completion, limited": lambda: _folded(twin, BODIES["tools"], limits=TINY),
        "tap": lambda: [_watched(twin, body) for body in (*BODIES.values(), *families, BAD)],
        "tap, limited": lambda: _watched(twin, BODIES["text"], limits=TINY),
        "rewriter": lambda: [_rewritten(twin, body, model="m", usage="drop") for body in (*BODIES.values(), BAD)],
        "rewriter, nothing to do": lambda: _rewritten(twin, all_of_it),
        "rewriter, each": lambda: _rewritten(twin, BODIES["text"], each=_edited, tap=twin.Tap()),
        "rewriter, limited": lambda: _rewritten(twin, BODIES["text"], model="m", limits=TINY),
        "not bytes": lambda: _refused(twin),
    }
