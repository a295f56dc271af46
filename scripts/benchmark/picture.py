"""The picture of docs/performance.md: SVG by hand, which reads well on light and on dark pages.

Four panels of bars on one logarithmic scale, a panel a shape; below them, what slower disks do.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from scripts.benchmark.arithmetic import Measured, NotMeasured
from scripts.benchmark.cases import Case
from scripts.benchmark.catalogue import DURABLE, PEER, Peer
from scripts.benchmark.shapes import SHAPES
from scripts.benchmark.tables import TITLES, in_order, number

WIDTH = 960
MARGIN = 24
GUTTER = 28
LABELS = 206  #: room for names, left of the bars
VALUES = 62  #: room for numbers, right of them
ROW = 21
HEAD = 34

STYLE = """
  text { font: 12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328; }
  .title { font-size: 17px; font-weight: 600; }
  .head { font-size: 13px; font-weight: 600; }
  .quiet { fill: #656d76; }
  .strong { font-weight: 600; }
  .ground { fill: #ffffff; }
  .grid { stroke: #d1d9e0; stroke-width: 1; }
  .ours-durable { fill: #1a7f5a; }
  .ours-memory { fill: #8fd0b5; }
  .durable { fill: #6e7781; }
  .memory { fill: #c4cad1; }
  .limit { fill: none; stroke: #6e7781; stroke-width: 1.2; stroke-dasharray: 3 2; }
  .line { stroke: #d1d9e0; stroke-width: 2; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .quiet { fill: #9198a1; }
    .ground { fill: #0d1117; }
    .grid, .line { stroke: #30363d; }
    .ours-durable { fill: #3fb68b; }
    .ours-memory { fill: #1f6f53; }
    .durable { fill: #9198a1; }
    .memory { fill: #484f58; }
    .limit { stroke: #9198a1; }
  }
"""

LEGEND = (
    ("ours-durable", "pexen_state, journaled"),
    ("ours-memory", "pexen_state, in memory"),
    ("durable", "others, flushed to the disk"),
    ("memory", "others, in memory or not flushed"),
    ("limit", "SQLite alone"),
)


class Bar(NamedTuple):
    peer: Peer
    rate: float


class Scale(NamedTuple):
    """Logarithmic, whole powers of ten at both ends."""

    low: int
    high: int
    left: float
    width: float

    def x(self, rate: float) -> float:
        part = (math.log10(rate) - self.low) / (self.high - self.low)
        return self.left + self.width * min(max(part, 0.005), 1.0)

    def ticks(self) -> list[tuple[float, str]]:
        words = {3: "1k", 4: "10k", 5: "100k", 6: "1M"}
        return [(self.x(10**power), words.get(power, str(10**power))) for power in range(self.low, self.high + 1)]


def picture(measured: Measured, n: int, subtitle: str) -> str:
    panels = {shape: bars_of(measured, shape, n) for shape in SHAPES}
    panels = {shape: bars for shape, bars in panels.items() if bars}
    slow = slow_disks_of(measured)
    rates = [bar.rate for bars in panels.values() for bar in bars] + [rate for _, dots in slow for _, rate in dots]
    low = math.floor(math.log10(min(rates)))
    high = max(math.ceil(math.log10(max(rates))), low + 1)
    parts: list[str] = []
    panel_width = (WIDTH - 2 * MARGIN - GUTTER) / 2
    top = 92.0
    for pair in _pairs(list(panels.items())):
        for column, (shape, bars) in enumerate(pair):
            left = MARGIN + column * (panel_width + GUTTER)
            scale = Scale(low, high, left + LABELS, panel_width - LABELS - VALUES)
            parts += _panel(TITLES[shape].split(":")[0].split(",")[0], bars, left, top, scale)
        top += HEAD + max(len(bars) for _, bars in pair) * ROW + 34
    if slow:
        scale = Scale(low, high, MARGIN + LABELS + 120, WIDTH - 2 * MARGIN - LABELS - 120 - VALUES)
        parts += _slow_panel(slow, MARGIN, top, scale)
        top += HEAD + len(slow) * ROW + 30
    return "\n".join([*_frame(top + 8, subtitle), *parts, "</svg>", ""])


def bars_of(measured: Measured, shape: str, n: int) -> list[Bar]:
    """At size n, or at the largest below it that a peer reached; the fastest first."""
    bars = []
    for name in in_order({case.peer for case in measured.cases}):
        try:
            (at,) = measured.largest([Case(name, shape, n)])
        except NotMeasured:
            continue
        bars.append(Bar(PEER[name], measured.rate(at)))
    return sorted(bars, key=lambda bar: -bar.rate)


def slow_disks_of(measured: Measured) -> list[tuple[str, list[tuple[int, float]]]]:
    """(label, [(added microseconds, tasks a second)])."""
    rows: list[tuple[str, list[tuple[int, float]]]] = []
    slowed = {(case.shape, case.peer) for case in measured.cases if case.flush_us and not case.sleep_us}
    for shape in SHAPES:
        names = in_order({peer for one, peer in slowed if one == shape})
        rows += [(f"{shape}: {PEER[name].title}", list(measured.by_delay(name, shape).items())) for name in names]
    return rows


def _frame(height: float, subtitle: str) -> list[str]:
    size = f'viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" height="{height:.0f}"'
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="what">',
        f'<title id="what">Tasks a second by runner and shape. {escape(subtitle)}</title>',
        f"<style>{STYLE}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{height:.0f}" rx="8"/>',
        _text(MARGIN, 34, "Tasks a second, no-op tasks, 2 workers", "title"),
        _text(MARGIN, 54, subtitle, "quiet"),
    ]
    left = float(MARGIN)
    for kind, words in LEGEND:
        out.append(f'<rect class="{kind}" x="{left:.1f}" y="65" width="12" height="12" rx="2"/>')
        out.append(_text(left + 18, 75.5, words, "quiet"))
        left += 40 + len(words) * 6.3
    return out


def _panel(title: str, bars: Sequence[Bar], left: float, top: float, scale: Scale) -> list[str]:
    bottom = top + HEAD + len(bars) * ROW
    out = [_text(left, top + 18, title, "head"), *_grid(scale, top + HEAD - 4, bottom)]
    for row, (peer, rate) in enumerate(bars):
        y = top + HEAD + row * ROW
        width = scale.x(rate) - scale.left
        out.append(_label(scale.left - 8, y, peer.title, peer.is_ours))
        out.append(
            f'<rect class="{kind_of(peer)}" x="{scale.left:.1f}" y="{y + 2:.1f}" width="{width:.1f}" '
            f'height="{ROW - 7}" rx="2"/>'
        )
        out.append(_text(scale.left + width + 6, y + 13, number(rate), "strong" if peer.is_ours else "quiet"))
    return out


def _slow_panel(
    rows: Sequence[tuple[str, Sequence[tuple[int, float]]]], left: float, top: float, scale: Scale
) -> list[str]:
    bottom = top + HEAD + len(rows) * ROW
    title = "On slower disks: this one, and one whose flushes take 1 ms and 5 ms longer (the faintest)"
    out = [_text(left, top + 18, title, "head"), *_grid(scale, top + HEAD - 4, bottom)]
    opacity = {0: 1.0, 1_000: 0.65, 5_000: 0.35}
    for row, (label, dots) in enumerate(rows):
        y = top + HEAD + row * ROW + 9
        ours = "pexen_state" in label
        out.append(_label(scale.left - 8, y - 9, label, ours))
        xs = [scale.x(rate) for _, rate in dots]
        out.append(f'<line class="line" x1="{min(xs):.1f}" y1="{y:.1f}" x2="{max(xs):.1f}" y2="{y:.1f}"/>')
        kind = "ours-durable" if ours else "durable"
        for x, (delay, _) in zip(xs, dots, strict=True):
            out.append(f'<circle class="ground" cx="{x:.1f}" cy="{y:.1f}" r="5.5"/>')
            out.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="5.5" opacity="{opacity[delay]}"/>')
        out.append(_text(max(xs) + 10, y + 4, number(dots[0][1]), "strong" if ours else "quiet"))
    return out


def kind_of(peer: Peer) -> str:
    if peer.is_limit:
        return "limit"
    kept = "durable" if peer.keeps == DURABLE else "memory"
    return f"ours-{kept}" if peer.is_ours else kept


def _grid(scale: Scale, top: float, bottom: float) -> list[str]:
    out = []
    for x, word in scale.ticks():
        out.append(f'<line class="grid" x1="{x:.1f}" y1="{top:.1f}" x2="{x:.1f}" y2="{bottom:.1f}"/>')
        out.append(_text(x, bottom + 13, word, "quiet", "middle"))
    return out


def _label(right: float, y: float, words: str, ours: bool) -> str:
    return _text(right, y + 13, words.replace("pexen_state", "pexen"), "strong" if ours else "", "end")


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def _pairs(items: Sequence[tuple[str, list[Bar]]]) -> Iterable[Sequence[tuple[str, list[Bar]]]]:
    return [items[first : first + 2] for first in range(0, len(items), 2)]
