"""What will never run, once the run can go no further, and the sentence that says why.

Read-only: the plan decides. The sentences are kept with the tasks for ever, so they name tasks by their keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pexen_state.core.circles import circles
from pexen_state.core.deps import Gate
from pexen_state.core.left_behind import recoverers
from pexen_state.core.listing import NAMED, listed
from pexen_state.core.standing import Standing
from pexen_state.core.states import Cause, State


class Never(NamedTuple):
    """A task that will never run."""

    task: int
    cause: Cause
    reason: str


def stuck_at_locks(run: Standing) -> Iterator[Never]:
    """Tasks that wait for a lock which a task that has ended still holds, and which nobody will recover."""
    return (never for never, is_hopeless in _stuck(run) if is_hopeless)


def stuck_though_recoverable(run: Standing) -> Iterator[Never]:
    """Of those that wait for a lock which somebody could recover, the ones that keep them from it.

    To be asked when nobody waits for himself: then whoever could recover it is stuck, or waits for somebody who is.
    """
    stuck = [never for never, _ in _stuck(run)]
    awaited = _awaited_by(run, [number for number in run.recoverers if not run.tasks[number].state.is_final])
    return (never for never in stuck if never.task in awaited or not awaited.intersection(one.task for one in stuck))


def _stuck(run: Standing) -> Iterator[tuple[Never, bool]]:
    """With each, whether nobody is left who could recover what is in its way."""
    known: dict[object, tuple[str, bool]] = {}
    for number in run.locks.stuck():
        want = run.locks.wants(number)
        assert want is not None, f"task {number} is stuck, but wants nothing"
        if want not in known:
            held = run.locks.holders(want)
            keys = dict.fromkeys(run.tasks[holder].spec.key for _, holder, _ in held)
            is_hopeless = not all(any(recoverers(run, name)) for name in dict.fromkeys(name for name, _, _ in held))
            known[want] = (listed(list(keys)), is_hopeless)
        who, is_hopeless = known[want]
        yield Never(number, Cause.LOCKED, f"lock {want.lock.name!r} is still held by {who}"), is_hopeless


def _awaited_by(run: Standing, numbers: Sequence[int]) -> set[int]:
    """These tasks, and all that have not ended and that they wait for."""
    found, gates = set(numbers), set()
    front = list(numbers)
    for number in front:  # grows while it is walked
        waits = run.deps[number]
        for gate in (*waits.requires, *waits.requires_all, *waits.after):
            if id(gate) not in gates:
                gates.add(id(gate))
                more = {one for one in gate.providers if not run.tasks[one].state.is_final} - found
                found |= more
                front += sorted(more)
    return found


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


def _cut(keys: Sequence[str], length: int) -> Sequence[str]:
    return keys if len(keys) <= length else [*keys[: length - 1], "..."]
