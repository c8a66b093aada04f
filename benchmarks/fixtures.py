"""The streams that are measured, and how they are read."""

from importlib import import_module
from typing import Any

from deltawire.replay import Sample, sample

EVENTS = 2000
SLOW_EVENTS = 200  # for what takes a hundred times as long
READ = 64 * 1024

# By name: the samples of the replay server.
STREAMS = ("text", "escapes", "tools", "reasoning", "logprobs", "n4", "vllm", "obfuscation")

READS = ("64 KiB reads", "one event a read", "16-byte reads")


def stream(name: str, chunks: int = EVENTS) -> Sample:
    """Return a stream; one payload in eight of "text" has an escape or non-ASCII text."""
    return sample(name) if name == "big" else sample(name, chunks=chunks)


def reads(body: Sample, how: str) -> list[bytes]:
    """Return the reads of a stream, one of `READS`."""
    if how == "one event a read":
        return body.events()
    return body.reads({"64 KiB reads": READ, "16-byte reads": 16}[how])


def twin(name: str, module: str) -> Any:
    """Return a module of the twin `name`."""
    return import_module(f"deltawire._{name}.{module}")
