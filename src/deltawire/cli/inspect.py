"""`deltawire inspect`: what a recorded stream holds."""

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from io import BufferedIOBase
from pathlib import Path
from time import perf_counter
from typing import Any, Literal, cast

import click
import msgspec
from rich.console import Console
from rich.progress import Progress

from ..accumulator import CompletionAccumulator
from ..chunks import ChatCompletionChunk
from ..decoder import ChunkDecoder, TextDecoder
from ..errors import ChunkDecodeError, DeltawireError
from ..events import EventParser
from .message import print_message
from .report import Fault, Summary, json_text, print_table, printable, write

_BLOCK = 64 * 1024
_LONG = 8 * 1024 * 1024  # bytes from which on a file gets a progress bar
_EXCERPT = 60  # characters of a faulty payload that a message shows

Mode = Literal["summary", "events", "chunks", "text", "json"]
Blocks = Generator[bytes, None, None]


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--events", "mode", flag_value="events", help="Print each event: its number, type and data.")
@click.option("--chunks", "mode", flag_value="chunks", help="Print each chunk as a line of JSON.")
@click.option("--text", "mode", flag_value="text", help="Print the text of choice 0 and nothing else.")
@click.option("--json", "mode", flag_value="json", help="Print the assembled ChatCompletion as JSON.")
@click.option(
    "--summary",
    "mode",
    flag_value="summary",
    default="summary",
    help="Print the assembled message and a table: the default.",
)
def inspect(file: str, mode: Mode) -> None:
    """Show what the recorded stream FILE holds ("-" reads standard input)."""
    try:
        with closing(_blocks(file, mode)) as blocks:
            fault = _show(file, blocks, mode)
    except (RecursionError, msgspec.DecodeError) as error:
        raise click.ClickException(f"{printable(file)}: a value nested too deep to be shown") from error
    if mode == "text" and sys.stdout.isatty():
        write("\n")
    if fault is not None:
        raise click.ClickException(f"{printable(file)}: {fault}")


def _show(file: str, blocks: Blocks, mode: Mode) -> Fault | None:
    if mode == "events":
        return list_events(blocks)
    if mode in ("chunks", "text"):
        return list_chunks(blocks, mode)
    return summarise(file, blocks, mode)


def _blocks(file: str, mode: Mode) -> Blocks:
    """Yield the file in blocks, with a progress bar where it is long and somebody watches."""
    size = 0 if file == "-" else Path(file).stat().st_size
    # A bar would be torn apart by what these modes print on the same terminal.
    clash = mode not in ("summary", "json") and sys.stdout.isatty()
    watched = size > _LONG and sys.stderr.isatty() and not clash
    with Progress(console=Console(stderr=True), transient=True, disable=not watched) as progress:
        task = progress.add_task("reading", total=size)
        try:
            for block in _read(file):
                yield block
                progress.advance(task, len(block))
        except OSError as error:
            raise click.ClickException(f"{printable(file)}: {error.strerror}") from error


def _read(file: str) -> Blocks:
    if file != "-":
        with Path(file).open("rb", buffering=0) as source:
            yield from iter(lambda: source.read(_BLOCK), b"")
    elif sys.stdin is None:
        raise click.ClickException("standard input is closed")
    else:
        stdin = cast(BufferedIOBase, sys.stdin.buffer)
        yield from iter(lambda: stdin.read1(_BLOCK), b"")  # what has come, without waiting for more


def summarise(file: str, blocks: Blocks, mode: Mode) -> Fault | None:
    """Accumulate the stream, show the completion as `mode` asks, and return the fault that stopped it."""
    accumulator = CompletionAccumulator()
    summary = read(blocks, accumulator)
    summary.completion = accumulator.completion()
    blocks.close()  # takes the progress bar away
    if not summary.stats.events:
        return summary.fault
    if mode == "json":
        write(json_text(summary.completion, indent=2) + "\n")
        if summary.end is not None and not summary.end.complete:
            click.echo(f"{printable(file)}: complete: {summary.completeness()}", err=True)
    else:
        print_message(summary.completion)
        print_table(summary.rows())
    return summary.fault


def list_chunks(blocks: Blocks, mode: Mode) -> Fault | None:
    """Print the chunks as they come, or their text, and return the fault that stopped it."""
    reader = TextDecoder() if mode == "text" else ChunkDecoder()
    return read(blocks, reader, _print_text if mode == "text" else _print_chunks).fault


def read(blocks: Blocks, reader: Any, show: Callable[[Sequence[Any]], None] | None = None) -> Summary:
    """Feed `reader` up to the end or the first fault; `show` gets what it gives."""
    summary = Summary()
    head = b""
    fault: Exception | None = None
    for block in blocks:
        head = head or block[:_EXCERPT]
        started = perf_counter()
        chunks = reader.feed(block)
        summary.seconds += perf_counter() - started
        if show:
            show(chunks)
        fault = reader.error
        if fault is not None:
            break
    else:
        try:
            summary.end = reader.finish()
            chunks = summary.end.chunks
        except DeltawireError as error:
            fault, chunks = error, error.chunks
        if show:
            show(chunks)
    summary.stats = reader.stats
    if fault is not None:
        summary.fault = _fault(fault, summary.stats.events)
    elif not summary.stats.events:
        summary.fault = _no_events(head)
    return summary


def list_events(blocks: Blocks) -> Fault | None:
    """Print each event on a line of its own; JSON is not looked at."""
    parser = EventParser()
    head = b""
    count = 0
    for block in blocks:
        head = head or block[:_EXCERPT]
        lines = []
        for event in parser.feed(block):
            count += 1
            retry = "" if event.retry is None else f" retry={event.retry}"
            marks = (f" id={event.id}" if event.id else "") + retry
            lines.append(f"{count:>6}  {event.event}{marks}  {event.data}".replace("\n", "\\n"))
        write("".join(printable(line) + "\n" for line in lines))
        if parser.error is not None:
            return _fault(parser.error, count)
    discarded = parser.finish()
    if discarded and count:
        click.echo(f"{discarded:,} bytes of an unfinished event at the end", err=True)
    return None if count else _no_events(head)


def _fault(error: Exception, events: int) -> Fault:
    """Describe `error`; one that names no event happened in the one after `events`."""
    index: int = getattr(error, "event_index", events)
    message = str(error).removeprefix(f"event {index}: ")  # there counted from 0
    if isinstance(error, ChunkDecodeError):
        excerpt = error.payload[:_EXCERPT].decode(errors="replace")
        message += f" (data: {excerpt}{'…' if len(error.payload) > _EXCERPT else ''})"
    return Fault(index + 1, type(error).__name__, message)


def _no_events(head: bytes) -> Fault:
    """Say what is wrong with a file without events, which begins with `head`."""
    if not head:
        return Fault(None, "NoEvents", "nothing to read: it is empty")
    hint = ""
    if head.lstrip()[:1] in (b"{", b"["):
        hint = ' It looks like plain JSON: was "stream": true in the request?'
    elif head.lstrip()[:1] == b"<":
        hint = " It looks like HTML or XML."
    return Fault(None, "NoEvents", f"no events: is this an event stream?{hint}")


def _print_chunks(chunks: Sequence[ChatCompletionChunk]) -> None:
    write("".join(json_text(chunk) + "\n" for chunk in chunks))


def _print_text(texts: Sequence[str]) -> None:
    write("".join(texts))
