"""What flows from parents to children: the `shared` of each task that has ended, for as long as a child needs it.

A child gets what was set for everybody, updated by each parent in the order in which they ended. What it gets is
its own: it may append to a list without its siblings seeing that.

A task that joins the run may have a parent whose children have all had what it left. What it left in the turn before
is still there: a caller adds tasks with the result of their parent in hand. What is older is made again out of the
journal. Without a journal it is there only if a task had joined before that parent ended: from then on all is kept.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pexen_state.core.check import required_names
from pexen_state.core.deps import Gate
from pexen_state.core.plan import Plan
from pexen_state.core.spec import TaskSpec
from pexen_state.util import PexenWarning

Shared = dict[str, Any]

#: (what a task that has ended left, made of what it got)
Recall = Callable[[int, Shared], Shared]


class SharedStore:
    """`base` is what `add_shared` set. `joining` are tasks that the plan does not have yet: what they will want is
    kept until `joined` says who they are. `again` are tasks that have ended, and may be sent back: what they will
    want is kept, too, also of providers that come first only when the one before them was sent back. `recall` reads the
    journal.
    """

    def __init__(
        self,
        plan: Plan,
        base: Shared,
        joining: Iterable[TaskSpec] = (),
        again: Iterable[int] = (),
        recall: Recall | None = None,
    ) -> None:
        self._plan = plan
        self._base = base
        self._left: dict[int, Shared] = {}  # task -> what it left
        self._needed: dict[int, int] = {}  # task -> how many children may still ask
        self._over: set[int] = set()  # tasks that ask no more
        self._again = set(again)  # they end once more
        self._keeps_all = bool(self._again)
        self._wanted = set(required_names(list(joining)))
        self._for_joining: list[int] = []  # tasks whose `shared` is kept for these names
        self._recall = recall
        self._anything = False  # was ever left
        self._latest: dict[int, Shared] = {}  # what tasks left in this turn
        self._keeps_latest = False  # and in all turns before, since a task joined
        self._dropped: set[int] = set()  # tasks that left something which nobody has any more

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
        if not gates:
            return
        self._anything = True
        self._latest[task] = shared
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
        self._latest.pop(task, None)
        self._dropped.discard(task)

    def turn(self) -> None:
        """What ends from now on ends in another turn."""
        if self._latest and not self._keeps_latest:
            if self._recall is None:
                self._dropped.update(task for task in self._latest if task not in self._left)
            self._latest = {}

    def joined(self, tasks: Iterable[int]) -> None:
        """Tasks joined the run; some of their parents may have ended before this turn."""
        self._keeps_latest = self._recall is None
        in_vain = 0
        for task in tasks:
            for parent in self._plan.deps.parents(task):
                if parent in self._needed:
                    self._needed[parent] += 1
                elif self._anything and (left := self._again_of(parent)):
                    self._left[parent] = left
                    self._needed[parent] = 1
                in_vain += parent in self._dropped
        if in_vain:
            warnings.warn(
                f"{in_vain} times a task was added after the last child of its parent had what that left in shared, "
                "and gets nothing of it: add the child as soon as the parent's result is there, or use a journal",
                PexenWarning,
                stacklevel=2,
            )
        self._wanted.clear()
        for parent in self._for_joining:
            self._let_go(parent)
        self._for_joining.clear()

    def _again_of(self, parent: int) -> Shared:
        """What a task left that has ended in a turn before."""
        left = self._latest.get(parent)
        if left is not None or self._recall is None or not self._plan.tasks.provided[parent]:
            return left or {}
        made: dict[int, Shared] = {}
        # Its ancestors as well, as far as what they left is not there: what a task got is in no row.
        for task in self._ancestors(parent):
            got = dict(self._base)
            for one in self._plan.parents(task):
                got.update(self._left.get(one) or self._latest.get(one) or made.get(one) or {})
            made[task] = self._recall(task, got) if self._plan.tasks.provided[task] else {}
        return made[parent]

    def _ancestors(self, task: int) -> Sequence[int]:
        """The task and those whose `shared` has to be made before, in the order in which they ended."""
        found = {task}
        front = [task]
        for one in front:  # grows while it is walked
            for parent in self._plan.parents(one):
                if parent not in found and parent not in self._left and parent not in self._latest:
                    found.add(parent)
                    front.append(parent)
        return sorted(found, key=self._plan.tasks.ranks.__getitem__)

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
                if self._recall is None and parent not in self._latest:
                    self._dropped.add(parent)


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
