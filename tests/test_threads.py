"""One object serves one call at a time; objects of their own serve any number of threads."""

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import msgspec
import pytest

from deltawire import ChatCompletionChunk, ConcurrentFeedError, encode_event
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


class Waiting:
    """A place in the middle of a call: `here` holds it up until another thread has tried its own."""

    def __init__(self, attempt: Callable[[], object]) -> None:
        self.refused: BaseException | None = None
        self._attempt = attempt
        self._came = False

    def here(self) -> None:
        if self._came:
            return
        self._came = True
        thread = threading.Thread(target=self._try)
        thread.start()
        thread.join(10)

    def _try(self) -> None:
        try:
            self._attempt()
        except ConcurrentFeedError as refusal:
            self.refused = refusal


@pytest.mark.parametrize("call", ["feed", "finish", "reset", "__init__"])
@pytest.mark.parametrize("name", ["StreamDecoder", "ChunkDecoder", "Rewriter"])
def test_a_call_while_another_thread_is_within_one_is_refused(backend, name: str, call: str) -> None:
    def hook(kind: type, value: Any) -> Any:
        waiting.here()
        return kind(value)

    class Chunk(ChatCompletionChunk):
        def __post_init__(self) -> None:
            waiting.here()

    def edit(event: Any) -> Any:
        waiting.here()
        return event

    made = {
        "StreamDecoder": lambda: backend.StreamDecoder(msgspec.json.Decoder(complex, dec_hook=hook)),
        "ChunkDecoder": lambda: backend.ChunkDecoder(Chunk),
        "Rewriter": lambda: backend.Rewriter(each=edit),
    }
    arguments = {"feed": [HI], "__init__": [] if name == "Rewriter" else [Chunk]}
    reader = made[name]()
    waiting = Waiting(lambda: getattr(reader, call)(*arguments.get(call, [])))
    given = encode_event("1") if name == "StreamDecoder" else HI
    assert len(reader.feed(given)) == (len(given) if name == "Rewriter" else 1)
    assert str(waiting.refused) == f"{call}() while another call is under way"
    assert len(reader.feed(given)) == (len(given) if name == "Rewriter" else 1)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="classes export no buffers before Python 3.12")
@pytest.mark.parametrize("call", ["feed", "reset"])
@each_class
def test_a_call_while_the_bytes_are_asked_for_is_refused(backend, name: str, call: str) -> None:
    class Exporter:
        def __buffer__(self, flags: int) -> memoryview:
            waiting.here()
            return memoryview(HI)

    reader = at_work(backend, name)
    waiting = Waiting(lambda: getattr(reader, call)(*([HI] if call == "feed" else [])))
    reader.feed(Exporter())
    assert str(waiting.refused) == f"{call}() while another call is under way"
