"""Where the thread pool has its executables run: a process pool, and one thread that listens to it.

The listening thread is needed because the caller of the thread pool may be away for minutes, while the
worker threads are to go on with what they were given.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any

from pexen_state.core.states import Cause
from pexen_state.sched.common import PoolError
from pexen_state.sched.executable import Executable
from pexen_state.sched.pool.base import Asks, Began, Dropped, Ended, Extended, Job, OnKeeper, Report
from pexen_state.sched.pool.process import ProcessWorkerPool
from pexen_state.sched.pool.slots import mark_of


class Elsewhere:
    def __init__(
        self,
        executables: Sequence[Executable],
        workers: int,
        journaled: bool,
        keep_fds: Sequence[int],
        on_keeper: OnKeeper,
        tell: Callable[[Report], None],
    ) -> None:
        """Fork the keeper. `tell` is given what a waiting thread does not need: what an attempt asks, that it began."""
        self._broken: str | None = None
        self._tell = tell
        self._pool = ProcessWorkerPool(workers)
        self._pool.register(executables)
        self._pool.open(journaled, keep_fds=keep_fds, on_keeper=on_keeper)
        self._lock = threading.Lock()
        self._answers: dict[int, queue.SimpleQueue[Ended | Dropped | None]] = {}  # by mark
        self._doomed: dict[int, tuple[Cause, float]] = {}  # to be killed as soon as they are handed over
        self._is_closing = False
        self._nudge = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._pool.watch(self._nudge)
        self._listener = threading.Thread(target=self._listen, name="pexen executables", daemon=True)
        try:
            self._listener.start()
        except RuntimeError as error:
            self._pool.close(0)
            os.close(self._nudge)
            raise PoolError(f"the thread that listens to executables cannot be started: {error}") from error

    @property
    def keeper_pid(self) -> int | None:
        return self._pool.keeper_pid

    @property
    def broken(self) -> str | None:
        """Why no executable can be run any more. The pool knows it before the thread that listens to it has heard."""
        return self._broken or self._pool.broken

    def can_run(self, executable: Executable) -> bool:
        """Without a new keeper, which cannot be forked beside threads."""
        try:
            self._pool.admit([executable])
        except PoolError:
            return False
        return True

    def run(self, job: Job) -> Ended | Dropped | None:
        """Run an executable, and wait for its end; from a worker thread. None: the pool is closing."""
        mark = mark_of(job.task, job.attempt)
        answer: queue.SimpleQueue[Ended | Dropped | None] = queue.SimpleQueue()
        with self._lock:
            if self._is_closing:
                return None
            self._answers[mark] = answer
            try:
                self._pool.hand_over([job])
            except PoolError as error:
                del self._answers[mark]
                self._broken = str(error)
                return Dropped(job.task, job.attempt, Cause.WITHDRAWN)
            doom = self._doomed.pop(mark, None)
            if doom is not None:
                self._pool.kill(job.task, job.attempt, *doom)
        os.eventfd_write(self._nudge, 1)  # the listener's patience depends on what is in flight
        return answer.get()

    def kill(self, job: Job, cause: Cause, grace: float) -> None:
        mark = mark_of(job.task, job.attempt)
        with self._lock:
            if mark in self._answers:
                self._pool.kill(job.task, job.attempt, cause, grace)
            else:
                self._doomed[mark] = cause, grace  # a worker thread is just about to hand it over
        os.eventfd_write(self._nudge, 1)

    def answer(self, client: int, body: dict[str, Any]) -> None:
        self._pool.answer(client, body)
        os.eventfd_write(self._nudge, 1)

    def _listen(self) -> None:
        try:
            while not self._is_closing:
                for report in self._pool.wait():
                    self._pass_on(report)
        except PoolError as error:
            self._broken = str(error)
            self._dismiss_waiting()

    def _pass_on(self, report: Report) -> None:
        match report:
            case Began() | Asks() | Extended():
                self._tell(report)
            case Ended(task, attempt) | Dropped(task, attempt):
                with self._lock:
                    answer = self._answers.pop(mark_of(task, attempt), None)
                if answer is not None:
                    answer.put(report)
            case _:
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(self._nudge)

    def _dismiss_waiting(self) -> None:
        with self._lock:
            answers = list(self._answers.values())
            self._answers.clear()
        for answer in answers:
            answer.put(None)

    def close(self, grace: float) -> None:
        with self._lock:
            self._is_closing = True
        os.eventfd_write(self._nudge, 1)
        self._listener.join()
        self._pool.close(grace)
        self._dismiss_waiting()
        os.close(self._nudge)
