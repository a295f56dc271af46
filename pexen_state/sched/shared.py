"""What flows from parents to children: the `shared` of each task that has ended, for as long as a child needs it.

A child gets what was set for everybody, updated by each parent in the order in which they ended. What it gets is
its own: it may append to a list without its siblings seeing that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pexen_state.core.deps import Gate
from pexen_state.core.plan import Plan

Shared = dict[str, Any]


class SharedStore:
    """`base` is what `add_shared` set."""

    def __init__(self, plan: Plan, base: Shared) -> None:
        self._plan = plan
        self._base = base
        self._left: dict[int, Shared] = {}  # task -> what it left
        self._needed: dict[int, int] = {}  # task -> how many children may still ask

    def __len__(self) -> int:
        return len(self._left)

    def input_of(self, parents: Iterable[int]) -> Shared:
        """What a task gets that has these parents, in the order in which they ended."""
        shared = dict(self._base)
        for parent in parents:
            shared.update(self._left.get(parent, {}))
        return {key: own(value) for key, value in shared.items()}

    def ended(self, task: int, shared: Shared | None) -> None:
        """A task has ended for good, in whatever way. `shared` is what it left, None if it never ran."""
        self._free_parents(task)
        if not shared or not self._plan.tasks[task].provided:
            return
        needed = sum(self._children(gate, task) for gate in self._plan.deps[task].provides if not gate.order_only)
        if needed:
            self._needed[task] = needed
            self._left[task] = shared

    def _children(self, gate: Gate, task: int) -> int:
        waiters = list(gate.all_waiters)
        if gate.kept and gate.kept[0] == task:
            waiters += gate.any_waiters
        return sum(not self._plan.tasks[waiter].state.is_final for waiter in waiters)

    def _free_parents(self, task: int) -> None:
        for parent in self._plan.deps.parents(task):
            if parent in self._needed:
                self._needed[parent] -= 1
                if not self._needed[parent]:
                    del self._needed[parent], self._left[parent]


def own(value: Any) -> Any:
    """A copy of plain containers, all the way down; everything else is the same object."""
    kind = type(value)
    if kind is dict:
        return {key: own(item) for key, item in value.items()}
    if kind is list:
        return [own(item) for item in value]
    if kind is tuple:
        return tuple([own(item) for item in value])
    if kind is set:
        return set(value)
    return value
