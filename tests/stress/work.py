"""Small pieces of work that together go everywhere in a twin: what stress is put on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache
from types import SimpleNamespace
from typing import Any

import msgspec

import deltawire
from deltawire import DeltawireError, Limits
from deltawire.replay import sample

from ..chat_json import COUNTED, said, stream
from ..client_models import CHUNK, construct
from ..proxy_streams import FAMILIES

BODIES = {name: sample(name, chunks=24).body for name in COUNTED}
BAD = b'data: {"choices": 5}\n\ndata: {nonsense\n\ndata: \xff\xfe\n\n: comment\nid: 7\nretry: 5\n\n'
ERROR = stream(said({"content": "a"}), {"error": {"message": "quota"}})
TINY = Limits(max_event=40, max_message=10, max_items=1)

# No chunk of the models': what the table does not cover is left to the library.
ODD = (stream({"choices": {"_a": 1}}, {"choices": [[1]]}, {"id": "a", "_b": 2}), BAD)

Work = Callable[[], Any]


def chosen(names: Iterable[str], wanted: str) -> list[str]:
    """Return the names that `wanted` is a part of. None is an error: a check of nothing cannot fail."""
    names = list(names)
    found = [name for name in names if wanted in name]
    if not found:
        raise SystemExit(f"nothing is named {wanted!r}, of: {'; '.join(names)}")
    return found


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


def _unmade(value: object) -> Any:
    raise Hooked


class Odd:
    """A type that msgspec asks a hook for."""


def _hooked(twin: SimpleNamespace) -> None:
    decoder = twin.StreamDecoder(msgspec.json.Decoder(Odd, dec_hook=_fail), done=None)
    for _ in range(3):
        with suppress(Hooked, DeltawireError):
            decoder.feed(b'data: {"a": 1}\n\n' * 2)


def _reentrant(twin: SimpleNamespace) -> None:
    """Feed a decoder from a hook of its own, and its caller's memory changed meanwhile."""

    def again(kind: type, value: object) -> Any:
        with suppress(BufferError):
            read.extend(b"more")  # the decoder still looks at it
        for call in (lambda: decoder.feed(b""), decoder.finish, decoder.reset):
            with suppress(DeltawireError):
                call()
        return Odd()

    decoder = twin.StreamDecoder(msgspec.json.Decoder(Odd, dec_hook=again), done=None)
    read = bytearray(b'data: {"a": 1}\n\n' * 24)
    decoder.feed(read)


def _held(twin: SimpleNamespace) -> list[Any]:
    """Keep what is decoded beyond its decoder: Raw, and the views that are taken of it."""
    decoder = twin.StreamDecoder(msgspec.Raw)
    return [memoryview(raw) for read in _reads(BODIES["text"], 700) for raw in decoder.feed(read)]


def _meddled(twin: SimpleNamespace) -> None:
    """Call a rewriter from its own `each`."""

    def again(event: Any) -> Any:
        for call in (lambda: rewriter.feed(b""), rewriter.finish, rewriter.reset):
            with suppress(DeltawireError):
                call()
        return event

    rewriter = twin.Rewriter(each=again)
    rewriter.feed(BODIES["text"])


def _iterated(body: bytes) -> None:
    """Read a source to its end, and until it has had enough; past faults."""
    for over in (deltawire.iter_chunks, deltawire.iter_text, deltawire.iter_events):
        with suppress(DeltawireError), over(_reads(body, 700)) as stream:
            for _ in stream:
                pass
        with over(_reads(body, 700)) as stream:
            next(stream, None)
        dropped = over(_reads(body, 700))
        next(dropped, None)


def _whole(body: bytes) -> None:
    with suppress(DeltawireError):
        deltawire.decode(body)
    for allowed in (True, False):
        with suppress(DeltawireError):
            deltawire.accumulate(body[:-60], allow_truncated=allowed)


@cache  # a loop that is made for each run leaves some blocks, whatever runs in it
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


async def _areads(body: bytes) -> AsyncIterator[bytes]:
    for read in _reads(body, 700):
        yield read


async def _aiterated(body: bytes) -> None:
    for over in (deltawire.aiter_chunks, deltawire.aiter_text, deltawire.aiter_events):
        with suppress(DeltawireError):
            async with over(_areads(body)) as stream:
                async for _ in stream:
                    pass
        async with over(_areads(body)) as stream:
            await anext(stream, None)
    with suppress(DeltawireError):
        await deltawire.aaccumulate(_areads(body))


def _asked() -> None:
    for body in (
        b'{"model": "m", "stream": true}',
        b'{"stream_options": {"include_usage": false}}',
        b"[1]",
        b"{nonsense",
    ):
        with suppress(DeltawireError, ValueError):
            deltawire.include_usage_in_request(body)


def _encoded() -> None:
    for data in ({"a": ["b"]}, "text\nin lines", b"bytes", object()):
        with suppress(TypeError, ValueError):
            deltawire.encode_event(data, event="e", id="1", retry=5)
    deltawire.encode_comment("seen")
    for family in ("chat", "responses", "messages"):
        deltawire.encode_error(ValueError("no"), family=family)


def _added(twin: SimpleNamespace) -> None:
    accumulator = twin.CompletionAccumulator(limits=Limits(max_message=2000))
    with suppress(DeltawireError):
        for chunk in deltawire.decode(BODIES["text"]):
            accumulator.add(chunk)
    with suppress(DeltawireError):
        accumulator.completion()


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
        "models": lambda: [_fed(twin.ModelDecoder(CHUNK, construct), body) for body in (*BODIES.values(), BAD, ERROR)],
        "models that cannot be made": lambda: _fed(twin.ModelDecoder(CHUNK, _unmade), *ODD),
        "fed from a hook": lambda: _reentrant(twin),
        "called from each": lambda: _meddled(twin),
        "views held": lambda: _held(twin),
        "chunks added": lambda: _added(twin),
        "iterators": lambda: [_iterated(body) for body in (BODIES["text"], ERROR)],
        "async iterators": lambda: _loop().run_until_complete(_aiterated(BODIES["text"])),
        "whole bodies": lambda: [_whole(body) for body in (BODIES["tools"], ERROR, BAD)],
        "requests": _asked,
        "encoding": _encoded,
    }
