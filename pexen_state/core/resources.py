"""Counted resources: what the box has so many of, and who takes how many while an attempt of it runs.

Nothing is kept over attempts, so who waits for a resource waits for somebody who runs, and never in a circle. A large
task could wait for ever while small ones take what becomes free; so whoever has been overtaken a hundred times has the
next turn: until it runs nobody else gets what it needs, neither resources nor locks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from heapq import heappop, heappush

Needs = tuple[tuple[str, int], ...]
Order = tuple[float, int]  #: priority, number

#: So often a task may be overtaken.
PATIENCE = 100


class Resources:
    """Who has what, and who waits for what. `totals` say how much there is of each; None: nobody is asked."""

    def __init__(self, totals: Mapping[str, int] | None = None) -> None:
        self.totals = dict(totals or {})
        self._is_asked = totals is not None
        self.held: dict[int, Needs] = {}  #: by task in flight
        self.next_turn = 0  #: the task that was overtaken too often, 0 if there is none
        self._taken: dict[str, int] = {}
        self._queues: dict[Needs, list[Order]] = {}  # heaps, of tasks that need the same; never empty
        self._of_name: dict[str, set[Needs]] = {}  # queues by the names in their needs
        self.stirred: dict[Needs, None] = {}  #: queues whose first may fit now, for `offers`
        self._overtaken: dict[int, int] = {}

    # -- what happens

    def take(self, task: int, needs: Needs) -> None:
        self.held[task] = needs
        for name, amount in needs:
            self._taken[name] = self._taken.get(name, 0) + amount
        self._overtaken.pop(task, None)
        if self.next_turn == task:
            self.next_turn = 0

    def release(self, task: int) -> None:
        """Does nothing for who has nothing."""
        for name, amount in self.held.pop(task, ()):
            self._taken[name] -= amount
            self.stirred.update(dict.fromkeys(self._of_name.get(name, ())))

    # -- what the plan asks

    def free(self, name: str) -> int:
        return self.totals.get(name, 0) - self._taken.get(name, 0)

    def fits(self, needs: Needs) -> bool:
        return not self._is_asked or all(amount <= self.free(name) for name, amount in needs)

    def wait(self, order: Order, needs: Needs) -> None:
        """The task of that order is to be offered again when what it needs may be free."""
        queue = self._queues.get(needs)
        if queue is None:
            queue = self._queues[needs] = []
            for name, _ in needs:
                self._of_name.setdefault(name, set()).add(needs)
        heappush(queue, order)

    def offers(self) -> Iterator[int]:
        """Tasks to be tested again, the first of each queue that may fit. They wait no longer."""
        for needs in list(self.stirred):
            if needs in self._queues and self.fits(needs):
                yield self._pop(needs)[1]
            if needs not in self._queues or not self.fits(needs):
                del self.stirred[needs]

    def passed(self, order: Order, needs: Needs) -> None:
        """The task of that order has got what it needs: who waits for some of it, and comes before, was overtaken."""
        for other in {queue for name, _ in needs for queue in self._of_name.get(name, ())}:
            first = self._queues[other][0]
            if first < order:
                task = first[1]
                self._overtaken[task] = times = self._overtaken.get(task, 0) + 1
                if times >= PATIENCE and not self.next_turn:
                    self.next_turn = task

    def forget_turn(self) -> None:
        """Whoever had the next turn does not need it, or cannot use it now."""
        self._overtaken.pop(self.next_turn, None)
        self.next_turn = 0

    # -- looking

    def lacking(self, needs: Needs) -> list[str]:
        """Names of which there is not enough now."""
        return [name for name, amount in needs if self._is_asked and amount > self.free(name)]

    def waiting(self) -> Iterable[int]:
        return (task for queue in self._queues.values() for _, task in queue)

    def holders(self, name: str) -> list[tuple[int, int]]:
        """(task, how much) of those that have some of it."""
        return [(task, amount) for task, needs in sorted(self.held.items()) for one, amount in needs if one == name]

    def _pop(self, needs: Needs) -> Order:
        queue = self._queues[needs]
        order = heappop(queue)
        if not queue:
            del self._queues[needs]
            for name, _ in needs:
                self._of_name[name].discard(needs)
        return order
