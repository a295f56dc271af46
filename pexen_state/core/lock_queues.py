"""Who waits for which lock, and who is to be tested next.

A task that lacks a lock queues at the first one it lacks, and is tested again only when something changes
there. When a lock frees, the first in its queue becomes the lock's *candidate*: it is offered to the plan
(`take_offers`), which tests it again when the pool has room. So nobody holds a lock long before it runs, and
a lock that frees costs one test, not one for everybody who waits. A queued writer is not passed by later
requests of the same or a lower priority. Who waits for a lock that a task left behind for good holds nobody
else up; such tasks are `stuck`. Who recovers a lock is not hindered by those that left it behind: it holds the lock
beside them.

What is held is read here, and changed by `locks.LockTable` alone.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import NamedTuple

from pexen_state.core.spec import Name

Order = tuple[float, int]  #: (priority, when it first queued): lower goes first


class Lock:
    """One name. Counts of what is held below it make tests of a hierarchy cost its depth."""

    __slots__ = (
        "below_kept_readers",
        "below_kept_writers",
        "below_readers",
        "below_writers",
        "candidate",
        "name",
        "parent",
        "queues",
        "readers",
        "stuck",
        "wanted",
        "wanted_below",
        "writers",
    )

    def __init__(self, name: Name, parent: Lock | None) -> None:
        self.name = name
        self.parent = parent
        self.writers: set[int] = set()  #: those that left it behind, and one more at most
        self.readers: set[int] = set()
        self.below_writers = 0
        self.below_readers = 0
        self.below_kept_writers = 0  #: of these, those held for good
        self.below_kept_readers = 0
        # Heaps of those that wait here: readers and writers of this very name, readers and writers of names
        # below it. In each all have the same things in their way, but for those that queued before them: if
        # the first cannot go on, none can.
        self.queues: tuple[list[Entry], ...] = ([], [], [], [])
        self.stuck: set[int] = set()  #: tasks that wait here for a lock held for good
        self.candidate: int | None = None
        # Heap of queued writers of this very name. With nothing above it they all queue here, and in that order.
        self.wanted: list[Entry] = self.queues[1] if parent is None else []
        self.wanted_below: list[Entry] = []  #: the same for all names below

    def queue_of(self, want: Request) -> list[Entry]:
        return self.queues[want.write + 2 * (want.lock is not self)]


class Request(NamedTuple):
    lock: Lock
    write: bool
    recovers: bool = False  #: it may be had although it, or what is below it, was left behind; then `write` it is


class Waiter:
    """One wait. An entry of a heap is stale once it is no longer its task's wait: it is dropped when met."""

    __slots__ = ("at", "order", "stuck", "task", "want")

    def __init__(self, task: int, order: Order, want: Request, at: Lock) -> None:
        self.task = task
        self.order = order
        self.want = want  #: the first lock that it lacks
        self.at = at  #: where it queues: that lock, or the one above it that is in the way
        self.stuck = False


Entry = tuple[float, int, int, Waiter]  # order, and a serial number that keeps two waits from being compared
Requests = tuple[Request, ...]


class LockQueues:
    """All that wait. Whatever changes what is held says so: `_changed`."""

    def __init__(self) -> None:
        self._kept: set[int] = set()  # tasks that have ended, and hold locks for good
        self._waiters: dict[int, Waiter] = {}
        self._stamp = 0
        self._serial = 0
        self.offers: list[int] = []  #: tasks to be tested again, for `take_offers`

    # -- what the plan asks ------------------------------------------------------------------------------

    def may_take(self, task: int, requests: Requests, priority: float) -> bool:
        """Whether the task can have all its locks now. If not, it queues at the first that it lacks."""
        waiter = self._waiters.get(task)
        if waiter is None:
            order = priority, self._stamp
        elif waiter.at.candidate != task:
            return False  # others go first
        else:
            order = waiter.order
        for request in requests:
            at = self._in_the_way(request, order)
            if at is not None:
                if waiter is None:
                    self._stamp += 1
                else:
                    self._dequeue(waiter)
                self._enqueue(Waiter(task, order, request, at))
                if waiter is not None:
                    self._changed(waiter.want.lock)
                    self._advance(waiter.at)
                return False
        return True

    def is_waiting(self, task: int) -> bool:
        """Whether the task queues for a lock, and is not its candidate."""
        waiter = self._waiters.get(task)
        return waiter is not None and waiter.at.candidate != task

    def take_offers(self) -> list[int]:
        """Tasks to be tested again, because a lock that they lacked has freed."""
        offers, self.offers = self.offers, []
        return offers

    def stuck(self) -> list[int]:
        """Tasks that wait for a lock held for good, by number."""
        return sorted(task for task, waiter in self._waiters.items() if waiter.stuck)

    def waiting(self) -> list[int]:
        return sorted(self._waiters)

    def wants(self, task: int) -> Request | None:
        """The first lock that a queued task lacks."""
        waiter = self._waiters.get(task)
        return waiter.want if waiter else None

    def before(self, task: int) -> int:
        """How many tasks wait for the same lock and come first."""
        waiter = self._waiters.get(task)
        if waiter is None:
            return 0
        return sum(other.at is waiter.at and other.order < waiter.order for other in self._waiters.values())

    # -- what happens ------------------------------------------------------------------------------------

    def _in_the_way(self, request: Request, order: Order) -> Lock | None:
        """The lock at which this request has to queue, or None if it can be had."""
        lock, write, recovers = request
        if recovers:
            if not (lock.writers | lock.readers) <= self._kept or (lock.wanted and self._is_wanted(lock.wanted, order)):
                return lock
            node = lock.parent
        else:
            node = lock
        while node is not None:
            if node.writers or (write and node.readers):
                return node
            if node.wanted and self._is_wanted(node.wanted, order):
                return node
            node = node.parent
        if recovers:
            if lock.below_writers > lock.below_kept_writers or lock.below_readers > lock.below_kept_readers:
                return lock
        elif lock.below_writers or (write and lock.below_readers):
            return lock
        return lock if lock.wanted_below and self._is_wanted(lock.wanted_below, order) else None

    def _is_wanted(self, wanted: list[Entry], order: Order) -> bool:
        """Whether a writer that comes before `order` queues there."""
        while wanted:
            waiter = wanted[0][3]
            if self._waiters.get(waiter.task) is waiter and not waiter.stuck:
                return waiter.order < order
            heappop(wanted)
        return False

    def _enqueue(self, waiter: Waiter) -> None:
        self._waiters[waiter.task] = waiter
        if self._is_held_for_good(waiter):
            waiter.stuck = True
            waiter.at.stuck.add(waiter.task)
            return
        waiter.stuck = False
        self._serial += 1
        entry = (*waiter.order, self._serial, waiter)
        queue = waiter.at.queue_of(waiter.want)
        heappush(queue, entry)
        lock, write, _ = waiter.want
        if write:
            if lock.wanted is not queue:
                heappush(lock.wanted, entry)
            above = lock.parent
            while above is not None:
                heappush(above.wanted_below, entry)
                above = above.parent

    def _dequeue(self, waiter: Waiter) -> None:
        del self._waiters[waiter.task]
        waiter.at.stuck.discard(waiter.task)
        if waiter.at.candidate == waiter.task:
            waiter.at.candidate = None

    def _is_held_for_good(self, waiter: Waiter) -> bool:
        """Whether a task that has ended holds something that is in this wait's way."""
        (lock, write, recovers), at = waiter.want, waiter.at
        if recovers and at is lock:
            return False
        if not at.writers.isdisjoint(self._kept) or (write and not at.readers.isdisjoint(self._kept)):
            return True
        return at is lock and (lock.below_kept_writers > 0 or (write and lock.below_kept_readers > 0))

    def _changed(self, lock: Lock, *, revive: bool = False) -> None:
        """Something was let go, kept or given up at this lock: whoever queues here or above may go on.

        `revive`: it was held for good, so that even the stuck may go on.
        """
        node: Lock | None = lock
        while node is not None:
            if revive and node.stuck:
                stuck, node.stuck = sorted(node.stuck), set()
                for task in stuck:
                    self._enqueue(self._waiters[task])
            self._advance(node)
            node = node.parent

    def _advance(self, lock: Lock) -> None:
        """Make the first in the queues the candidate, if nothing here is in its way any more."""
        if lock.candidate is not None:
            return
        if lock.writers and not lock.writers <= self._kept:
            return  # it is in everybody's way, and will be let go
        first: Waiter | None = None
        stuck: dict[Lock, None] = {}
        for queue in lock.queues:
            while queue:
                waiter = queue[0][3]
                if self._waiters.get(waiter.task) is not waiter or waiter.stuck:
                    heappop(queue)  # it left, or queues elsewhere now
                    continue
                at = self._in_the_way(waiter.want, waiter.order)
                if at is None:
                    if first is None or waiter.order < first.order:
                        first = waiter
                    break
                if at is lock and not self._is_held_for_good(waiter):
                    break
                heappop(queue)
                self._dequeue(waiter)
                moved = Waiter(waiter.task, waiter.order, waiter.want, at)
                self._enqueue(moved)
                if moved.stuck:
                    stuck[moved.want.lock] = None
        if stuck:
            for want in stuck:  # whom they held up may go on; this lock lies on the way up from each
                self._changed(want)
        elif first is not None:
            lock.candidate = first.task  # it stays in its queue until it has the lock, or waits for another
            self.offers.append(first.task)
