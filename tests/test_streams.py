r"""Streams as data: each case of `streams/*.md` on both twins, whole, at every cut and byte by byte.

A case is a heading, the stream in one fence, and in the next what comes of it. In the
stream, line ends of the file mean nothing, and a backslash begins one of
    \n \r \t \\     what they are in Python
    \xNN            a byte
    \uXXXX          a character, as UTF-8
    \*N(text)       the text N times, in the log too
The log has one line for each thing observed, and none for what is as at the start:
    {…}             an event; its `type`, `id` and `retry` where they are not the default
    name JSON       `last_event_id`, `reconnection_time`, `discarded` (bytes)
In `chunks.md`, which is about `ChunkDecoder`, `{…}` is a chunk; an error's name has its
body or payload, `coerced` the number of chunks, and `end` the members of the `StreamEnd`.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from deltawire import ChunkDecodeError, DeltawireError, StreamEnd

from .oracle import interpret

STREAMS = Path(__file__).parent / "streams"
CASE = re.compile(r"\n## (?P<name>.+)\n\n```\n(?P<stream>(?:.*\n)*?)```\n\n```\n(?P<log>(?:.*\n)*?)```\n")
TOKEN = re.compile(r"\\(?:([nrt\\])|x([0-9A-F]{2})|u([0-9A-F]{4}))|([^\\])", re.DOTALL)
REPEAT = re.compile(r"\\\*(\d+)\(([^()]*)\)")
BYTES = {"n": b"\n", "r": b"\r", "t": b"\t", "\\": b"\\"}


class Case(NamedTuple):
    name: str
    stream: bytes
    log: list[Any]

    def cuts(self) -> Iterator[list[bytes]]:
        yield [self.stream]
        yield [self.stream[at : at + 1] for at in range(len(self.stream))]
        for cut in range(len(self.stream) + 1):
            yield [self.stream[:cut], self.stream[cut:]]


def repeated(text: str) -> str:
    return REPEAT.sub(lambda match: int(match[1]) * match[2], text)


def unescaped(text: str) -> bytes:
    def token(match: re.Match[str]) -> bytes:
        name, byte, code, plain = match.groups()
        if name:
            return BYTES[name]
        return bytes([int(byte, 16)]) if byte else (plain or chr(int(code, 16))).encode()

    text = repeated(text.replace("\n", ""))
    tokens = list(TOKEN.finditer(text))
    assert "".join(match[0] for match in tokens) == text, f"unknown escape in {text!r}"
    return b"".join(map(token, tokens))


def log_line(line: str) -> Any:
    line = repeated(line)
    if line.startswith("{"):
        return json.loads(line)
    name, _, value = line.partition(" ")
    return name, json.loads(value)


def cases(name: str) -> list[Case]:
    text = (STREAMS / name).read_text(encoding="utf-8")
    found = [
        Case(match["name"], unescaped(match["stream"]), list(map(log_line, match["log"].splitlines())))
        for match in CASE.finditer(text)
    ]
    assert len(found) == text.count("\n#") and len(found) * 4 == text.count("```"), f"{name}: a case out of form"
    return found


EVENT_CASES = [case for name in ("lines.md", "fields.md", "endings.md", "encoding.md") for case in cases(name)]
CHUNK_CASES = cases("chunks.md")


def named(case: Case) -> str:
    return case.name


def changed(**values: Any) -> list[Any]:
    """Return a line of the log for each value that is not as at the start."""
    return [(name, value) for name, value in values.items() if value not in ("", None, 0)]


def event_line(kind: str, data: str, id: str, retry: int | None) -> dict[str, Any]:
    defaults = {"type": "message", "id": "", "retry": None}
    members = {"type": kind, "data": data, "id": id, "retry": retry}
    return {name: value for name, value in members.items() if name == "data" or value != defaults[name]}


def parsed(parser: Any, reads: list[bytes]) -> list[Any]:
    events = [event for read in reads for event in parser.feed(read)]
    log = [event_line(event.event, event.data, event.id, event.retry) for event in events]
    state = {"last_event_id": parser.last_event_id, "reconnection_time": parser.reconnection_time}
    return log + changed(**state, discarded=parser.finish())


def error_line(error: Any) -> Any:
    value = error.payload.decode("utf-8", "replace") if isinstance(error, ChunkDecodeError) else error.body
    return type(error).__name__, value


def end_line(end: StreamEnd) -> Any:
    usual = StreamEnd(chunks=end.chunks)
    names = [name for name in end.__struct_fields__ if getattr(end, name) != getattr(usual, name)]
    return "end", json.loads(msgspec.json.encode({name: getattr(end, name) for name in names}))


def chunk_lines(chunks: list[Any]) -> list[Any]:
    return [msgspec.to_builtins(chunk) for chunk in chunks]


def decoded(decoder: Any, reads: list[bytes]) -> list[Any]:
    log: list[Any] = []
    for read in reads:
        log += chunk_lines(decoder.feed(read))
        while decoder.error is not None:
            log.append(error_line(decoder.error))
            with pytest.raises(type(decoder.error)):
                decoder.feed(b"")
            log += chunk_lines(decoder.feed(b""))
    try:
        end = decoder.finish()
    except DeltawireError as error:
        log += [*chunk_lines(error.chunks), error_line(error)]
        end = decoder.finish()
    log += chunk_lines(end.chunks)
    return [*log, *changed(coerced=decoder.stats.coerced), end_line(end)]


@pytest.mark.parametrize("case", EVENT_CASES, ids=named)
def test_a_stream_gives_its_log_at_every_cut(backend, case: Case) -> None:
    for reads in case.cuts():
        assert parsed(backend.EventParser(), reads) == case.log, reads


@pytest.mark.parametrize("case", CHUNK_CASES, ids=named)
def test_a_stream_of_chunks_gives_its_log_at_every_cut(backend, case: Case) -> None:
    for reads in case.cuts():
        assert decoded(backend.ChunkDecoder(), reads) == case.log, reads


@pytest.mark.parametrize("case", EVENT_CASES, ids=named)
def test_the_oracle_reads_the_table_as_it_is_written(case: Case) -> None:
    outcome = interpret(case.stream)
    log = [event_line(*event) for event in outcome.events]
    log += changed(last_event_id=outcome.last_event_id, reconnection_time=outcome.reconnection_time)
    assert log == [line for line in case.log if isinstance(line, dict) or line[0] != "discarded"]


def test_each_case_has_a_name_and_a_stream_of_its_own() -> None:
    for every in (EVENT_CASES, CHUNK_CASES):
        assert len({case.name for case in every}) == len({case.stream for case in every}) == len(every)
