"""Where bytes come from: iterables of reads, and the responses of HTTP clients.

A response is told by what it has, so that no client is imported: those of httpx, httpx2,
requests, urllib3, `http.client` and aiohttp, or one in a library's stream. Its reads are
taken as they come from the connection, its content encoding undone by the client, and
its status and content type are looked at before the first of them.
"""

import inspect
import json
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator
from contextlib import suppress
from typing import Any, Protocol

from .errors import ResponseError

# Of one read, where the client is to be told; and of a body that is reported, not decoded.
_READ = 64 * 1024

# What is no event stream, whatever is in it. Other types are read: streams are sent as plain text too.
_NO_STREAM = ("json", "html", "xml", "image/", "audio/", "video/")


class HttpxResponse(Protocol):
    """A response of httpx or httpx2."""

    @property
    def status_code(self) -> int:
        """The status."""

    def iter_bytes(self) -> Iterator[bytes]:
        """Iterate over the body."""

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        """Do so for an async client."""


class LibraryStream(Protocol):
    """A stream that a client library makes of such a response, and from which nothing was read: openai's, say."""

    @property
    def response(self) -> HttpxResponse:
        """The response."""


class AiohttpResponse(Protocol):
    """A response of aiohttp."""

    @property
    def status(self) -> int:
        """The status."""

    @property
    def content(self) -> AsyncIterable[bytes]:
        """The body."""


ByteSource = Iterable[bytes] | bytes | bytearray | memoryview | HttpxResponse | LibraryStream
AsyncByteSource = AsyncIterable[bytes] | HttpxResponse | LibraryStream | AiohttpResponse


def reads(source: ByteSource) -> Iterator[bytes]:
    """Return an iterator over the reads of `source`; bytes are one read.

    That over a response raises `ResponseError` at once where it is no event stream.

    Raises:
        TypeError: it is not iterable, or text.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return iter((bytes(source),))
    response = response_of(source)
    pieces = _pieces(response)
    if pieces is not None:
        return _checked(response, pieces)
    if isinstance(source, str) or not isinstance(source, Iterable):
        raise TypeError(f"an iterable of bytes is required, not {type(source).__name__!r}")
    return iter(source)


def areads(source: AsyncByteSource) -> AsyncIterator[bytes]:
    """Return an async iterator over the reads of `source`: `reads` for `async for`.

    Raises:
        TypeError: it is not an async iterable.
    """
    response = response_of(source)
    pieces = _async_pieces(response)
    if pieces is not None:
        return _achecked(response, pieces)
    if not isinstance(source, AsyncIterable):
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


def response_of(source: Any) -> Any:
    """Return the response of a client library's stream, which is closed in its place; else the source."""
    response = getattr(source, "response", None)
    return response if hasattr(response, "iter_bytes") else source


# --- responses ------------------------------------------------------------------------


def _pieces(response: Any) -> Iterator[bytes] | None:
    """Return an iterator over a response's body; None where it is no response."""
    pieces: Iterable[bytes]
    if hasattr(response, "status_code") and hasattr(response, "iter_bytes"):  # httpx
        pieces = response.iter_bytes()
    elif hasattr(response, "status_code") and hasattr(response, "iter_content"):  # requests
        # Without chunks it would wait for the end of the body.
        if getattr(response.raw, "chunked", True) or response.raw.closed:
            pieces = response.iter_content(chunk_size=None)
        else:
            pieces = _read_through(response.raw)
    elif hasattr(response, "status") and (hasattr(response, "read1") or hasattr(response, "read_chunked")):
        # http.client, urllib3
        pieces = _read_through(response)
    else:
        return None
    return iter(pieces)


def _read_through(response: Any) -> Iterator[bytes]:
    if response.isclosed():
        return iter((getattr(response, "data", b""),))  # of urllib3, which may have read it already
    if not hasattr(response, "read1"):  # urllib3 before 2.2, whose other reads wait for more
        pieces: Iterator[bytes] = response.stream(1, decode_content=True)
        return pieces
    if hasattr(response, "decode_content"):
        return iter(lambda: response.read1(_READ, decode_content=True), b"")
    return iter(lambda: response.read1(_READ), b"")


def _async_pieces(response: Any) -> AsyncIterator[bytes] | None:
    """Do as `_pieces` does, for an async client."""
    pieces: AsyncIterable[bytes]
    if hasattr(response, "status_code") and hasattr(response, "aiter_bytes"):  # httpx
        pieces = response.aiter_bytes()
    elif hasattr(response, "iter_any"):  # aiohttp's StreamReader, which iterates over lines
        pieces = response.iter_any()
    elif hasattr(response, "status") and hasattr(getattr(response, "content", None), "iter_any"):
        pieces = _read_of_aiohttp(response)
    else:
        return None
    return aiter(pieces)


async def _read_of_aiohttp(response: Any) -> AsyncGenerator[bytes, None]:
    if response.content.at_eof():
        yield await response.read()  # it may have been read already
    async for data in response.content.iter_any():
        yield data


def _checked(response: Any, pieces: Iterator[bytes]) -> Generator[bytes, None, None]:
    if _is_refused(response):
        body = bytearray()
        for data in pieces:
            body += data
            if len(body) >= _READ:
                break
        raise _refusal(response, body)
    yield from pieces


async def _achecked(response: Any, pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    if _is_refused(response):
        body = bytearray()
        async for data in pieces:
            body += data
            if len(body) >= _READ:
                break
        raise _refusal(response, body)
    async for data in pieces:
        yield data


def _status(response: Any) -> int | None:
    status = getattr(response, "status_code", None) or getattr(response, "status", None)
    return status if isinstance(status, int) else None


def _content_type(response: Any) -> str:
    kind = getattr(response, "headers", {}).get("content-type")
    return kind if isinstance(kind, str) else ""


def _is_refused(response: Any) -> bool:
    status = _status(response)
    kind = _content_type(response).partition(";")[0].lower()
    return (status is not None and not 200 <= status < 300) or any(part in kind for part in _NO_STREAM)


def _refusal(response: Any, body: bytearray) -> ResponseError:
    payload: Any = bytes(body[:_READ]).decode(errors="replace")
    with suppress(ValueError, RecursionError):
        payload = json.loads(payload)
    if isinstance(payload, dict) and payload.get("error"):
        payload = payload["error"]
    return ResponseError(payload, status=_status(response), content_type=_content_type(response))
