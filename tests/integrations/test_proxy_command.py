"""`deltawire proxy` and `deltawire replay` as programs, alone and behind nginx."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from deltawire.cli import program
from deltawire.replay import ReplayServer, sample

from .proxies import ASK, CHAT, STREAM, without_usage

NGINX = Path(__file__).parents[2] / "examples" / "nginx.conf"
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


@contextmanager
def running(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a command of deltawire's that listens; gives the process and its URL."""
    command = [sys.executable, "-W", "error", "-m", "deltawire", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=os.environ | environment) as process:
        try:
            line = process.stderr.readline()
            found = re.search(r"at (http://\S+:\d+)", line)
            assert found is not None, line + process.stderr.read()
            yield process, found[1]
        finally:
            process.kill()


def proxy(upstream: str, *arguments: str, **environment: str) -> Any:
    return running("proxy", "--upstream", upstream, "--listen", "127.0.0.1:0", *arguments, **environment)


def ask(url: str, path: str = CHAT, **headers: str) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    """Ask for a stream, whose body is to be read, and the connection to be closed."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    connection.request("POST", path, json.dumps(ASK), {"Content-Type": "application/json"} | headers)
    return connection, connection.getresponse()


def answer(url: str, path: str = CHAT, **headers: str) -> tuple[int, bytes]:
    connection, response = ask(url, path, **headers)
    body = response.read()
    connection.close()
    return response.status, body


def usage_error(*arguments: str, **environment: str) -> str:
    result = CliRunner().invoke(program(), ["proxy", *arguments], env=environment)
    assert result.exit_code == 2, result.output
    return " ".join(result.output.split())


# --- options


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--upstream"),
        (["--upstream", "localhost:8000"], "http:// or https:// URL expected"),
        (["--upstream", "http://u:p@h"], "a bare URL expected"),
        (["--upstream", "http://h?x=1"], "a bare URL expected"),
        (["--upstream", "https://api.test/v1"], "leave out /v1"),
        (["--upstream", "http://h", "--api-key-env", "KEY"], "needs --client-key-env"),
        (["--upstream", "http://h", "--api-key-env", "NONE", "--client-key-env", "KEY"], "NONE is not set"),
        (["--upstream", "http://h", "--client-key-env", "COMMA"], "has no key"),
        (["--upstream", "http://h", "--client-key-env", "ODD"], "printable ASCII"),
        (["--upstream", "http://h", "--allow", "v1/models"], "begins with /"),
        (["--upstream", "http://h", "--listen", "host"], "HOST:PORT is expected"),
        (["--upstream", "http://h", "--listen", "::1:80"], "HOST:PORT is expected"),
        (["--upstream", "http://h", "--listen", "h:65536"], "HOST:PORT is expected"),
        (["--upstream", "http://h", "--model-name", ""], "at least 1 expected"),
        (["--upstream", "http://h", "--model-name", "a\udcff"], "surrogates"),
        (["--upstream", "http://h", "--idle-timeout", "nan"], "idle_timeout of nan s"),
        (["--upstream", "http://h", "--connect-timeout", "inf"], "connect_timeout of inf s"),
        (["--upstream", "http://h", "--api-key-header", "host"], "'authorization', 'x-api-key', 'api-key'"),
    ],
)
def test_options_that_cannot_be_are_told(arguments: list[str], message: str) -> None:
    said = usage_error(*arguments, KEY="sk-secret", COMMA=" , ", ODD="clé")
    assert message in said
    assert "sk-secret" not in said


def test_settings_do_not_show_their_keys() -> None:
    from deltawire.proxy import Settings

    shown = repr(Settings(upstream="http://h", api_key="sk-1", client_keys=("sk-2",)))
    assert "sk-" not in shown
    with pytest.raises(ValueError, match="without client_keys"):
        Settings(upstream="http://h", api_key="sk-1")


@pytest.mark.parametrize("name", ["aiohttp", "prometheus_client"])
def test_without_its_extra_the_command_says_what_to_install(name: str) -> None:
    code = f"import sys; sys.modules['{name}'] = None; from deltawire.cli import main; main()"
    command = [sys.executable, "-c", code, "proxy", "--upstream", "http://h"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert run.returncode == 1
    assert run.stderr.strip().endswith(f'needs {name}, which is not installed: pip install "deltawire[proxy]"')


@pytest.mark.parametrize("arguments", [["proxy", "--upstream", "http://h"], ["replay"]])
def test_an_address_that_is_taken_is_told(arguments: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "deltawire", *arguments, "--listen", f"127.0.0.1:{port}"]
        run = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (run.returncode, run.stderr.count("\n")) == (1, 1)
    assert "cannot listen" in run.stderr
    assert str(port) in run.stderr


# --- the programs


@POSIX
def test_a_signal_lets_streams_finish_and_the_log_is_written() -> None:
    with (
        ReplayServer(STREAM, delay=0.01) as server,
        proxy(server.url, "--model-name", "mine") as (process, url),
    ):
        connection, response = ask(url)
        process.send_signal(signal.SIGTERM)
        assert response.read() == without_usage(STREAM).replace(b"deltawire-mini", b"mine")
        connection.close()
        assert process.wait(10) == 0
        line = json.loads(process.stdout.read())
        assert (line["ending"], line["usage"]["prompt_tokens"]) == ("done", 24)
        assert process.stderr.read() == ""


@POSIX
@pytest.mark.parametrize(("grace", "signals"), [("0.2", 1), ("60", 2)])
def test_streams_are_cut_after_the_grace_or_by_a_second_signal(grace: str, signals: int) -> None:
    with (
        ReplayServer(STREAM, delay=0.5) as server,
        proxy(server.url, "--grace", grace, "--log", "stderr") as (process, url),
    ):
        connection, response = ask(url)
        for _ in range(signals):
            process.send_signal(signal.SIGINT)
            time.sleep(0.1)
        assert b'"code":"relay_shut_down"' in response.read()
        connection.close()
        assert process.wait(10) == 0
        assert json.loads(process.stderr.read())["ending"] == "truncated"
        assert process.stdout.read() == ""


def test_the_keys_are_taken_from_the_environment() -> None:
    options = ["--api-key-env", "OWN", "--client-key-env", "CLIENTS", "--metrics-listen", "127.0.0.1:0"]
    with (
        ReplayServer(STREAM) as server,
        proxy(server.url, *options, "--log", "none", OWN="sk-own", CLIENTS="one, two") as (_, url),
    ):
        assert answer(url)[0] == 401
        assert answer(url, Authorization="Bearer two") == (200, without_usage(STREAM))
        assert answer(url, "/metrics", Authorization="Bearer two")[0] == 404


@POSIX
def test_a_recorded_stream_is_replayed_until_a_signal(tmp_path: Path) -> None:
    file = tmp_path / "recorded.sse"
    file.write_bytes(STREAM.body)
    for name, stream in ((str(file), STREAM), ("demo", sample("demo"))):
        with running("replay", name, "--listen", "0", "--delay", "0") as (process, url):
            assert answer(url) == (200, stream.body)
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0


def test_what_is_neither_file_nor_sample_is_told() -> None:
    result = CliRunner().invoke(program(), ["replay", "nothing"])
    assert result.exit_code == 1
    assert "the samples are demo, text, " in " ".join(result.output.split())


# --- several behind nginx


@contextmanager
def nginx(directory: Path, ports: list[str]) -> Iterator[str]:
    """Run nginx in front of proxies at two ports, by the configuration of the examples; gives its URL."""
    command = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(command).exists():
        pytest.skip("nginx is not installed")
    with socket.create_server(("127.0.0.1", 0)) as unused:
        own = str(unused.getsockname()[1])
    text = NGINX.read_text("utf-8")
    for known, port in zip(("8081", "8082", "8080"), (*ports, own), strict=True):
        text = text.replace(f"127.0.0.1:{known};", f"127.0.0.1:{port};")
    file = directory / "nginx.conf"
    file.write_text(text, "utf-8")
    # A master would change to another user for its workers, who may not read the directory.
    with subprocess.Popen([command, "-c", str(file), "-p", f"{directory}/", "-g", "master_process off;"]) as process:
        try:
            deadline = time.monotonic() + 10
            while True:
                try:
                    socket.create_connection(("127.0.0.1", int(own))).close()
                    break
                except OSError:
                    assert process.poll() is None
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
            yield f"http://127.0.0.1:{own}"
        finally:
            process.terminate()
            process.wait(10)


@POSIX
def test_several_behind_nginx_serve_streams_as_they_come(tmp_path: Path) -> None:
    with (
        ReplayServer(STREAM, delay=0.02) as server,
        proxy(server.url, "--trust-forwarded") as (first, one),
        proxy(server.url, "--trust-forwarded") as (second, two),
        nginx(tmp_path, [url.rpartition(":")[2] for url in (one, two)]) as url,
    ):
        pairs = [ask(url, **{"X-Forwarded-For": "198.51.100.7"}) for _ in range(4)]
        for connection, response in pairs:
            reads = list(iter(lambda each=response: each.read1(65536), b""))
            connection.close()
            assert b"".join(reads) == without_usage(STREAM)
        connection, response = ask(url)
        assert len(list(iter(lambda: response.read1(65536), b""))) > 20, "events were held back"
        connection.close()
        assert answer(url, "/metrics")[0] == 404
        lines: list[dict[str, Any]] = []
        for process in (first, second):
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
            found = [json.loads(line) for line in process.stdout.read().splitlines()]
            assert len(found) >= 2
            lines += found
    assert {(line["client"], line["ending"]) for line in lines} == {("127.0.0.1", "done")}
