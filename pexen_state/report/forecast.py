"""A forecast in words: waves, the order on so many workers, the critical path, who shares which lock, what never runs.

The times are those of past runs, where there are any; whoever reads it is told how much of it is guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pexen_state.core.forecast import Begin, Forecast, Step, critical_path, forecast
from pexen_state.core.inputs import Input
from pexen_state.core.lock_names import lock_text
from pexen_state.core.locks import normal_name
from pexen_state.core.spec import TaskSpec
from pexen_state.report.style import Style, count, duration, took
from pexen_state.report.text import cut, safe

_NAMED = 8  # tasks of a wave
_LISTED = 40  # waves, steps, locks, tasks
_SHORTEST = 0.001  # nothing takes no time at all: who waits for whom would be lost


@dataclass(frozen=True)
class Times:
    """How long each task is taken to last. `unit`: nothing is known, and every task lasts one unit."""

    seconds: tuple[float, ...]
    known: int
    median: float

    @property
    def unit(self) -> bool:
        return not self.known


def times_of(specs: Sequence[TaskSpec], typical: Mapping[str, float]) -> Times:
    """From usual seconds by key. What has no past is taken to last as long as the median of what has."""
    known = sorted(max(typical[spec.key], _SHORTEST) for spec in specs if spec.key in typical)
    median = known[len(known) // 2] if known else 1.0
    return Times(tuple(max(typical.get(spec.key, median), _SHORTEST) for spec in specs), len(known), median)


@dataclass(frozen=True)
class Rehearsed:
    """All that is told of a suite."""

    specs: Sequence[TaskSpec]
    times: Times
    workers: int
    waves: list[list[int]]
    order: Forecast  #: on so many workers
    path: list[Step]
    at_least: float  #: on as many workers as one likes


def rehearse(
    specs: Sequence[TaskSpec],
    typical: Mapping[str, float],
    workers: int,
    before: Sequence[Input] = (),
    resources: Mapping[str, int] | None = None,
    groups: Mapping[str, int] | None = None,
    order: Sequence[int] | None = None,
) -> Rehearsed:
    times = times_of(specs, typical)
    # With workers for all, there is enough of everything, too.
    endless = {name: amount * len(specs) for name, amount in (resources or {}).items()}
    steps = forecast(specs, [1.0] * len(specs), before=before, resources=endless)
    free = steps if times.unit else forecast(specs, times.seconds, before=before, resources=endless)
    ordered = forecast(specs, times.seconds, workers, before, resources, groups, order)
    return Rehearsed(specs, times, workers, steps.waves(), ordered, critical_path(free), free.seconds)


# -- as JSON


def as_fields(told: Rehearsed) -> dict[str, Any]:
    """Keys by waves, begins and ends on so many workers, the critical path. Times are seconds, or units."""
    specs = told.specs
    return {
        "workers": told.workers,
        "seconds_known_of": told.times.known,
        "unit": "a task" if told.times.unit else "s",
        "estimate": told.order.seconds,
        "at_least": told.at_least,
        "group_switches": told.order.switches,
        "waves": [[specs[task - 1].key for task in wave] for wave in told.waves],
        "order": [_begin(begin, specs) for begin in told.order.begins],
        "critical_path": [
            {
                **_begin(step.begin, specs),
                "after": specs[step.because.task - 1].key if step.because else None,
                "because": lock_text(step.because.name) if step.because else None,
                "is_lock": step.because.is_lock if step.because else None,
            }
            for step in told.path
        ],
        "locks": [
            {"lock": name, "used_by": used, "claimed_by": claimed} for name, (used, claimed) in locks_of(specs).items()
        ],
        "not_run": [
            {"key": specs[never.task - 1].key, "cause": never.cause.word, "reason": never.reason}
            for never in told.order.never
        ],
    }


def _begin(begin: Begin, specs: Sequence[TaskSpec]) -> dict[str, Any]:
    return {"key": specs[begin.task - 1].key, "at": begin.at, "ends": begin.ends}


def locks_of(specs: Sequence[TaskSpec]) -> dict[str, tuple[list[str], list[str]]]:
    """name -> (keys of those that use it, keys of those that claim it)"""
    found: dict[str, tuple[list[str], list[str]]] = {}
    for spec in specs:
        for at, names in enumerate((spec.uses, spec.alone)):
            for name in names:
                found.setdefault(lock_text(normal_name(name)), ([], []))[at].append(spec.key)
    return dict(sorted(found.items()))


# -- in words


def forecast_lines(suite: str, told: Rehearsed, style: Style, everything: bool) -> Iterator[str]:
    """`everything`: nothing is left out, however long it gets."""
    specs, times = told.specs, told.times
    most = max(len(specs), 1) if everything else _LISTED
    waves = count(len(told.waves), "wave")
    yield style.strong(f"suite {safe(suite)}  {count(len(specs), 'task')}  {waves}")
    on = count(told.workers, "worker")
    if times.unit:
        yield "  no earlier run tells how long these tasks take, so each is taken to last as long as any other"
        fewer = (
            f"; on any number of workers, as {_in_a_row(told.at_least)}" if told.at_least < told.order.seconds else ""
        )
        yield f"  on {on} they take as {_in_a_row(told.order.seconds)}{fewer}"
    else:
        yield (
            f"  on {on}: about {duration(told.order.seconds)}; "
            f"on any number of workers, at least {duration(told.at_least)}"
        )
        if times.known < len(specs):
            unknown = len(specs) - times.known
            yield (
                f"  {count(unknown, 'task')} of {len(specs)} {'has' if unknown == 1 else 'have'} not run before, and "
                f"{'is' if unknown == 1 else 'are'} taken to last {duration(times.median)}, the median of the others"
            )
    if told.order.switches:
        yield f"  groups are switched {count(told.order.switches, 'time')}"
    yield ""
    yield style.strong("waves: what could begin together, if all tasks lasted as long")
    for number, wave in enumerate(told.waves[:most], 1):
        yield f"  {number:>3}  {count(len(wave), 'task')}: {_keys(wave, specs, everything)}"
    yield from _more(len(told.waves) - most, "wave")
    yield ""
    yield style.strong(f"order on {on}")
    for begin in told.order.begins[:most]:
        yield f"  {_span(begin, times)}  {_key(specs[begin.task - 1])}"
    yield from _more(len(told.order.begins) - most, "task")
    yield ""
    total = "" if times.unit else f", {duration(told.at_least)}"
    yield style.strong(f"critical path: {count(len(told.path), 'task')} one after another{total}")
    for step in told.path[:most]:
        yield f"  {_span(step.begin, times)}  {_key(specs[step.begin.task - 1])}{_because(step, specs)}"
    yield from _more(len(told.path) - most, "task")
    shared = _shared(locks_of(specs))
    if shared:
        yield ""
        yield style.strong("locks that tasks share")
        for name, (used, claimed) in list(shared.items())[:most]:
            sides = [f"{word} by {len(keys)}" for word, keys in (("used", used), ("claimed", claimed)) if keys]
            yield f"  {cut(safe(name), 200)}  {', '.join(sides)}"
        yield from _more(len(shared) - most, "lock")
    if told.order.never:
        yield ""
        yield style.strong("would not run")
        for never in told.order.never[:most]:
            yield f"  {_key(specs[never.task - 1])}  {cut(safe(never.reason), 500)}"
        yield from _more(len(told.order.never) - most, "task")


def _shared(locks: dict[str, tuple[list[str], list[str]]]) -> dict[str, tuple[list[str], list[str]]]:
    """Those that more than one task is about, be it by a lock above or below."""
    above = {name: set(_above(name)) for name in locks}
    over = {one for names in above.values() for one in names}
    return {
        name: sides
        for name, sides in locks.items()
        if len(sides[0]) + len(sides[1]) > 1 or name in over or above[name].intersection(locks)
    }


def _above(name: str) -> Iterator[str]:
    while name.startswith("/") and name != "/":
        name = name[: name.rfind("/")] or "/"
        yield name


def _more(number: int, thing: str) -> Iterator[str]:
    if number > 0:
        yield f"  ... and {count(number, f'more {thing}')}; --all lists them"


def _in_a_row(units: float) -> str:
    return f"long as {count(round(units), 'task')}{' one after another' if units > 1 else ''}"


def _span(begin: Begin, times: Times) -> str:
    """When it begins and how long it is taken to last."""
    if times.unit:
        return f"{begin.at:>8g} [{begin.ends - begin.at:g}]"
    return f"{took(begin.at)} [{took(begin.ends - begin.at)}]"


def _key(spec: TaskSpec) -> str:
    return cut(safe(spec.key), 200)


def _keys(tasks: Sequence[int], specs: Sequence[TaskSpec], everything: bool) -> str:
    named = tasks if everything else tasks[:_NAMED]
    more = f" and {len(tasks) - len(named)} more" if len(tasks) > len(named) else ""
    return f"{', '.join(_key(specs[task - 1]) for task in named)}{more}"


def _because(step: Step, specs: Sequence[TaskSpec]) -> str:
    if step.because is None:
        return ""
    name = cut(safe(lock_text(step.because.name)), 200)
    other = _key(specs[step.because.task - 1])
    if step.because.is_lock:
        return f"  waits for the lock {name} of {other}"
    return f"  waits for {name}, from {other}"
