"""Responses of httpx and of httpx2 without a network: bodies that say how they were read and closed."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

EVENT_STREAM = "text/event-stream"


class Body:
    """Some reads, sync and async. An exception among them is raised; a callable, in async reading, is awaited."""

    def __init__(self, reads: Iterable[Any]) -> None:
        self.reads = list(reads)
        self.read = 0
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        for item in self.reads:
            if isinstance(item, Exception):
                raise item
            self.read += 1
            yield item

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for item in self.reads:
            if callable(item):
                await item()
                continue
            if isinstance(item, Exception):
                raise item
            self.read += 1
            yield item

    def close(self) -> None:
        self.closed += 1

    async def aclose(self) -> None:
        self.closed += 1


def body(library: Any, *reads: Any) -> Any:
    kind = type("LibraryBody", (Body, library.SyncByteStream, library.AsyncByteStream), {})
    return kind(reads)


def response(library: Any, *reads: Any, kind: str = EVENT_STREAM) -> Any:
    return library.Response(200, headers={"Content-Type": kind}, stream=body(library, *reads))


def answering(library: Any, stream: Any, kind: str = EVENT_STREAM) -> Callable[[Any], Any]:
    return lambda request: library.Response(200, headers={"Content-Type": kind}, stream=stream)


def client(library: Any, answer: Callable[[Any], Any], **options: Any) -> Any:
    return library.Client(transport=library.MockTransport(answer), **options)


def async_client(library: Any, answer: Callable[[Any], Any], **options: Any) -> Any:
    return library.AsyncClient(transport=library.MockTransport(answer), **options)
