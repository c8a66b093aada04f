"""Where bytes come from: any iterable, or async iterable, of bytes-like reads."""

import inspect
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any

ByteSource = Iterable[bytes] | bytes | bytearray | memoryview
AsyncByteSource = AsyncIterable[bytes]


def reads(source: ByteSource) -> Iterator[bytes]:
    """Return an iterator over the reads of `source`; bytes are one read.

    Raises:
        TypeError: it is not iterable, or text.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return iter((bytes(source),))
    if isinstance(source, str) or not hasattr(source, "__iter__"):
        raise TypeError(f"an iterable of bytes is required, not {type(source).__name__!r}")
    return iter(source)


def areads(source: AsyncByteSource) -> AsyncIterator[bytes]:
    """Return an async iterator over the reads of `source`.

    Raises:
        TypeError: it is not an async iterable.
    """
    if not hasattr(source, "__aiter__"):
        raise TypeError(f"an async iterable of bytes is required, not {type(source).__name__!r}")
    return aiter(source)


def close(source: Any) -> None:
    """Close a source that can be closed."""
    if (method := getattr(source, "close", None)) is not None:
        method()


async def aclose(source: Any) -> None:
    """Close a source that can be closed, by `aclose` or by `close`."""
    method = getattr(source, "aclose", None) or getattr(source, "close", None)
    if method is not None:
        result = method()
        if inspect.isawaitable(result):
            await result
