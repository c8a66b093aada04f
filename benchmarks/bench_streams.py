"""Each kind of stream, read by each contender, from events to the finished completion."""

import pytest

from deltawire.cli.contender import Contender
from deltawire.cli.peers import GROUPS, contenders, expected
from deltawire.replay import sample

from .fixtures import EVENTS, READS, SLOW_EVENTS, STREAMS, reads, stream

CONTENDERS = list(contenders())
OURS = [contender for contender in CONTENDERS if contender.name.startswith("deltawire")]


def measure(benchmark, contender: Contender, name: str, how: str) -> None:
    body = stream(name, SLOW_EVENTS if contender.slow else EVENTS)
    run = contender.new(body, reads(body, how))
    benchmark.group = f"{contender.group}, {name}, {how}"
    benchmark.extra_info["bytes"] = len(body.body)
    benchmark.extra_info["events"] = len(body.payloads)
    found = benchmark(run)
    # A list of values is not yet a reading of them: count both and compare the text where there is one.
    assert contender.answer(found) == expected(contender.group, body)


@pytest.mark.parametrize("contender", CONTENDERS, ids=lambda each: f"{each.group}: {each.name}")
@pytest.mark.parametrize("name", STREAMS)
def bench_stream(benchmark, contender: Contender, name: str) -> None:
    measure(benchmark, contender, name, "64 KiB reads")


@pytest.mark.parametrize("contender", OURS, ids=lambda each: f"{each.group}: {each.name}")
@pytest.mark.parametrize("how", READS[1:])
def bench_small_reads(benchmark, contender: Contender, how: str) -> None:
    measure(benchmark, contender, "text", how)


@pytest.mark.parametrize("contender", OURS, ids=lambda each: f"{each.group}: {each.name}")
def bench_one_event_of_8_mib(benchmark, contender: Contender) -> None:
    body = sample("big", mebibytes=8)
    benchmark.group = f"{contender.group}, one event of 8 MiB, 64 KiB reads"
    benchmark.extra_info["bytes"] = len(body.body)
    assert contender.answer(benchmark(contender.new(body, body.reads(1 << 16)))) == expected(contender.group, body)


def test_every_group_is_measured() -> None:
    assert {contender.group for contender in OURS} == set(GROUPS)
