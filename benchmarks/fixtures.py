"""The streams that are measured, and the unit that they are measured in."""

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

import msgspec

from deltawire.replay import Sample, sample

EVENTS = 2000
READ = 64 * 1024

# By name: the samples of the replay server, of about EVENTS chunks each.
STREAMS = ("text", "escapes", "tools", "reasoning", "logprobs", "n4", "vllm", "obfuscation")


class SeedDelta(msgspec.Struct, frozen=True, gc=False):
    """The members of a delta as OpenAI's reference lists them, and no other."""

    role: str | None = None
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[dict[str, Any]] | None = None


class SeedChoice(msgspec.Struct, frozen=True, gc=False):
    """The same for a choice."""

    index: int
    delta: SeedDelta
    finish_reason: str | None = None
    logprobs: dict[str, Any] | None = None


class SeedChunk(msgspec.Struct, frozen=True, gc=False):
    """The same for a chunk: msgspec alone, on payloads already split, takes the time M."""

    id: str
    choices: list[SeedChoice]
    created: int
    model: str
    object: str
    service_tier: str | None = None
    system_fingerprint: str | None = None
    usage: dict[str, Any] | None = None


def stream(name: str) -> Sample:
    """Return a stream; one payload in eight of "text" has an escape or non-ASCII text."""
    return sample(name, chunks=EVENTS)


def reads(body: Sample, how: str) -> list[bytes]:
    """Return the reads of a stream: "64 KiB reads", "16-byte reads" or "one event a read"."""
    if how == "one event a read":
        return body.events()
    return body.reads({"64 KiB reads": READ, "16-byte reads": 16}[how])


def twin(name: str, module: str) -> Any:
    """Return a module of the twin `name`."""
    return import_module(f"deltawire._{name}.{module}")


def feed(new: Callable[[], Any], pieces: Iterable[bytes]) -> list[Any]:
    """Return all that a fresh reader makes of the reads."""
    reader = new()
    items: list[Any] = []
    for piece in pieces:
        items += reader.feed(piece)
    return items
