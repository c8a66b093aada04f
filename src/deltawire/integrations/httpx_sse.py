"""The names of httpx-sse 0.4.3 over `deltawire.EventParser`, for httpx and httpx2: change the import, nothing else.

    from deltawire.integrations.httpx_sse import connect_sse

It differs where the standard does (WHATWG HTML, 9.2.5 and 9.2.6):

- A BOM at the start is dropped; httpx-sse loses the first field to it.
- The text is UTF-8, whatever charset the content type names.
- An event whose blank line is a lone CR at a read's end comes with that read, not with the next one.
- A block without data is no event: not `event:`, `id:` or `retry:` alone, and no comment behind an id.
  What such blocks say of id and retry is in `EventSource.last_event_id` and `.reconnection_time`.
- The id that the request sent as `Last-Event-ID` holds until another comes.
- `retry` is ASCII digits, at most 2**63 - 1, or it is ignored: no sign, no white space, no underscore.

And where it should:

- The content type is compared without regard to case (RFC 9110, 8.3.1).
- `headers` may be all that httpx takes: None and pairs too, names in any case. The caller's are not changed.
- An event of more than 32 MiB is an `SSEError`; `EventSource.limits` sets the bound.
- Events are msgspec Structs: slots, and no `__init__` to override. `json()` takes a third of the time.

Source: https://pypi.org/project/httpx-sse/0.4.3/
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import force_setattr

from .. import records
from ..events import EventParser
from ..limits import DEFAULT_LIMITS, Limits
from ..sources import aclose, close

__all__ = ["EventSource", "SSEError", "ServerSentEvent", "aconnect_sse", "connect_sse"]


def _libraries() -> list[Any]:
    names = [name for name in ("httpx", "httpx2") if find_spec(name)]
    if not names:
        raise ModuleNotFoundError(f"{__name__} needs httpx or httpx2", name="httpx")
    # One only, where `httpx2.alias_httpx` has made them one.
    return list(dict.fromkeys(map(import_module, names)))


LIBRARIES = _libraries()


# Of both where both are installed: whose `except` catches it must not depend on who was imported first.
class SSEError(*(library.TransportError for library in LIBRARIES)):  # type: ignore[misc]
    """The response is no event stream, or an event is larger than the limit."""


class ServerSentEvent(records.ServerSentEvent, frozen=True, eq=False):  # type: ignore[misc]
    """One dispatched event, equal to itself only.

    Attributes: as of `deltawire.ServerSentEvent`.
    """

    if TYPE_CHECKING:

        def __init__(
            self, event: str | None = None, data: str | None = None, id: str | None = None, retry: int | None = None
        ) -> None: ...

    def __post_init__(self) -> None:
        if not self.event:
            force_setattr(self, "event", "message")
        for name in ("data", "id"):
            if getattr(self, name) is None:
                force_setattr(self, name, "")

    def json(self) -> Any:
        """Return the data decoded as JSON.

        Raises:
            json.JSONDecodeError: it is none.
        """
        try:
            return msgspec.json.decode(self.data)
        except (msgspec.MsgspecError, UnicodeError):  # NaN and lone surrogates are good to `json` only
            return json.loads(self.data)

    def __repr__(self) -> str:
        shown = [f"event={self.event!r}"]
        shown += [f"{name}={value!r}" for name in ("data", "id") if (value := getattr(self, name)) != ""]
        if self.retry is not None:
            shown.append(f"retry={self.retry!r}")
        return f"ServerSentEvent({', '.join(shown)})"


class EventSource:
    """The events of a response.

    Attributes:
        limits: set it before iterating; `Limits.max_event` bounds one event.
    """

    limits: Limits = DEFAULT_LIMITS

    def __init__(self, response: Any) -> None:
        self._response = response
        self._parser = EventParser()

    @property
    def response(self) -> Any:
        """The `httpx.Response`, or `httpx2.Response`."""
        return self._response

    @property
    def last_event_id(self) -> str:
        """What to send as `Last-Event-ID` on reconnecting: the id as the last blank line left it."""
        return self._parser.last_event_id

    @property
    def reconnection_time(self) -> int | None:
        """The reconnection time in ms that the stream asked for last, with an event or without; None if it did not."""
        return self._parser.reconnection_time

    def iter_sse(self) -> Iterator[ServerSentEvent]:
        """Iterate over the events as they come.

        Raises:
            SSEError: the response is no event stream, or an event is larger than the limit.
            TransportError: as httpx raises it; the events before it have been given.
        """
        parser = self._begin()
        reads = self._response.iter_bytes()
        try:
            for data in reads:
                yield from _feed(parser, data)
                _raise_fault(parser)
        finally:
            close(reads)

    async def aiter_sse(self) -> AsyncGenerator[ServerSentEvent, None]:
        """Iterate over the events as they come: `iter_sse` for `async for`."""
        parser = self._begin()
        reads = self._response.aiter_bytes()
        try:
            async for data in reads:
                for event in _feed(parser, data):
                    yield event
                _raise_fault(parser)
        finally:
            await aclose(reads)

    def _begin(self) -> EventParser:
        """Return a new parser, which goes on where the request's `Last-Event-ID` left off."""
        self._check_content_type()
        try:
            last_event_id = self._response.request.headers.get("last-event-id", "")
        except RuntimeError:  # a response that somebody made has no request
            last_event_id = ""
        self._parser = EventParser(last_event_id=last_event_id, limits=self.limits)
        return self._parser

    def _check_content_type(self) -> None:
        kind = self._response.headers.get("content-type", "").partition(";")[0]
        if "text/event-stream" not in kind.lower():
            raise SSEError(f"content type {kind!r}, 'text/event-stream' expected")


def _feed(parser: EventParser, data: bytes) -> list[ServerSentEvent]:
    events: list[Any] = parser.feed(data)
    for event in events:
        # The same Struct with other methods: nothing is made anew.
        event.__class__ = ServerSentEvent
    return events


def _raise_fault(parser: EventParser) -> None:
    if parser.error is not None:
        raise SSEError(str(parser.error)) from parser.error


@contextmanager
def connect_sse(client: Any, method: str, url: Any, **kwargs: Any) -> Iterator[EventSource]:
    """Send a request for an event stream by `client.stream`; close the response at the end.

    Args:
        client: an `httpx.Client` or `httpx2.Client`.
        method: of the request.
        url: of the request.
        **kwargs: as for `client.stream`. `headers` are completed by those of an event stream request.
    """
    headers = _headers(kwargs.pop("headers", None))
    with client.stream(method, url, headers=headers, **kwargs) as response:
        yield EventSource(response)


@asynccontextmanager
async def aconnect_sse(client: Any, method: str, url: Any, **kwargs: Any) -> AsyncIterator[EventSource]:
    """Send a request by the `stream` of an async client: `connect_sse` for `async with`.

    Args:
        client: an `httpx.AsyncClient` or `httpx2.AsyncClient`.
        method: of the request.
        url: of the request.
        **kwargs: as for `connect_sse`.
    """
    headers = _headers(kwargs.pop("headers", None))
    async with client.stream(method, url, headers=headers, **kwargs) as response:
        yield EventSource(response)


def _headers(headers: Any) -> Any:
    """Return a copy of `headers` with those of every event stream request."""
    headers = LIBRARIES[0].Headers(headers)
    headers["Accept"] = "text/event-stream"
    headers["Cache-Control"] = "no-store"
    return headers
