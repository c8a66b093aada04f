"""Bodies on their way: a request's, streamed or read as a whole, and a JSON answer's."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from aiohttp import ClientResponse, web
from multidict import CIMultiDictProxy

from ..chunks import Usage
from ..families import object_of, said_by
from ..splicing import edits_of
from .gate import Refusal, too_large


class Upload:
    """A request's body on its way up.

    Attributes:
        fault: why it came to no end, where that is the client's affair.
        awaited: the client is the one who is waited for.
        waiting: put off by each read that comes; None: no longer.
    """

    def __init__(self, request: web.BaseRequest, limit: int, idle: float) -> None:
        self._content = request.content
        self._limit = limit
        self._idle = idle
        self._head = b""
        self._size = 0
        self.fault: Refusal | None = None
        self.awaited = False
        self.waiting: asyncio.Timeout | None = None

    async def whole(self, limit: int) -> bytes | None:
        """Return the body; None where it is longer than `limit`, and `reads` gives all of it.

        Raises:
            Refusal: it is too large, or broken.
        """
        reads: list[bytes] = []
        while self._size <= limit:
            data = await self._read()
            if not data:
                return b"".join(reads)
            reads.append(data)
        self._head = b"".join(reads)
        return None

    async def reads(self) -> AsyncIterator[bytes]:
        """Yield the body, what `whole` has read before included.

        Raises:
            Refusal: it is too large, or broken; `fault` has it too, as an HTTP client hides it.
        """
        if self._head:
            yield self._head
            self._head = b""
        while data := await self._read():
            yield data

    async def _read(self) -> bytes:
        self.awaited = True
        try:
            data = await self._content.readany()
        except Exception as error:
            self.fault = Refusal(400, "The request's body could not be read.", "invalid_body")
            raise self.fault from error
        self.awaited = False
        self._size += len(data)
        if self._size > self._limit:
            self.fault = too_large(self._limit)
            raise self.fault
        if self.waiting is not None:
            self.waiting.reschedule(asyncio.get_running_loop().time() + self._idle)
        return data


class Unread:
    """A response of aiohttp's whose body is given again from its start, for `relay`."""

    def __init__(self, response: ClientResponse, head: bytes) -> None:
        self.status = response.status
        self.reason = response.reason
        self.headers: CIMultiDictProxy[str] = response.headers
        self.content = self
        self.total_compressed_bytes = getattr(response.content, "total_compressed_bytes", 0)
        self.close = response.close
        self._read = response.content.readany
        self._head = head

    async def readany(self) -> bytes:
        """Return the next read, b"" at the end."""
        head, self._head = self._head, b""
        return head or await self._read()


async def head_of(response: ClientResponse, limit: int, idle: float) -> tuple[bytes, bool]:
    """Return the first bytes of a body, a read more than `limit` at most, and whether they are all of it.

    Raises:
        TimeoutError: nothing came for `idle` seconds.
        ClientError: upstream failed.
    """
    reads: list[bytes] = []
    size = 0
    while size <= limit:
        async with asyncio.timeout(idle):
            data = await response.content.readany()
        if not data:
            return b"".join(reads), True
        reads.append(data)
        size += len(data)
    return b"".join(reads), False


class Counted(msgspec.Struct):
    """What a JSON answer tells for the metrics."""

    model: str | None
    usage: Usage | None


def counted(body: bytes) -> Counted | None:
    """Return model and usage of a JSON answer of any family; None where it is no object."""
    payload = object_of(body)
    if payload is None:
        return None
    # As the event of a stream that would bring the same.
    if payload.get("object") == "response":
        said = said_by({"type": "response.completed", "response": payload}, "responses")
    elif payload.get("type") == "message":
        said = said_by({"type": "message_start", "message": payload}, "messages")
        said.usage = said_by({"type": "message_delta", "usage": payload.get("usage")}, "messages").usage
    else:
        said = said_by(payload, "chat")
    return Counted(said.model, said.usage)


def renamed(body: bytes, model: str) -> bytes:
    """Return a JSON answer with another model's name, and not a byte beside it."""
    payload: dict[str, Any] | None = object_of(body)
    edits = None if payload is None else edits_of(body, payload, msgspec.json.encode(model), False)
    for start, end, instead in reversed(edits or []):
        body = body[:start] + instead + body[end:]
    return body
