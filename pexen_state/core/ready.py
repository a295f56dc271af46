"""Tasks that may run now, best first: those of the lowest priority, and of these the lowest number.

A heap of numbers for each priority: plain integers compare in half the time of pairs, take a fifth of their memory, and
there are few priorities.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush

from pexen_state.core.states import State

Order = tuple[float, int]  #: priority, number


class Ready:
    """May hold tasks that are not ready any more: whoever pops one looks."""

    def __init__(self) -> None:
        self._of: dict[float, list[int]] = {}  # priority -> heap of numbers, never empty
        self._priorities: list[float] = []  # heap

    def __bool__(self) -> bool:
        return bool(self._priorities)

    def push(self, priority: float, number: int) -> None:
        numbers = self._of.get(priority)
        if numbers is None:
            self._of[priority] = [number]
            heappush(self._priorities, priority)
        else:
            heappush(numbers, number)

    def pop(self) -> int:
        """The best, 0 if there is none."""
        if not self._priorities:
            return 0
        best = self._priorities[0]
        numbers = self._of[best]
        number = heappop(numbers)
        if not numbers:
            del self._of[best]
            heappop(self._priorities)
        return number

    def first(self, states: Sequence[State]) -> Order | None:
        """The best that is ready still, and stays."""
        while self._priorities:
            best = self._priorities[0]
            number = self._of[best][0]
            if states[number] is State.READY:
                return best, number
            self.pop()
        return None

    def elsewhere(self) -> int:
        """The best of those that are ready but for their group, 0 if there is none."""
        return 0

    def sweep(self, states: Sequence[State]) -> None:
        """Drop all that are not ready any more, if they are many: at once is faster than one by one."""
        ready = State.READY
        for priority, numbers in list(self._of.items()):
            self._of[priority] = kept = [number for number in numbers if states[number] is ready]
            heapify(kept)
            if not kept:
                del self._of[priority]
        self._priorities = sorted(self._of)
