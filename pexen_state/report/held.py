"""The locks of a run that are held: by whom, for how long, and who waits for them."""

from __future__ import annotations

from typing import Any

from pexen_state.core.explain import mended_by
from pexen_state.core.lock_names import lock_text
from pexen_state.core.states import Locks
from pexen_state.report.situation import Situation, shown

Found = dict[str, Any]


def held_locks(about: Situation) -> list[Found]:
    """Every lock that is held, by its name: who has it, for how long, and who waits for it, in their order."""
    plan = about.plan
    waiters: dict[tuple[object, int], list[str]] = {}
    holders: dict[Any, list[tuple[Any, int, bool]]] = {}
    for number in sorted(plan.locks.waiting(), key=lambda one: (plan.tasks[one].spec.priority, one)):
        want = plan.locks.wants(number)
        assert want is not None, f"task {number} waits for nothing"
        if want not in holders:
            holders[want] = plan.locks.holders(want)
        for name, holder, _ in holders[want]:
            waiters.setdefault((name, holder), []).append(plan.tasks[number].spec.key)
    found = []
    for name, number, claim in plan.locks.held():
        task = plan.tasks[number]
        left = task.state.is_final
        found.append(
            {
                "lock": lock_text(name),
                "mode": "claimed" if claim else "used",
                "task": shown(task.spec.key),
                "left": left,
                "dirty": left and task.locks is Locks.DIRTY,
                "recovered_by": [shown(one.key) for one in mended_by(plan, name)] if left else [],
                "verdict": task.verdict.word if left else None,
                "seconds": about.since.get(shown(task.spec.key)) if left or about.is_running else None,
                "waiting": [shown(key) for key in waiters.get((name, number), [])],
            }
        )
    return sorted(found, key=lambda one: str(one["lock"]))
