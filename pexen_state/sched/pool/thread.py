"""The thread pool: python tasks run in threads of this process, which share its memory and cannot be killed.

A task that is over its time limit is abandoned: its thread goes on, is replaced, and what it still brings is
dropped. One that is to be stopped has the grace to come to its end by itself, of which it is not told; then it is
abandoned, too. What it has locked is dirty then, for it still runs: another run of it in the same process would
run beside it. Executables run under a keeper here too (`elsewhere`); the thread that took one waits
for it, so that no more than `workers` tasks run at once.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

from pexen_state.core.inputs import Ending
from pexen_state.core.states import Cause, Verdict
from pexen_state.journal.records import SubResult
from pexen_state.sched.common import PoolError
from pexen_state.sched.current import speaker
from pexen_state.sched.executable import Executable
from pexen_state.sched.invoke import RETURNED_NONE, invoke
from pexen_state.sched.pool import evidence, reporting, results
from pexen_state.sched.pool.base import (
    Asks,
    Began,
    Body,
    Dropped,
    Ended,
    Extended,
    Job,
    OnKeeper,
    Outcome,
    Readable,
    Report,
)
from pexen_state.sched.pool.counter import Counter, Speaker
from pexen_state.sched.pool.elsewhere import Elsewhere
from pexen_state.sched.pool.face import WorkerPool
from pexen_state.sched.pool.limits import seconds_in_words
from pexen_state.sched.pool.reporting import add_error
from pexen_state.sched.pool.slots import Slots
from pexen_state.sched.pool.switching import switch_as_before, switch_often
from pexen_state.sched.pool.todo import Todo
from pexen_state.subresults.lines import standing

#: An attempt that has run for this long is reported to have begun; a shorter one is only reported to have ended.
_WORTH_TELLING = 0.02


# Made for every task: without the python function that a NamedTuple has for a constructor.
_new = tuple.__new__
_CONTEXT = Job._fields.index("context")


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
        self._flights: dict[int, Job] = {}  # by task, of which there is at most one attempt
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
        self._began: set[int] = set()  # tasks whose attempts were reported to have begun
        self._doomed: dict[int, _Doom] = {}  # by task
        self._taken()
        self._done: deque[Report] = deque()  # what threads say
        self._todo = Todo()
        self._counter = Counter(self._tell, self._is_running)
        self._enough: int | None = None  # somebody waits for so many words of threads
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
        self._switches_often = False
        self._is_open, self._shutting_down = True, False
        with ExitStack() as stack:
            stack.callback(self.close, 0)  # after an interrupt from the keyboard, too
            if len(executables) < len(self._bodies.all):
                self._switches_often = True
                switch_often()
            for index in range(self.workers):
                self._members.append(self._hire(index))
            stack.pop_all()

    def _hire(self, index: int) -> _Member:
        member = _Member(index)
        member.thread = threading.Thread(
            target=self._serve, args=(member, self._todo, self._done), name=f"pexen worker {index}", daemon=True
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
        try:
            self._todo.take_back()
            for member in self._members:
                member.is_abandoned = True
            self._enough = None
            self._counter.close()
            self._todo.close()
            if self._elsewhere is not None:
                self._elsewhere.close(grace)
            for member in self._members:
                if member.thread is not None:
                    is_in_a_task = member.job is not None and not isinstance(member.job.body, Executable)
                    member.thread.join(max(0.0, until - time.monotonic()) if is_in_a_task else 1.0)
        finally:  # after an interrupt from the keyboard, too
            if self._switches_often:
                switch_as_before()
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

    def _serve(self, member: _Member, todo: Todo, done: deque[Report]) -> None:
        # `todo` and `done` are of this opening: a thread may be at its task still when the pool is opened again.
        slots = self._slots
        while (job := todo.take()) is not None:
            if _is_abandoned(member):
                todo.put_back(job)  # it is for the thread that took this one's place
                return
            member.began = time.monotonic()
            member.job = job
            if slots is not None:
                slots.note(member.index, job.task << 32 | job.attempt)
            if isinstance(job.body, Executable):
                assert self._elsewhere is not None
                report = self._elsewhere.run(job)
                if report is None:
                    return  # the pool is closing
            else:
                report = self._run_here(member, job)
            member.job = None
            done.append(report)
            if _is_abandoned(member):
                return  # and nudges nobody: the pool may be closed, and its descriptor somebody else's
            enough = self._enough
            if enough is not None and len(done) >= enough:
                self._nudge()

    def _run_here(self, member: _Member, job: Job) -> Ended:
        task, attempt, body, shared = job[:4]
        began_us = time.time_ns() // 1000
        before = results.texts_of(shared) if shared and self._journaled else {}
        own = None
        if job[_CONTEXT] is not None:
            own = Speaker(self._counter, job, member.began)
            speaker.set(own)
        call = invoke(body, shared)
        parts: Sequence[SubResult] = ()
        if own is not None and own.was_asked:
            parts = reporting.reported(body, job.context, None) or standing(own.said)
            call = call._replace(ending=reporting.judged(call.ending, parts, body))
        if call is RETURNED_NONE and not shared and not before:  # nearly always
            seconds = time.monotonic() - member.began
            return _new(Ended, (task, attempt, call[0], Outcome(member.index, self._pid, began_us, seconds, shared)))
        kept = None
        if self._journaled:
            kept = results.keep(call, before, shared)
            call = kept.call
            shared = results.as_decoded(shared, before, kept) if shared or before else shared
        ending, ret, excinfo = call
        seconds = time.monotonic() - member.began
        outcome = Outcome(member.index, self._pid, began_us, seconds, shared, ret, excinfo)
        outcome.results = parts
        if kept is not None:
            outcome.ret_json, outcome.shared_json, outcome.error_json = kept.ret_json, kept.shared_json, kept.error_json
        return Ended(task, attempt, ending, outcome)

    def _tell(self, report: Report) -> None:
        """From any thread: here is news for whoever waits."""
        self._done.append(report)
        self._nudge()

    def _nudge(self) -> None:
        if self._enough is not None:
            self._enough = None
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
        flights = [(job.task, job) for job in jobs]
        self._todo.put(jobs)
        # Reports are looked at by nobody but us, later. After an interrupt nobody waits for what no thread was given.
        self._flights.update(flights)

    def admit(self, tasks: Iterable[Body]) -> None:
        for body in tasks:
            if isinstance(body, Executable):
                self._check_executable(body)

    def _check_executable(self, body: Executable) -> None:
        can_run = self._elsewhere is not None and self._elsewhere.can_run(body)
        # Asked afterwards: what cannot run because the keeper has just died is not to be told as something else.
        if self._elsewhere is not None and self._elsewhere.broken is not None:
            raise PoolError(self._elsewhere.broken)
        if not can_run:
            raise PoolError(
                f"Cannot submit unregistered task {body}: executables run under a keeper, which is forked "
                "when a pool of threads starts, if it has one to run. Register one before that, or use the process pool"
            )

    # -- waiting

    def wait(self, until: float | None = None, enough: int = 1) -> list[Report]:
        if not self._is_open:
            raise PoolError("The pool is not running")
        while True:
            self._collect()
            if self._ready or len(self._ended) >= (enough if self._flights else 1):
                for fd, _mask in self._poll.poll(0) if self._watched else ():
                    self._heard(fd)
                return self._taken()
            if self._elsewhere is not None and self._elsewhere.broken is not None:
                raise PoolError(self._elsewhere.broken)
            if until is None and not self._flights and not self._watched:
                return []  # nothing could ever be reported
            timeout = self._patience(until)
            more = self._enough = enough - len(self._ended)
            # Whoever has put something there before that line has not seen that we wait.
            for fd, _mask in self._poll.poll(0 if len(self._done) >= more else timeout):
                self._heard(fd)
            self._enough = None
            if until is not None and time.monotonic() >= until:
                self._collect()
                return self._taken()

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
            if job is not None and not isinstance(job.body, Executable):
                until_then = self._counter.deadline(job, member.began)
                if until_then is not None:
                    seconds = min(seconds, until_then - now)
        return None if seconds == float("inf") else max(0.0, seconds * 1000)

    def _collect(self) -> None:
        done, ended = self._done, self._ended
        while done:
            report = done[0]  # it stays there until its flight is over: an interrupt may come in between
            if type(report) is Ended:
                if self._is_over(report.task, report.attempt):
                    ended.append(report)
            elif isinstance(report, Dropped):
                if self._is_over(report.task, report.attempt):
                    self._ready.append(report)
            elif isinstance(report, Began) and self._flight(report.task, report.attempt) is not None:
                self._began.add(report.task)
                self._ready.append(report)
            elif isinstance(report, Asks | Extended):
                self._ready.append(report)
            done.popleft()
        if self._flights:
            self._look_around()

    def _flight(self, task: int, attempt: int) -> Job | None:
        job = self._flights.get(task)
        return job if job is not None and job.attempt == attempt else None

    def _is_running(self, job: Job) -> bool:
        # Not by its flight, which is noted a moment after a thread may have begun.
        return any(member.job is job for member in self._members)

    def _is_over(self, task: int, attempt: int) -> bool:
        """An attempt is over. False if it had been given up before."""
        job = self._flights.get(task)
        if job is None or job.attempt != attempt:
            return False
        del self._flights[task]
        self._counter.is_over(job)
        if self._began:
            self._began.discard(task)
        if self._doomed:
            self._doomed.pop(task, None)
        return True

    def _look_around(self) -> None:
        """See who has begun, and whose time is over."""
        now = time.monotonic()
        for member in list(self._members):
            job = member.job
            if job is None or isinstance(job.body, Executable):
                continue
            if self._flights.get(job.task) is not job:
                continue
            doom = self._doomed.get(job.task)
            if doom is not None and now >= doom.until:
                self._abandon(member, job)
                self._ready.append(Dropped(job.task, job.attempt, doom.cause, False, _CANNOT_BE_KILLED))
                continue
            if now - member.began < _WORTH_TELLING:
                continue
            began_us = int((time.time() - now + member.began) * 1e6)
            deadline = self._counter.deadline(job, member.began)
            if deadline is not None and now >= deadline:
                self._abandon(member, job)
                ending = Ending(Cause.TIMED_OUT, Verdict.TIMEOUT, reason=_over(deadline - member.began))
                outcome = Outcome(member.index, self._pid, began_us, now - member.began, dict(job.shared))
                add_error(outcome, f"it was ended: {ending.reason}", self._journaled)
                outcome.results = evidence.result(self._look_at(member, job, _over(deadline - member.began)))
                self._ended.append(Ended(job.task, job.attempt, ending, outcome))
            elif job.task not in self._began:
                self._began.add(job.task)
                self._ready.append(Began(job.task, job.attempt, member.index, self._pid, began_us))

    def _look_at(self, member: _Member, job: Job, reason: str) -> str | None:
        thread = member.thread.ident if member.thread is not None else None
        return evidence.of_thread(thread, job.context.directory if job.context is not None else None, reason)

    def _abandon(self, member: _Member, job: Job) -> None:
        """Leave a thread to its task, and put another one in its place."""
        member.is_abandoned = True
        self._is_over(job.task, job.attempt)
        self._members[member.index] = self._hire(member.index)

    # -- ending attempts

    def withdraw(self) -> None:
        for job in self._todo.take_back():
            self._give_back(job)

    def _give_back(self, job: Job) -> None:
        self._ready.append(Dropped(job.task, job.attempt, Cause.WITHDRAWN))
        self._flights.pop(job.task, None)  # after an interrupt there may be none yet

    def answer(self, client: int, body: dict[str, Any]) -> None:
        if not self._counter.answer(client, body) and self._elsewhere is not None:
            self._elsewhere.answer(client, body)

    def kill(self, task: int, attempt: int, cause: Cause, grace: float) -> None:
        job = self._flight(task, attempt)
        if job is None:
            return  # its report is there, or on its way
        if self._todo.take_out(job):
            self._give_back(job)
            return
        if isinstance(job.body, Executable):
            assert self._elsewhere is not None
            self._elsewhere.kill(job, cause, grace)
            return
        before = self._doomed.get(task)
        until = time.monotonic() + grace
        self._doomed[task] = _Doom(cause, until) if before is None else _Doom(before.cause, min(before.until, until))


def _is_abandoned(member: _Member) -> bool:
    return member.is_abandoned  # which another thread changes; type checkers do not know that


_CANNOT_BE_KILLED = "a thread cannot be killed, so it still runs: use the process pool for tasks like this"


def _over(timeout: float) -> str:
    return f"over its time limit of {seconds_in_words(timeout)}; {_CANNOT_BE_KILLED}"
