"""The load test of relays: what it measures with, and its arithmetic."""

import json
import os
import signal
import subprocess
import sys
import time
from math import isclose
from pathlib import Path

import pytest

if not Path("/proc/self/schedstat").exists():
    pytest.skip("the load test reads /proc", allow_module_level=True)

from benchmarks.load.client import Body, percentiles
from benchmarks.load.figures import CLAIMS, Claim, compared, figures, spread, table, verdict
from benchmarks.load.processes import Process, children, free_port, usage
from benchmarks.load.relays import RELAYS
from benchmarks.load.reports import counted
from benchmarks.load.runs import Failed, Load, Run, run
from benchmarks.load.stream import BLANK, Exact, SameText, WrongBytes, events
from benchmarks.load.upstream import Plan, Script

FIVE = Load(streams=5, plan=Plan(20, 0.05), opening=0.05)
ROOT = Path(__file__).resolve().parents[1]


def a_run(cpu: float = 50e-6, *, user: float = 0.5, rate: float = 1000.0, seconds: float = 2.0) -> Run:
    count = int(rate * seconds)
    used = (cpu * count, cpu * count * user, cpu * count * (1 - user))
    latencies = {"p50": 0.1, "p99": 0.5}
    return Run(events=count, seconds=seconds, used=used, per_stream=21_000, latencies=latencies, whole=5)


def stamped(stream: list[tuple[bytes, bytes]], stamp: bytes) -> bytes:
    return b"".join(before + stamp + behind if behind else before for before, behind in stream)


# --- the whole ---------------------------------------------------------------------------


def test_every_byte_of_five_streams_comes_without_a_relay() -> None:
    (got,) = run([None], FIVE)
    assert got.whole == 5
    assert 0.5 < got.seconds < 5
    assert 50 < got.events <= 105
    assert 0 < got.latencies["p50"] <= got.latencies["p99"] < 1000


def test_every_byte_of_five_streams_comes_through_raw_and_costs_something() -> None:
    pytest.importorskip("aiohttp")
    first, second = run(["raw", "raw"], FIVE)
    for got in (first, second):
        assert got.whole == 5
        assert 1 < got.cpu < 20_000
        assert 0 <= got.user <= got.cpu * 1.001  # a sum that is rounded
        assert got.reports is None


@pytest.mark.parametrize("name", ["raw+tap", "relay", "proxy"])
def test_reports_are_counted_by_the_relays_that_tell(name: str) -> None:
    if missing := RELAYS[name].missing():
        pytest.skip(f"needs {missing}")
    (got,) = run([name], FIVE)
    assert got.reports is not None
    assert got.reports["done"] == 5


def test_streams_without_an_end_are_left_after_their_time() -> None:
    (got,) = run([None], Load(streams=2, plan=Plan(50, 0), opening=0.02, seconds=0.2))
    assert got.whole == 2
    assert got.events > 1000
    assert got.latencies == {}


def test_a_relay_that_does_not_start_is_a_failure_that_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = RELAYS["raw"]._replace(command=lambda upstream, port, folder: ["-c", "never"])
    monkeypatch.setitem(RELAYS, "broken", broken)
    with pytest.raises(Failed, match="broken"):
        run(["broken"], FIVE)


def test_a_relay_that_changes_a_byte_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("httpx")
    if RELAYS["lines"].missing():
        pytest.skip("no Starlette")
    monkeypatch.setitem(RELAYS, "lines", RELAYS["lines"]._replace(exact=True))
    with pytest.raises(Failed, match="WrongBytes"):
        run(["lines"], FIVE)


def told(*arguments: str) -> str:
    """Return what the command tells."""
    command = [sys.executable, "-m", "benchmarks.load", "--streams", "4", "--seconds", "0.5", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60).stdout


def test_the_command_gives_a_table_as_text_and_as_json() -> None:
    pytest.importorskip("aiohttp")
    lines = told("raw", "--no-unpaced").splitlines()
    assert lines[3].startswith("| aiohttp, raw | ")
    got = json.loads(told("raw", "--json"))
    assert list(got["relays"]) == ["no relay: the client at upstream", "aiohttp, raw"]
    assert got["relays"]["aiohttp, raw"]["cpu_us"] > 0
    assert got["relays"]["aiohttp, raw"]["unpaced_events_per_second"] > 0
    assert got["machine"]["python"]


@pytest.mark.parametrize("arguments", [["raw", "--pairs"], ["raw", "--pairs", "5", "raw", "raw"], ["cooked"]])
def test_what_it_cannot_do_is_refused(arguments: list[str]) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        told(*arguments)
    assert refused.value.returncode == 2


@pytest.mark.parametrize("ending", ["SIGTERM", "SIGKILL", "limit"])
def test_no_process_is_left_in_any_ending(ending: str, tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    command = [sys.executable, "-m", "benchmarks.load", "--no-unpaced", "raw", "--seconds", "20"]
    limit = ["--limit", "3"] if ending == "limit" else []
    load = subprocess.Popen([*command, *limit], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    started: set[int] = set()
    until = time.monotonic() + 10
    while len(started) < 1 and time.monotonic() < until:
        time.sleep(0.2)
        started = set(children(load.pid)) - {load.pid}
    assert started
    time.sleep(0.5)
    started |= set(children(load.pid)) - {load.pid}
    if ending != "limit":
        load.send_signal(getattr(signal, ending))
    assert load.wait(10) != 0
    until = time.monotonic() + 5
    while (left := [pid for pid in started if Path(f"/proc/{pid}").exists()]) and time.monotonic() < until:
        time.sleep(0.05)
    assert not left


# --- what it measures with -----------------------------------------------------------------


def test_a_paced_write_is_an_event_in_one_http_chunk_and_the_last_ends_the_body() -> None:
    plan = Plan(8, 0.01)
    script = Script(plan)
    got: list[bytes] = []
    body = Body(got.append)
    for number in range(8):
        body.feed(script.write(number))
        assert body.ended == (number == 7)
    assert len(got) == 9  # [DONE] is a chunk of its own
    latencies: list[int] = []
    check = Exact(plan.stream(), latencies)
    check.feed(b"".join(got))
    assert check.whole
    assert len(latencies) == 8
    assert all(0 <= each < 10**10 for each in latencies)


def test_several_events_a_write_are_all_there_where_they_do_not_divide() -> None:
    script = Script(Plan(8, 0.01, events_per_write=3))
    assert len(script.writes) == 3
    got: list[bytes] = []
    body = Body(got.append)
    for number in range(3):
        body.feed(script.write(number))
    assert body.ended
    assert b"".join(got).count(b"data: {") == 8


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_a_body_is_taken_apart_wherever_it_is_cut(size: int) -> None:
    got: list[bytes] = []
    body = Body(got.append)
    framed = b"5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n"
    for at in range(0, len(framed), size):
        body.feed(framed[at : at + size])
    assert b"".join(got) == b"hello0123456789"
    assert body.ended


@pytest.mark.parametrize("kind", [Exact, SameText])
@pytest.mark.parametrize("size", [1, 100, 100_000])
def test_a_right_stream_is_whole_wherever_it_is_cut(kind: type[Exact | SameText], size: int) -> None:
    stream = events(12, done=True)
    data = stamped(stream, b"0000000000000001")
    latencies: list[int] = []
    check = kind(stream, latencies)
    for at in range(0, len(data), size):
        assert not check.whole
        check.feed(data[at : at + size])
    assert check.whole
    assert check.seen == 13
    assert len(latencies) == 12


@pytest.mark.parametrize("kind", [Exact, SameText])
def test_what_is_not_the_stream_is_told(kind: type[Exact | SameText]) -> None:
    stream = events(12, done=True)
    data = stamped(stream, BLANK)
    word = data.replace(b'"content":" ', b'"content":"_', 1)
    assert word != data
    twice = stream[0][0] + BLANK + stream[0][1]
    for wrong in (word, data + b"data: [DONE]\n\n", twice + data, data[len(twice) :]):
        with pytest.raises(WrongBytes):
            kind(stream, []).feed(wrong)


@pytest.mark.parametrize("kind", [Exact, SameText])
def test_a_stream_without_its_end_is_not_whole(kind: type[Exact | SameText]) -> None:
    stream = events(12, done=True)
    for cut in (1, len(b"data: [DONE]\n\n")):
        check = kind(stream, [])
        check.feed(stamped(stream, BLANK)[:-cut])
        assert not check.whole


def test_a_changed_space_is_wrong_bytes_but_the_same_text() -> None:
    stream = events(12, done=True)
    data = stamped(stream, BLANK).replace(b'{"id":', b'{"id": ')
    with pytest.raises(WrongBytes):
        Exact(stream, []).feed(data)
    check = SameText(stream, [])
    check.feed(data.replace(b"\n", b"\r\n"))
    assert check.whole


def test_reports_are_counted_in_json_and_in_prometheus_text() -> None:
    assert counted('{"done": 3, "truncated": 1}') == {"done": 3, "truncated": 1}
    text = (
        "# TYPE deltawire_streams_total counter\n"
        'deltawire_streams_total{model="a",ending="done"} 3.0\n'
        'deltawire_streams_total{model="b",ending="done"} 2.0\n'
        'deltawire_streams_total{model="b",ending="truncated"} 1.0\n'
        'deltawire_streams_created{model="b",ending="done"} 1.7e+09\n'
    )
    assert counted(text) == {"done": 5, "truncated": 1}


def test_usage_is_what_a_process_has_used(tmp_path: Path) -> None:
    code = "t = b'x' * (40 << 20)\nwhile True: pass"
    with Process([sys.executable, "-c", code], cpu=None, log=tmp_path / "log") as process:
        time.sleep(0.5)
        used = process.usage()
    assert 0.05 < used.total < 2
    assert isclose(used.user + used.system, used.total, abs_tol=0.05)
    assert 40 << 20 < used.resident < 200 << 20
    assert usage([os.getpid()]).total > 0


def test_a_free_port_is_free() -> None:
    assert 0 < free_port() < 65536


# --- arithmetic ------------------------------------------------------------------------------


def test_a_run_divides_by_its_events_and_its_seconds() -> None:
    got = a_run(50e-6, user=0.6)
    assert isclose(got.cpu, 50)
    assert isclose(got.user, 30)
    assert got.rate == 1000


def test_figures_are_medians_and_none_where_nothing_was_measured() -> None:
    got = figures([a_run(40e-6), a_run(90e-6), a_run(50e-6)])
    assert got["cpu_us"] == pytest.approx(50)
    assert got["user_us"] == pytest.approx(25)
    assert got["memory_per_stream_kb"] == 21
    assert got["unpaced_cpu_us"] is None


def test_the_table_has_a_row_for_each_relay_and_marks_a_rate_that_is_not_the_relays_own() -> None:
    idle, busy = a_run(5e-6, rate=100_000), a_run(10e-6, rate=99_000)
    lines = table({"idle": figures([a_run()], [idle]), "busy": figures([a_run()], [busy]), "-": figures([])}).split(
        "\n"
    )
    assert lines[2] == "| idle | 50 | 25 | 25 | 0.10 | 0.50 | 21 | ≥ 100,000 | 5.0 |"
    assert lines[3] == "| busy | 50 | 25 | 25 | 0.10 | 0.50 | 21 | 99,000 | 10.0 |"
    assert lines[4] == "| - | – | – | – | – | – | – | – | – |"
    assert {line.count("|") for line in lines} == {10}


def test_percentiles_are_of_the_nearest_rank() -> None:
    assert percentiles([n * 1_000_000 for n in range(1, 101)]) == {"p50": 50.0, "p99": 99.0}
    assert percentiles([3_000_000]) == {"p50": 3.0, "p99": 3.0}
    assert percentiles([]) == {}


def test_six_values_have_their_median_between_least_and_greatest_with_97_percent() -> None:
    assert spread([1, 2, 3, 4, 5, 6]) == (3.5, 1, 6, 1 - 2 / 64)
    # Of twelve the third and the tenth: 2 (1 + 12 + 66) / 4096 = 3.9 % are outside.
    assert spread(list(range(1, 13))) == (6.5, 3, 10, pytest.approx(0.9614, abs=1e-4))


def test_a_claim_holds_where_the_whole_interval_does() -> None:
    claim = CLAIMS["raw", "proxy"]
    assert claim == Claim(1.15, difference=False)

    def said(*ratios: float) -> str:
        return verdict(claim, compared([(a_run(100e-6), a_run(100e-6 * ratio)) for ratio in ratios]))

    assert said(*[1.1] * 6) == "at most 1.15 times: holds"
    assert said(*[1.2] * 6) == "at most 1.15 times: does not hold"
    assert said(1.1, 1.1, 1.1, 1.1, 1.1, 1.2) == "at most 1.15 times: not decided: the median holds"
    assert said(1.1, 1.2, 1.2, 1.2, 1.2, 1.2) == "at most 1.15 times: not decided: the median does not"


def test_a_difference_is_of_the_pair() -> None:
    pairs = [(a_run(50e-6), a_run(50.5e-6)), (a_run(90e-6), a_run(90.5e-6))]
    result = compared(pairs)
    assert result["difference_us"].median == pytest.approx(0.5)
    assert verdict(CLAIMS["raw", "raw+tap"], compared(pairs * 3)) == "at most 1 µs: holds"
