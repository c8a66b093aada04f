"""The comparison as a picture."""

import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

_TITLES = {
    "events": "bytes → events",
    "typed": "bytes → typed chunks, or their JSON values",
    "text": "bytes → text",
    "accumulate": "bytes → the finished completion",
    "tap": "bytes that are sent on → usage, finish reasons and times",
    "rewrite": "bytes → the same with another model, and without usage",
}
_OWN, _TWIN, _OTHER, _INK = "#e4572e", "#f2b8a4", "#b9c4cf", "#2b2f36"

Bar = tuple[str, str, float]  # group, name, ns


def draw(file: Path, bars: Sequence[Any], unit: float, caption: str) -> None:
    """Draw the bars to a .svg, .png or .html file: ns an event on a logarithmic scale, M as a line."""
    groups = {group: sorted((bar for bar in bars if bar[0] == group), key=lambda bar: -bar[2]) for group in _TITLES}
    heights = [len(group) + 0.9 for group in groups.values()]
    figure = Figure(figsize=(10, 0.30 * sum(heights) + 1.4), layout="constrained")
    figure.suptitle("Time for each event of about 330 bytes: shorter is better", color=_INK, fontweight="bold")
    rows = figure.subplots(len(groups), 1, height_ratios=heights, sharex=True, squeeze=False)
    shortest, longest = min(bar[2] for bar in bars), max(bar[2] for bar in bars)
    for axes, (group, members) in zip(rows[:, 0], groups.items(), strict=True):
        _draw_group(axes, _TITLES[group], members, unit)
        axes.set_xscale("log")
        axes.set_xlim(min(40, shortest / 2), longest * 5)  # room for the labels, and for each bar
    axes = rows[-1, 0]
    axes.set_xlabel(
        f"ns, logarithmic; the dotted line is msgspec alone on payloads already split\n{caption}", fontsize=8
    )
    if file.suffix == ".html":
        page = io.StringIO()
        figure.savefig(page, format="svg")
        svg = page.getvalue()
        file.write_text(_PAGE.format(caption=html.escape(caption), svg=svg[svg.index("<svg") :]), encoding="utf-8")
    else:
        figure.savefig(file, dpi=160)


def _draw_group(axes: Any, title: str, members: Sequence[Bar], unit: float) -> None:
    names = [name for _, name, _ in members]
    values = [value for _, _, value in members]
    colours = [_OWN if "compiled" in name else _TWIN if name.startswith("deltawire") else _OTHER for name in names]
    bars = axes.barh(names, values, color=colours, height=0.72)
    axes.bar_label(bars, [_duration(value) for value in values], padding=4, fontsize=8, color=_INK)
    axes.axvline(unit, color=_INK, linestyle=":", linewidth=1)
    axes.set_title(title, loc="left", fontsize=9, color=_INK)
    axes.tick_params(axis="y", labelsize=8, length=0)
    axes.tick_params(axis="x", labelsize=8)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _duration(nanoseconds: float) -> str:
    return f"{nanoseconds:,.0f} ns" if nanoseconds < 1e4 else f"{nanoseconds / 1e3:,.0f} µs"


_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>deltawire bench</title>
<style>
  body {{ margin: 2rem auto; max-width: 64rem; font-family: sans-serif }}
  svg {{ width: 100%; height: auto }}
</style>
<figure>
{svg}
<figcaption>{caption}</figcaption>
</figure>
</html>
"""
