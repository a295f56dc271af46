"""When which worker was busy with what: attempts as slices of time, laid out by worker.

Time here counts from the begin of the run, in seconds. Each session is placed after the one before it, and within a
session time goes by its own clock, so that a wall clock that was set, or jumped over a reboot, moves nothing to where
it cannot have been.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count, zip_longest
from math import inf
from typing import Any, NamedTuple

from pexen_state.report.formats.whole import Task, Whole


class Slice(NamedTuple):
    """One attempt."""

    task: Task
    attempt: dict[str, Any]  #: a row of the view `attempts`
    session: int  #: its place in `Lanes.sessions`
    worker: int  #: below 0: it is not known which; what ran at the same time has another number
    begin: float
    end: float


class Session(NamedTuple):
    """One life of the runner, and what was before it."""

    about: dict[str, Any]  #: a row of the view `sessions`
    begin: float
    end: float
    gap: float  #: seconds since the session before
    is_boot: bool  #: the box was booted in that gap
    why: str  #: what the gap is, in words


@dataclass(slots=True)
class Lanes:
    sessions: list[Session]
    slices: list[Slice]  #: by the time at which they began
    workers: list[int]  #: that were there, in order; those of which nothing is known come last

    @property
    def seconds(self) -> float:
        return self.sessions[-1].end if self.sessions else 0.0


def lanes(whole: Whole) -> Lanes:
    begun: dict[int, list[tuple[float, float, Task, dict[str, Any]]]] = {}
    began = {about["id"]: _at(about["started_at"]) for about in whole.sessions}
    lengths = _lengths(whole.sessions)
    for task in whole.tasks:
        for attempt in task.attempts:
            # Of what was cut off before anybody wrote down that it had begun, only the end is known.
            start = attempt["started_at"] or attempt["ended_at"]
            if start is None or attempt["session"] not in began:
                continue
            at = max(_at(start) - began[attempt["session"]], 0.0)
            took = _took(attempt, at, began[attempt["session"]], lengths[attempt["session"]])
            begun.setdefault(attempt["session"], []).append((at, took, task, attempt))
    sessions: list[Session] = []
    slices: list[Slice] = []
    for place, about in enumerate(whole.sessions):
        here = sorted(begun.get(about["id"], ()), key=lambda one: one[:2])
        gap, is_boot, why = _gap(sessions, about)
        offset = sessions[-1].end + gap if sessions else 0.0
        free: dict[int, float] = {}
        for at, took, task, attempt in here:
            worker = attempt["worker"]
            if worker is None:
                worker = next(one for one in count(-1, -1) if free.get(one, 0.0) <= at)
            # A worker does one thing at a time: what is known to the microsecond alone may seem to overlap.
            start = max(at, free.get(worker, 0.0))
            end = max(at + took, start)
            free[worker] = end
            slices.append(Slice(task, attempt, place, worker, offset + start, offset + end))
        length = max(float(about["seconds"] or 0.0), max(free.values(), default=0.0), 1e-6)
        sessions.append(Session(about, offset, offset + length, gap, is_boot, why))
    return Lanes(sessions, slices, sorted({one.worker for one in slices}, key=lambda one: (one < 0, abs(one))))


def _lengths(sessions: Sequence[dict[str, Any]]) -> dict[int, float]:
    """How long each session was at most."""
    found = {}
    for about, following in zip_longest(sessions, sessions[1:]):
        if about["seconds"] is not None:
            found[about["id"]] = float(about["seconds"])
        elif following is not None and following["boot_id"] == about["boot_id"]:
            found[about["id"]] = max(_at(following["started_at"]) - _at(about["started_at"]), 0.0)
        else:
            found[about["id"]] = inf
    return found


def _took(attempt: dict[str, Any], at: float, began: float, length: float) -> float:
    if attempt["seconds"] is not None:
        return float(attempt["seconds"])
    if attempt["ended_at"] is None:
        return 0.0
    # What was cut off with its session is only told to be over by the next one: it ended with its own.
    return max(min(_at(attempt["ended_at"]) - began, length) - at, 0.0)


def _gap(before: Sequence[Session], about: dict[str, Any]) -> tuple[float, bool, str]:
    if not before:
        return 0.0, False, ""
    last = before[-1].about
    ended = _at(last["started_at"]) + (before[-1].end - before[-1].begin)
    gap = max(_at(about["started_at"]) - ended, 0.0)
    is_boot = last["boot_id"] != about["boot_id"]
    how = last["how_ended"] or "cut off"
    of_box = {"shutdown": "shut down", "crashed": "the box crashed"}
    if is_boot:
        return gap, True, of_box.get(how, "reboot")
    return gap, False, {"killed": "the runner was killed", "finished": "run again", **of_box}.get(how, how)


def _at(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()
