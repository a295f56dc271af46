"""Tasks that may run now, best first: those of the lowest priority, and of these the one that comes first in order.

That is the order in which they were declared, unless somebody says another one (`core.ordering`).

A heap of places for each priority: plain integers compare in half the time of pairs, take a fifth of their memory, and
there are few priorities.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush

from pexen_state.core.states import State

Order = tuple[float, int]  #: priority, place


class Ready:
    """May hold tasks that are not ready any more: whoever pops one looks. A task's place is its number."""

    def __init__(self) -> None:
        self._of: dict[float, list[int]] = {}  # priority -> heap of places, never empty
        self._priorities: list[float] = []  # heap

    def __bool__(self) -> bool:
        return bool(self._priorities)

    def another(self) -> Ready:
        """One in the same order, with nobody in it."""
        return Ready()

    def place(self, number: int) -> int:
        return number

    def at(self, place: int) -> int:
        """The number of the task whose place it is."""
        return place

    def push(self, priority: float, number: int) -> None:
        places = self._of.get(priority)
        if places is None:
            self._of[priority] = [number]
            heappush(self._priorities, priority)
        else:
            heappush(places, number)

    def pop(self) -> int:
        """The best, 0 if there is none."""
        if not self._priorities:
            return 0
        best = self._priorities[0]
        places = self._of[best]
        place = heappop(places)
        if not places:
            del self._of[best]
            heappop(self._priorities)
        return place

    def first(self, states: Sequence[State]) -> Order | None:
        """The best that is ready still, and stays."""
        while self._priorities:
            best = self._priorities[0]
            place = self._of[best][0]
            if states[self.at(place)] is State.READY:
                return best, place
            self.pop()
        return None

    def elsewhere(self) -> int:
        """The best of those that are ready but for their group, 0 if there is none."""
        return 0

    def sweep(self, states: Sequence[State]) -> None:
        """Drop all that are not ready any more, if they are many: at once is faster than one by one."""
        ready, at = State.READY, self.at
        for priority, places in list(self._of.items()):
            self._of[priority] = kept = [place for place in places if states[at(place)] is ready]
            heapify(kept)
            if not kept:
                del self._of[priority]
        self._priorities = sorted(self._of)


class ReadyInOrder(Ready):
    """The same in another order. `numbers` are those of all tasks, as they are to come; who joins later comes last."""

    def __init__(self, numbers: Sequence[int]) -> None:
        super().__init__()
        self._numbers = (0, *numbers)
        self._places = [0] * len(self._numbers)
        for place, number in enumerate(self._numbers):
            self._places[number] = place

    def another(self) -> Ready:
        return ReadyInOrder(self._numbers[1:])

    def place(self, number: int) -> int:
        return self._places[number] if number < len(self._places) else number

    def at(self, place: int) -> int:
        return self._numbers[place] if place < len(self._numbers) else place

    def push(self, priority: float, number: int) -> None:
        super().push(priority, self.place(number))

    def pop(self) -> int:
        return self.at(super().pop())
