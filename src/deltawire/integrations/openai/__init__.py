"""openai's clients, their chat completion streams read by deltawire.

    from deltawire.integrations.openai import OpenAI

is the only line that changes. A stream gives the SDK's own `ChatCompletionChunk` objects,
equal in every part to those that the SDK would make, which still makes those that
deltawire has no rule for. All else about the clients is the SDK's.

For openai 2 (on httpx) and 3 (on httpx2). What the SDK reads wrongly is read right:
docs/openai.md lists the differences.
"""

from __future__ import annotations

from typing import Any, overload

import openai
from openai.types.chat import ChatCompletionChunk

from ...chunks import ChatCompletionChunk as Chunk
from ...streams import AsyncStream, Stream, aiter_chunks, iter_chunks
from .clients import AsyncAzureOpenAI, AsyncOpenAI, AzureOpenAI, OpenAI, accelerate

__all__ = ["AsyncAzureOpenAI", "AsyncOpenAI", "AzureOpenAI", "OpenAI", "accelerate", "chunks"]


@overload
def chunks(stream: openai.Stream[ChatCompletionChunk]) -> Stream[Chunk]: ...
@overload
def chunks(stream: openai.AsyncStream[ChatCompletionChunk]) -> AsyncStream[Chunk]: ...
def chunks(stream: Any) -> Any:
    """Iterate over deltawire's own chunks, msgspec Structs, of a stream that nothing was read of.

    Args:
        stream: what `client.chat.completions.create(stream=True)` gives, of any client.

    It raises what `iter_chunks` raises, and what the HTTP client raises; it closes the
    response at the end, on a fault and on `close()`.
    """
    if isinstance(stream, openai.AsyncStream):
        return aiter_chunks(stream)
    return iter_chunks(stream)
