"""The process pool, seen from the runner: attempts go out as orders, and come back as reports.

The workers take orders from one queue, so a long task never holds up one that was sent after it; who took
what, and what is to become of it when a worker dies, follows from the slots (`slots`, `flights`). Forking,
time limits and killing are the keeper's.
"""

from __future__ import annotations

import pickle
import select
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any

from pexen_state.box.cgroups import Delegated
from pexen_state.core.states import Cause
from pexen_state.sched.common import PoolError
from pexen_state.sched.pool import reporting, results, wire
from pexen_state.sched.pool.base import Asks, Began, Body, Dropped, Ended, Extended, Job, OnKeeper, Readable, Report
from pexen_state.sched.pool.bodies import CANNOT_BE_FOUND, Reference
from pexen_state.sched.pool.face import WorkerPool
from pexen_state.sched.pool.flights import Flight, Flights, flight_of
from pexen_state.sched.pool.missing import Missing
from pexen_state.sched.pool.pace import Pace
from pexen_state.sched.pool.slots import RING, Slots, mark_of
from pexen_state.sched.pool.staff import Staff, has_one_thread
from pexen_state.sched.pool.usage import Usage

#: An attempt that has run for this long is reported to have begun; a shorter one is only reported to have ended.
_WORTH_TELLING = 0.02


class ProcessWorkerPool(WorkerPool):
    """Runs tasks in forked processes.

    workers     how many run at once
    spare       how many more it takes, for workers to go on with by themselves; None: chosen as tasks need it
    """

    def __init__(self, workers: int = 1, spare: int | None = None) -> None:
        super().__init__(workers, spare)
        # Its methods may be called by several threads: the thread pool uses one for its executables.
        self._lock = threading.RLock()
        self._staff: Staff | None = None
        self._slots: Slots | None = None
        self._broken: str | None = None  #: why this pool can do no more

    def _begin_anew(self) -> None:
        self.is_careful = False
        self._flights = Flights()
        self._taken()
        self._over: dict[int, wire.Over] = {}
        self._killing: set[int] = set()
        self._grown: list[Job] = []  # wait for a keeper that knows their bodies
        self._serial = 0
        self._pace = Pace(self.workers)
        self._shortest: float | None = None
        self._run: str | None = None
        self._broken = None
        self._poll = select.poll()
        for fd in self._watched:
            self._poll.register(fd, select.POLLIN)

    # -- opening and closing

    def open(
        self, journaled: bool, slots: str | None = None, keep_fds: Sequence[int] = (), on_keeper: OnKeeper = None
    ) -> None:
        if self._is_open:
            raise PoolError("The pool is already running")
        self._begin_anew()
        self._journaled, self._keep_fds, self._on_keeper = journaled, tuple(keep_fds), on_keeper
        self._slots = Slots(self.workers, slots)
        self._delegated = Delegated.here()
        self._is_open, self._shutting_down = True, False
        try:
            self._hire_staff()
        except Exception:
            self.close(0)
            raise

    def _hire_staff(self) -> None:
        assert self._slots is not None
        self._known, self._shortest = len(self._bodies.all), None
        self._staff = Staff(
            self._bodies.all, self.workers, self._slots, self._journaled, self._keep_fds, self._delegated
        )
        self._missing = Missing(self._staff, self._slots, self._flights)
        if self._on_keeper is not None:
            self._on_keeper(self._staff.keeper_pid)

    def close(self, grace: float) -> None:
        with self._lock:
            if not self._is_open:
                return
            self._is_open = False
            staff, self._staff = self._staff, None
            if staff is not None:
                try:
                    staff.take_back()
                    staff.dismiss(grace)
                finally:
                    staff.close()
            if self._slots is not None:
                self._slots.close()
                self._slots = None
            self._flights = Flights()

    def __del__(self) -> None:
        # Forgotten without a `close`: its keeper sees that nobody is there, and ends everything.
        staff: Staff | None = getattr(self, "_staff", None)
        if staff is not None:
            staff.close()

    @property
    def keeper_pid(self) -> int | None:
        return self._staff.keeper_pid if self._staff is not None else None

    def _in_flight(self) -> int:
        return len(self._flights) + len(self._grown) if self._is_open else 0

    @property
    def broken(self) -> str | None:
        """Why it cannot be used any more, until it is opened anew."""
        return self._broken

    def _people(self) -> tuple[Staff, Slots]:
        if self._broken is not None:
            raise PoolError(self._broken)
        if self._staff is None or self._slots is None:
            raise PoolError("The pool is not running")
        return self._staff, self._slots

    # -- handing over

    def hand_over(self, jobs: Sequence[Job]) -> None:
        with self._lock:
            staff, slots = self._people()
            if len(self._flights) + len(jobs) > RING:
                raise PoolError(f"a pool takes no more than {RING} tasks at once")
            flights = []
            for job in jobs:
                body = self._reference(job.body)
                if body is None or self._grown:
                    # A keeper that knows it can be forked when nothing is in flight; what comes after it waits, too.
                    self._grown.append(job)
                elif (flight := self._prepared(job, body)) is not None:
                    flights.append(flight)
            if jobs and self._run is None and (context := jobs[0].context) is not None:
                self._run = context.run
                slots.name_run(context.run)
            self._send(staff, flights)
            self._grow()

    def _prepared(self, job: Job, body: Reference) -> Flight | None:
        shared = None
        if job.shared:
            try:
                shared = results.proved(job.shared, "shared")
            except AttributeError as error:
                self._ended.append(reporting.of_unsendable(job, error))
                return None
        self._serial += 1
        flight = flight_of(job, self._serial, body, shared)
        self._flights.add(flight)
        if job.limits.timeout is not None or job.limits.idle_timeout is not None:
            self._enforce(job)
        return flight

    def _enforce(self, job: Job) -> None:
        for limit in job.limits[:2]:
            if limit is not None and (self._shortest is None or limit < self._shortest):
                self._shortest = limit
                if self._staff is not None:
                    self._staff.tell(wire.EnforceLimits(limit))

    def _send(self, staff: Staff, flights: list[Flight]) -> None:
        size = 1 if self.is_careful else self._pace.chunk(len(flights))
        for at in range(0, len(flights), size):
            chunk = flights[at : at + size]
            self._flights.sent(chunk)
            staff.order(pickle.dumps([flight.order for flight in chunk], pickle.HIGHEST_PROTOCOL))

    # -- bodies that were not registered

    def _refuse(self, task: Body) -> None:
        if task not in self._bodies:
            raise PoolError(f"Cannot submit unregistered task {task}")

    def admit(self, tasks: Iterable[Body]) -> None:
        with self._lock:
            self._people()
            for body in tasks:
                self._reference(body)

    def _reference(self, body: Body) -> Reference | None:
        """How a worker finds a body; None if it takes a new keeper. Raises PoolError if nothing will do."""
        reference = self._bodies.reference(body, self._known)
        if reference is None:
            if not has_one_thread():
                raise PoolError(f"Cannot submit unregistered task {body}: {CANNOT_BE_FOUND}")
            self._bodies.register([body])
        return reference

    def _grow(self) -> None:
        """Fork a keeper that knows the bodies which were added, as soon as nothing is in flight."""
        if not self._grown or self._flights:
            return
        staff, _slots = self._people()
        staff.dismiss(0)
        self._part_with(staff)
        self._hire_staff()
        grown, self._grown = self._grown, []
        self.hand_over(grown)

    def _part_with(self, staff: Staff) -> None:
        staff.unregister(self._poll)
        staff.close()
        self._staff = None

    # -- waiting

    def wait(self, until: float | None = None, enough: int = 1) -> list[Report]:
        while True:
            with self._lock:
                if self._has(enough):
                    return self._taken()
                staff, _slots = self._people()
                if until is None and not self._flights and not self._grown and not self._watched:
                    return []  # nothing could ever be reported
                missing = enough - len(self._ended)
                staff.register(self._poll, but_for_answers=missing > 1)
                timeout = self._patience(staff, until, missing)
            try:
                events = self._poll.poll(timeout)
            except OSError as error:  # more is open than somebody's new limit allows
                raise PoolError(
                    f"the workers cannot be listened to: {error.strerror}. Was the limit of open files lowered?"
                ) from error
            with self._lock:
                if not self._is_open:
                    return []
                self._ready.extend(Readable(fd) for fd, _mask in events if fd in self._watched)
                self._collect()
                if self._has(enough) or (until is not None and time.monotonic() >= until):
                    return self._taken()

    def _has(self, enough: int) -> bool:
        return bool(self._ready) or len(self._ended) >= (enough if self._flights else 1)

    def _patience(self, staff: Staff, until: float | None, missing: int) -> float | None:
        """Milliseconds to wait for news, or for about so many answers, of which none is to wake us."""
        if staff.has_news:
            return 0
        seconds = until - time.monotonic() if until is not None else float("inf")
        # No message says that an attempt has begun; while one may have, the slots are looked at.
        if self._missing.is_going_on or self._flights.began < min(len(self._flights), self.workers):
            seconds = min(seconds, _WORTH_TELLING)
        if missing > 1:
            seconds = min(seconds, self._pace.nap(missing))
        return None if seconds == float("inf") else max(0.0, seconds * 1000)

    def _collect(self) -> None:
        staff, slots = self._people()
        news = staff.receive()
        for over in news.over:
            self._over[over.mark] = over
        self._take(news.results)
        for message in news.keeper:
            match message:
                case wire.Gone():
                    self._worker_gone(slots, message)
                case wire.Asked():
                    self._hear(message)
                case wire.DeadlineMoved(mark, until_us):
                    if (flight := self._flights.get(mark)) is not None:
                        self._ready.append(Extended(flight.job.task, flight.job.attempt, until_us))
                case wire.Trouble(reason):
                    raise PoolError(reason)
        if staff.keeper_is_dead:
            self._keeper_gone(staff, slots)
            return
        if self._missing.is_going_on:
            self._again(self._missing.found())
        self._look_who_began(staff, slots)
        self._grow()

    def _hear(self, asked: wire.Asked) -> None:
        flight = self._flights.get(asked.mark)
        if flight is None:
            self.answer(asked.client, {"ok": False, "error": "this attempt is not running any more"})
        else:
            self._ready.append(Asks(asked.client, flight.job.task, flight.job.attempt, asked.body))

    def answer(self, client: int, body: dict[str, Any]) -> None:
        with self._lock:
            if self._staff is not None:
                self._staff.tell(wire.Answer(client, body))

    def _take(self, messages: list[wire.FromWorker]) -> None:
        if not messages:
            return
        offset = reporting.clock_offset()
        for message in messages:
            flight = self._flights.pop(message.mark, message.worker)
            if flight is None:
                continue  # of an attempt that was given up
            if isinstance(message, wire.NotBegun):
                self._drop(flight, Cause.WITHDRAWN)
                continue
            self._pace.took(message.seconds)
            over = self._settled(flight.mark)
            self._report(reporting.of_end(flight.job, message, over, self._journaled, offset))

    def _report(self, report: Ended | Dropped) -> None:
        (self._ended if type(report) is Ended else self._ready).append(report)

    def _settled(self, mark: int) -> wire.Over | None:
        """An attempt is over: what was said about its end, if anything."""
        if mark in self._killing:
            self._killing.discard(mark)
            if self._staff is not None:
                self._staff.tell(wire.Spare(mark))
        return self._over.pop(mark, None)

    def _drop(self, flight: Flight, cause: Cause, reason: str | None = None) -> None:
        self._settled(flight.mark)
        self._ready.append(Dropped(flight.job.task, flight.job.attempt, cause, True, reason))

    def _look_who_began(self, staff: Staff, slots: Slots) -> None:
        if self._flights.began >= min(len(self._flights), self.workers):
            return
        now = time.monotonic()
        for index, hired in staff.hired.items():
            mark, since = slots.began(index)
            flight = self._flights.get(mark) if mark else None
            if flight is None or flight.began or now - since < _WORTH_TELLING:
                continue
            self._flights.mark_begun(flight, index)
            began = Began(flight.job.task, flight.job.attempt, index, hired.pid, int((time.time() - now + since) * 1e6))
            self._ready.append(began)

    # -- deaths

    def _worker_gone(self, slots: Slots, gone: wire.Gone) -> None:
        self._missing.is_gone(gone.pid)
        begun = slots.begun_by(gone.worker, gone.begun)
        lost = [flight for flight in self._flights if flight.mark in begun]
        held = [flight for flight in self._flights.held_by(gone.worker, lost) if flight.mark not in begun]
        self._flights.forget_holder(gone.worker)
        for flight in lost:
            self._lose(flight, gone, slots)
        if lost or held:
            self._again(held)
        elif self._flights:
            self._missing.search()

    def _lose(self, flight: Flight, gone: wire.Gone, slots: Slots, reason: str | None = None) -> None:
        """An attempt ended with its worker."""
        self._flights.pop(flight.mark)
        began = slots.since(gone.worker, flight.mark)
        over = self._settled(flight.mark)
        job = flight.job
        used = Usage(self._delegated, job.context, job.body).end()
        report = reporting.of_loss(job, gone, began, over, self._journaled, reason, used)
        if type(report) is Dropped and report.cause is Cause.WORKER_DIED:
            self.is_careful = True
        self._report(report)

    def _again(self, flights: list[Flight]) -> None:
        """These never began, whoever had them: they go to the others, or back to whom asked for them."""
        staff, slots = self._people()
        for flight in flights:
            if flight.serial <= slots.withdrawn:
                self._flights.pop(flight.mark)
                self._drop(flight, Cause.WITHDRAWN)
            else:
                self._send(staff, [flight])

    def _keeper_gone(self, staff: Staff, slots: Slots) -> None:
        cookies = [flight.job.context.attempt_id for flight in self._flights if flight.job.context is not None]
        survivors = staff.kill_orphans(cookies)
        how = reporting.keepers_death_in_words(staff.reap_keeper(1.0))
        now = time.monotonic()
        self._take(staff.receive().results)  # what workers sent before they died
        staff.take_back()
        for index in range(self.workers):
            begun = slots.begun_by(index, slots.count(index))
            hired = staff.hired.get(index)
            gone = wire.Gone(index, hired.pid if hired is not None else 0, None, 0, now, survivors)
            for flight in self._flights:
                if flight.mark in begun:
                    self._lose(flight, gone, slots, how)
            slots.end(index)
        for flight in self._flights:
            self._flights.pop(flight.mark)
            self._drop(flight, Cause.WITHDRAWN)
        self._part_with(staff)
        try:
            if not has_one_thread():
                raise PoolError("a process with threads cannot fork another one")
            self._hire_staff()
        except PoolError as error:
            self._broken = f"{how}, and {error}; start a new pool"

    # -- ending attempts

    def withdraw(self) -> None:
        with self._lock:
            staff, slots = self._people()
            slots.withdrawn = self._serial  # what a worker has taken already, it gives back by itself
            for chunk in staff.take_back():
                for fields in pickle.loads(chunk):
                    if (flight := self._flights.pop(fields[1])) is not None:
                        self._drop(flight, Cause.WITHDRAWN)
            for flight in self._flights:
                if not flight.chunk:  # an interrupt came before it was sent
                    self._flights.pop(flight.mark)
                    self._drop(flight, Cause.WITHDRAWN)
            for job in self._grown:
                self._ready.append(Dropped(job.task, job.attempt, Cause.WITHDRAWN))
            self._grown.clear()

    def kill(self, task: int, attempt: int, cause: Cause, grace: float) -> None:
        with self._lock:
            staff, slots = self._people()
            mark = mark_of(task, attempt)
            for job in [job for job in self._grown if (job.task, job.attempt) == (task, attempt)]:
                self._grown.remove(job)
                self._ready.append(Dropped(task, attempt, Cause.WITHDRAWN))
            if mark not in self._flights:
                return  # its report is there, or on its way
            if not any(slots.mark(index) == mark for index in range(self.workers)) and staff.take_out(mark):
                flight = self._flights.pop(mark)
                assert flight is not None
                self._drop(flight, Cause.WITHDRAWN)
                return
            self._killing.add(mark)
            staff.tell(wire.Kill(mark, cause, grace))
