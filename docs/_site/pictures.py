"""Draws the pictures of the documents: `python docs/_site/pictures.py`.

They are SVG files that bring their own background and ask the reader's system for light or dark,
so that they can be read wherever they are shown.
"""

from html import escape
from pathlib import Path

DOCS = Path(__file__).parents[1]

STYLE = """\
  <style>
    svg { --paper: #ffffff; --ink: #22272e; --faint: #5c6773; --line: #9aa5b1; --box: #eef2f6;
          --own: #fde4dc; --own-line: #d9481f; --slot: #ffd9a8; --slot-ink: #6b3500; }
    @media (prefers-color-scheme: dark) {
      svg { --paper: #1e2129; --ink: #e4e8ee; --faint: #a3adb9; --line: #6b7684; --box: #2b313b;
            --own: #4a2a20; --own-line: #ff8a65; --slot: #7a4a10; --slot-ink: #ffe3bf; }
    }
    text { font: 14px ui-sans-serif, system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; fill: var(--ink); }
    .name { font-weight: 600; }
    .note { font-size: 12.5px; fill: var(--faint); }
    .code { font: 13px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; white-space: pre; }
    .slot { fill: var(--slot-ink); font-weight: 600; }
    .box { fill: var(--box); stroke: var(--line); }
    .own { fill: var(--own); stroke: var(--own-line); }
    .mark { fill: var(--slot); }
    .arrow { fill: none; stroke: var(--faint); stroke-width: 1.5; marker-end: url(#tip); }
    .tip { fill: var(--faint); }
    .paper { fill: var(--paper); }
  </style>
  <defs>
    <marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">
      <path class="tip" d="M0 0 8 4 0 8z"/>
    </marker>
  </defs>
"""


def picture(width: int, height: int, title: str, parts: list[str]) -> str:
    """Return a whole SVG document."""
    body = "".join(f"  {part}\n" for part in parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">\n'
        f"  <title>{escape(title)}</title>\n{STYLE}"
        f'  <rect class="paper" width="{width}" height="{height}" rx="8"/>\n{body}</svg>\n'
    )


def words(x: float, y: float, text: str, kind: str = "", anchor: str = "middle") -> str:
    """Return a line of text."""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" class="{kind}">{escape(text, quote=False)}</text>'


def arrow(*points: tuple[float, float]) -> str:
    """Return a line through `points`, with a tip at its end."""
    return f'<path class="arrow" d="M{" ".join(f"{x:g} {y:g}" for x, y in points)}"/>'


def box(x: float, y: float, width: float, height: float, kind: str, name: str, *notes: str) -> list[str]:
    """Return a box with a name, and notes below it."""
    middle = x + width / 2
    first = y + height / 2 + 5 - 9 * len(notes)
    lines = [words(middle, first, name, "name")]
    lines += [words(middle, first + 18 * (number + 1), note, "note") for number, note in enumerate(notes)]
    return [f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6"/>', *lines]


def flow() -> str:
    """Return the way of the bytes through the package."""
    parts = [
        *box(16, 24, 122, 74, "box", "a read", "bytes, from a", "socket or a file"),
        *box(200, 24, 140, 74, "own", "EventParser", "lines, fields,", "blank lines"),
        *box(408, 24, 150, 74, "own", "ChunkDecoder", "msgspec, or", "a stencil"),
        *box(618, 24, 226, 74, "own", "CompletionAccumulator", "deltas, folded", "in place"),
        arrow((138, 61), (198, 61)),
        words(168, 52, "feed", "note"),
        arrow((340, 61), (406, 61)),
        words(373, 52, "window", "note"),
        arrow((558, 61), (616, 61)),
        words(587, 52, "chunk", "note"),
        arrow((270, 98), (270, 138)),
        words(270, 156, "ServerSentEvent", "code"),
        arrow((483, 98), (483, 138)),
        words(483, 156, "ChatCompletionChunk", "code"),
        words(483, 174, "text, or your own type", "note"),
        arrow((731, 98), (731, 138)),
        words(731, 156, "ChatCompletion", "code"),
        words(731, 174, "at any time", "note"),
        # What is sent on.
        arrow((77, 98), (77, 240), (198, 240)),
        arrow((77, 240), (77, 318), (198, 318)),
        words(89, 186, "in a proxy", "note", "start"),
        *box(200, 212, 160, 56, "own", "Tap", "looks, alters nothing"),
        *box(200, 290, 160, 56, "own", "Rewriter", "event by event"),
        arrow((360, 240), (424, 240)),
        words(434, 236, "the same bytes, to the client;", "note", "start"),
        words(434, 254, "a StreamReport at the end", "note", "start"),
        arrow((360, 318), (424, 318)),
        words(434, 314, "bytes, to the client: what need not change", "note", "start"),
        words(434, 332, "as it came, other events rewritten", "note", "start"),
    ]
    return picture(860, 366, "From a read to events, chunks and a completion; beside it, tap and rewriter", parts)


LETTER = 7.8  # px a character of code is wide

HEAD, TAIL = '{"id":"c7","choices":[{"index":0,"delta":{"content":', '}}],"usage":null}'


def payload(y: float, value: str, kind: str = "slot", marked: bool = True) -> list[str]:
    """Return one payload, with what varies marked. Each piece is as wide as its characters, in any font."""
    parts, x = [], 24.0
    for text, is_slot in ((HEAD, False), (value, True), (TAIL, False)):
        width = len(text) * LETTER
        if is_slot and marked:
            parts.append(f'<rect class="mark" x="{x:g}" y="{y - 15:g}" width="{width:g}" height="21" rx="3"/>')
        parts.append(
            f'<text x="{x:g}" y="{y:g}" textLength="{width:g}" lengthAdjust="spacingAndGlyphs" '
            f'class="code{" " + kind if is_slot else ""}">{escape(text, quote=False)}</text>'
        )
        x += width
    return parts


def segment(x: float, y: float, width: float, kind: str, name: str) -> list[str]:
    """Return one part of a stencil."""
    return [
        f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="30" rx="4"/>',
        words(x + width / 2, y + 20, name, "slot" if kind == "mark" else ""),
    ]


def stencil() -> str:
    """Return what two payloads teach, and how a third is read."""
    slot = 24 + len(HEAD) * LETTER
    slot_width = len('" there"') * LETTER
    tail = slot + slot_width
    end = tail + len(TAIL) * LETTER
    parts = [
        words(24, 34, "Two payloads that msgspec has decoded differ in one string:", "note", "start"),
        *payload(60, '" Hello"'),
        *payload(86, '" there"'),
        arrow((slot / 2, 98), (slot / 2, 126)),
        arrow((slot + slot_width / 2, 98), (slot + slot_width / 2, 126)),
        arrow(((tail + end) / 2, 98), ((tail + end) / 2, 126)),
        *segment(24, 130, slot - 28, "box", f"{len(HEAD)} bytes, literal"),
        *segment(slot, 130, slot_width, "mark", "a str"),
        *segment(tail + 4, 130, end - tail - 4, "box", f"{len(TAIL)} bytes, literal"),
        words(24, 182, "The stencil. The next payload is laid under it:", "note", "start"),
        *payload(210, '" world"'),
        arrow((slot / 2, 220), (slot / 2, 248)),
        words(slot / 2, 266, "the same bytes: compared, not decoded", "note"),
        arrow((slot + slot_width / 2, 220), (slot + slot_width / 2, 286)),
        words(slot + slot_width / 2, 304, "read: the only value that is made", "note"),
        arrow(((tail + end) / 2, 220), ((tail + end) / 2, 248)),
        words((tail + end) / 2, 266, "the same bytes", "note"),
        words(
            24,
            334,
            "The chunk is the second one, with this string in its place. What does not fit goes to msgspec.",
            "note",
            "start",
        ),
    ]
    return picture(round(end) + 24, 352, "Two payloads, the stencil cut from them, and a third read by it", parts)


PICTURES = {"flow.svg": flow, "stencil.svg": stencil}

if __name__ == "__main__":
    for name, draw in PICTURES.items():
        (DOCS / name).write_text(draw(), encoding="utf-8")
