"""Events alone: from bytes to type, data and id."""

import pytest

from .fixtures import feed, reads, stream, twin

READS = ["64 KiB reads", "one event a read", "16-byte reads"]


@pytest.mark.parametrize("how", READS)
@pytest.mark.parametrize("name", ["compiled", "pure"])
def bench_deltawire(benchmark, name: str, how: str) -> None:
    sample = stream("text")
    pieces = reads(sample, how)
    parser = twin(name, "events").EventParser
    benchmark.group = f"events, {how}"
    benchmark.extra_info["bytes"] = len(sample.body)
    events = benchmark(lambda: feed(parser, pieces))
    assert [event.data.encode() for event in events[:-1]] == sample.payloads


@pytest.mark.parametrize("how", ["64 KiB reads", "one event a read"])
def bench_httpx_sse(benchmark, how: str) -> None:
    httpx = pytest.importorskip("httpx")
    httpx_sse = pytest.importorskip("httpx_sse")
    sample = stream("text")
    pieces = reads(sample, how)
    benchmark.group = f"events, {how}"

    def run() -> list[object]:
        response = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=iter(pieces))
        return list(httpx_sse.EventSource(response).iter_sse())

    assert [event.data.encode() for event in benchmark(run)[:-1]] == sample.payloads


@pytest.mark.parametrize("how", ["64 KiB reads", "one event a read"])
def bench_sseclient(benchmark, how: str) -> None:
    sseclient = pytest.importorskip("sseclient")
    sample = stream("text")
    pieces = reads(sample, how)
    benchmark.group = f"events, {how}"
    events = benchmark(lambda: list(sseclient.SSEClient(iter(pieces)).events()))
    assert [event.data.encode() for event in events[:-1]] == sample.payloads
