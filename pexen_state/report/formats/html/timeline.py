"""Which worker was busy when, as a picture. Where the box was away is a gap, of a width that is the same for all.

Slices that are too narrow to be told apart are drawn as one, so that the picture does not grow with the run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pexen_state.report.formats.html.markup import Markup, joined, tag
from pexen_state.report.formats.html.tasks import word
from pexen_state.report.formats.lanes import Lanes, Slice, lanes
from pexen_state.report.formats.whole import Whole
from pexen_state.report.style import count, duration, took

_WIDE, _LEFT, _LANE, _TOP = 1000.0, 76.0, 18.0, 22.0
_ROWS = 3  #: of words below the lanes
_BELOW = 4 + 12.0 * _ROWS
_CHAR = 6.2  #: as wide is a letter, at most, on average
_GAP = 26.0  #: what every gap takes
_NARROW = 1.5  #: a slice that is narrower is drawn together with its neighbours
_MOST_GAPS, _MOST_WORKERS = 20, 128
_WORST = ("none", "info", "pass", "skip", "warn", "timeout", "error", "fail", "crash")
_OF_STATE = {"lost": "crash", "timed_out": "timeout", "rebooting": "info", "cancelled": "skip", "running": "none"}


class _Drawn(NamedTuple):
    left: float
    right: float
    kind: str
    said: str
    tasks: int
    number: int


def timeline(whole: Whole) -> Iterator[str]:
    found = lanes(whole)
    if not found.slices:
        yield tag("p", "Nothing ran.")
        return
    workers = found.workers[:_MOST_WORKERS]
    high = _TOP + _LANE * len(workers) + _BELOW
    axis = _Axis(found)
    inside: list[Markup] = [*_ticks(axis, found, high)]
    kinds: set[str] = set()
    for place, worker in enumerate(workers):
        top = _TOP + _LANE * place
        inside.append(tag("text", f"worker {worker}" if worker >= 0 else f"unknown {-worker}", x=0, y=top + 12))
        inside.append(tag("rect", x=_LEFT, y=top, width=_WIDE - _LEFT, height=_LANE - 3, class_="lane"))
        for one in _merged(axis, [one for one in found.slices if one.worker == worker]):
            kinds.add(one.kind)
            wide = max(one.right - one.left, 0.8)
            box = tag(
                "rect",
                tag("title", one.said),
                x=f"{one.left:.1f}",
                y=top,
                width=f"{wide:.1f}",
                height=_LANE - 3,
                rx=1.5,
                class_=f"f-{one.kind}",
            )
            # Whoever has no mouse finds the same in the tree: the picture is no row of stops for the tab key.
            inside.append(tag("a", box, href=f"#t{one.number}", tabindex=-1) if one.tasks == 1 else box)
    inside += _gaps(axis, found, high)
    said = f"{count(len(found.slices), 'attempt')} on {count(len(workers), 'worker')} in {duration(found.seconds)}"
    reboots = sum(one.is_boot for one in found.sessions)
    said += f", with {count(reboots, 'reboot')}" if reboots else ""
    picture = tag("svg", *inside, class_="time", viewBox=f"0 0 {_WIDE:g} {high:g}", role="img", aria_label=said)
    yield tag("p", f"{said}.", class_="m")
    if len(found.workers) > _MOST_WORKERS:
        yield tag("p", f"{len(found.workers) - _MOST_WORKERS} more workers are not drawn.", class_="m")
    legend = [
        tag("li", tag("span", class_=f"swatch sw-{kind}"), word(None if kind == "none" else kind))
        for kind in _WORST
        if kind in kinds
    ]
    frame = joined(picture, tag("ul", *legend, class_="legend"))
    yield tag("div", frame, class_="wide", tabindex=0, role="region", aria_label="Timeline")


class _Axis:
    """From seconds of the run to places in the picture: time in sessions is to scale, gaps are not."""

    def __init__(self, found: Lanes) -> None:
        self.gaps = [one for one in found.sessions if one.gap or one.is_boot][-_MOST_GAPS:]
        gap = min(_GAP, 0.4 * (_WIDE - _LEFT) / max(len(self.gaps), 1))
        drawn = {id(one) for one in self.gaps}
        worked = sum(one.end - one.begin for one in found.sessions) or 1.0
        scale = (_WIDE - _LEFT - gap * len(self.gaps)) / worked
        self._begin: list[float] = []  # where each session is drawn
        self._sessions = found.sessions
        self.scale = scale
        at = _LEFT
        for one in found.sessions:
            at += gap if id(one) in drawn else 0.0
            self._begin.append(at)
            at += (one.end - one.begin) * scale
        self.gap = gap

    def place(self, seconds: float, session: int) -> float:
        return self._begin[session] + (seconds - self._sessions[session].begin) * self.scale

    def begin(self, session: int) -> float:
        return self._begin[session]


def _merged(axis: _Axis, slices: list[Slice]) -> Iterator[_Drawn]:
    last: _Drawn | None = None
    for one in slices:
        left, right = axis.place(one.begin, one.session), axis.place(one.end, one.session)
        nth = f", attempt {one.attempt['attempt']}" if one.attempt["attempt"] > 1 else ""
        kind = _kind(one)
        long = took(one.end - one.begin).strip() if one.attempt["started_at"] else "cut off as it began"
        now = _Drawn(
            left,
            right,
            kind,
            f"{one.task.key}{nth}: {word(None if kind == 'none' else kind)}, {long}",
            1,
            one.task.place,
        )
        if last is not None and left - last.right < 0.5 and right - last.left < _NARROW:
            worst = max(last.kind, kind, key=_WORST.index)
            tasks = last.tasks + 1
            now = _Drawn(
                last.left, max(right, last.right), worst, f"{tasks} attempts, the worst: {word(worst)}", tasks, 0
            )
        elif last is not None:
            yield last
        last = now
    if last is not None:
        yield last


def _kind(one: Slice) -> str:
    """The verdict of the task where that attempt gave it, else how the attempt ended."""
    if one.attempt is one.task.attempts[-1] and one.task.verdict in _WORST:
        return one.task.verdict
    return _OF_STATE.get(one.attempt["state"], "fail" if one.attempt["state"] == "failed" else "none")


def _ticks(axis: _Axis, found: Lanes, high: float) -> Iterator[Markup]:
    """Times since the begin of each session, at round numbers."""
    for place, session in enumerate(found.sessions):
        length = session.end - session.begin
        if length * axis.scale < 60:
            continue
        step = _round(100 / axis.scale)
        at = 0.0
        while at <= length:
            x = axis.begin(place) + at * axis.scale
            if x < _WIDE - 30:
                yield tag("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=14, y2=f"{high - _BELOW:.0f}", class_="grid")
                yield tag("text", duration(at) if at else "0", x=f"{x + 2:.1f}", y=11)
            at += step


def _round(seconds: float) -> float:
    steps = (
        0.01,
        0.02,
        0.05,
        0.1,
        0.2,
        0.5,
        1,
        2,
        5,
        10,
        15,
        30,
        60,
        120,
        300,
        600,
        900,
        1800,
        3600,
        7200,
        14400,
        43200,
    )
    return next((float(step) for step in steps if step >= seconds), float(86400 * max(1, round(seconds / 86400))))


def _gaps(axis: _Axis, found: Lanes, high: float) -> Iterator[Markup]:
    """Where the box was away. Words that would be written over others are left to the title."""
    ends = [0.0] * _ROWS
    for place, session in enumerate(found.sessions):
        if session not in axis.gaps:
            continue
        left = axis.begin(place) - axis.gap
        said = f"{session.why}, {duration(session.gap)}"
        title = tag("title", said)
        body = high - _TOP - _BELOW - 3
        yield tag("rect", title, x=f"{left + 2:.1f}", y=_TOP, width=f"{axis.gap - 4:.1f}", height=body, class_="gap")
        wide = len(said) * _CHAR
        x = max(0.0, min(left, _WIDE - wide))
        row = next((row for row in range(_ROWS) if ends[row] <= x), None)
        if row is not None:
            ends[row] = x + wide
            yield tag("text", said, x=f"{x:.1f}", y=f"{high - _BELOW + 11 + 12 * row:.0f}")
