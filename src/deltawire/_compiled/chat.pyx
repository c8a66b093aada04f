"""Events to chat completion chunks, or to what they say. Rules and contract: see the pure twin."""

cimport cython
from cpython.object cimport PyObject, PyObject_IsTrue, Py_TYPE, PyTypeObject

from .decoder cimport StreamDecoder
from .events cimport EventReader
from .shortcut cimport ChoiceShortcut
from .stencil cimport Stencil, verifying
from .structs cimport index_of, member, offset_of

from ..chunks import MOST_OF_REASON, ChatCompletionChunk, text_of
from ..coerce import NotAChunk, coerce
from ..errors import LimitExceededError, UpstreamError
from ..limits import DEFAULT_LIMITS
from .stencil import check_same

cdef Py_ssize_t most_of_reason = MOST_OF_REASON

# `type` is an argument's name below.
_Class = type


cdef class ChatReader(StreamDecoder):
    """Reads a chat completion stream; what comes of its chunks is for the classes below it."""

    _tolerant = True

    def __init__(self, type=ChatCompletionChunk, *, limits=DEFAULT_LIMITS):
        if not (isinstance(type, _Class) and issubclass(type, ChatCompletionChunk)):
            raise TypeError(f"a subclass of ChatCompletionChunk is required, not {type!r}")
        choices_offset, error_offset = offset_of(type, "choices"), offset_of(type, "error")
        super().__init__(type, limits=limits)
        self._type = type
        self._choices_offset = choices_offset
        self._error_offset = error_offset

    def reset(self):
        """Forget everything read, as if newly made.

        Raises:
            ConcurrentFeedError: another call is under way.
        """
        super().reset()
        self._open_index = ...

    cdef int _take_match(self, Stencil stencil, const char *data, Py_ssize_t length, list chunks) except -1:
        cdef list choices = self._stencils.choices(stencil)
        chunk = self._stencils.build(stencil, data, length)
        if choices is None:
            return self._take_value(chunk, data, length, chunks)
        self._chunks += 1
        self._give(chunk, chunks)
        return self._note_shortcuts(choices, stencil)

    cdef int _take_value(self, value, const char *data, Py_ssize_t length, list chunks) except -1:
        """Count a chunk and give it, or raise the error that it bears."""
        cdef PyObject *fault = member(value, self._error_offset)
        if fault is not <PyObject *>None and PyObject_IsTrue(<object>fault):
            raise UpstreamError(<object>fault, chunk=value, event_index=self._events - 1)
        self._chunks += 1
        self._give(value, chunks)
        return self._note_choices(value)

    cdef int _give(self, chunk, list items) except -1:
        """Put what is to be given for `chunk` behind the other `items`."""
        raise NotImplementedError

    cdef int _take_refused(self, refusal, list chunks) except -1:
        """Take the chunk, brought to the type; nothing of `null`."""
        cdef EventReader reader = self._reader
        reason = None
        try:
            chunk = coerce(reader.data[:reader.length], self._type)
        except NotAChunk as error:
            reason = error
        if reason is not None:
            raise self._no_chunk(reader.data[:reader.length], reason) from reason
        if chunk is None:
            return 0
        self._coerced += 1
        return self._take_value(chunk, reader.data, reader.length, chunks)

    cdef int _note_choices(self, chunk) except -1:
        """Keep each choice's finish reason."""
        cdef object choices = <object>member(chunk, self._choices_offset)
        cdef PyObject *index
        cdef PyObject *reason
        cdef Py_ssize_t position = -1
        # The loop owns what it looks at: a caller's own index may run code when it is hashed.
        for choice in choices:
            position += 1
            if Py_TYPE(choice) is not <PyTypeObject *><PyObject *>self._choice_type:
                self._learn_choice(choice)
            index = member(choice, self._index_offset)
            reason = member(choice, self._reason_offset)
            # All but the last chunk of a choice have nothing new to say.
            if reason is not <PyObject *>None or index is not <PyObject *>self._open_index:
                self._note(index_of(<object>index, position), <object>reason)
        return 0

    cdef int _learn_choice(self, choice) except -1:
        self._index_offset = offset_of(type(choice), "index")
        self._reason_offset = offset_of(type(choice), "finish_reason")
        self._choice_type = type(choice)
        return 0

    cdef int _note_shortcuts(self, list choices, Stencil stencil) except -1:
        cdef ChoiceShortcut choice
        for choice in choices:
            index = choice.index(stencil.spans)
            if choice.reason is not None or index is not self._open_index:
                self._note(index, choice.reason)
        return 0

    cdef int _note(self, index, reason) except -1:
        if index not in self._finish_reasons:
            count = len(self._finish_reasons) + 1
            allowed = self._limits.max_items
            if 0 < allowed < count:
                raise LimitExceededError(f"{count} choices, at most {allowed} allowed", measured=count, allowed=allowed)
            self._finish_reasons[index] = None
        if reason is None or reason == "" or reason == "null":
            if self._finish_reasons[index] is None:
                self._open_index = index
        else:
            if isinstance(reason, str) and len(reason) > most_of_reason:
                reason = reason[:most_of_reason]
            self._finish_reasons[index] = reason
            self._open_index = ...
        return 0


@cython.final
cdef class ChunkDecoder(ChatReader):
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

    cdef int _give(self, chunk, list items) except -1:
        items.append(chunk)
        return 0


@cython.final
cdef class TextDecoder(ChatReader):
    """Decodes only the text of a chat completion stream: what choice 0 says, piece by piece.

    `feed` gives the content deltas of choice 0 that are not empty; of a content in parts,
    the text of its text parts. Tolerance and faults are those of `ChunkDecoder`.

    Args:
        limits: as for `StreamDecoder`.
    """

    def __init__(self, *, limits=DEFAULT_LIMITS):
        super().__init__(limits=limits)

    cdef int _give(self, chunk, list items) except -1:
        for position, choice in enumerate(chunk.choices):
            index = index_of(choice.index, position)
            if index == 0 and choice.delta:
                text = text_of(choice.delta.content)
                if text:
                    items.append(text)
        return 0

    cdef int _take_match(self, Stencil stencil, const char *data, Py_ssize_t length, list chunks) except -1:
        cdef list choices = self._stencils.choices(stencil)
        cdef ChoiceShortcut choice
        if choices is None:
            return ChatReader._take_match(self, stencil, data, length, chunks)
        self._chunks += 1
        self._stencils.earn()
        for choice in choices:
            if choice.index(stencil.spans) == 0:
                piece = choice.text(stencil.spans)
                if piece:
                    chunks.append(piece)
        self._note_shortcuts(choices, stencil)
        if verifying:
            given = []
            self._give(self._stencils.verified(stencil, data, length), given)
            check_same(chunks[len(chunks) - len(given):], given)
        return 0
