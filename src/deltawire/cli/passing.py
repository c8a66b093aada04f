"""What people watch a stream with on its way, or change it with, beside deltawire's own twins."""

import json
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import msgspec

from ..replay import Sample
from .contender import Contender, New, Run, split

#: What is made of a stream: a report of it; or the same with another model, and without usage.
GROUPS = ("tap", "rewrite")

_MODEL = "the-model-that-clients-see"

Seen = tuple[int | None, dict[int, str | None]]  # tokens in all, and finish reasons


def expected(group: str, stream: Sample) -> object:
    """Return the right answer: usage and finish reasons, or the chunks."""
    return _seen(stream, json.loads) if group == "tap" else _chunks(_changed(stream, json.loads, _compact))


def contenders() -> Iterator[Contender]:
    """Yield all whose packages are there, group by group."""
    yield from _deltawire("tap", "tap", _tapping, _reported)
    yield from _peers("tap", _seen_by, _itself)
    yield from _deltawire("rewrite", "rewriter", _rewriting, _chunks)
    yield from _peers("rewrite", _changed_by, _chunks)


def _deltawire(
    group: str, module: str, new: Callable[[Any], New], answer: Callable[[Any], object]
) -> Iterator[Contender]:
    for twin in ("compiled", "pure"):
        if find_spec(f"deltawire._{twin}.{module}"):
            yield Contender(group, f"deltawire, {twin}", new(import_module(f"deltawire._{twin}.{module}")), answer)


def _tapping(module: Any) -> New:
    def run(reads: list[bytes]) -> Any:
        tap = module.Tap()
        for data in reads:
            tap.feed(data)
        return tap.close()

    return lambda stream, reads: lambda: run(reads)


def _rewriting(module: Any) -> New:
    def run(reads: list[bytes]) -> bytes:
        rewriter = module.Rewriter(model=_MODEL, usage="drop")
        return b"".join([rewriter.feed(data) for data in reads] + [rewriter.finish()])

    return lambda stream, reads: lambda: run(reads)


def _reported(report: Any) -> Seen:
    return report.usage and report.usage.total_tokens, report.finish_reasons


def _itself(found: object) -> object:
    return found


def _peers(group: str, new: Callable[[Any, Any], New], answer: Callable[[Any], object]) -> Iterator[Contender]:
    yield Contender(
        group, "bytes.split + msgspec", new(msgspec.json.Decoder().decode, msgspec.json.Encoder().encode), answer
    )
    if find_spec("orjson"):
        orjson = import_module("orjson")
        yield Contender(group, "bytes.split + orjson", new(orjson.loads, orjson.dumps), answer)
    yield Contender(group, "bytes.split + json", new(json.loads, _compact), answer, slow=True)


def _compact(chunk: Any) -> bytes:
    return json.dumps(chunk, ensure_ascii=False, separators=(",", ":")).encode()


def _seen_by(decode: Callable[[bytes], Any], encode: Callable[[Any], bytes]) -> New:
    return lambda stream, reads: lambda: _seen(stream, decode)


def _seen(stream: Sample, decode: Callable[[bytes], Any]) -> Seen:
    tokens = None
    reasons: dict[int, str | None] = {}
    for payload in split(stream.body):
        chunk = decode(payload)
        if chunk.get("usage"):
            tokens = chunk["usage"]["total_tokens"]
        for choice in chunk["choices"]:
            reasons[choice["index"]] = choice["finish_reason"] or reasons.get(choice["index"])
    return tokens, reasons


def _changed_by(decode: Callable[[bytes], Any], encode: Callable[[Any], bytes]) -> New:
    def new(stream: Sample, reads: list[bytes]) -> Run:
        return lambda: _changed(stream, decode, encode)

    return new


def _changed(stream: Sample, decode: Callable[[bytes], Any], encode: Callable[[Any], bytes]) -> bytes:
    events = []
    for payload in split(stream.body):
        chunk = decode(payload)
        usage = chunk.pop("usage", None)
        if usage is None or chunk["choices"]:
            chunk["model"] = _MODEL
            events.append(b"data: " + encode(chunk) + b"\n\n")
    return b"".join(events) + b"data: [DONE]\n\n"


def _chunks(body: bytes) -> list[Any]:
    return [json.loads(payload) for payload in split(body)]
