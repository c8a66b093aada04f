"""What upstream has answered: which headers go on, how its body is read, and whether it is an event stream.

A response is told by what it has, as in `sources`: one of httpx, httpx2 or aiohttp.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple

Headers = Mapping[str, str] | Iterable[tuple[str, str]]
Fields = list[tuple[str, str]]
Read = Callable[[], Awaitable[bytes]]

# Those of RFC 9110, 7.6.1, the credentials of a proxy, and what belongs to one message's framing.
HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}


def upstream_headers(headers: Headers) -> Fields:
    """Return a client's header fields as they go to upstream, which is asked for a body that is not compressed.

    Those of this hop are left out, and what the HTTP client says itself: Host,
    Content-Length, Expect.
    """
    fields = end_to_end(_fields(headers), {"accept-encoding", "content-length", "expect", "host"})
    return [*fields, ("Accept-Encoding", "identity")]


def end_to_end(fields: Fields, others: set[str]) -> Fields:
    """Return the fields that are for the other end: without those of this hop, those it names, and `others`.

    Source: RFC 9110, 7.6.1 "Connection".
    """
    named = {option.strip().lower() for value in _values(fields, "connection") for option in value.split(",")}
    left_out = HOP_BY_HOP | named | others
    return [(name, value) for name, value in fields if name.lower() not in left_out]


class Upstream(NamedTuple):
    """An answer of upstream's.

    Attributes:
        response: the HTTP client's, which is closed.
        read: gives the next read of the body, b"" at its end.
        fields: the headers that go on; without Content-Length where the body may change.
        streams: the body is an event stream; of another one nothing is looked at.
        framed: the end of the body can be told from a connection that broke.
    """

    response: Any
    status: int
    fields: Fields
    read: Read
    streams: bool
    framed: bool


def upstream_of(response: Any) -> Upstream:
    """Return what a relay needs of a response of httpx, httpx2 or aiohttp.

    Raises:
        TypeError: it is none.
    """
    fields = _fields(getattr(response, "headers", ()))
    codings = [value for value in _values(fields, "content-encoding") if value.strip().lower() not in ("", "identity")]
    if hasattr(response, "aiter_raw"):  # httpx
        status, read, method = response.status_code, _reads(response), response.request.method
        expanded = response.is_stream_consumed  # it has been read already, as `aiter_bytes` gives it again
        framed = response.http_version == "HTTP/2"
    elif hasattr(getattr(response, "content", None), "readany"):  # aiohttp
        status, read, method = response.status, response.content.readany, getattr(response, "method", "")
        # Told since aiohttp 3.13; before, what a session does by default is taken for granted.
        known = all(value.strip().lower() in ("gzip", "deflate", "br") for value in codings)
        expanded = getattr(response.content, "total_compressed_bytes", known or None) is not None
        framed = False
    else:
        raise TypeError(f"a response of httpx or aiohttp is required, not {type(response).__name__!r}")
    kind = next(iter(_values(fields, "content-type")), "").partition(";")[0].strip().lower()
    has_body = status not in (204, 205) and method != "HEAD"
    streams = 200 <= status < 300 and has_body and kind == "text/event-stream" and (expanded or not codings)
    framed = framed or bool(_values(fields, "content-length") or _values(fields, "transfer-encoding"))
    changed = set()
    if codings and expanded:
        changed = {"content-encoding", "content-length"}
    elif streams:
        changed = {"content-length"}
    return Upstream(response, status, end_to_end(fields, changed), read, streams, framed)


def _reads(response: Any) -> Read:
    """Return what gives the reads of a response of httpx, as the server compressed them."""
    reads: AsyncIterator[bytes] = response.aiter_bytes() if response.is_stream_consumed else response.aiter_raw()

    async def read() -> bytes:
        async for data in reads:
            if data:
                return data
        return b""

    return read


def _fields(headers: Any) -> Fields:
    """Return header fields one by one, those of one name too."""
    if hasattr(headers, "multi_items"):  # httpx, whose items() join them; decoded as aiohttp does
        return [(name.decode("ascii"), value.decode("utf-8", "surrogateescape")) for name, value in headers.raw]
    return list(headers.items() if isinstance(headers, Mapping) else headers)


def _values(fields: Fields, name: str) -> list[str]:
    return [value for field, value in fields if field.lower() == name]
