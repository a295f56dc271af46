"""A pool for each group of exclusivity, of which one is open at a time: that of the group whose tasks run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pexen_state.core.states import Cause
from pexen_state.sched.pool.base import Body, Job, OnKeeper, Pool, Report

#: Seconds for the last group's pool. Nothing runs in it, so it takes none of them unless something is stuck.
_GRACE = 10.0


class GroupedPool:
    """To the loop it is one pool. A group that has none of its own runs in the `usual` one, as do tasks without."""

    def __init__(self, usual: Pool, of_group: Mapping[str, Pool]) -> None:
        self._usual = usual
        self._of_group = dict(of_group)
        self._here = usual
        self._how: tuple[bool, str | None, Sequence[int], OnKeeper] | None = None  # pools are opened; None: none is
        self._watched: set[int] = set()
        self._is_careful = False

    # -- of all of them

    def register(self, tasks: Iterable[Body]) -> None:
        tasks = list(tasks)
        for pool in self._all():
            pool.register(tasks)

    def open(
        self, journaled: bool, slots: str | None = None, keep_fds: Sequence[int] = (), on_keeper: OnKeeper = None
    ) -> None:
        self._here = self._usual
        self._here.open(journaled, slots, keep_fds, on_keeper)
        self._how = journaled, slots, keep_fds, on_keeper

    def enter(self, group: str | None) -> None:
        """Close the last group's pool, and open this one's, unless they have the same. Raises PoolError."""
        pool = self._usual if group is None else self._of_group.get(group, self._usual)
        if pool is self._here or self._how is None:
            return
        last, self._here = self._here, pool
        last.close(_GRACE)
        for fd in self._watched:
            last.unwatch(fd)
            pool.watch(fd)
        pool.open(*self._how)
        pool.is_careful = self._is_careful

    def slots_moved(self, path: str) -> None:
        self._here.slots_moved(path)
        if self._how is not None:
            journaled, _, keep_fds, on_keeper = self._how
            self._how = journaled, path, keep_fds, on_keeper

    def admit(self, tasks: Iterable[Body]) -> None:
        tasks = list(tasks)
        self._here.admit(tasks)
        for pool in self._all():
            if pool is not self._here:
                pool.register(tasks)

    def close(self, grace: float) -> None:
        self._how = None
        self._here.close(grace)
        for fd in self._watched:
            self._here.unwatch(fd)
        self._watched.clear()

    def watch(self, fd: int) -> None:
        self._watched.add(fd)
        self._here.watch(fd)

    def unwatch(self, fd: int) -> None:
        self._watched.discard(fd)
        self._here.unwatch(fd)

    def _all(self) -> Iterable[Pool]:
        return {id(pool): pool for pool in (self._usual, *self._of_group.values())}.values()

    @property
    def is_careful(self) -> bool:
        return self._is_careful

    @is_careful.setter
    def is_careful(self, is_careful: bool) -> None:
        self._is_careful = self._here.is_careful = is_careful

    # -- of the one that is open

    @property
    def workers(self) -> int:
        return self._here.workers

    @property
    def spare(self) -> int | None:
        return self._here.spare

    @property
    def window(self) -> int:
        return self._here.window

    @window.setter
    def window(self, jobs: int) -> None:
        self._here.window = jobs

    @property
    def keeper_pid(self) -> int | None:
        return self._here.keeper_pid

    @property
    def limit(self) -> int:
        return self._here.limit

    @property
    def room(self) -> int:
        return self._here.room

    @property
    def owes_reports(self) -> bool:
        return self._here.owes_reports

    def hand_over(self, jobs: Sequence[Job]) -> None:
        self._here.hand_over(jobs)

    def wait(self, until: float | None = None, enough: int = 1) -> list[Report]:
        return self._here.wait(until, enough)

    def kill(self, task: int, attempt: int, cause: Cause, grace: float) -> None:
        self._here.kill(task, attempt, cause, grace)

    def answer(self, client: int, body: dict[str, Any]) -> None:
        self._here.answer(client, body)

    def withdraw(self) -> None:
        self._here.withdraw()
