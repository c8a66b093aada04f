"""The command line: what it prints, on which stream, and with which exit status."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

import deltawire
from deltawire.cli import program, report
from deltawire.cli.demo import decode_seconds
from deltawire.replay import sample

DEMO = sample("demo")
CHUNKS = [json.loads(payload) for payload in DEMO.payloads]
BAD = b"".join(DEMO.events()[:5]) + b"data: {oops\n\n" + DEMO.body
CLOSED = "Error: standard output is closed\n"
PART = {"type": "text", "text": "A part."}
WITHOUT_CLICK = "import sys; sys.modules['{name}'] = None; from deltawire.cli import main; main()"


def run(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(program(), arguments, input=stdin)


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = os.environ | {"PYTHONIOENCODING": "utf-8"} | environment
    command = [sys.executable, *arguments]
    return subprocess.run(command, check=False, capture_output=True, encoding="utf-8", timeout=30, env=variables)


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[[bytes], str]:
    def record(body: bytes) -> str:
        file = tmp_path / "stream.sse"
        file.write_bytes(body)
        return str(file)

    return record


# --- the command as a whole


def test_the_version_names_the_backend() -> None:
    result = run("--version")
    assert result.exit_code == 0
    assert result.output.startswith(f"deltawire {deltawire.__version__}, {deltawire.BACKEND} backend")


def test_the_version_of_a_chosen_pure_backend_says_so_also_by_python_m() -> None:
    result = python("-m", "deltawire", "--version", DELTAWIRE_PURE="1")
    assert (result.returncode, result.stderr) == (0, "")
    assert f"deltawire {deltawire.__version__}, pure backend" in result.stdout


def test_the_version_without_compiled_core_says_why_it_matters_and_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(report, "BACKEND", "pure")
    monkeypatch.setattr(report, "compiled_exists", lambda: False)
    output = run("--version").output
    for part in ("pure backend", "not installed", "slower", "C compiler", "pip install --force-reinstall"):
        assert part in output


@pytest.mark.parametrize("name", ["click", "rich"])
def test_without_click_or_rich_a_message_says_what_to_install(name: str) -> None:
    result = python("-c", WITHOUT_CLICK.format(name=name))
    assert (result.returncode, result.stdout) == (1, "")
    assert f"needs {name}" in result.stderr
    assert 'pip install "deltawire[cli]"' in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", [(), ("demo",), ("inspect",)])
def test_every_command_has_help(command: tuple[str, ...]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.output


# --- demo


def test_the_demo_prints_the_text_the_tool_call_and_the_table() -> None:
    result = run("demo", "--delay", "0")
    assert result.exit_code == 0
    assert result.stdout.startswith(DEMO.text)
    assert 'get_weather {"city":"Genève","days":3}' in result.stdout
    rows = [line.split("│")[1:3] for line in result.stdout.splitlines() if line.count("│") == 3]
    table = {name.strip(): value.strip() for name, value in rows}
    assert table["backend"] == deltawire.BACKEND
    assert table["events"] == str(len(DEMO.payloads) + 1)
    assert table["chunks"] == str(len(DEMO.payloads))
    assert table["bytes"] == f"{len(DEMO.body):,}"
    assert table["finish reason"] == "tool_calls"
    assert table["usage"].startswith("prompt 24, completion 7")
    assert table["complete"] == "yes"
    assert table["time to first chunk"].endswith(" ms")
    assert table["decode, pure"].endswith(" µs a chunk")
    if report.compiled_exists():
        assert table["decode, compiled"].endswith(" µs a chunk")
        assert table["compiled against pure"].endswith(" times as fast")


def test_the_demo_without_compiled_core_says_so_and_why_it_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deltawire.cli.report.BACKEND", "pure")
    monkeypatch.setattr("deltawire.cli.demo.BACKEND", "pure")
    for module in ("demo", "report"):
        monkeypatch.setattr(f"deltawire.cli.{module}.compiled_exists", lambda: False)
    result = run("demo", "--delay", "0")
    assert result.exit_code == 0
    assert "not installed: see below" in result.stdout
    assert "pip install --force-reinstall" in result.stdout


def test_a_twin_is_measured_by_chunk() -> None:
    from deltawire._pure import chat

    assert 0 < decode_seconds(chat, sample("text", chunks=16)) < 0.01


# --- inspect: what it prints


def test_a_recorded_stream_is_summed_up(recorded: Callable[[bytes], str]) -> None:
    result = run("inspect", recorded(DEMO.body))
    assert (result.exit_code, result.stderr) == (0, "")
    for part in (deltawire.BACKEND, "deltawire-mini", f"{len(DEMO.body):,}", "tool_calls", "prompt 24", "yes"):
        assert part in result.stdout


def test_standard_input_is_read_where_the_file_is_a_dash() -> None:
    assert run("inspect", "--text", "-", stdin=DEMO.body).stdout == DEMO.text


def test_text_is_the_text_of_choice_0_and_nothing_else(recorded: Callable[[bytes], str]) -> None:
    stream = sample("n4")
    assert run("inspect", "--text", recorded(stream.body)).stdout == stream.text


def test_text_takes_the_text_parts_of_a_list() -> None:
    parts = [{"type": "thinking", "thinking": []}, {"type": "text", "text": "yes"}, "odd"]
    body = b"data: " + json.dumps({"choices": [{"delta": {"content": parts}}]}).encode() + b"\n\n"
    assert run("inspect", "--text", "-", stdin=body).stdout == "yes"


def test_chunks_are_lines_of_json_without_the_members_that_never_came(recorded: Callable[[bytes], str]) -> None:
    def without_nulls(value: object) -> object:
        if isinstance(value, dict):
            return {name: without_nulls(member) for name, member in value.items() if member is not None}
        return [without_nulls(item) for item in value] if isinstance(value, list) else value

    lines = run("inspect", "--chunks", recorded(DEMO.body)).stdout.splitlines()
    assert [json.loads(line) for line in lines] == [
        json.loads(msgspec.json.encode(chunk)) for chunk in deltawire.decode(DEMO.body)
    ]


def test_events_are_lines_with_number_type_and_data() -> None:
    body = b"data: 1\ndata: 2\n\nevent: error\nid: 7\nretry: 9\ndata: not json\n\ndata: [DONE]\n\ndata: cut"
    result = run("inspect", "--events", "-", stdin=body)
    assert result.stdout.splitlines() == [
        "     1  message  1\\n2",
        "     2  error id=7 retry=9  not json",
        "     3  message id=7  [DONE]",
    ]
    assert result.stderr == "9 bytes of an unfinished event at the end\n"
    assert result.exit_code == 0


def test_json_is_the_assembled_completion_and_nothing_else_on_standard_output(recorded: Callable[[bytes], str]) -> None:
    result = run("inspect", "--json", recorded(DEMO.body))
    completion = json.loads(result.stdout)
    assert result.stderr == ""
    assert completion["object"] == "chat.completion"
    assert completion["model"] == "deltawire-mini"
    (choice,) = completion["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] == DEMO.text
    assert choice["message"]["tool_calls"][0]["function"]["arguments"] == '{"city":"Genève","days":3}'
    assert completion["usage"]["prompt_tokens"] == 24
    assert completion == json.loads(msgspec.json.encode(deltawire.accumulate(DEMO.body)))


def test_the_message_is_shown_by_kind() -> None:
    calls = [
        {"function": {"name": "look", "arguments": '{"at":{"x":1}}'}},
        {"index": 1, "function": {"name": "cut", "arguments": '{"at":'}},
        {"index": 2, "type": "custom", "custom": {"name": "shell", "input": "ls -l"}},
    ]
    delta = {"reasoning": "Let me see.", "refusal": "I would rather not.", "tool_calls": calls}
    body = b"".join(
        deltawire.encode_event({"choices": [{"index": index, "delta": delta | {"content": [PART]}}]})
        for index in (0, 1)
    )
    output = run("inspect", "-", stdin=body).stdout
    for title in ("reasoning", "text", "refusal", "tool call look", "tool call cut", "custom tool call shell"):
        assert f"─ choice 0: {title} ─" in output
        assert f"─ choice 1: {title} ─" in output
    for text in ("Let me see.", "A part.", "I would rather not.", '    "x": 1', '{"at":', "ls -l"):
        assert f"│ {text} " in output


def test_each_choice_has_its_finish_reason() -> None:
    completion = json.loads(run("inspect", "--json", "-", stdin=sample("n4").body).stdout)
    assert [choice["finish_reason"] for choice in completion["choices"]] == ["stop", "length", "stop", "length"]
    assert "0: stop, 1: length, 2: stop, 3: length" in run("inspect", "-", stdin=sample("n4").body).stdout


def test_a_stream_cut_short_is_shown_as_not_complete() -> None:
    body = DEMO.body[: len(DEMO.body) // 2]
    result = run("inspect", "-", stdin=body)
    assert result.exit_code == 0
    assert "no (no [DONE]" in result.stdout
    result = run("inspect", "--json", "-", stdin=body)
    assert "complete: no (no [DONE]" in result.stderr
    assert "finish_reason" not in json.loads(result.stdout)["choices"][0]


# --- inspect: what can go wrong


@pytest.mark.parametrize("mode", ["--summary", "--text", "--chunks", "--json"])
def test_a_bad_event_is_named_by_its_number_after_what_came_before_it(mode: str) -> None:
    result = run("inspect", mode, "-", stdin=BAD)
    assert result.exit_code == 1
    assert "Error: -: event 6: not JSON" in result.stderr
    assert "(data: {oops)" in result.stderr
    before = {
        "--summary": "no: reading stopped at an error",
        "--text": "Bonjour! This completion travels over",
        "--chunks": '"content":" over"',
        "--json": '"content": "Bonjour! This completion travels over"',
    }
    assert before[mode] in result.stdout


def test_a_bad_last_event_keeps_the_chunks_before_it() -> None:
    body = b"".join(DEMO.events()[:3]) + b'event: error\ndata: {"message":"too many requests","code":429}\n'
    result = run("inspect", "--text", "-", stdin=body)
    assert (result.exit_code, result.stdout) == (1, "Bonjour! This completion")
    assert "event 4: upstream error 429: " in result.stderr
    assert "too many requests" in result.stderr


@pytest.mark.parametrize("mode", ["--summary", "--events", "--text", "--json"])
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "nothing to read: it is empty"),
        (b'{\n  "error": {"message": "x"}\n}\n', "no events: is this an event stream? It looks like plain JSON"),
        (b"<!doctype html>\n\n<p>502\n\n", "no events: is this an event stream? It looks like HTML"),
        (b"\x00\xff\n\n", "no events: is this an event stream?"),
    ],
)
def test_what_is_no_event_stream_is_told_so(mode: str, body: bytes, message: str) -> None:
    result = run("inspect", mode, "-", stdin=body)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr


def test_a_missing_file_and_a_directory_are_told_so(tmp_path: Path) -> None:
    assert "does not exist" in run("inspect", str(tmp_path / "none")).stderr
    assert "is a directory" in run("inspect", str(tmp_path)).stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a closed pipe is EINVAL there, which click takes for a fault")
def test_a_reader_that_leaves_is_no_traceback(recorded: Callable[[bytes], str]) -> None:
    file = recorded(sample("text", chunks=2000).body)
    command = [sys.executable, "-m", "deltawire", "inspect", "--chunks", file]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""


def test_an_encoding_that_lacks_the_text_is_no_traceback(recorded: Callable[[bytes], str]) -> None:
    result = python("-m", "deltawire", "inspect", "--text", recorded(DEMO.body), PYTHONIOENCODING="ascii")
    assert (result.returncode, result.stderr) == (0, "")
    assert "Gen\\xe8ve" in result.stdout


# --- untrusted text

HOSTILE = "a\x1b[31mb\x9bc[bold]d[/bold]\r\x07\n"
HOSTILE_BODY = (
    b"data: " + json.dumps({"model": HOSTILE, "choices": [{"delta": {"content": HOSTILE}}]}).encode() + b"\n\n"
)


def everything(terminal: int) -> bytes:
    """Read a terminal to its end, which is an error on Linux."""
    shown = bytearray()
    with suppress(OSError):
        while part := os.read(terminal, 65536):
            shown += part
    return bytes(shown)


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
@pytest.mark.parametrize("mode", ["--summary", "--text", "--events", "--chunks", "--json"])
def test_a_terminal_gets_no_control_characters_of_the_stream(mode: str, recorded: Callable[[bytes], str]) -> None:
    body = b"event: \x1b]0;x\x07\n" + HOSTILE_BODY
    master, slave = os.openpty()
    command = [sys.executable, "-m", "deltawire", "inspect", mode, recorded(body)]
    environment = os.environ | {"NO_COLOR": "1", "TERM": "dumb", "PYTHONIOENCODING": "utf-8"}
    with ThreadPoolExecutor() as reader:  # while it is written: macOS drops what is left when the last writer is gone
        reading = reader.submit(everything, master)
        with open(slave, "wb", buffering=0) as terminal:
            subprocess.run(command, stdout=terminal, env=environment, check=True, timeout=30)
        shown = reading.result(timeout=30).decode().replace("\r\n", "\n")
    os.close(master)
    assert "[bold]" in shown
    assert all(character == "\n" or character.isprintable() for character in shown)


def test_a_pipe_gets_the_text_as_it_came() -> None:
    command = [sys.executable, "-m", "deltawire", "inspect", "--text", "-"]
    environment = os.environ | {"PYTHONIOENCODING": "utf-8"}
    result = subprocess.run(command, input=HOSTILE_BODY, stdout=subprocess.PIPE, env=environment, check=True)
    assert result.stdout.decode() == HOSTILE


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is full here")
@pytest.mark.parametrize("mode", ["--summary", "--text", "--events", "--chunks", "--json"])
def test_output_that_cannot_be_written_is_no_traceback(mode: str, recorded: Callable[[bytes], str]) -> None:
    command = f'"$0" -m deltawire inspect {mode} "$1"'
    for target, said in ((">/dev/full", "Error: [Errno 28] No space left on device\n"), (">&-", CLOSED)):
        shell = ["sh", "-c", f"{command} {target}", sys.executable, recorded(DEMO.body)]
        result = subprocess.run(shell, check=False, stderr=subprocess.PIPE, encoding="utf-8", timeout=30)
        assert (result.returncode, result.stderr) == (1, said)
