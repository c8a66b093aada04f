"""One way to do something with a stream, to be measured."""

from collections.abc import Callable
from typing import Any, NamedTuple

from ..replay import Sample

Run = Callable[[], Any]
New = Callable[[Sample, list[bytes]], Run]


class Contender(NamedTuple):
    """One way to read a stream.

    Attributes:
        group: what is made of the stream.
        name: of the packages at work.
        new: gets a sample and its reads, and returns the run that is timed.
        answer: what the run has found, from its result: the number of events or chunks, or the text.
        slow: takes so long that a short stream does.
    """

    group: str
    name: str
    new: New
    answer: Callable[[Any], object]
    slow: bool = False


def split(body: bytes) -> list[bytes]:
    """Return the payloads of a stream whose events are one data line each."""
    return [event[6:] for event in body.split(b"\n\n") if event and event != b"data: [DONE]"]
