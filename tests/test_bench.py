"""`deltawire bench`: its table, its JSON and its picture, measured in a moment."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deltawire.cli import bench, program
from deltawire.cli.peers import GROUPS, contenders, expected
from deltawire.replay import sample


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_SECONDS", 0)
    monkeypatch.setattr(bench, "_EVENTS", 60)
    monkeypatch.setattr(bench, "_SLOW_EVENTS", 20)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(program(), ["bench", *arguments])


@pytest.mark.parametrize("name", ["text", "escapes", "reasoning", "n4", "vllm"])
def test_every_contender_reads_the_streams_right(name: str) -> None:
    stream = sample(name, chunks=40)
    for contender in contenders():
        found = contender.answer(contender.new(stream, stream.reads(1000))())
        assert found == expected(contender.group, stream), contender.name


def test_the_table_has_every_group_and_the_unit() -> None:
    result = run()
    assert result.exit_code == 0
    for part in (*GROUPS, "msgspec alone", "deltawire, pure", "× M", "MB/s", "Python 3"):
        assert part in result.stdout


def test_json_has_the_same_figures() -> None:
    result = run("--json", "--stream", "tools")
    document = json.loads(result.stdout)
    assert document["stream"] == "tools"
    assert {timing["group"] for timing in document["timings"]} == set(GROUPS)
    units = {timing["name"]: timing["units"] for timing in document["timings"] if timing["group"] == "typed"}
    assert units["msgspec alone, already split"] == 1


def test_a_wrong_answer_is_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "expected", lambda group, stream: "something else")
    result = run()
    assert result.exit_code == 1
    assert "read the stream wrong" in result.stderr


@pytest.mark.parametrize("suffix", ["svg", "png", "html"])
def test_the_comparison_is_drawn(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / f"bench.{suffix}"
    result = run("--save", str(picture))
    assert result.exit_code == 0
    assert f"drawn to {picture}" in result.stderr
    content = picture.read_bytes()
    assert len(content) > 5000
    assert content.startswith({"svg": b"<?xml", "png": b"\x89PNG", "html": b"<!doctype html>"}[suffix])


def test_the_shortest_bar_is_within_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    figure = pytest.importorskip("matplotlib.figure")
    from deltawire.cli.picture import draw

    drawn = []
    monkeypatch.setattr(figure.Figure, "savefig", lambda self, *_, **__: drawn.append(self))
    draw(Path("bench.svg"), [(group, "deltawire, compiled", 30.0) for group in GROUPS], 500.0, "")
    assert all(axes.get_xlim()[0] < 30 for axes in drawn[0].axes)


def test_a_picture_of_another_kind_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    result = run("--save", str(tmp_path / "bench.gif"))
    assert result.exit_code == 2
    assert "a .svg, .png or .html file is needed" in result.stderr
