"""Events to typed values with msgspec, read where they lie. Rules and contract: see the pure twin."""

cimport cython
from cpython.buffer cimport (
    PyBUF_FORMAT, PyBUF_ND, PyBUF_SIMPLE, PyBUF_STRIDES, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF
from libc.string cimport memcmp

from .events cimport ERROR_LINE, NOTHING, EventReader, Found, check_idle, enter, not_pickled
from .stencil cimport Stencil, stencils_for

from collections import deque
from functools import lru_cache

cdef extern from "Python.h":
    # With an exception pending where they give NULL: a try for each event costs more.
    PyObject *PyObject_CallOneArg(PyObject *callable, PyObject *argument) noexcept
    PyObject *PyBytes_FromStringAndSize(const char *start, Py_ssize_t length) noexcept

import msgspec

from ..coerce import error_body
from ..errors import ChunkDecodeError, DeltawireError, LimitExceededError, UpstreamError
from ..limits import DEFAULT_LIMITS, checked_limits
from ..records import DecoderStats, StreamEnd


cdef int reraise() except -1:
    """Raise the exception that is pending."""
    return -1


@lru_cache(maxsize=256)  # looking into a type takes as long as a thousand chunks
def holds_raw(type):
    """Tell whether what is decoded can hold a `msgspec.Raw`: a view that outlives the call."""
    infos = None
    try:
        infos = [msgspec.inspect.type_info(type)]
    except MemoryError:
        raise  # nothing about the type: an answer would be kept
    except Exception:
        pass
    if infos is None:
        return True  # a type that cannot be looked into: copy, to be sure
    seen = set()
    while infos:
        info = infos.pop()
        if isinstance(info, msgspec.inspect.RawType):
            return True
        if id(info) in seen:
            continue
        # One by one: of several in a tuple Cython (3.3) does not see the exception.
        if not isinstance(info, msgspec.inspect.Type) and not isinstance(info, msgspec.inspect.Field):
            continue
        seen.add(id(info))
        for name in info.__struct_fields__:
            inner = getattr(info, name)
            infos.extend(inner if isinstance(inner, tuple) else (inner,))
    return False


cdef char *_BYTES = b"B"


@cython.final
cdef class Window:
    """Shows msgspec the bytes of one event where they lie."""

    def __getbuffer__(self, Py_buffer *view, int flags):
        # By hand: PyBuffer_FillInfo would not release the None that is in `obj` now.
        if flags & PyBUF_WRITABLE:
            raise BufferError("the window is read-only")
        view.obj = self
        view.buf = <void *>self.start
        view.len = self.length
        view.readonly = 1
        view.itemsize = 1
        view.format = _BYTES if flags & PyBUF_FORMAT else NULL
        view.ndim = 1
        view.shape = &view.len if flags & PyBUF_ND else NULL
        view.strides = &view.itemsize if flags & PyBUF_STRIDES == PyBUF_STRIDES else NULL
        view.suboffsets = NULL
        view.internal = NULL
        self.exports += 1

    def __releasebuffer__(self, Py_buffer *view):
        self.exports -= 1


cdef class StreamDecoder:
    """Decodes the data of each event of a stream as a `type`.

    Args:
        type: any type that msgspec decodes, or a `msgspec.json.Decoder` with its hooks.
        limits: `max_event` bounds an event that is not dispatched yet, and the reads
            held behind a faulty event.
        done: the data that ends the stream, with or without white space around it;
            what follows is not decoded. None where the protocol has no such thing.

    Raises:
        TypeError: msgspec cannot decode to `type`, or `done` is neither bytes nor None.
    """

    _tolerant = False  # errors come in the stream, in each of their shapes, and events without data are skipped

    def __class_getitem__(cls, item):
        return cls  # for annotations that run

    def __init__(self, type, *, limits=DEFAULT_LIMITS, done=b"[DONE]"):
        decoder = type if isinstance(type, msgspec.json.Decoder) else msgspec.json.Decoder(type)
        if not (done is None or isinstance(done, bytes)):
            raise TypeError(f"done must be bytes or None, not {done.__class__.__name__}")
        checked_limits(limits)
        sentinel = bytes(done).strip(b" \t\r\n") if done is not None else None
        borrows = not holds_raw(decoder.type)
        window = Window()
        check_idle(self._busy, "__init__")
        self._decoder = decoder
        self._json = decoder.decode
        self._borrows = borrows
        self._window = window
        self._limits = limits
        self._sentinel = sentinel
        self._braced = done is not None and self._sentinel.startswith(b"{")
        self.reset()

    def __reduce__(self):
        raise not_pickled(self)

    def reset(self):
        """Forget everything read, as if newly made.

        Raises:
            ConcurrentFeedError: another call is under way.
        """
        check_idle(self._busy, "reset")
        self._tolerates = self._tolerant
        self._reader = EventReader(self._limits, error_lines=self._tolerates)
        # A sentinel that is an object could be taken for a payload.
        self._stencils = None if self._braced or not self._borrows else stencils_for(self._decoder)
        self._missed = NULL
        self._held = ()
        self._waiting = 0
        self._error = self._overflow = None
        self._done = False
        self._end = None
        self._bytes = self._events = self._chunks = self._coerced = 0
        self._finish_reasons = {}

    @property
    def error(self):
        """The fault at which `feed` stopped; the next `feed` or `finish` raises it. None where there is none."""
        return self._error

    @property
    def done(self):
        """Whether the sentinel was read; `feed` then takes nothing more."""
        return self._done

    @property
    def stats(self):
        """What was read so far."""
        stats = DecoderStats(bytes=self._bytes, events=self._events, chunks=self._chunks, coerced=self._coerced)
        if self._stencils is not None:
            return self._stencils.add_to(stats)
        return stats

    def feed(self, data):
        """Return what the events that `data` completes decode to, in order.

        `data` may end anywhere. A faulty event stops the call: what came before it is
        returned, `error` holds the fault, and the next call raises it and takes no data
        in. Reading then goes on behind that event. Nothing returned refers to `data`.

        Raises:
            ChunkDecodeError, UpstreamError: the fault of an earlier call.
            LimitExceededError: the same; every call raises it until `reset()`.
            TypeError, BufferError: `data` is not bytes-like, or not contiguous.
            ConcurrentFeedError: another call is under way.
        """
        cdef Py_buffer view
        cdef list chunks = []
        enter(&self._busy, "feed")
        try:
            self._raise_error()
            if PyBytes_CheckExact(data):
                self._read(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), data, chunks)
            else:
                PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
                try:
                    self._read(<const char *>view.buf, view.len, None, chunks)
                finally:
                    PyBuffer_Release(&view)
        finally:
            self._busy = False
        return chunks

    cdef int _read(self, const char *data, Py_ssize_t length, object owner, list chunks) except -1:
        """Take a read in, behind those held; `owner` is its bytes object, if it is one."""
        if self._done:
            return 0
        self._end = None
        if self._held:
            self._drain_held(chunks)
            if self._done:
                return 0
            if self._error is not None:
                if length and not isinstance(self._error, LimitExceededError):
                    self._bytes += length
                    self._held.append(owner or data[:length])  # behind the read in hand
                    self._wait(length)
                return 0
        self._bytes += length
        try:
            self._reader.begin(data, length)
            self._drain(chunks)
        except DeltawireError as error:
            self._error = error
            if not isinstance(error, LimitExceededError):
                self._keep_rest()
        except BaseException:  # an interruption, say: what comes behind is still to be read
            self._keep_rest()
            raise
        return 0

    cdef int _keep_rest(self) except -1:
        """Copy what is left of the read in hand, which the caller takes away."""
        try:
            self._held = deque((self._reader.hold(),))
        except BaseException:
            self._reader.drop()
            raise
        return 0

    cdef int _drain_held(self, list chunks) except -1:
        """Decode the reads held, in order, up to the first fault, which is left in `_error`."""
        try:
            while self._held:
                # The reader has the first one in hand, the others are still to begin.
                self._drain(chunks)
                if self._done:
                    self._held = ()
                    return 0
                self._held.popleft()
                if self._held:
                    rest = <bytes>self._held[0]
                    self._waiting -= len(rest)
                    self._reader.begin(PyBytes_AS_STRING(rest), PyBytes_GET_SIZE(rest))
        except DeltawireError as error:
            self._error = error
        return 0

    cdef int _wait(self, Py_ssize_t size) except -1:
        """Let a read wait behind a fault, which is raised first where the limit is exceeded now."""
        self._waiting += size
        allowed = self._limits.max_event
        if 0 < allowed < self._waiting:
            self._overflow = LimitExceededError(
                f"{self._waiting} bytes waiting behind a faulty event, at most {allowed} allowed",
                measured=self._waiting, allowed=allowed,
            )
        return 0

    cdef int _drain(self, list chunks) except -1:
        """Decode what the reader has in hand."""
        cdef Found found
        while True:
            if self._stencils is not None:
                self._take_ahead(chunks)
            found = self._reader.next()
            if found == NOTHING:
                return 0
            self._take(found, chunks)
            if self._done:
                return 0

    cdef int _take_ahead(self, list chunks) except -1:
        """Take the events that a stencil matches in the read, whose lines are then not searched for."""
        cdef EventReader reader = self._reader
        cdef Stencil stencil
        cdef const char *start
        cdef const char *stop
        while True:
            start = reader.data_ahead()
            if start is NULL:
                return 0
            stencil = self._stencils.match(start, reader._end, &stop)
            if stencil is None:
                self._missed = start
                return 0
            if not reader.take_ahead(stop):
                return 0
            self._events += 1
            self._take_match(stencil, start, stop - start, chunks)

    cdef int _take(self, Found found, list chunks) except -1:
        cdef EventReader reader = self._reader
        cdef const char *start = reader.data
        cdef const char *end = start + reader.length
        if found == ERROR_LINE:
            raise UpstreamError(error_body(start[:reader.length]), event_index=self._events)
        self._events += 1
        # Nearly every payload is an object, and no sentinel is.
        if self._sentinel is not None and (reader.length == 0 or start[0] != c"{" or self._braced):
            while start < end and is_space(start[0]):
                start += 1
            while start < end and is_space((end - 1)[0]):
                end -= 1
            if end - start == PyBytes_GET_SIZE(self._sentinel):
                if memcmp(start, PyBytes_AS_STRING(self._sentinel), end - start) == 0:
                    self._done = True
                    return 0
        if self._tolerates:
            if reader.is_error:
                raise UpstreamError(error_body(reader.data[:reader.length]), event_index=self._events - 1)
            if start == end:
                return 0
        return self._decode(chunks)

    cdef bint _matches(self, list chunks) except -1:
        """Take the event that was found, if a stencil matches it."""
        cdef EventReader reader = self._reader
        cdef Stencil stencil
        cdef const char *end = reader.data + reader.length
        cdef const char *stop
        if reader.data == self._missed:
            self._missed = NULL
            return False
        stencil = self._stencils.match(reader.data, end, &stop)
        if stencil is None or stop != end:
            return False
        self._take_match(stencil, reader.data, reader.length, chunks)
        return True

    cdef int _take_match(self, Stencil stencil, const char *data, Py_ssize_t length, list chunks) except -1:
        """Hand out the value of a payload that a stencil has matched."""
        chunks.append(self._stencils.build(stencil, data, length))
        self._chunks += 1
        return 0

    cdef int _decode(self, list chunks) except -1:
        cdef EventReader reader = self._reader
        cdef PyObject *decoded
        if self._stencils is not None and self._matches(chunks):
            return 0
        decoded = self._typed()
        if decoded is NULL:
            try:
                reraise()
            except (DeltawireError, MemoryError):
                raise
            except Exception as error:  # msgspec's own, and whatever a user's hook raises
                refusal = error
            return self._take_refused(refusal, chunks)
        value = <object>decoded
        Py_DECREF(value)
        if self._stencils is not None:
            self._stencils.learn(reader.data, reader.length, value)
        return self._take_value(value, reader.data, reader.length, chunks)

    cdef int _take_refused(self, refusal, list chunks) except -1:
        """Hand out what can be made of data that msgspec refuses, or raise."""
        raise self._no_chunk(self._reader.data[:self._reader.length], refusal) from refusal

    cdef int _take_value(self, value, const char *data, Py_ssize_t length, list chunks) except -1:
        """Hand out what the payload at `data` was decoded to."""
        chunks.append(value)
        self._chunks += 1
        return 0

    cdef PyObject *_typed(self) noexcept:
        """Return what msgspec makes of the event, owned; NULL, the exception pending, where it refuses."""
        cdef EventReader reader = self._reader
        cdef PyObject *copy
        cdef PyObject *value
        if self._borrows and self._window.exports == 0:
            self._window.start = reader.data
            self._window.length = reader.length
            return PyObject_CallOneArg(<PyObject *>self._json, <PyObject *>self._window)
        copy = PyBytes_FromStringAndSize(reader.data, reader.length)
        if copy is NULL:
            return NULL
        value = PyObject_CallOneArg(<PyObject *>self._json, copy)
        Py_DECREF(<object>copy)
        return value

    cdef object _no_chunk(self, bytes data, reason):
        # A handler is given a MemoryError in place of what it catches where there is no memory to note its line.
        if isinstance(reason, MemoryError):
            raise reason
        index = self._events - 1
        return ChunkDecodeError(f"event {index}: {reason}", payload=data, event_index=index)

    def finish(self):
        """End the stream and say how it ended; a second call says the same.

        A last event that only lacks its blank line is read if its data is whole. What
        this call decodes itself is in `StreamEnd.chunks`.

        Raises:
            ChunkDecodeError, UpstreamError: the fault of an earlier call; or one met now,
                with what came before it in this call in its `chunks`. Call again to go on.
            LimitExceededError: as `feed` does.
            ConcurrentFeedError: another call is under way.
        """
        cdef list chunks = []
        enter(&self._busy, "finish")
        try:
            self._raise_error()
            if self._end is not None:
                return self._end
            self._drain_held(chunks)
            if self._error is None:
                self._end = self._read_rest(chunks)
            if self._error is not None:
                self._error.chunks = chunks
                self._raise_error()
            self._end.chunks = chunks
            return self._end
        finally:
            self._busy = False

    cdef object _read_rest(self, list chunks):
        """Read a last event that lacks its blank line, if it is whole, and say how the stream ended."""
        cdef Found found
        end = StreamEnd()
        try:
            if not self._done:
                found = self._reader.finish_line()
                if found != NOTHING:
                    self._take(found, chunks)
                    end.unterminated = True
                found = self._reader.finish_block()
                if found != NOTHING:
                    self._take(found, chunks)
                    end.unterminated = True
        except ChunkDecodeError:
            self._events -= 1  # not whole: no event
        except DeltawireError as error:
            end.unterminated = True
            self._error = error
        finally:  # after an interruption too: what it has hit is not looked at again
            discarded = self._reader.finish()
        if not (self._done or end.unterminated):
            end.discarded = discarded
        reasons = self._finish_reasons
        end.finish_reasons = dict(reasons)
        end.done = self._done
        end.complete = self._done or (len(reasons) > 0 and None not in reasons.values())
        return end

    cdef int _raise_error(self) except -1:
        if self._reader is None:
            raise RuntimeError(f"{type(self).__name__}.__init__() was not called")
        if self._error is not None:
            error = self._error
            if not isinstance(error, LimitExceededError):
                self._error = self._overflow
            # Without the calls that raised it before: it would grow, and hold the read of each.
            raise error.with_traceback(None)
        return 0
