"""Read-write locks by name: many `uses`, or one `claims`.

The table knows nothing about threads. It only remembers which task holds which name, so that the plan can
ask "may this one run?" in plain data. Locks are taken all at once or not at all, which rules out deadlock.

A name that is a string and begins with `/` is hierarchical: it conflicts with what is above and below it.
Who cannot have a lock waits for it: `lock_queues`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pexen_state.core.lock_queues import Lock, LockQueues, Request, Requests
from pexen_state.core.spec import NO_NAMES, Name


class LockTable(LockQueues):
    """All locks of a plan: who holds them, and who waits. Tasks are known by their numbers."""

    def __init__(self) -> None:
        super().__init__()
        self._locks: dict[Name, Lock] = {}
        self._requests: dict[tuple[tuple[Name, ...], ...], Requests] = {}
        self._held: dict[int, Requests] = {}

    def requests(
        self, uses: tuple[Name, ...], claims: tuple[Name, ...], recovers: tuple[Name, ...] = NO_NAMES
    ) -> Requests:
        """The locks of a task, in the order in which they are tested. Tasks that want the same share one answer."""
        found = self._requests.get((uses, claims, recovers))
        if found is None:
            # Who recovers a name has all below it, too.
            wanted = [Request(self._lock(name), True, True) for name in recovers]
            wanted += [Request(self._lock(name), True) for name in claims if not covered(name, recovers)]
            wanted += [Request(self._lock(name), False) for name in uses if not covered(name, recovers)]
            found = self._requests[uses, claims, recovers] = tuple(wanted)
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

    # -- what happens ------------------------------------------------------------------------------------

    def take(self, task: int, requests: Requests) -> None:
        """The task has its locks from now on. Nothing is tested: a journal is replayed by this, too."""
        waiter = self._waiters.get(task)
        if waiter is not None:
            self._dequeue(waiter)
        self._held[task] = requests
        for lock, write, _ in requests:
            if write:
                lock.writers.add(task)
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
        for lock, write, _ in self._held.get(task, ()):
            above = lock.parent
            while above is not None:
                above.below_kept_writers += write
                above.below_kept_readers += not write
                above = above.parent
        for lock, _, _ in self._held.get(task, ()):
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
        lock, write, _ = request
        if write:
            lock.writers.discard(task)
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

    # -- who ---------------------------------------------------------------------------------------------

    def holds(self, task: int) -> bool:
        return task in self._held

    def held(self) -> Iterator[tuple[Name, int, bool]]:
        """(name, task, whether it is a claim) of every lock that is held, by task."""
        for task, requests in sorted(self._held.items()):
            for lock, write, _ in requests:
                yield lock.name, task, write

    def kept(self) -> Iterator[tuple[Name, int, bool]]:
        """The same for locks of tasks that have ended."""
        return (held for held in self.held() if held[1] in self._kept)

    def holders(self, request: Request) -> list[tuple[Name, int, bool]]:
        """Who holds something that is in the way of a request, by task."""
        lock, write, _ = request
        found: list[tuple[Name, int, bool]] = []
        node: Lock | None = lock
        while node is not None:
            found += [(node.name, writer, True) for writer in node.writers]
            if write:
                found += [(node.name, reader, False) for reader in node.readers]
            node = node.parent
        if lock.below_writers or (write and lock.below_readers):
            found += [held for held in self.held() if is_above(lock.name, held[0]) and (write or held[2])]
        return sorted(found, key=lambda held: held[1])


def normal_name(name: Name) -> Name:
    """`/proc//sys/` is `/proc/sys`; names that do not begin with a slash are what they are."""
    if isinstance(name, str) and name.startswith("/"):
        return "/" + "/".join(part for part in name.split("/") if part)
    return name


def covered(name: Name, by: Iterable[Name]) -> bool:
    """Whether a name is one of these, or below one."""
    part = normal_name(name)
    return any(whole == part or is_above(whole, part) for whole in map(normal_name, by))


def is_above(name: Name, other: Name) -> bool:
    """Whether `name` is hierarchical and `other` lies below it."""
    if not (isinstance(name, str) and isinstance(other, str) and name.startswith("/") and other.startswith("/")):
        return False
    return name != other and (name == "/" or other.startswith(name + "/"))
