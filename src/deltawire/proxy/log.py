"""The access log: a line of JSON for each request; no header of it, no query, no body."""

import contextlib
import json
import logging
from datetime import UTC, datetime
from time import monotonic_ns
from typing import BinaryIO

import msgspec
from aiohttp.http_exceptions import HttpProcessingError

from .. import StreamReport
from ..chunks import Usage


class Entry(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One line; times are in ms, and what does not apply is left out.

    Attributes:
        client: its address.
        status: 499 where the client left before there was one.
        ending: of a stream: its report's status, or "client_left".
        output_tokens: of a stream; without usage they are chunks.
        refused: the code of the proxy's own error.
    """

    time: str = ""
    client: str | None = None
    method: str
    path: str
    status: int
    refused: str | None = None
    model: str | None = None
    family: str | None = None
    ending: str | None = None
    id: str | None = None
    finish_reasons: dict[int, str | None] | None = None
    usage: Usage | None = None
    output_tokens: int | None = None
    events: int | None = None
    bytes: int | None = None
    first_byte_ms: float | None = None
    first_token_ms: float | None = None
    max_gap_ms: float | None = None
    duration_ms: float | None = None

    def take(self, report: StreamReport, ending: str) -> None:
        """Take over what a stream was."""
        self.model, self.family, self.id = report.model, report.family, report.id
        self.ending = ending
        self.finish_reasons = report.finish_reasons
        self.usage = report.usage
        self.output_tokens = report.output_tokens
        self.events, self.bytes = report.events, report.bytes
        self.first_byte_ms = _ms(report.time_to_first_byte)
        self.first_token_ms = _ms(report.time_to_first_token)
        self.max_gap_ms = _ms(report.max_gap)


class Log:
    """Writes entries to a file, which may be None."""

    def __init__(self, file: BinaryIO | None) -> None:
        self._file = file

    def write(self, entry: Entry, started: int) -> None:
        """Write the line of a request that began at `started`, in ns of the monotonic clock."""
        if self._file is None:
            return
        entry.time = datetime.now(UTC).isoformat(timespec="milliseconds")
        entry.duration_ms = _ms(monotonic_ns() - started)
        try:
            line = msgspec.json.encode(entry)
        except (UnicodeEncodeError, OverflowError):  # an upstream's lone surrogates, or endless numbers
            line = json.dumps(msgspec.to_builtins(entry)).encode()
        with contextlib.suppress(OSError):  # who reads the log may have gone; clients have not
            self._file.write(line + b"\n")
            self._file.flush()


def _ms(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else round(nanoseconds / 1e6, 3)


class _Malformed(logging.Filter):
    """Takes out what aiohttp would quote of a request that it cannot read: a key may be in it."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if isinstance(error, HttpProcessingError):
            record.msg, record.exc_info, record.exc_text = "malformed request from %s", None, None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


http_logger = logging.getLogger("deltawire.proxy")
http_logger.addFilter(_Malformed())
