"""One object serves one call at a time; objects of their own serve any number of threads."""

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from deltawire import ConcurrentFeedError, encode_event
from deltawire.replay import sample

from .chat_json import COUNTED
from .proxy_streams import FAMILIES
from .readers import READERS, all_of, at_work, cut

THREADS = 4
HI = encode_event({"choices": [{"index": 0, "delta": {"content": "hi"}}]})
STREAMS = {name: sample(name, chunks=30).body for name in COUNTED}
STREAMS |= {f"{family}, {name}": body for family, bodies in FAMILIES.items() for name, body in bodies.items()}

each_class = pytest.mark.parametrize("name", READERS)


@contextmanager
def switching() -> Iterator[None]:
    """Let threads take turns as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@each_class
def test_an_object_for_each_thread_gives_what_one_alone_gives(backend, name: str) -> None:
    def work(_: int) -> list[Any]:
        begun.wait(10)
        cuts = [cut(body, size) for body in STREAMS.values() for size in (50, 700, 1 << 20)]
        return [all_of(at_work(backend, name), reads) for reads in cuts]

    begun = threading.Barrier(1)
    alone = work(0)
    begun = threading.Barrier(THREADS)
    with switching(), ThreadPoolExecutor(THREADS) as pool:
        for found in pool.map(work, range(THREADS)):
            assert found == alone


@each_class
def test_calls_of_several_threads_are_whole_or_refused(backend, name: str) -> None:
    rounds = 300
    reader = at_work(backend, name)
    begun = threading.Barrier(THREADS)

    def work(_: int) -> int:
        taken = 0
        begun.wait(10)
        for _ in range(rounds):
            with suppress(ConcurrentFeedError):
                reader.feed(HI * 2)
                taken += 1
        return taken

    with switching(), ThreadPoolExecutor(THREADS) as pool:
        taken = sum(pool.map(work, range(THREADS)))
    assert 0 < taken <= rounds * THREADS
    if name == "Tap":
        assert reader.report.events == taken * 2
    elif name == "CompletionAccumulator":
        assert reader.completion().choices[0].message.content == "hi" * taken * 2
    elif hasattr(reader, "stats"):
        assert reader.stats.events == taken * 2
