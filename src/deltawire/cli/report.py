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
from ..chunks import ChatCompletionChunk, Choice, Usage
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


def without_nulls(value: Any) -> Any:
    """Return a Struct as plain objects without the members that never came."""
    if isinstance(value, dict):
        return {name: without_nulls(member) for name, member in value.items() if member is not None}
    if isinstance(value, list | tuple):
        return [without_nulls(item) for item in value]
    return without_nulls(msgspec.to_builtins(value)) if isinstance(value, msgspec.Struct) else value


def indexed(chunk: ChatCompletionChunk) -> Iterator[tuple[int, Choice]]:
    """Yield the choices with their indexes; one without an index has its position."""
    for position, choice in enumerate(chunk.choices):
        yield position if choice.index is None else choice.index, choice


def text_of(chunk: ChatCompletionChunk, index: int = 0) -> str:
    """Return the text that `chunk` adds to the choice `index`."""
    contents = [choice.delta.content for at, choice in indexed(chunk) if at == index and choice.delta]
    return "".join(_plain(content) for content in contents)


def _plain(content: str | list[Any] | None) -> str:
    if isinstance(content, list):  # Mistral's parts; thinking is not the answer's text
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(text for text in texts if isinstance(text, str))
    return content or ""


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
        seconds: time spent in the decoder, 0 where it was not measured.
        first_chunk: seconds from the request to the first chunk, where there was a request.
        end: how it ended, None if a fault came first.
    """

    source: str
    stats: DecoderStats = field(default_factory=DecoderStats)
    model: str | None = None
    finish_reasons: dict[int, str | None] = field(default_factory=dict)
    usage: Usage | None = None
    seconds: float = 0.0
    first_chunk: float | None = None
    end: StreamEnd | None = None
    fault: Fault | None = None

    def add(self, chunks: Iterable[ChatCompletionChunk]) -> None:
        """Take in what `chunks` say about the whole stream."""
        for chunk in chunks:
            self.model = self.model or chunk.model
            self.usage = chunk.usage or self.usage
            for index, choice in indexed(chunk):
                reason = choice.finish_reason if choice.finish_reason not in ("", "null") else None
                self.finish_reasons[index] = reason or self.finish_reasons.get(index)

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield the table's rows: what, and its value."""
        stats = self.stats
        yield "backend", BACKEND
        if self.model:
            yield "model", self.model
        yield "events", f"{stats.events:,}"
        yield "chunks", f"{stats.chunks:,}" + (f" ({stats.coerced:,} coerced)" if stats.coerced else "")
        yield "bytes", f"{stats.bytes:,}"
        if self.first_chunk is not None:
            yield "time to first chunk", f"{self.first_chunk * 1e3:.1f} ms"
        yield "finish reason", self._finish_reasons()
        yield "usage", _tokens(self.usage)
        yield "complete", self._completeness()
        if stats.chunks and self.seconds:
            yield "time in the decoder", f"{self.seconds / stats.chunks * 1e6:.2f} µs a chunk"

    def document(self) -> dict[str, Any]:
        """Return the summary as plain objects, for JSON."""
        end = self.end or StreamEnd(finish_reasons=self.finish_reasons)
        return {
            "source": self.source,
            "backend": BACKEND,
            "model": self.model,
            "bytes": self.stats.bytes,
            "events": self.stats.events,
            "chunks": self.stats.chunks,
            "coerced": self.stats.coerced,
            "finish_reasons": {str(index): reason for index, reason in sorted(self.finish_reasons.items())},
            "usage": without_nulls(self.usage),
            "done": end.done,
            "complete": end.complete,
            "unterminated": end.unterminated,
            "discarded": end.discarded,
            "decoder_seconds": round(self.seconds, 6),
            "error": self.fault and self.fault._asdict(),
        }

    def _finish_reasons(self) -> str:
        reasons = sorted(self.finish_reasons.items())
        if len(reasons) == 1:
            return reasons[0][1] or "none"
        shown = ", ".join(f"{index}: {reason or 'none'}" for index, reason in reasons[:8])
        return f"{shown} … {len(reasons) - 8} more" if len(reasons) > 8 else shown or "no choices"

    def _completeness(self) -> str:
        if self.end is None:
            return "no: reading stopped at an error"
        notes = [] if self.end.done else ["no [DONE]"]
        if self.end.unterminated:
            notes.append("the last event lacks its blank line")
        if self.end.discarded:
            notes.append(f"{self.end.discarded:,} bytes of an unfinished event not read")
        return ("yes" if self.end.complete else "no") + (f" ({', '.join(notes)})" if notes else "")


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
