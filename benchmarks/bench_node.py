"""Node's eventsource-parser on the same bytes, timed inside Node: `npm install` in benchmarks/node first."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from .fixtures import READ, stream, twin

HERE = Path(__file__).parent / "node"


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not there")
@pytest.mark.skipif(not (HERE / "node_modules").is_dir(), reason="npm install was not run in benchmarks/node")
def bench_eventsource_parser(benchmark, tmp_path: Path) -> None:
    body = stream("text")
    file = tmp_path / "stream.sse"
    file.write_bytes(body.body)
    command = ["node", str(HERE / "eventsource_parser.mjs"), str(file), str(READ)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    benchmark.group = "events, text, 64 KiB reads, beside Node: its ns an event in extra_info"
    benchmark.extra_info["node_nanoseconds_per_event"] = found["nanoseconds"]

    def run() -> int:
        parser = twin("compiled", "events").EventParser()
        return sum(len(parser.feed(data)) for data in body.reads(READ))

    assert benchmark(run) == found["events"] == len(body.payloads) + 1
