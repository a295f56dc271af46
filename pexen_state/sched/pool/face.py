"""The methods that the original pexen's pools have, in terms of the ones that the loop uses.

Shared by both pools. Numbers attempts by itself; whoever uses these methods does not use `hand_over`.
"""

from __future__ import annotations

import select
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pexen_state.core.states import ATTEMPT_STATE, Verdict
from pexen_state.sched.common import ExceptionInfo, PoolError, TaskRes
from pexen_state.sched.pool.base import Body, Dropped, Ended, Job, OnKeeper, Report
from pexen_state.sched.pool.bodies import Bodies
from pexen_state.sched.pool.slots import RING


class WorkerPool(ABC):
    """What both pools have in common: their size, their bodies, and the original's methods."""

    def __init__(self, workers: int = 1, spare: int | None = None) -> None:
        if type(workers) is not int or workers < 1:
            raise PoolError(f"a pool needs at least one worker, not {workers!r}")
        if spare is not None and (type(spare) is not int or spare < 0):
            raise PoolError(f"spare is a number of tasks, or None to have it chosen, not {spare!r}")
        self.workers = workers
        self.spare = spare
        self._window = workers + 1
        self.is_careful = False
        self._ready: list[Report] = []  # to be told: all but ends
        self._ended: list[Report] = []  # to be told after those
        self._bodies = Bodies()
        self._poll = select.poll()
        self._watched: set[int] = set()
        self._is_open = False
        self._shutting_down = False
        self._submitted: dict[int, Body] = {}
        self._last = 0
        self._unread: list[TaskRes] = []

    # -- the loop's view, as far as it is the same for all pools

    @property
    def window(self) -> int:
        """How many jobs may be in flight while `spare` is None."""
        return self._window

    @window.setter
    def window(self, jobs: int) -> None:
        self._window = max(1, min(jobs, RING))

    @property
    def limit(self) -> int:
        """How many jobs may be in flight."""
        return self._window if self.spare is None else min(self.workers + self.spare, RING)

    @property
    def room(self) -> int:
        return self.limit - self._in_flight()

    @property
    def owes_reports(self) -> bool:
        return bool(self._ready or self._ended or self._in_flight())

    def register(self, tasks: Iterable[Body]) -> None:
        """Make callables known to the workers; to be called before the pool starts."""
        self._bodies.register(tasks)

    def enter(self, group: str | None) -> None:  # noqa: B027 - a pool of its own has nothing to do
        """It is the same pool for all groups."""

    def slots_moved(self, path: str) -> None:  # noqa: B027 - nor has it then
        """It has its slots in memory."""

    def _taken(self) -> list[Report]:
        taken = [*self._ready, *self._ended]
        self._ready, self._ended = [], []
        return taken

    def watch(self, fd: int) -> None:
        self._watched.add(fd)
        if self._is_open:
            self._poll.register(fd, select.POLLIN)

    def unwatch(self, fd: int) -> None:
        self._watched.discard(fd)
        if self._is_open:
            self._poll.unregister(fd)

    @abstractmethod
    def _in_flight(self) -> int: ...

    @abstractmethod
    def _refuse(self, task: Body) -> None:
        """Raise PoolError if a submitted task cannot be run."""

    @abstractmethod
    def open(
        self, journaled: bool, slots: str | None = None, keep_fds: Sequence[int] = (), on_keeper: OnKeeper = None
    ) -> None: ...

    @abstractmethod
    def admit(self, tasks: Iterable[Body]) -> None: ...

    @abstractmethod
    def hand_over(self, jobs: Sequence[Job]) -> None: ...

    @abstractmethod
    def wait(self, until: float | None = None, enough: int = 1) -> list[Report]: ...

    @abstractmethod
    def close(self, grace: float) -> None: ...

    # -- the original's view

    def start(self) -> None:
        """Start the workers."""
        self.open(journaled=False)

    def submit(self, task: Body, shared: dict[str, Any] | None = None) -> None:
        """Give a registered task to the pool, with its `shared`."""
        if not self._is_open:
            raise PoolError("The pool is not running")
        if self._shutting_down:
            raise PoolError("The pool is shutting down")
        self._refuse(task)
        self._last += 1
        self._submitted[self._last] = task
        self.hand_over([Job(self._last, 1, task, {} if shared is None else shared)])

    def full(self) -> bool:
        """No more tasks should be submitted now."""
        return self.room <= 0

    def empty(self) -> bool:
        """Every task that was submitted has ended, and its result was taken."""
        return not self._submitted and not self._unread

    def idlecnt(self) -> int:
        """How many more tasks the pool can take."""
        return self.room

    def alive(self) -> bool:
        return self._is_open

    def shutdown(self, wait: bool = False) -> None:
        """Take no more tasks. What was submitted is still run, and its results can be taken.

        With `wait`, return when all of it has ended and no worker is left.
        """
        if not self._is_open and not self._shutting_down:
            return
        if self._shutting_down and not wait:
            raise PoolError("The pool is already shutting down")
        self._shutting_down = True
        if wait:
            while self._submitted:
                self._unread.extend(self._results())
        if not self._submitted and self._is_open:
            self.close(0)

    def iter_results(self) -> Iterator[TaskRes]:
        """The results of what was submitted, as tasks end. It ends when there is none to come."""
        while True:
            while self._unread:
                yield self._unread.pop(0)
            if not self._submitted:
                break
            self._unread.extend(self._results())
        if self._shutting_down and self._is_open:
            self.close(0)

    def _results(self) -> Iterator[TaskRes]:
        for report in self.wait():
            match report:
                case Ended(task, _, ending, outcome):
                    yield TaskRes(
                        self._submitted.pop(task),
                        outcome.shared,
                        outcome.ret,
                        outcome.excinfo,
                        state=ATTEMPT_STATE[ending.cause].word,
                        verdict=ending.verdict.word,
                    )
                case Dropped(task, _, _, _, reason, dropped):
                    info = dropped.excinfo if dropped is not None else None
                    if info is None:
                        info = ExceptionInfo(PoolError, PoolError(f"it never ran: {reason or 'withdrawn'}"), None)
                    yield TaskRes(self._submitted.pop(task), {}, None, info, state="failed", verdict=Verdict.CRASH.word)
                case _:
                    pass
