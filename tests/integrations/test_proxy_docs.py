"""What `docs/proxy.md` says of the proxy is so."""

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from typing import Any

import pytest

from deltawire.cli import program
from deltawire.replay import sample

from ..shown import blocks_of, rows, text_of
from .proxies import STREAM, proxied, without_usage
from .relays import in_loop
from .upstream import sends

PAGE = "docs/proxy.md"
TEXT = text_of(PAGE)


def test_every_option_is_listed_with_its_default() -> None:
    options = {option.opts[0]: option for option in program().commands["proxy"].params}
    listed = {name.strip("`").partition(" ")[0]: cells for name, cells in rows(PAGE, "Options").items()}
    assert listed.keys() == options.keys() - {"--help"}
    units = {"s": 1, "KiB": 1 << 10, "MiB": 1 << 20}
    for name, (default, *_) in listed.items():
        if found := re.fullmatch(r"(\d+) ?(s|KiB|MiB|)", default):
            assert options[name].default == int(found[1]) * units.get(found[2], 1), name
        elif default:
            assert default == f"`{options[name].default}`", name


@in_loop
async def test_every_metric_is_listed_with_its_labels() -> None:
    listed = {name.strip("`"): set(re.findall(r"\w+", cells[0])) for name, cells in rows(PAGE, "Metrics").items()}
    async with proxied(sends(STREAM.body)) as rig:
        await rig.stream()
        await rig.logged()
        found: dict[str, set[str]] = {}
        for line in await rig.counts():
            name, _, labels = line.partition("{")
            found.setdefault(re.sub(r"_(bucket|count|sum)$", "", name), set()).update(re.findall(r"(\w+)=", labels))
    assert {name: labels - {"le"} for name, labels in found.items()} == listed


@in_loop
async def test_the_line_of_the_log_has_the_members_shown() -> None:
    [shown] = [json.loads(block.code) for block in blocks_of(PAGE) if block.language == "json"]
    async with proxied(sends(*STREAM.events())) as rig:
        await rig.stream()
        assert list(await rig.logged()) == list(shown)


@pytest.mark.skipif(os.name != "posix", reason="a shell")
def test_the_quick_start_gives_a_metered_completion() -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    section = TEXT.partition("## Quick start")[2].partition("With a key")[0]
    commands = re.findall(r"^    (.+)$", section, re.MULTILINE)
    start, *asks = commands
    assert len(asks) == 2
    with socket.create_server(("127.0.0.1", 0)) as unused:
        free = str(unused.getsockname()[1])
    words = start.removesuffix(" &").split()
    assert words[0] == "deltawire"
    line = [sys.executable, "-m", *words, "--listen", free]
    with subprocess.Popen(line, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as server:
        try:
            assert b"listening at http://" in server.stderr.readline()
            urls = [ask.replace("8080", free) for ask in asks]
            completion, counts = (subprocess.check_output(url, shell=True, timeout=20) for url in urls)
        finally:
            server.kill()
    assert completion == without_usage(sample("demo"))
    assert b'deltawire_output_tokens_total{model="deltawire-mini",source="usage"} 73.0' in counts


@in_loop
async def test_the_program_shown_serves_until_it_is_stopped(capsys: Any) -> None:
    [code] = [block.code.replace("8080", "0") for block in blocks_of(PAGE) if block.language == "python"]
    names: dict[str, Any] = {}
    async with proxied(sends(STREAM.body)) as rig:
        exec(compile(code, "proxy.md", "exec"), names)
        stopped = asyncio.Event()
        stopped.set()
        await names["serve"](rig.upstream.url, stopped)
    assert "deltawire_streams_in_flight 0.0" in capsys.readouterr().out
