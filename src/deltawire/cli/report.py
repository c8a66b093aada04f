"""What a stream held, gathered while it is read and shown as a table or as JSON."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .. import BACKEND
from ..chunks import Usage
from ..completion import ChatCompletion
from ..records import DecoderStats, StreamEnd

# A stream's text may hold escape sequences that a terminal would obey; \n and \t are
# harmless. The form suits JSON too, whose own escapes leave DEL and C1 alone.
_CONTROLS = {code: f"\\u{code:04x}" for code in (*range(32), *range(127, 160)) if code not in (9, 10)}

_NOT_BUILT = """\
pure backend
The compiled core is not installed, so decoding is slower, and splitting a stream into its
events several times slower. With a C compiler and Python's headers installed, build it in
a clone of deltawire (the variable makes a failed build an error that pip shows):
    DELTAWIRE_REQUIRE_COMPILED=1 pip install --force-reinstall --no-deps ."""


def compiled_exists() -> bool:
    """Tell whether the compiled twin was built, chosen or not."""
    return find_spec("deltawire._compiled.decoder") is not None


def backend_note() -> str:
    """Name the backend and, where it is the slow one, say why and what to do about it."""
    if BACKEND == "compiled":
        return "compiled backend"
    if compiled_exists():
        return "pure backend (DELTAWIRE_PURE is set; the compiled one is built, and faster)"
    return _NOT_BUILT


def printable(text: str) -> str:
    """Return `text` with its control characters, line feed and tab apart, written as escapes."""
    return text.translate(_CONTROLS)


def write(text: str) -> None:
    """Write a stream's text to standard output at once, made safe if that is a terminal."""
    sys.stdout.write(printable(text) if sys.stdout.isatty() else text)
    sys.stdout.flush()


def json_text(value: Any, *, indent: int = 0) -> str:
    """Return `value` as JSON that is safe on a terminal."""
    encoded = msgspec.json.encode(value)
    return printable((msgspec.json.format(encoded, indent=indent) if indent else encoded).decode())


class Fault(NamedTuple):
    """Why reading stopped: `event` counts from 1, None where no event is to blame."""

    event: int | None
    type: str
    message: str

    def __str__(self) -> str:
        return printable(self.message if self.event is None else f"event {self.event}: {self.message}")


@dataclass
class Summary:
    """What one stream held.

    Attributes:
        completion: what has come of it; None where it was not accumulated.
        seconds: time spent on decoding and accumulating, 0 where it was not measured.
        first_chunk: seconds from the request to the first chunk, where there was a request.
        end: how it ended, None if a fault came first.
    """

    stats: DecoderStats = field(default_factory=DecoderStats)
    completion: ChatCompletion | None = None
    seconds: float = 0.0
    first_chunk: float | None = None
    end: StreamEnd | None = None
    fault: Fault | None = None

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield the table's rows: what, and its value."""
        stats = self.stats
        yield "backend", BACKEND
        completion = self.completion
        if completion and completion.model:
            yield "model", completion.model
        yield "events", f"{stats.events:,}"
        yield "chunks", f"{stats.chunks:,}" + (f" ({stats.coerced:,} coerced)" if stats.coerced else "")
        yield "bytes", f"{stats.bytes:,}"
        if self.first_chunk is not None:
            yield "time to first chunk", f"{self.first_chunk * 1e3:.1f} ms"
        if completion:
            yield "finish reason", _finish_reasons(completion)
            yield "usage", _tokens(completion.usage)
        yield "complete", self.completeness()
        if stats.chunks and self.seconds:
            yield "time of the core", f"{self.seconds / stats.chunks * 1e6:.2f} µs a chunk"

    def completeness(self) -> str:
        """Say whether the stream came whole, and what was odd about its end."""
        if self.end is None:
            return "no: reading stopped at an error"
        notes = [] if self.end.done else ["no [DONE]"]
        if self.end.unterminated:
            notes.append("the last event lacks its blank line")
        if self.end.discarded:
            notes.append(f"{self.end.discarded:,} bytes of an unfinished event not read")
        return ("yes" if self.end.complete else "no") + (f" ({', '.join(notes)})" if notes else "")


def _finish_reasons(completion: ChatCompletion) -> str:
    reasons = [(choice.index, choice.finish_reason or "none") for choice in completion.choices]
    if len(reasons) == 1:
        return reasons[0][1]
    shown = ", ".join(f"{index}: {reason}" for index, reason in reasons[:8])
    return f"{shown} … {len(reasons) - 8} more" if len(reasons) > 8 else shown or "no choices"


def _tokens(usage: Usage | None) -> str:
    if usage is None:
        return "not sent"
    counts = [("prompt", usage.prompt_tokens), ("completion", usage.completion_tokens), ("total", usage.total_tokens)]
    if usage.prompt_tokens_details:
        counts.append(("cached", usage.prompt_tokens_details.cached_tokens))
    if usage.completion_tokens_details:
        counts.append(("reasoning", usage.completion_tokens_details.reasoning_tokens))
    return ", ".join(f"{name} {count:,}" for name, count in counts if count is not None) or "no counts"


def print_table(rows: Iterable[tuple[str, str]]) -> None:
    """Print `rows` on standard output; their text is shown as it is, never read as markup."""
    table = Table(show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(Text(name), Text(printable(value)))
    Console(file=sys.stdout).print(table)
    sys.stdout.flush()
