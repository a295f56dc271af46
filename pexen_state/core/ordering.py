"""In which order tasks of one priority come, where it is not the one in which they were declared.

Whoever has the longest way before the end of the run comes first: of its own time, and of the longest chain of those
that wait for it. That is list scheduling by the critical path (Graham, 1969; Kohler, 1975).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pexen_state.core.deps import Deps
from pexen_state.core.spec import TaskSpec


def longest_first(specs: Sequence[TaskSpec], seconds: Sequence[float]) -> list[int]:
    """Numbers of tasks, from 1, those of the longest path to the end first, else as they were declared.

    `seconds` of each task: its weight, or how long it usually takes.
    """
    paths = longest_paths(specs, seconds)
    return sorted(range(1, len(specs) + 1), key=lambda number: (-paths[number - 1], number))


def longest_paths(specs: Sequence[TaskSpec], seconds: Sequence[float]) -> list[float]:
    """Of each task: how long it takes from its begin to the end of all that waits for it, if nobody else is waited for.

    Names stand between who provides and who waits, so this takes as many steps as there are names that tasks have to do
    with. Who can never run has no path but its own time.
    """
    every = [spec._replace(requires=(), requires_all=(*spec.requires, *spec.requires_all)) for spec in specs]
    deps = Deps()
    deps.add(1, every)
    paths = [0.0, *seconds]
    behind: dict[int, float] = {}  # by gate: the longest path of who waits at it
    for number in reversed(list(_in_order(every))):  # who waits comes before whoever it waits for
        longest = 0.0
        for gate in deps.passes(number):
            found = behind.get(id(gate))
            if found is None:
                waiters = (*gate.any_waiters, *gate.all_waiters)
                found = behind[id(gate)] = max((paths[waiter] for waiter in waiters if waiter != number), default=0.0)
            longest = max(longest, found)
        paths[number] += longest
    return paths[1:]


def _in_order(specs: Sequence[TaskSpec]) -> Iterator[int]:
    """Numbers of those that run if all pass, whoever is waited for first."""
    deps = Deps()
    ready, _ = deps.add(1, specs)
    for number in ready:  # grows while it is walked
        yield number
        ready += deps.end(number, True, False)[0]
