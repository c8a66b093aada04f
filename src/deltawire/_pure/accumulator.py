"""From bytes or chunks to the finished completion, in plain Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Never, final

import msgspec

from ..chunks import ChatCompletionChunk
from ..coerce import coerce
from ..completion import ChatCompletion
from ..errors import DeltawireError, LimitExceededError, UpstreamError
from ..limits import DEFAULT_LIMITS, Limits
from ..records import DecoderStats, StreamEnd
from .chat import ChatReader
from .folding import Folding

if TYPE_CHECKING:
    from typing_extensions import Buffer

_decode = msgspec.json.Decoder(ChatCompletion).decode


class _FoldingReader(ChatReader[Never]):
    """Folds the chunks of a stream, and gives nothing."""

    def reset(self) -> None:
        super().reset()
        self._folding = Folding(self._limits)

    def _give(self, chunk: ChatCompletionChunk, data: bytes, items: list[Never]) -> None:
        try:
            self._folding.fold(chunk)
        except RecursionError as refusal:  # a value nested almost too deep to be decoded
            raise self._no_chunk(data, refusal) from refusal

    def add(self, chunk: ChatCompletionChunk) -> None:
        self._enter("add")
        try:
            if isinstance(self._error, LimitExceededError):
                raise self._error.with_traceback(None)
            if not isinstance(chunk, ChatCompletionChunk):
                raise TypeError(f"a ChatCompletionChunk is required, not {type(chunk).__name__}")
            if chunk.error:
                raise UpstreamError(chunk.error, chunk=chunk, event_index=self._events)
            self._end = None
            try:
                self._folding.fold(chunk)
                self._note_choices(chunk)
            except LimitExceededError as error:
                self._error = error
                raise
            except AttributeError as odd:
                raise TypeError(f"a member of another kind: {odd}") from odd
        finally:
            self._busy = False

    def completion(self) -> ChatCompletion:
        self._enter("completion")
        try:
            json = self._folding.json()
        finally:
            self._busy = False
        try:
            return _decode(json)
        except msgspec.ValidationError:  # a chunk that was added had a member of another kind
            completion = coerce(json, ChatCompletion)
            assert completion is not None
            return completion


@final
class CompletionAccumulator:
    """Folds a stream, or its chunks, into the completion that it makes up.

    Text is appended, lists are extended, an object is replaced by the next; choices are
    told apart by index, tool calls by index and id; `rules` has it all. Nothing is made
    up: what never came is None, a `finish_reason` too.

    Args:
        limits: `max_event` as for `ChunkDecoder`; `max_message` and `max_items` bound
            what is held of the completion.

    Source: OpenAI API reference, "The chat completion object".
    """

    _decoder: _FoldingReader

    def __init__(self, *, limits: Limits = DEFAULT_LIMITS) -> None:
        if hasattr(self, "_decoder"):  # a call may be under way in it
            self._decoder.__init__(limits=limits)  # type: ignore[misc]
        else:
            self._decoder = _FoldingReader(limits=limits)

    def __reduce__(self) -> Never:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object: it may be in the middle of a stream")

    def reset(self) -> None:
        """Forget everything read, as if newly made.

        Raises:
            ConcurrentFeedError: another call is under way.
        """
        self._decoder.reset()

    @property
    def error(self) -> DeltawireError | None:
        """The fault at which `feed` stopped; the next `feed` or `finish` raises it."""
        return self._decoder.error

    @property
    def done(self) -> bool:
        """Whether `[DONE]` was read."""
        return self._decoder.done

    @property
    def stats(self) -> DecoderStats:
        """What was read so far by `feed`."""
        return self._decoder.stats

    def feed(self, data: Buffer) -> None:
        """Fold in the chunks that `data` completes.

        `data` may end anywhere. A faulty event stops the call: what came before it is
        kept, `error` holds the fault, and the next call raises it and takes no data in.
        Reading then goes on behind that event.

        Raises:
            ChunkDecodeError, UpstreamError: the fault of an earlier call.
            LimitExceededError: the same; every call raises it until `reset()`.
            TypeError, BufferError: `data` is not bytes-like, or not contiguous.
            ConcurrentFeedError: another call is under way.
        """
        self._decoder.feed(data)

    def add(self, chunk: ChatCompletionChunk) -> None:
        """Fold in a chunk that was decoded elsewhere; chunks and bytes may be mixed.

        Raises:
            UpstreamError: the chunk has an `error`; nothing of it is folded in.
            LimitExceededError: the completion is larger than the limits allow; every
                call raises it until `reset()`.
            TypeError: it is no `ChatCompletionChunk`, or holds what its members or JSON cannot.
            ConcurrentFeedError: another call is under way.
        """
        self._decoder.add(chunk)

    def completion(self) -> ChatCompletion:
        """Return what has come so far, at any time: after an error and an early end too.

        It is made when asked for, in time and memory of its own size. Neither later
        calls nor earlier ones share anything with it.

        Raises:
            ConcurrentFeedError: another call is under way.
        """
        return self._decoder.completion()

    def finish(self) -> StreamEnd:
        """End the stream and say how it ended; a second call says the same.

        A last event that only lacks its blank line is folded in if its data is whole.

        Raises:
            ChunkDecodeError, UpstreamError: the fault of an earlier call; or one met now.
                Call again to go on.
            LimitExceededError: as `feed` does.
            ConcurrentFeedError: another call is under way.
        """
        return self._decoder.finish()
