"""The thread pool: python tasks run in threads of this process, which share its memory and cannot be killed.

A task that is over its time limit is abandoned: its thread goes on, is replaced, and what it still brings is
dropped. One that is to be stopped has the grace to come to its end by itself, of which it is not told; then it is
abandoned, too. What it has locked is dirty then, for it still runs: another run of it in the same process would
run beside it. Executables run under a keeper here too (`elsewhere`); the thread that took one waits
for it, so that no more than `workers` tasks run at once.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from pexen_state.core.inputs import Ending
from pexen_state.core.states import Cause, Verdict
from pexen_state.sched.common import PoolError
from pexen_state.sched.executable import Executable
from pexen_state.sched.invoke import invoke
from pexen_state.sched.pool import results
from pexen_state.sched.pool.base import Began, Body, Dropped, Ended, Job, OnKeeper, Outcome, Readable, Report
from pexen_state.sched.pool.elsewhere import Elsewhere
from pexen_state.sched.pool.face import WorkerPool
from pexen_state.sched.pool.limits import seconds_in_words
from pexen_state.sched.pool.reporting import add_error
from pexen_state.sched.pool.slots import Slots, mark_of

#: An attempt that has run for this long is reported to have begun; a shorter one is only reported to have ended.
_WORTH_TELLING = 0.02


class _Member:
    """One thread, and what it is at."""

    __slots__ = ("began", "index", "is_abandoned", "job", "thread")

    def __init__(self, index: int) -> None:
        self.index = index
        self.thread: threading.Thread | None = None
        self.job: Job | None = None
        self.began = 0.0  # time.monotonic(); written before `job`
        self.is_abandoned = False


class _Doom(NamedTuple):
    """An attempt is to be stopped: why, and until when it may end by itself."""

    cause: Cause
    until: float


class ThreadWorkerPool(WorkerPool):
    """Runs tasks in threads.

    workers     how many run at once
    spare       how many more it takes, for workers to go on with by themselves; None: chosen as tasks need it
    """

    def __init__(self, workers: int = 1, spare: int | None = None) -> None:
        super().__init__(workers, spare)
        self._elsewhere: Elsewhere | None = None
        self._flights: dict[int, Job] = {}  # by mark
        self._slots: Slots | None = None

    # -- opening and closing

    def open(
        self, journaled: bool, slots: str | None = None, keep_fds: Sequence[int] = (), on_keeper: OnKeeper = None
    ) -> None:
        if self._is_open:
            raise PoolError("The pool is already running")
        self._journaled = journaled
        self._pid = os.getpid()
        self._flights = {}
        self._began: set[int] = set()  # those that were reported to have begun
        self._doomed: dict[int, _Doom] = {}  # by mark
        self._ready: list[Report] = []
        self._done: deque[Report] = deque()
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._is_waiting = False
        self._run: str | None = None
        self._slots = Slots(self.workers, slots) if slots is not None else None
        executables = [body for body in self._bodies.all if isinstance(body, Executable)]
        try:
            # Before any thread of ours is there.
            self._elsewhere = (
                Elsewhere(executables, self.workers, journaled, keep_fds, on_keeper, self._tell)
                if executables
                else None
            )
        except Exception:
            if self._slots is not None:
                self._slots.close()
            raise
        self._wakeup = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poll = select.poll()
        for fd in (self._wakeup, *self._watched):
            self._poll.register(fd, select.POLLIN)
        self._members: list[_Member] = []
        self._is_open, self._shutting_down = True, False
        try:
            for index in range(self.workers):
                self._members.append(self._hire(index))
        except PoolError:
            self.close(0)
            raise

    def _hire(self, index: int) -> _Member:
        member = _Member(index)
        member.thread = threading.Thread(
            target=self._serve, args=(member, self._queue, self._done), name=f"pexen worker {index}", daemon=True
        )
        try:
            member.thread.start()
        except RuntimeError as error:
            raise PoolError(f"a worker thread cannot be started: {error}") from error
        return member

    def close(self, grace: float) -> None:
        """Running tasks may come to their end for `grace` seconds; then their threads are left to them."""
        if not self._is_open:
            return
        until = time.monotonic() + grace
        self._is_open = False
        self._unbegun()
        for member in self._members:
            member.is_abandoned = True
            self._queue.put(None)
        try:
            if self._elsewhere is not None:
                self._elsewhere.close(grace)
            for member in self._members:
                if member.thread is not None:
                    is_in_a_task = member.job is not None and not isinstance(member.job.body, Executable)
                    member.thread.join(max(0.0, until - time.monotonic()) if is_in_a_task else 1.0)
        finally:  # after an interrupt from the keyboard, too
            self._elsewhere = None
            self._flights = {}
            os.close(self._wakeup)
            if self._slots is not None:
                self._slots.close()
                self._slots = None

    @property
    def keeper_pid(self) -> int | None:
        return self._elsewhere.keeper_pid if self._elsewhere is not None else None

    def _in_flight(self) -> int:
        return len(self._flights)

    def _refuse(self, task: Body) -> None:
        if isinstance(task, Executable) and task not in self._bodies:
            raise PoolError(f"Cannot submit unregistered task {task}")

    # -- what a thread does

    def _serve(self, member: _Member, jobs: queue.SimpleQueue[Job | None], done: deque[Report]) -> None:
        # `jobs` and `done` are of this opening: a thread may be at its task still when the pool is opened again.
        while (job := jobs.get()) is not None:
            if _is_abandoned(member):
                jobs.put(job)  # it is for the thread that took this one's place
                return
            member.began = time.monotonic()
            member.job = job
            if self._slots is not None:
                self._slots.begin(member.index, job.task << 32 | job.attempt, member.began, None, None, 0.0)
            if isinstance(job.body, Executable):
                assert self._elsewhere is not None
                report = self._elsewhere.run(job)
                if report is None:
                    return  # the pool is closing
            else:
                report = self._run_here(member, job)
            member.job = None
            done.append(report)
            self._nudge()
            if _is_abandoned(member):
                return

    def _run_here(self, member: _Member, job: Job) -> Ended:
        began_us = time.time_ns() // 1000
        shared = job.shared
        if not self._journaled:
            ending, ret, excinfo = invoke(job.body, shared)
            seconds = time.monotonic() - member.began
            return Ended(
                job.task,
                job.attempt,
                ending,
                Outcome(member.index, self._pid, began_us, seconds, None, None, None, ret, shared, excinfo),
            )
        before = results.texts_of(shared) if shared else {}
        kept = results.keep(invoke(job.body, shared), before, shared)
        ending, ret, excinfo = kept.call
        shared = results.as_decoded(shared, before, kept) if shared or before else shared
        outcome = Outcome(member.index, self._pid, began_us, 0.0, None, None, None, ret, shared, excinfo)
        outcome.ret_json, outcome.shared_json, outcome.error_json = kept.ret_json, kept.shared_json, kept.error_json
        outcome.seconds = time.monotonic() - member.began
        return Ended(job.task, job.attempt, ending, outcome)

    def _tell(self, report: Report) -> None:
        """From any thread: here is news for whoever waits."""
        self._done.append(report)
        self._nudge()

    def _nudge(self) -> None:
        if self._is_waiting:
            self._is_waiting = False
            os.eventfd_write(self._wakeup, 1)

    # -- handing over

    def hand_over(self, jobs: Sequence[Job]) -> None:
        if not self._is_open:
            raise PoolError("The pool is not running")
        for job in jobs:
            if isinstance(job.body, Executable):
                self._check_executable(job.body)
        if jobs and self._slots is not None and self._run is None and (context := jobs[0].context) is not None:
            self._run = context.run
            self._slots.name_run(context.run)
        put, flights = self._queue.put, self._flights
        for job in jobs:
            flights[job.task << 32 | job.attempt] = job
            put(job)

    def _check_executable(self, body: Executable) -> None:
        if self._elsewhere is None or not self._elsewhere.knows(body):
            raise PoolError(
                f"Cannot submit unregistered task {body}: executables run under a keeper, which is forked "
                "when the pool starts. Register it before that"
            )
        if self._elsewhere.broken is not None:
            raise PoolError(self._elsewhere.broken)

    # -- waiting

    def wait(self, until: float | None = None) -> list[Report]:
        if not self._is_open:
            raise PoolError("The pool is not running")
        while True:
            self._collect()
            if self._ready:
                for fd, _mask in self._poll.poll(0) if self._watched else ():
                    self._heard(fd)
                ready, self._ready = self._ready, []
                return ready
            if self._elsewhere is not None and self._elsewhere.broken is not None:
                raise PoolError(self._elsewhere.broken)
            if until is None and not self._flights and not self._watched:
                return []  # nothing could ever be reported
            timeout = self._patience(until)
            self._is_waiting = True
            # Whoever has put something there before that line has not seen that we wait.
            for fd, _mask in self._poll.poll(0 if self._done else timeout):
                self._heard(fd)
            self._is_waiting = False
            if until is not None and time.monotonic() >= until:
                self._collect()
                ready, self._ready = self._ready, []
                return ready

    def _heard(self, fd: int) -> None:
        if fd == self._wakeup:
            os.eventfd_read(fd)
        elif (readable := Readable(fd)) not in self._ready:
            self._ready.append(readable)

    def _patience(self, until: float | None) -> float | None:
        """Milliseconds to wait for news."""
        now = time.monotonic()
        seconds = until - now if until is not None else float("inf")
        if len(self._began) < min(len(self._flights), self.workers):
            seconds = min(seconds, _WORTH_TELLING)
        for doom in self._doomed.values():
            seconds = min(seconds, doom.until - now)
        for member in self._members:
            job = member.job
            if job is not None and job.limits.timeout is not None and not isinstance(job.body, Executable):
                seconds = min(seconds, member.began + job.limits.timeout - now)
        return None if seconds == float("inf") else max(0.0, seconds * 1000)

    def _collect(self) -> None:
        done, flights = self._done, self._flights
        while done:
            report = done.popleft()
            if type(report) is not Ended and not isinstance(report, Dropped):
                if isinstance(report, Began) and (mark := mark_of(report.task, report.attempt)) in flights:
                    self._began.add(mark)
                    self._ready.append(report)
                continue
            mark = report.task << 32 | report.attempt
            if flights.pop(mark, None) is None:
                continue  # of an attempt that was abandoned
            self._forget(mark)
            self._ready.append(report)
        if flights:
            self._look_around()

    def _forget(self, mark: int) -> None:
        """An attempt is over."""
        self._began.discard(mark)
        self._doomed.pop(mark, None)

    def _look_around(self) -> None:
        """See who has begun, and whose time is over."""
        now = time.monotonic()
        for member in list(self._members):
            job = member.job
            if job is None or isinstance(job.body, Executable):
                continue
            mark = mark_of(job.task, job.attempt)
            if mark not in self._flights:
                continue
            doom = self._doomed.get(mark)
            if doom is not None and now >= doom.until:
                self._abandon(member)
                self._ready.append(Dropped(job.task, job.attempt, doom.cause, False, _CANNOT_BE_KILLED))
                continue
            if now - member.began < _WORTH_TELLING:
                continue
            began_us = int((time.time() - now + member.began) * 1e6)
            timeout = job.limits.timeout
            if timeout is not None and now >= member.began + timeout:
                self._abandon(member)
                ending = Ending(Cause.TIMED_OUT, Verdict.TIMEOUT, reason=_over(timeout))
                outcome = Outcome(member.index, self._pid, began_us, now - member.began, shared=dict(job.shared))
                add_error(outcome, f"it was ended: {ending.reason}", self._journaled)
                self._ready.append(Ended(job.task, job.attempt, ending, outcome))
            elif mark not in self._began:
                self._began.add(mark)
                self._ready.append(Began(job.task, job.attempt, member.index, self._pid, began_us))

    def _abandon(self, member: _Member) -> None:
        """Leave a thread to its task, and put another one in its place."""
        job = member.job
        assert job is not None
        mark = mark_of(job.task, job.attempt)
        member.is_abandoned = True
        self._flights.pop(mark, None)
        self._forget(mark)
        self._members[member.index] = self._hire(member.index)

    # -- ending attempts

    def _unbegun(self) -> list[Job]:
        """Take back what no thread has taken."""
        found = []
        with contextlib.suppress(queue.Empty):
            while (job := self._queue.get_nowait()) is not None:
                found.append(job)
        return found

    def withdraw(self) -> None:
        for job in self._unbegun():
            self._flights.pop(mark_of(job.task, job.attempt), None)
            self._ready.append(Dropped(job.task, job.attempt, Cause.WITHDRAWN))

    def kill(self, task: int, attempt: int, cause: Cause, grace: float) -> None:
        mark = mark_of(task, attempt)
        job = self._flights.get(mark)
        if job is None:
            return  # its report is there, or on its way
        for waiting in self._unbegun():
            if waiting is job:
                del self._flights[mark]
                self._ready.append(Dropped(task, attempt, Cause.WITHDRAWN))
            else:
                self._queue.put(waiting)
        if mark not in self._flights:
            return
        if isinstance(job.body, Executable):
            assert self._elsewhere is not None
            self._elsewhere.kill(job, cause, grace)
            return
        before = self._doomed.get(mark)
        until = time.monotonic() + grace
        self._doomed[mark] = _Doom(cause, until) if before is None else _Doom(before.cause, min(before.until, until))


def _is_abandoned(member: _Member) -> bool:
    return member.is_abandoned  # which another thread changes; type checkers do not know that


def _over(timeout: float) -> str:
    return f"over its time limit of {seconds_in_words(timeout)}; {_CANNOT_BE_KILLED}"


_CANNOT_BE_KILLED = "a thread cannot be killed, so it still runs: use the process pool for tasks like this"
