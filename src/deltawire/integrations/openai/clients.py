"""The SDK's clients, whose chat completion streams deltawire reads."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any, TypeVar

import openai
import pydantic
from openai.types.chat import ChatCompletionChunk

from .models import SAMPLE, same
from .streams import AsyncChunkStream, ChunkStream

ClientT = TypeVar("ClientT", bound=openai.OpenAI | openai.AsyncOpenAI)

_STREAMS: dict[Any, Any] = {
    openai.Stream[ChatCompletionChunk]: ChunkStream,
    openai.AsyncStream[ChatCompletionChunk]: AsyncChunkStream,
}

# By class of client: whether deltawire makes of the sample what the SDK does.
_agreed: dict[type, bool] = {}


class _Recorded:
    """A response with the sample in it."""

    request = None
    http_version = "HTTP/1.1"

    def iter_bytes(self) -> Iterator[bytes]:
        """Return the sample as one read."""
        return iter((SAMPLE,))

    def close(self) -> None:
        """Do nothing."""


def _agrees(client: Any) -> bool:
    """Tell whether deltawire and the SDK make the same of the sample, looked at once; else warn."""
    kind = type(client)
    if kind not in _agreed:
        difference = "other chunks come of it"
        try:
            arguments: dict[str, Any] = {"cast_to": ChatCompletionChunk, "response": _Recorded(), "client": client}
            _agreed[kind] = same(list(ChunkStream(**arguments)), list(openai.Stream(**arguments)))
        except Exception as error:  # noqa: BLE001 (whatever another version of the SDK brings)
            difference = repr(error)
            _agreed[kind] = False
        if not _agreed[kind]:
            versions = f"openai {openai.__version__} with pydantic {pydantic.VERSION}"
            warnings.warn(f"streams are left to {versions}: {difference}", RuntimeWarning, stacklevel=3)
    return _agreed[kind]


def _stream_class(client: Any, stream_cls: Any, options: Any) -> Any:
    """Return the class of stream to use where the SDK would use `stream_cls`."""
    ours = _STREAMS.get(stream_cls)
    if (
        ours is None
        or getattr(client, "_strict_response_validation", False)
        or getattr(options, "stream_mode", "legacy") != "legacy"
    ):
        return stream_cls
    return ours if _agrees(client) else stream_cls


def _accelerated(kind: type[ClientT]) -> type[ClientT]:
    """Have the streams of a class of clients read by deltawire."""

    def request(self: Any, cast_to: Any, options: Any, *, stream: bool = False, stream_cls: Any = None) -> Any:
        # Of either kind: that of an async client returns what is to be awaited.
        stream_cls = _stream_class(self, stream_cls, options)
        return super(kind, self).request(cast_to, options, stream=stream, stream_cls=stream_cls)

    kind.request = request  # type: ignore[method-assign]
    return kind


@_accelerated
class OpenAI(openai.OpenAI):
    """`openai.OpenAI`, its chat completion streams read by deltawire.

    Arguments, methods and errors are those of `openai.OpenAI`.
    """


@_accelerated
class AsyncOpenAI(openai.AsyncOpenAI):
    """`openai.AsyncOpenAI`, its chat completion streams read by deltawire.

    Arguments, methods and errors are those of `openai.AsyncOpenAI`.
    """


@_accelerated
class AzureOpenAI(openai.AzureOpenAI):
    """`openai.AzureOpenAI`, its chat completion streams read by deltawire.

    Arguments, methods and errors are those of `openai.AzureOpenAI`.
    """


@_accelerated
class AsyncAzureOpenAI(openai.AsyncAzureOpenAI):
    """`openai.AsyncAzureOpenAI`, its chat completion streams read by deltawire.

    Arguments, methods and errors are those of `openai.AsyncAzureOpenAI`.
    """


@cache
def _subclass(kind: Any) -> Any:
    return _accelerated(type(kind.__name__, (kind,), {"__module__": kind.__module__, "__doc__": kind.__doc__}))


def accelerate(client: ClientT) -> ClientT:
    """Return a copy of a client, of any class, whose chat completion streams deltawire reads.

    It shares the connection pool with `client`, which stays as it is.

    Args:
        client: an `openai.OpenAI` or `openai.AsyncOpenAI`, or one of a subclass.
    """
    made: Any = client.with_options()
    made.__class__ = _subclass(made.__class__)
    return made  # type: ignore[no-any-return]
