"""Read-write locks by name: many `uses`, or one `claims`.

The table knows nothing about threads. It only remembers which task holds which name, so that the plan can
ask "may this one run?" in plain data. Locks are taken all at once or not at all, which rules out deadlock.

A name that is a string and begins with `/` is hierarchical: it conflicts with what is above and below it.

A task that lacks a lock queues at the first one it lacks, and is tested again only when something changes
there. When a lock frees, the first in its queue becomes the lock's *candidate*: it is offered to the plan
(`take_offers`), which tests it again when the pool has room. So nobody holds a lock long before it runs, and
a lock that frees costs one test, not one for everybody who waits. A queued writer is not passed by later
requests of the same or a lower priority. Who waits for a lock that a task left behind for good (`keep`) holds
nobody else up; such tasks are `stuck`.
"""

from __future__ import annotations

from collections.abc import Iterator
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
        "writer",
    )

    def __init__(self, name: Name, parent: Lock | None) -> None:
        self.name = name
        self.parent = parent
        self.writer: int | None = None
        self.readers: set[int] = set()
        self.below_writers = 0
        self.below_readers = 0
        self.below_kept_writers = 0  #: of these, those held for good
        self.below_kept_readers = 0
        # Heaps of those that wait here: readers and writers of this very name, readers and writers of names
        # below it. In each all have the same things in their way, but for those that queued before them: if
        # the first cannot go on, none can.
        self.queues: tuple[list[_Entry], ...] = ([], [], [], [])
        self.stuck: set[int] = set()  #: tasks that wait here for a lock held for good
        self.candidate: int | None = None
        # Heap of queued writers of this very name. With nothing above it they all queue here, and in that order.
        self.wanted: list[_Entry] = self.queues[1] if parent is None else []
        self.wanted_below: list[_Entry] = []  #: the same for all names below

    def queue_of(self, want: Request) -> list[_Entry]:
        return self.queues[want.write + 2 * (want.lock is not self)]


class Request(NamedTuple):
    lock: Lock
    write: bool


class _Waiter:
    """One wait. An entry of a heap is stale once it is no longer its task's wait: it is dropped when met."""

    __slots__ = ("at", "order", "stuck", "task", "want")

    def __init__(self, task: int, order: Order, want: Request, at: Lock) -> None:
        self.task = task
        self.order = order
        self.want = want  #: the first lock that it lacks
        self.at = at  #: where it queues: that lock, or the one above it that is in the way
        self.stuck = False


_Entry = tuple[float, int, int, _Waiter]  # order, and a serial number that keeps two waits from being compared
Requests = tuple[Request, ...]


class LockTable:
    """All locks of a plan. Tasks are known by their numbers."""

    def __init__(self) -> None:
        self._locks: dict[Name, Lock] = {}
        self._requests: dict[tuple[tuple[Name, ...], tuple[Name, ...]], Requests] = {}
        self._held: dict[int, Requests] = {}
        self._kept: set[int] = set()
        self._waiters: dict[int, _Waiter] = {}
        self._stamp = 0
        self._serial = 0
        self._offers: list[int] = []

    def requests(self, uses: tuple[Name, ...], claims: tuple[Name, ...]) -> Requests:
        """The locks of a task, in the order in which they are tested. Tasks that want the same share one answer."""
        found = self._requests.get((uses, claims))
        if found is None:
            wanted = [Request(self._lock(name), True) for name in claims]
            wanted += [Request(self._lock(name), False) for name in uses]
            found = self._requests[uses, claims] = tuple(wanted)
        return found

    def _lock(self, name: Name) -> Lock:
        key = normal_name(name)
        lock = self._locks.get(key)
        if lock is None:
            parent = None
            if isinstance(key, str) and key.startswith("/") and key != "/":
                parent = self._lock(key[: key.rfind("/")] or "/")
            lock = self._locks[key] = Lock(key, parent)
        return lock

    # -- what the plan asks ------------------------------------------------------------------------------

    def may_take(self, task: int, requests: Requests, priority: float) -> bool:
        """Whether the task can have all its locks now. If not, it queues at the first that it lacks."""
        waiter = self._waiters.get(task)
        order = waiter.order if waiter else (priority, self._stamp)
        for request in requests:
            at = self._in_the_way(request, order)
            if at is not None:
                if waiter is None:
                    self._stamp += 1
                else:
                    self._dequeue(waiter)
                self._enqueue(_Waiter(task, order, request, at))
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
        offers, self._offers = self._offers, []
        return offers

    def stuck(self) -> list[int]:
        """Tasks that wait for a lock held for good, by number."""
        return sorted(task for task, waiter in self._waiters.items() if waiter.stuck)

    def waiting(self) -> list[int]:
        return sorted(self._waiters)

    # -- what happens ------------------------------------------------------------------------------------

    def take(self, task: int, requests: Requests) -> None:
        """The task has its locks from now on. Nothing is tested: a journal is replayed by this, too."""
        waiter = self._waiters.get(task)
        if waiter is not None:
            self._dequeue(waiter)
        self._held[task] = requests
        for lock, write in requests:
            if write:
                lock.writer = task
            else:
                lock.readers.add(task)
            above = lock.parent
            while above is not None:
                if write:
                    above.below_writers += 1
                else:
                    above.below_readers += 1
                above = above.parent
        if waiter is not None:
            self._advance(waiter.at)

    def release(self, task: int) -> None:
        """The task holds nothing any more, and waits for nothing."""
        waiter = self._waiters.get(task)
        if waiter is not None:
            self._dequeue(waiter)
            self._changed(waiter.want.lock)
            self._advance(waiter.at)
        requests = self._held.pop(task, ())
        for request in requests:
            self._let_go(task, request)
        for request in requests:
            self._changed(request.lock, revive=task in self._kept)
        self._kept.discard(task)

    def keep(self, task: int) -> None:
        """The task has ended, and its locks stay held until somebody unlocks them."""
        self._kept.add(task)
        for lock, write in self._held.get(task, ()):
            above = lock.parent
            while above is not None:
                above.below_kept_writers += write
                above.below_kept_readers += not write
                above = above.parent
        for lock, _ in self._held.get(task, ()):
            self._changed(lock)

    def is_kept(self, name: Name) -> bool:
        """Whether a task that has ended holds this very name."""
        return bool(self._keepers(self._locks.get(normal_name(name))))

    def _keepers(self, lock: Lock | None) -> list[int]:
        return sorted(task for task in self._kept if any(held.lock is lock for held in self._held[task]))

    def unlock(self, name: Name) -> list[int]:
        """Free what tasks that have ended hold of this very name; return those tasks."""
        lock = self._locks.get(normal_name(name))
        if lock is None:
            return []
        tasks = self._keepers(lock)
        for task in tasks:
            mine = [request for request in self._held[task] if request.lock is lock]
            self._held[task] = tuple(request for request in self._held[task] if request.lock is not lock)
            for request in mine:
                self._let_go(task, request)
            if not self._held[task]:
                del self._held[task]
                self._kept.discard(task)
        if tasks:
            self._changed(lock, revive=True)
        return tasks

    def _let_go(self, task: int, request: Request) -> None:
        lock, write = request
        if write:
            lock.writer = None
        else:
            lock.readers.discard(task)
        kept = task in self._kept
        above = lock.parent
        while above is not None:
            if write:
                above.below_writers -= 1
            else:
                above.below_readers -= 1
            if kept:
                above.below_kept_writers -= write
                above.below_kept_readers -= not write
            above = above.parent

    # -- queues ------------------------------------------------------------------------------------------

    def _in_the_way(self, request: Request, order: Order) -> Lock | None:
        """The lock at which this request has to queue, or None if it can be had."""
        lock, write = request
        node: Lock | None = lock
        while node is not None:
            if node.writer is not None or (write and node.readers):
                return node
            if node.wanted and self._is_wanted(node.wanted, order):
                return node
            node = node.parent
        if lock.below_writers or (write and lock.below_readers):
            return lock
        return lock if lock.wanted_below and self._is_wanted(lock.wanted_below, order) else None

    def _is_wanted(self, wanted: list[_Entry], order: Order) -> bool:
        """Whether a writer that comes before `order` queues there."""
        while wanted:
            waiter = wanted[0][3]
            if self._waiters.get(waiter.task) is waiter and not waiter.stuck:
                return waiter.order < order
            heappop(wanted)
        return False

    def _enqueue(self, waiter: _Waiter) -> None:
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
        lock, write = waiter.want
        if write:
            if lock.wanted is not queue:
                heappush(lock.wanted, entry)
            above = lock.parent
            while above is not None:
                heappush(above.wanted_below, entry)
                above = above.parent

    def _dequeue(self, waiter: _Waiter) -> None:
        del self._waiters[waiter.task]
        waiter.at.stuck.discard(waiter.task)
        if waiter.at.candidate == waiter.task:
            waiter.at.candidate = None

    def _is_held_for_good(self, waiter: _Waiter) -> bool:
        """Whether a task that has ended holds something that is in this wait's way."""
        (lock, write), at = waiter.want, waiter.at
        if at.writer in self._kept or (write and not at.readers.isdisjoint(self._kept)):
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
        if lock.writer is not None and lock.writer not in self._kept:
            return  # it is in everybody's way, and will be let go
        first: _Waiter | None = None
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
                moved = _Waiter(waiter.task, waiter.order, waiter.want, at)
                self._enqueue(moved)
                if moved.stuck:
                    stuck[moved.want.lock] = None
        if stuck:
            for want in stuck:  # whom they held up may go on; this lock lies on the way up from each
                self._changed(want)
        elif first is not None:
            lock.candidate = first.task  # it stays in its queue until it has the lock, or waits for another
            self._offers.append(first.task)

    # -- who ---------------------------------------------------------------------------------------------

    def holds(self, task: int) -> bool:
        return task in self._held

    def held(self) -> Iterator[tuple[Name, int, bool]]:
        """(name, task, whether it is a claim) of every lock that is held, by task."""
        for task, requests in sorted(self._held.items()):
            for lock, write in requests:
                yield lock.name, task, write

    def kept(self) -> Iterator[tuple[Name, int, bool]]:
        """The same for locks of tasks that have ended."""
        return (held for held in self.held() if held[1] in self._kept)

    def wants(self, task: int) -> Request | None:
        """The first lock that a queued task lacks."""
        waiter = self._waiters.get(task)
        return waiter.want if waiter else None

    def holders(self, request: Request) -> list[tuple[Name, int, bool]]:
        """Who holds something that is in the way of a request, by task."""
        lock, write = request
        found: list[tuple[Name, int, bool]] = []
        node: Lock | None = lock
        while node is not None:
            if node.writer is not None:
                found.append((node.name, node.writer, True))
            if write:
                found += [(node.name, reader, False) for reader in node.readers]
            node = node.parent
        if lock.below_writers or (write and lock.below_readers):
            found += [held for held in self.held() if is_above(lock.name, held[0]) and (write or held[2])]
        return sorted(found, key=lambda held: held[1])

    def before(self, task: int) -> int:
        """How many tasks wait for the same lock and come first."""
        waiter = self._waiters.get(task)
        if waiter is None:
            return 0
        return sum(other.at is waiter.at and other.order < waiter.order for other in self._waiters.values())


def normal_name(name: Name) -> Name:
    """`/proc//sys/` is `/proc/sys`; names that do not begin with a slash are what they are."""
    if isinstance(name, str) and name.startswith("/"):
        return "/" + "/".join(part for part in name.split("/") if part)
    return name


def is_above(name: Name, other: Name) -> bool:
    """Whether `name` is hierarchical and `other` lies below it."""
    if not (isinstance(name, str) and isinstance(other, str) and name.startswith("/") and other.startswith("/")):
        return False
    return name != other and (name == "/" or other.startswith(name + "/"))
