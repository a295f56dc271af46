"""What flows from parents to children: the `shared` of each task that has ended, for as long as a child needs it.

A child gets what was set for everybody, updated by each parent in the order in which they ended. What it gets is
its own: it may append to a list without its siblings seeing that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pexen_state.core.check import required_names
from pexen_state.core.deps import Gate
from pexen_state.core.plan import Plan
from pexen_state.core.spec import TaskSpec

Shared = dict[str, Any]


class SharedStore:
    """`base` is what `add_shared` set. `joining` are tasks that the plan does not have yet: what they will want is
    kept until `joined` says who they are. `again` are tasks that have ended, and may be sent back: what they will
    want is kept, too, also of providers that come first only when the one before them was sent back.
    """

    def __init__(self, plan: Plan, base: Shared, joining: Iterable[TaskSpec] = (), again: Iterable[int] = ()) -> None:
        self._plan = plan
        self._base = base
        self._left: dict[int, Shared] = {}  # task -> what it left
        self._needed: dict[int, int] = {}  # task -> how many children may still ask
        self._over: set[int] = set()  # tasks that ask no more
        self._again = set(again)  # they end once more
        self._keeps_all = bool(self._again)
        self._wanted = set(required_names(list(joining)))
        self._for_joining: list[int] = []  # tasks whose `shared` is kept for these names

    def __len__(self) -> int:
        return len(self._left)

    @property
    def is_unused(self) -> bool:
        """Nothing was set for everybody, and no task has left anything: so far there is nothing to get."""
        return not (self._base or self._left or self._again)

    def over(self, tasks: Iterable[int]) -> None:
        """As `ended`, of tasks that left nothing; while the store is unused."""
        self._over.update(tasks)

    def input_of(self, parents: Iterable[int]) -> Shared:
        """What a task gets that has these parents, in the order in which they ended."""
        if not self._left and not self._base:
            return {}
        shared = dict(self._base)
        for parent in parents:
            shared.update(self._left.get(parent, {}))
        return {key: own(value) for key, value in shared.items()}

    def ended(self, task: int, shared: Shared | None) -> None:
        """A task has ended for good, in whatever way. `shared` is what it left, None if it never ran."""
        if task in self._again:
            self._again.discard(task)
        else:
            self._over.add(task)
            if self._needed:
                for parent in self._plan.deps.parents(task):
                    self._let_go(parent)
        if not shared or not self._plan.tasks[task].provided:
            return
        gates = [gate for gate in self._plan.deps[task].provides if not gate.order_only]
        needed = sum(self._children(gate, task) for gate in gates)
        if self._wanted and any(gate.label in self._wanted for gate in gates):
            self._for_joining.append(task)
            needed += 1
        if needed:
            self._needed[task] = needed
            self._left[task] = shared

    def sent_back(self, task: int) -> None:
        """A task that had ended has not: what it left is no more, and what it leaves next is its children's."""
        self._over.discard(task)
        self._needed.pop(task, None)
        self._left.pop(task, None)

    def joined(self, tasks: Iterable[int]) -> None:
        """Tasks joined the run; some of their parents may have ended before."""
        for task in tasks:
            for parent in self._plan.deps.parents(task):
                if parent in self._needed:
                    self._needed[parent] += 1
        self._wanted.clear()
        for parent in self._for_joining:
            self._let_go(parent)
        self._for_joining.clear()

    def _children(self, gate: Gate, task: int) -> int:
        waiters = list(gate.all_waiters)
        if gate.kept and (gate.kept[0] == task or self._keeps_all):
            waiters += gate.any_waiters
        # Not by the state in the plan, which is that after the whole turn: who ended in it lets go afterwards.
        return sum(waiter not in self._over for waiter in waiters)

    def _let_go(self, parent: int) -> None:
        """One child less."""
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
