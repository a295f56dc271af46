"""Groups of exclusivity: a task of one group runs with none of another. Tasks without a group are one, too.

A run stays in a group as long as any of its tasks can run, and may come back to it.
"""

from __future__ import annotations

from collections.abc import Sequence

from pexen_state.core.ready import Ready
from pexen_state.core.states import State
from pexen_state.core.tasks import Tasks

Group = str | None


def group_text(group: Group) -> str:
    return "tasks without a group" if group is None else f"group {group}"


class ReadyByGroup(Ready):
    """What may run now, where some tasks have a group: only those of the group that was entered are given.

    `others` are tasks that are there already, all of them without a group.
    """

    def __init__(self, tasks: Tasks, others: Ready) -> None:
        super().__init__()
        self._tasks = tasks
        self._others = others
        self._of_group: dict[Group, Ready] = {None: others}
        self._here = others

    def __bool__(self) -> bool:
        states = self._tasks.states
        return any(ready.first(states) is not None for ready in self._of_group.values())

    def place(self, number: int) -> int:
        return self._others.place(number)

    def at(self, place: int) -> int:
        return self._others.at(place)

    def enter(self, group: Group) -> None:
        self._here = self._ready_of(group)

    def push(self, priority: float, number: int) -> None:
        self._ready_of(self._tasks.specs[number].group).push(priority, number)

    def pop(self) -> int:
        return self._here.pop()

    def first(self, states: Sequence[State]) -> tuple[float, int] | None:
        return self._here.first(states)

    def elsewhere(self) -> int:
        states = self._tasks.states
        found = [ready.first(states) for ready in self._of_group.values() if ready is not self._here]
        return self.at(min((one for one in found if one is not None), default=(0.0, 0))[1])

    def sweep(self, states: Sequence[State]) -> None:
        for ready in self._of_group.values():
            ready.sweep(states)

    def _ready_of(self, group: Group) -> Ready:
        ready = self._of_group.get(group)
        if ready is None:
            ready = self._of_group[group] = self._others.another()
        return ready
