"""Which tasks waited for a lock, from when to when, and for whom: worked out from who had it before.

The journal tells when a task began, not why it did not begin earlier. A task waited for a lock if somebody who excluded
it let go of it between the moment in which nothing else was missing and its begin.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from fnmatch import translate
from typing import NamedTuple

from pexen_state.core.lock_names import lock_text
from pexen_state.core.locks import normal_name
from pexen_state.core.spec import Name, TaskSpec
from pexen_state.report.formats.lanes import Lanes

_LOOKED_AT = 64  #: holders that are asked, of those who had it last
_MOST_MATCHED = 2_000_000  #: keys that are compared with globs
_CLOSE = 0.001  #: seconds: a lock that was free for longer before it began was not what it waited for last


class Wait(NamedTuple):
    task: str
    lock: str
    holder: str
    begin: float
    end: float


class _Hold(NamedTuple):
    end: float
    number: int
    is_claim: bool


def waits(lanes: Lanes, specs: dict[int, TaskSpec]) -> Iterator[Wait]:
    """By the order in which they began. Times are those of the lanes."""
    first: dict[int, float] = {}
    last: dict[int, float] = {}
    verdict: dict[int, str | None] = {}
    for one in lanes.slices:
        number = one.task.place
        first.setdefault(number, one.begin)
        last[number] = max(one.end, last.get(number, 0.0))
        verdict[number] = one.task.about["state"]
    exact: dict[Name, list[_Hold]] = {}
    below: dict[Name, list[_Hold]] = {}
    for number in first:
        for name, is_claim in _requests(specs[number]):
            hold = _Hold(last[number], number, is_claim)
            exact.setdefault(name, []).append(hold)
            for above in _above(name):
                below.setdefault(above, []).append(hold)
    for holds in (*exact.values(), *below.values()):
        holds.sort()
    ready = _Ready(specs, last, verdict)
    for number in sorted(first, key=first.__getitem__):
        since = None
        worst: tuple[float, Name, int] | None = None
        for name, is_claim in _requests(specs[number]):
            if since is None:
                since = ready.at(specs[number])
            for holds in (exact.get(name, []), *(exact.get(one, []) for one in _above(name)), below.get(name, [])):
                found = _last_before(holds, first[number] + _CLOSE, number, is_claim)
                if found is not None and found.end > since and (worst is None or found.end > worst[0]):
                    worst = (found.end, name, found.number)
        if worst is not None and since is not None:
            end, name, holder = worst
            end = min(end, first[number])
            if end > since:
                yield Wait(specs[number].key, lock_text(name), specs[holder].key, since, end)


def _last_before(holds: list[_Hold], at: float, number: int, is_claim: bool) -> _Hold | None:
    place = bisect_right(holds, at, key=lambda hold: hold.end)
    for hold in reversed(holds[max(0, place - _LOOKED_AT) : place]):
        if hold.number != number and (is_claim or hold.is_claim):
            return hold
    return None


def _requests(spec: TaskSpec) -> Iterator[tuple[Name, bool]]:
    for name in spec.alone:
        yield normal_name(name), True
    for name in spec.uses:
        yield normal_name(name), False


def _above(name: Name) -> Iterator[str]:
    """Of a path all that it is below of."""
    if isinstance(name, str) and name.startswith("/"):
        while len(name) > 1:
            name = name.rpartition("/")[0] or "/"
            yield name


class _Ready:
    """When a task had all that it needs but its locks."""

    def __init__(self, specs: dict[int, TaskSpec], last: dict[int, float], states: dict[int, str | None]) -> None:
        self._any: dict[Name, float] = {}
        self._all: dict[Name, float] = {}
        self._ends = [(specs[number].key, end) for number, end in last.items()]
        self._matched: dict[str, float] = {}
        for number, end in last.items():
            for name in specs[number].provides:
                self._all[name] = max(end, self._all.get(name, 0.0))
                if states[number] == "succeeded":
                    self._any[name] = min(end, self._any.get(name, end))

    def at(self, spec: TaskSpec) -> float:
        return max(self._times(spec), default=0.0)

    def _times(self, spec: TaskSpec) -> Iterable[float]:
        yield from (self._any.get(name, 0.0) for name in spec.requires)
        yield from (self._all.get(name, 0.0) for name in spec.requires_all)
        yield from map(self._after, spec.after)

    def _after(self, pattern: str) -> float:
        if pattern not in self._matched and (len(self._matched) + 1) * len(self._ends) <= _MOST_MATCHED:
            matches = re.compile(translate(pattern)).match
            self._matched[pattern] = max((end for key, end in self._ends if matches(key)), default=0.0)
        return self._matched.get(pattern, 0.0)
