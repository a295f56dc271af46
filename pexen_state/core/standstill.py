"""What will never run, once the run can go no further, and the sentence that says why.

Read-only: the plan decides. The sentences are kept with the tasks for ever, so they name tasks by their keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pexen_state.core.circles import circles
from pexen_state.core.deps import Gate
from pexen_state.core.standing import Standing
from pexen_state.core.states import Cause, State

#: A sentence names this many; of the others it says how many they are.
NAMED = 3


class Never(NamedTuple):
    """A task that will never run."""

    task: int
    cause: Cause
    reason: str


def stuck_at_locks(run: Standing) -> Iterator[Never]:
    """Tasks that wait for a lock which a task that has ended still holds."""
    holders: dict[object, str] = {}
    for number in run.locks.stuck():
        want = run.locks.wants(number)
        assert want is not None, f"task {number} is stuck, but wants nothing"
        if want not in holders:
            keys = dict.fromkeys(run.tasks[holder].spec.key for _, holder, _ in run.locks.holders(want))
            holders[want] = listed(list(keys))
        yield Never(number, Cause.LOCKED, f"lock {want.lock.name!r} is still held by {holders[want]}")


def stuck_in_circles(run: Standing) -> Iterator[Never]:
    """One task of each circle of tasks that wait for each other: one that need not run `always`, if there is one."""
    waiting = [number for number, task in run.tasks.items() if task.state is State.WAITING]
    for circle in circles(run.deps, waiting):
        victim = next((number for number in circle if not run.tasks[number].spec.always), circle[0])
        at = circle.index(victim)
        keys = [run.tasks[number].spec.key for number in circle[at:] + circle[:at]]
        yield Never(victim, Cause.UNMET, f"it waits for itself: {' -> '.join([*_cut(keys, 8), keys[0]])}")


def why_in_vain(run: Standing, number: int) -> str:
    """Which names were lost, and how. What lies behind it is in the reason of the tasks that it names."""
    gates = list(run.deps.lost_gates(number))
    more = [f"and {len(gates) - NAMED} more names"] if len(gates) > NAMED else []
    return "; ".join([*(_loss(run, gate) for gate in gates[:NAMED]), *more])


def _loss(run: Standing, gate: Gate) -> str:
    lost = [run.tasks[number] for number in gate.providers if not run.tasks[number].provided]
    if not lost:
        return f"requires {gate.label!r}, which no task provides"
    how = listed([f"{task.spec.key} ({task.verdict.word.replace('_', ' ')})" for task in lost])
    whole = "nobody" if not gate.kept else "not everybody"
    return f"requires {gate.label!r}, which was provided by {whole}: {how}"


def listed(words: Sequence[str]) -> str:
    """`a`, `a, b and c`, `a, b, c and 4 more`."""
    if len(words) > NAMED:
        return f"{', '.join(words[:NAMED])} and {len(words) - NAMED} more"
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _cut(keys: Sequence[str], length: int) -> Sequence[str]:
    return keys if len(keys) <= length else [*keys[: length - 1], "..."]
