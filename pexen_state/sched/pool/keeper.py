"""The keeper: the process between the runner and its workers. It forks them, replaces them, and ends attempts.

It runs no user code and has one thread, so it is there when everybody else misbehaves. It is a subreaper: what
a dead worker leaves becomes its child, and is killed. When the runner dies it kills everything and exits; then,
and only then, the descriptors that it was given to keep (the run's lock) are free.

It knows nothing of results, which go from the workers to the runner directly.
"""

from __future__ import annotations

import contextlib
import gc
import math
import os
import pickle
import select
import signal
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from pexen_state.core.states import Cause
from pexen_state.journal.lock_file import leave_word
from pexen_state.sched.pool import evidence, limits, tree, wire
from pexen_state.sched.pool.births import Setup, become_worker, blame
from pexen_state.sched.pool.desk import Desk, Request
from pexen_state.sched.pool.evidence import Stacks
from pexen_state.sched.pool.frames import Channel
from pexen_state.sched.pool.limits import OVER_LIMIT, IdleClock, Pursuit, Step
from pexen_state.sched.pool.settle import settle_in
from pexen_state.sched.pool.slots import Current
from pexen_state.sched.pool.usage import kill_cgroup_of


@dataclass(slots=True)
class _Member:
    """A worker that lives."""

    index: int
    pid: int
    count: int  #: of its slot, when it was forked
    stacks: Stacks
    pursuit: Pursuit | None = None
    gone_by: float | None = None  #: given up: it is taken for dead at this time, whatever it does


@dataclass(slots=True)
class _Fallen:
    """A worker that is dead, and whose leftovers may not all be dead yet."""

    index: int
    pid: int
    status: int | None
    count: int
    died: float
    patience: float
    fruitless: bool  #: it never began anything: its successor is not hurried
    survivors: list[tree.Process] = field(default_factory=list)


#: How long what a dead worker left may take to die of SIGKILL, before it is given up and reported.
PATIENCE = 10.0
_FROZEN_WITHIN = 0.05
_DEAD_WITHIN = 0.5
_HIRE_AGAIN = 0.25
_TROUBLE_AFTER = 5.0


def fork_keeper(setup: Setup) -> int:
    """Fork the keeper and return its pid. In the child this never returns.

    The child must touch nothing that another thread of the parent may have locked: no logging, no import.
    """
    # What is buffered now would be written a second time by a child that prints.
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    pid = os.fork()
    if pid:
        return pid
    status = 70
    try:
        gc.freeze()  # the parent's objects are not ours to collect: their descriptors have other owners here
        keeper = Keeper(setup)
        keeper.serve()
        status = 0
    except Exception as error:  # noqa: BLE001 - the parent's stack below us must never be unwound here
        status = blame(error)
    finally:
        with contextlib.suppress(OSError):
            tree.kill_all(lambda: _reaped_descendants(os.getpid()))
        os._exit(status)


def _reaped_descendants(root: int) -> list[tree.Process]:
    _reap_all()
    return tree.descendants(root)


def _reap_all() -> list[tuple[int, int]]:
    found = []
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            found.append(ended)
    return found


def readable_once_dead(pid: int) -> int:
    """A descriptor that can be read from when the process is dead; at once, if it already is."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return os.eventfd(1, os.EFD_CLOEXEC)


class Keeper:
    """All of it happens in `serve`, one step after the other."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._slots = setup.slots
        self._wakeup, self._alarm = settle_in(setup.ends.numbers(), setup.keep_fds)
        tree.become_subreaper()
        self._runner = readable_once_dead(setup.runner)
        self._orphaned = os.getppid() != setup.runner  # it died before, and the pid is somebody else's
        self._control = Channel(setup.ends.control)
        self._desk = Desk(setup.ends.desk)
        self._asked: dict[int, dict[str, Any]] = {}  # by mark: what attempts that are to end had asked for
        self._members: dict[int, _Member] = {}  # by slot
        self._fallen: list[_Fallen] = []
        self._vacant: dict[int, float] = dict.fromkeys(range(setup.workers), 0.0)  # slot -> not before
        self._ghosts: set[int] = set()  # pids that were given up; they die when the kernel lets them
        self._wanted: dict[int, wire.Kill] = {}
        self._shortest: float | None = None  # the shortest limit in force
        self._idle = IdleClock()
        self._closing: float | None = None  # the grace to close with
        self._hiring_fails_since: float | None = None

    def serve(self) -> None:
        poll = select.poll()
        poll.register(self._wakeup, select.POLLIN)
        poll.register(self._runner, select.POLLIN)
        sleep = 0.0
        while True:
            mask = select.POLLIN | (select.POLLOUT if self._control.is_waiting else 0)
            poll.register(self._control.fileno(), mask)
            sleep = min(sleep, self._desk.register(poll))
            ready = {fd for fd, _event in poll.poll(sleep * 1000 if sleep != float("inf") else None)}
            if self._wakeup in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wakeup, 4096)
            for message in self._control.receive_all():
                self._obey(pickle.loads(message))
            if self._control.at_end or self._runner in ready or self._orphaned:
                tree.kill_all(lambda: _reaped_descendants(os.getpid()), PATIENCE)
                self._leave_word()
                self._setup.place.remove()  # nobody else is there to do it
                return
            for request in self._desk.take(ready, poll):
                self._hear(request)
            self._control.flush()
            for pid, status in _reap_all():
                self._bury(pid, status)
            sleep = min(self._pursue(), self._sweep(), self._hire())
            if self._closing is not None and not self._members and not self._fallen:
                return

    def _leave_word(self) -> None:
        """Whoever comes after a reboot is to know that the runner was dead before the box went down."""
        poll = select.poll()
        poll.register(self._runner, select.POLLIN)
        if self._orphaned or poll.poll(_DEAD_WITHIN * 1000):  # its sockets close a moment before it is dead
            for fd in self._setup.keep_fds:
                leave_word(fd, self._setup.runner)

    # -- the runner's wishes

    def _obey(self, message: wire.ToKeeper) -> None:
        match message:
            case wire.EnforceLimits(shortest):
                self._shortest = shortest
            case wire.Kill():
                self._wanted[message.mark] = message
            case wire.Spare(mark):
                self._wanted.pop(mark, None)
                self._asked.pop(mark, None)
            case wire.Answer(client, body):
                self._desk.answer(client, body)
            case wire.RenewIdle():
                for member in list(self._members.values()):
                    if self._freeze(member):
                        idle = not self._slots.mark(member.index)
                        tree.send(member.pid, signal.SIGKILL if idle else signal.SIGCONT)
            case wire.Close(grace):
                self._closing = grace
                self._wanted.clear()

    def _tell(self, message: wire.FromKeeper) -> None:
        self._control.post(pickle.dumps(message))

    # -- what attempts ask for

    def _hear(self, request: Request) -> None:
        desk = self._desk
        client, mark, body = request
        member = next((one for one in self._members.values() if self._slots.mark(one.index) == mark), None)
        if member is None:
            desk.answer(client, {"ok": False, "error": "this attempt is not running"})
            return
        now = time.monotonic()
        match body["do"]:
            case "reboot" | "skip" as what:  # there is no answer: it never goes on
                self._asked.setdefault(mark, body)
                desk.answer(client, None)
                cause = Cause.REBOOT_ASKED if what == "reboot" else Cause.SKIPPED
                if member.pursuit is None:
                    member.pursuit = Pursuit(mark, cause, None, 1.0, is_abrupt=True)
            case "deadline":
                current = self._slots.current(member.index)
                had = current.deadline if current is not None else None
                if body.get("is_more") and had is None:  # it has all the time there is
                    desk.answer(client, {"ok": True, "deadline": None})
                    return
                until = (had if body.get("is_more") and had is not None else now) + body["seconds"]
                until = self._slots.extend(member.index, until)
                self._shortest = min(self._shortest or math.inf, max(until - now, 0.1))
                deadline = time.time() + until - now
                self._tell(wire.DeadlineMoved(mark, int(deadline * 1e6)))
                desk.answer(client, {"ok": True, "deadline": deadline})
            case "heartbeat":
                self._idle.beat(member.index, mark, now)
                desk.answer(client, {"ok": True})
            case _:
                self._tell(wire.Asked(client, mark, body))

    # -- attempts that are to end

    def _pursue(self) -> float:
        """End what is to be ended; returns for how long nothing of this is due."""
        sleep = float("inf")
        if self._shortest is not None:
            sleep = min(limits.LOOK, self._shortest / 2)
        if self._wanted:
            sleep = limits.REPEAT
        now = time.monotonic()
        for member in list(self._members.values()):
            current = self._slots.current(member.index)
            if member.pursuit is not None and (current is None or current.mark != member.pursuit.mark):
                member.pursuit = None  # it is over
            if member.pursuit is not None and (again := self._wanted.pop(member.pursuit.mark, None)) is not None:
                member.pursuit.hasten(again.grace, now)
            if current is None:
                if self._closing is not None:
                    tree.send(member.pid, signal.SIGKILL)
                    sleep = min(sleep, limits.REPEAT)
            elif member.pursuit is None:
                sleep = min(sleep, self._judge(member, current, now) - now)
            elif self._closing is not None:
                member.pursuit.hasten(self._closing, now)
            if member.pursuit is not None:
                self._step(member, member.pursuit, now)
                sleep = min(sleep, limits.REPEAT)
        return max(0.0, sleep)

    def _judge(self, member: _Member, current: Current, now: float) -> float:
        """Begin a pursuit if there is cause; returns when to look again."""
        silent_since = None
        if current.idle_timeout is not None and current.output is not None:
            size = _size_of(member.pid, current.output)
            silent_since = self._idle.silent_since(member.index, current, size, now)
        wanted = self._wanted.pop(current.mark, None)
        if wanted is not None:
            member.pursuit = Pursuit(current.mark, wanted.cause, None, wanted.grace)
        elif self._closing is not None:
            member.pursuit = Pursuit(current.mark, Cause.STOPPED, None, self._closing)
        elif (found := limits.overdue(current, silent_since, now)) is not None:
            cause, reason = found
            member.pursuit = Pursuit(current.mark, cause, reason, current.grace)
        return limits.next_look(current, silent_since)

    def _step(self, member: _Member, pursuit: Pursuit, now: float) -> None:
        if member.gone_by is not None:
            if now >= member.gone_by:
                self._ghosts.add(member.pid)
                self._bury(member.pid, None)
            return
        step = pursuit.step(now)
        if step is None:
            return
        if step is Step.TERM and pursuit.cause in OVER_LIMIT:
            self._look_at(member, pursuit)  # while it can still say what it is at
        if not self._freeze(member):
            return
        # It stands still, so what its slot says is true until it is allowed to go on: a worker that has
        # gone on to its next attempt is not hit.
        current = self._slots.current(member.index)
        if current is None or current.mark != pursuit.mark:
            member.pursuit = None
            tree.send(member.pid, signal.SIGCONT)
            return
        # A python task is its worker; an executable is a child of it, and its worker reports its end.
        victims = [process.pid for process in tree.descendants(member.pid)]
        if current.child is None or step is Step.GIVE_UP:
            victims.append(member.pid)
        if not pursuit.is_told:
            pursuit.is_told = True
            self._tell(
                wire.Over(
                    pursuit.mark, pursuit.cause, pursuit.reason, self._asked.pop(pursuit.mark, None), pursuit.evidence
                )
            )
        if pursuit.is_abrupt:
            for pid in victims:
                tree.send(pid, signal.SIGSTOP)  # a shell does not see its command die, and go on
        if step is not Step.TERM and self._setup.delegated is not None and victims:
            kill_cgroup_of(self._setup.delegated, victims[0])  # all are in the same one
        for pid in victims:
            tree.send(pid, signal.SIGTERM if step is Step.TERM else signal.SIGKILL)
        for pid in {*victims, member.pid}:
            tree.send(pid, signal.SIGCONT)  # whoever had stopped itself is to see it, too
        if step is Step.GIVE_UP:
            member.gone_by = now + 0.2

    def _look_at(self, member: _Member, pursuit: Pursuit) -> None:
        current = self._slots.current(member.index)
        if current is not None and current.mark == pursuit.mark:
            stacks = member.stacks if current.child is None else None
            reason = pursuit.reason or "the run's time was over"
            pursuit.evidence = evidence.keep(member.pid, current.output, reason, stacks)

    def _freeze(self, member: _Member) -> bool:
        """Stop a worker and wait until it stands. False if it is dead."""
        if not tree.send(member.pid, signal.SIGSTOP):
            return False
        until = time.monotonic() + _FROZEN_WITHIN
        while True:
            pid, status = os.waitpid(member.pid, os.WNOHANG | os.WUNTRACED)
            if pid and not os.WIFSTOPPED(status):
                self._bury(pid, status)
                return False
            if pid or time.monotonic() > until:
                return True  # or it is in the kernel, and its slot cannot change either
            time.sleep(0.0005)

    # -- workers that are dead

    def _bury(self, pid: int, status: int | None) -> None:
        member = next((m for m in self._members.values() if m.pid == pid), None)
        if member is None:
            self._ghosts.discard(pid)
            return
        del self._members[member.index]
        member.stacks.close()
        count = self._slots.count(member.index)
        self._slots.end(member.index)
        now = time.monotonic()
        patience = now + (0.5 if member.gone_by is not None else PATIENCE)
        fruitless = count == member.count and status is not None
        self._fallen.append(_Fallen(member.index, pid, status, count, now, patience, fruitless))

    def _sweep(self) -> float:
        """Kill what dead workers left; a worker is reported, and replaced, when all of it is dead."""
        if not self._fallen:
            return float("inf")
        now = time.monotonic()
        alive = {member.pid for member in self._members.values()}
        strays = tree.descendants(os.getpid(), beside=alive | self._ghosts)
        for stray in strays:
            tree.send(stray.pid, signal.SIGKILL)
        if strays and now < max(fallen.patience for fallen in self._fallen):
            return 0.002
        self._ghosts.update(stray.pid for stray in strays)
        given_up = [tree.look_at(fallen.pid) for fallen in self._fallen if fallen.status is None]
        survivors = tree.names([*strays, *(process for process in given_up if process is not None)]) or None
        for fallen in self._fallen:
            self._tell(wire.Gone(fallen.index, fallen.pid, fallen.status, fallen.count, fallen.died, survivors))
            self._vacant[fallen.index] = now + _HIRE_AGAIN if fallen.fruitless else 0.0
        self._fallen.clear()
        return 0.0

    def _hire(self) -> float:
        """Fork workers for the vacant slots; returns for how long there is no need to come again."""
        if self._closing is not None or not self._vacant:
            return float("inf")
        now = time.monotonic()
        for index in [index for index, not_before in self._vacant.items() if not_before <= now]:
            try:
                self._fork(index)
            except OSError as error:
                self._cannot_hire(error, now)
                self._vacant[index] = now + _HIRE_AGAIN
            else:
                self._hiring_fails_since = None
                del self._vacant[index]
        return max(0.0, min(self._vacant.values(), default=float("inf")) - now)

    def _cannot_hire(self, error: OSError, now: float) -> None:
        if self._hiring_fails_since is None:
            self._hiring_fails_since = now
        elif not self._members and now > self._hiring_fails_since + _TROUBLE_AFTER:
            self._tell(wire.Trouble(f"no worker can be forked: {error.strerror}"))
            self._hiring_fails_since = now

    def _fork(self, index: int) -> None:
        stacks = Stacks()
        try:
            pid = os.fork()
        except OSError:
            stacks.close()
            raise
        if pid == 0:
            # A task's own children must neither hold the lock nor keep the runner from seeing our end.
            own = (self._wakeup, self._alarm, self._runner, *self._setup.keep_fds)
            become_worker(self._setup, index, stacks, own, self._desk)
        try:
            process = tree.look_at(pid)
        except OSError:  # who cannot be told by its start time does not stay: its slot is for the next one
            stacks.close()
            tree.send(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise
        self._members[index] = _Member(index, pid, self._slots.count(index), stacks)
        self._tell(wire.Hired(index, pid, process.start if process else 0))


def _size_of(pid: int, descriptor: int) -> int:
    try:
        return os.stat(f"/proc/{pid}/fd/{descriptor}").st_size
    except OSError:
        return 0
