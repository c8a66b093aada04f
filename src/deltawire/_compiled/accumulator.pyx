"""From bytes or chunks to the finished completion. Rules and contract: see the pure twin."""

cimport cython

from .chat cimport ChatReader
from .events cimport enter, not_pickled
from .folding cimport Folding, Record, choice_table, chunk_table
from .shortcut cimport ChoiceShortcut, Shortcut
from .stencil cimport Stencil, verifying
from .steps cimport Steps, draw

import msgspec

from ..chunks import ChatCompletionChunk
from ..coerce import coerce
from ..completion import ChatCompletion
from ..errors import LimitExceededError, UpstreamError
from ..limits import DEFAULT_LIMITS
from .stencil import check_same

_decode = msgspec.json.Decoder(ChatCompletion).decode


@cython.final
cdef class FoldingReader(ChatReader):
    """Folds the chunks of a stream, and gives nothing."""

    cdef Folding _folding
    cdef Steps _folded          # what the chunk before has said, if it is not to be said again
    cdef Folding _shadow        # of chunks alone, without shortcuts; only where each match is verified

    def reset(self):
        super().reset()
        self._folding = Folding(self._limits)
        self._folded = None
        self._shadow = Folding(self._limits) if verifying else None

    cdef int _give(self, chunk, list items) except -1:
        self._folded = None
        refusal = None
        try:
            self._folding.fold(chunk)
            if self._shadow is not None:
                self._shadow.fold(chunk)
        except RecursionError as error:  # a value nested almost too deep to be decoded
            refusal = error
        if refusal is not None:
            self._shadow = None
            raise self._no_chunk(self._reader.data[:self._reader.length], refusal) from refusal
        return 0

    cdef int _take_match(self, Stencil stencil, const char *data, Py_ssize_t length, list chunks) except -1:
        cdef list choices = self._stencils.choices(stencil)
        cdef ChoiceShortcut choice
        cdef Shortcut shortcut = stencil.shortcut
        cdef Steps steps
        cdef Record record
        if choices is None:
            return ChatReader._take_match(self, stencil, data, length, chunks)
        if shortcut.steps is None:
            shortcut.steps = draw(chunk_table(), shortcut.root)
            for choice in choices:
                choice.steps = draw(choice_table(), choice.node)
        self._stencils.earn()
        self._chunks += 1
        steps = <Steps>shortcut.steps
        if steps is not self._folded:
            steps.fold(self._folding.record, stencil.spans)
            self._folded = steps if steps.constant else None
        for choice in choices:
            record = self._folding.choices.choice(choice.index(stencil.spans))
            (<Steps>choice.steps).fold(record, stencil.spans)
        if self._shadow is not None:
            self._shadow.fold(self._stencils.verified(stencil, data, length))
        self._note_shortcuts(choices, stencil)
        return 0

    cdef int add(self, chunk) except -1:
        cdef Folding shadow
        enter(&self._busy, "add")
        try:
            if isinstance(self._error, LimitExceededError):
                raise self._error.with_traceback(None)
            if not isinstance(chunk, ChatCompletionChunk):
                raise TypeError(f"a ChatCompletionChunk is required, not {type(chunk).__name__}")
            if chunk.error:
                raise UpstreamError(chunk.error, chunk=chunk, event_index=self._events)
            self._end = None
            self._folded = None
            odd = None
            shadow = self._shadow
            self._shadow = None  # for good, where folding stops half-way
            try:
                self._folding.fold(chunk)
                if shadow is not None:
                    shadow.fold(chunk)
                    self._shadow = shadow
                self._note_choices(chunk)
            except LimitExceededError as error:
                self._error = error
                raise
            except AttributeError as error:
                odd = error
            if odd is not None:
                raise TypeError(f"a member of another kind: {odd}") from odd
        finally:
            self._busy = False
        return 0

    cdef object completion(self):
        enter(&self._busy, "completion")
        try:
            json = self._folding.json()
            # Where folding stopped half-way, the two have stopped at different places.
            if self._shadow is not None and not isinstance(self._error, LimitExceededError):
                check_same(msgspec.json.decode(json), msgspec.json.decode(self._shadow.json()))
        finally:
            self._busy = False
        completion = None
        try:
            completion = _decode(json)
        except msgspec.ValidationError:  # a chunk that was added had a member of another kind
            pass
        return coerce(json, ChatCompletion) if completion is None else completion


@cython.final
cdef class CompletionAccumulator:
    """Folds a stream, or its chunks, into the completion that it makes up.

    Text is appended, lists are extended, an object is replaced by the next; choices are
    told apart by index, tool calls by index and id; `rules` has it all. Nothing is made
    up: what never came is None, a `finish_reason` too.

    Args:
        limits: `max_event` as for `ChunkDecoder`; `max_message` and `max_items` bound
            what is held of the completion.

    Source: OpenAI API reference, "The chat completion object".
    """

    cdef object __weakref__
    cdef FoldingReader _decoder

    def __init__(self, *, limits=DEFAULT_LIMITS):
        if self._decoder is None:
            self._decoder = FoldingReader(limits=limits)
        else:  # a call may be under way in it
            self._decoder.__init__(limits=limits)

    cdef FoldingReader _reader(self):
        """Return what reads; made now where `__init__` was not called."""
        if self._decoder is None:
            self._decoder = FoldingReader()
        return self._decoder

    def __reduce__(self):
        raise not_pickled(self)

    def reset(self):
        """Forget everything read, as if newly made.

        Raises:
            ConcurrentFeedError: another call is under way.
        """
        self._reader().reset()

    @property
    def error(self):
        """The fault at which `feed` stopped; the next `feed` or `finish` raises it."""
        return self._reader().error

    @property
    def done(self):
        """Whether `[DONE]` was read."""
        return self._reader().done

    @property
    def stats(self):
        """What was read so far by `feed`."""
        return self._reader().stats

    def feed(self, data):
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
        self._reader().feed(data)

    def add(self, chunk):
        """Fold in a chunk that was decoded elsewhere; chunks and bytes may be mixed.

        Raises:
            UpstreamError: the chunk has an `error`; nothing of it is folded in.
            LimitExceededError: the completion is larger than the limits allow; every
                call raises it until `reset()`.
            TypeError: it is no `ChatCompletionChunk`, or holds what its members or JSON cannot.
            ConcurrentFeedError: another call is under way.
        """
        self._reader().add(chunk)

    def completion(self):
        """Return what has come so far, at any time: after an error and an early end too.

        It is made when asked for, in time and memory of its own size. Neither later
        calls nor earlier ones share anything with it.

        Raises:
            ConcurrentFeedError: another call is under way.
        """
        return self._reader().completion()

    def finish(self):
        """End the stream and say how it ended; a second call says the same.

        A last event that only lacks its blank line is folded in if its data is whole.

        Raises:
            ChunkDecodeError, UpstreamError: the fault of an earlier call; or one met now.
                Call again to go on.
            LimitExceededError: as `feed` does.
            ConcurrentFeedError: another call is under way.
        """
        return self._reader().finish()
