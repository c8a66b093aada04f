"""Events to chat completion chunks, or to what they say, in plain Python.

What chat completion streams need beyond `StreamDecoder`: tolerance, the three shapes of
an error, and the finish reasons.
"""

from __future__ import annotations

from typing import Any, TypeVar, final, overload

from ..chunks import MOST_OF_REASON, ChatCompletionChunk, index_of, text_of
from ..coerce import NotAChunk, coerce
from ..errors import LimitExceededError, UpstreamError
from ..limits import DEFAULT_LIMITS, Limits
from .decoder import StreamDecoder

T = TypeVar("T")
ChunkT = TypeVar("ChunkT", bound=ChatCompletionChunk)

# `type` is an argument's name below.
_Class = type

# What is sent for no reason at all.
_NO_REASON = (None, "", "null")


class ChatReader(StreamDecoder[T]):
    """Reads a chat completion stream; what comes of its chunks is for the classes below it."""

    _tolerant = True

    def __init__(self, type: type[Any] = ChatCompletionChunk, *, limits: Limits = DEFAULT_LIMITS) -> None:
        if not (isinstance(type, _Class) and issubclass(type, ChatCompletionChunk)):
            raise TypeError(f"a subclass of ChatCompletionChunk is required, not {type!r}")
        super().__init__(type, limits=limits)
        self._type: Any = type

    def _take_value(self, value: Any, data: bytes, chunks: list[T]) -> None:
        if value.error:
            raise UpstreamError(value.error, chunk=value, event_index=self._events - 1)
        self._chunks += 1
        self._give(value, data, chunks)
        self._note_choices(value)

    def _give(self, chunk: Any, data: bytes, items: list[T]) -> None:
        """Put what is to be given for `chunk`, which `data` was decoded to, behind the other `items`."""

    def _note_choices(self, chunk: ChatCompletionChunk) -> None:
        """Keep each choice's finish reason."""
        for position, choice in enumerate(chunk.choices):
            index = index_of(choice.index, position)
            if index not in self._finish_reasons:
                self._note_choice(index)
            reason = choice.finish_reason
            if reason not in _NO_REASON:
                self._finish_reasons[index] = reason[:MOST_OF_REASON] if isinstance(reason, str) else reason

    def _note_choice(self, index: int) -> None:
        count = len(self._finish_reasons) + 1
        allowed = self._limits.max_items
        if 0 < allowed < count:
            raise LimitExceededError(f"{count} choices, at most {allowed} allowed", measured=count, allowed=allowed)
        self._finish_reasons[index] = None

    def _take_refused(self, data: bytes, refusal: Exception, chunks: list[T]) -> None:
        """Take the chunk, brought to the type; nothing of `null`."""
        try:
            chunk = coerce(data, self._type)
        except NotAChunk as reason:
            raise self._no_chunk(data, reason) from reason
        if chunk is not None:
            self._coerced += 1
            self._take_value(chunk, data, chunks)


@final
class ChunkDecoder(ChatReader[ChunkT]):
    """Decodes a chat completion stream of OpenAI's interface, as it is really sent.

    An event that does not fit the type is read leniently and brought to it (counted in
    `stats.coerced`); what is no JSON object is a `ChunkDecodeError`. Empty data and
    `null` are skipped. An error in the stream is an `UpstreamError`, in each of its
    shapes: an event of type "error", a chunk with an `error`, a line `error: {…}`.

    Args:
        type: `ChatCompletionChunk`, or a subclass with the members that a provider adds.
        limits: as for `StreamDecoder`; `max_items` bounds the choices whose finish reasons are kept.

    Raises:
        TypeError: `type` is no subclass of `ChatCompletionChunk`.

    Source: OpenAI API reference, "The chat completion chunk object".
    """

    @overload
    def __init__(self: ChunkDecoder[ChatCompletionChunk], *, limits: Limits = DEFAULT_LIMITS) -> None: ...
    @overload
    def __init__(self, type: type[ChunkT], *, limits: Limits = DEFAULT_LIMITS) -> None: ...
    def __init__(self, type: type[Any] = ChatCompletionChunk, *, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__(type, limits=limits)

    def _give(self, chunk: Any, data: bytes, items: list[ChunkT]) -> None:
        items.append(chunk)


@final
class TextDecoder(ChatReader[str]):
    """Decodes only the text of a chat completion stream: what choice 0 says, piece by piece.

    `feed` gives the content deltas of choice 0 that are not empty; of a content in parts,
    the text of its text parts. Tolerance and faults are those of `ChunkDecoder`.

    Args:
        limits: as for `StreamDecoder`.
    """

    def __init__(self, *, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__(limits=limits)

    def _give(self, chunk: Any, data: bytes, items: list[str]) -> None:
        for position, choice in enumerate(chunk.choices):
            index = index_of(choice.index, position)
            if index == 0 and choice.delta and (text := text_of(choice.delta.content)):
                items.append(text)
