"""The runner's side of one keeper and its workers: the sockets, the slots, and who is there.

It sends and receives, and notices the keeper's death. What messages mean for an attempt is `process`'s business.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import threading
import time
import warnings
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pexen_state.box.cgroups import Delegated
from pexen_state.sched.common import PoolError
from pexen_state.sched.pool import strays, tree, wire
from pexen_state.sched.pool.answers import Answers, pipe
from pexen_state.sched.pool.base import Body
from pexen_state.sched.pool.births import Ends, Setup
from pexen_state.sched.pool.desk import Place
from pexen_state.sched.pool.frames import Channel, pair
from pexen_state.sched.pool.keeper import PATIENCE, fork_keeper
from pexen_state.sched.pool.slots import Slots


class News(NamedTuple):
    """What arrived. Everything in `results` was sent before what `keeper` says about its sender was true."""

    over: list[wire.Over]
    results: list[wire.FromWorker]
    keeper: list[wire.FromKeeper]


class Staff:
    """One keeper with its workers."""

    def __init__(
        self,
        bodies: Sequence[Body],
        workers: int,
        slots: Slots,
        journaled: bool,
        keep_fds: Sequence[int],
        delegated: Delegated | None,
    ) -> None:
        """Fork the keeper. Raises PoolError if that fails."""
        control, their_control = pair()
        orders, their_orders = pair()
        results, their_results = pair()
        answers, their_answers = pipe()
        self._place = Place.make()
        desk = self._place.listener
        ends = Ends(their_control, their_orders, their_results, their_answers, desk)
        setup = Setup(ends, slots, workers, bodies, journaled, tuple(keep_fds), os.getpid(), self._place, delegated)
        try:
            self.keeper_pid = _fork(setup)
        except OSError as error:
            for end in (control, orders, results):
                end.close()
            os.close(answers)
            ends.close()
            self._place.remove()
            raise PoolError(f"the keeper cannot be forked: {error.strerror}") from error
        their_control.close()
        # Nobody but the keeper and its workers has this end.
        self._workers_end = os.fstat(their_results.fileno()).st_ino
        their_results.close()
        os.close(their_answers)
        desk.close()
        self._control = Channel(control)
        self._orders = Channel(orders)
        self._results = Channel(results)
        self._answers = Answers(answers)
        # The workers' end is kept open: what no worker has taken yet can be taken back through it.
        self._untaken = Channel(their_orders)
        self._postponed: list[wire.FromKeeper] = []
        self.hired: dict[int, wire.Hired] = {}
        try:
            self._keeper = os.pidfd_open(self.keeper_pid)
        except OSError as error:
            self.close()
            raise PoolError(f"the keeper cannot be watched: {error.strerror}") from error

    # -- what to poll

    def register(self, poll: select.poll, but_for_answers: bool = False) -> None:
        poll.register(self._keeper, select.POLLIN)
        poll.register(self._results.fileno(), select.POLLIN)
        poll.register(self._answers.fileno(), 0 if but_for_answers else select.POLLIN)
        poll.register(self._control.fileno(), select.POLLIN | (select.POLLOUT if self._control.is_waiting else 0))
        if self._orders.is_waiting:
            poll.register(self._orders.fileno(), select.POLLOUT)
        else:
            with contextlib.suppress(KeyError):
                poll.unregister(self._orders.fileno())

    def unregister(self, poll: select.poll) -> None:
        for fd in (self._keeper, *self._sources()):
            with contextlib.suppress(KeyError):
                poll.unregister(fd)

    def _sources(self) -> list[int]:
        return [end.fileno() for end in (self._results, self._answers, self._control, self._orders)]

    @property
    def has_news(self) -> bool:
        return bool(self._postponed)

    # -- sending and receiving

    def tell(self, message: wire.ToKeeper) -> None:
        self._control.post(pickle.dumps(message))

    def order(self, chunk: bytes) -> None:
        self._orders.post(chunk)

    def take_back(self) -> list[bytes]:
        """The chunks that no worker has taken. For each, either a worker gets it or we do, never both."""
        # The socket first: what is unsent follows it, in the same order.
        return [*self._untaken.receive_all(), *self._orders.take_back()]

    def take_out(self, mark: int) -> bool:
        """Take one order out of the queue. False if a worker has it."""
        found = False
        for chunk in self.take_back():
            orders: list[tuple[object, ...]] = pickle.loads(chunk)
            rest = [fields for fields in orders if fields[1] != mark]
            found = found or len(rest) < len(orders)
            if rest:
                self.order(pickle.dumps(rest, pickle.HIGHEST_PROTOCOL))
        return found

    def receive(self) -> News:
        """What is there now. Never blocks."""
        self._orders.flush()
        self._control.flush()
        first = [*self._postponed, *self._heard()]
        results = self._answers.receive_all() + self._results.receive_all()
        # The keeper says that it ends an attempt before it does; so whatever result that led to, its word is
        # here by now. But what else it says now may be about a result that has not been received.
        second = self._heard()
        self._postponed = [message for message in second if not isinstance(message, wire.Over)]
        over = [message for message in (*first, *second) if isinstance(message, wire.Over)]
        keeper: list[wire.FromKeeper] = [message for message in first if not isinstance(message, wire.Over)]
        for message in keeper:
            match message:
                case wire.Hired():
                    self.hired[message.worker] = message
                case wire.Gone():
                    self.hired.pop(message.worker, None)
        return News(over, [_from_worker(pickle.loads(result)) for result in results], keeper)

    def _heard(self) -> list[wire.FromKeeper]:
        return [pickle.loads(message) for message in self._control.receive_all()]

    # -- the end

    @property
    def keeper_is_dead(self) -> bool:
        """Whether it has ended, and all that it said was received."""
        if self._postponed:
            return False
        return self._control.at_end or bool(select.select([self._keeper], [], [], 0)[0])

    def reap_keeper(self, patience: float) -> int | None:
        """Wait for the keeper's end; its status as `waitpid` has it, None if somebody else has reaped it."""
        if not select.select([self._keeper], [], [], patience)[0]:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._keeper, signal.SIGKILL)
        try:
            return os.waitpid(self.keeper_pid, 0)[1]
        except ChildProcessError:
            return None  # the program that we are a guest of reaps all of its children

    def kill_orphans(self, cookies: Iterable[str]) -> str | None:
        """After the keeper's death: kill the workers, and all that descends from them.

        Descendants that a task detached are found by its cookie, workers that we were not told of by their end of
        the socket. Returns in words who did not die.
        """
        cookies = list(cookies)
        known: dict[int, tree.Process] = {}
        for hired in self.hired.values():
            worker = tree.look_at(hired.pid)
            if worker is not None and worker.start == hired.start:
                tree.send(worker.pid, signal.SIGSTOP)  # it must not begin anything while we look
                known[worker.pid] = worker

        def find() -> list[tree.Process]:
            # A keeper that dies right after a fork has told nobody of that worker.
            for worker in strays.that_hold_socket(self._workers_end):
                if worker.pid not in known:
                    tree.send(worker.pid, signal.SIGSTOP)
                    known[worker.pid] = worker
            for process in list(known.values()):
                known.update((child.pid, child) for child in tree.descendants(process.pid))
            for stray in strays.strays(cookies):
                known[stray.pid] = stray
            for pid, process in list(known.items()):
                now = tree.look_at(pid)
                if now is None or now.start != process.start or now.state in "ZX":
                    del known[pid]
            return list(known.values())

        return tree.names(tree.kill_all(find, PATIENCE)) or None

    def dismiss(self, grace: float) -> None:
        """Have the keeper end everything, and wait for it."""
        self.tell(wire.Close(grace))
        until = time.monotonic() + 2 * grace + 2 * PATIENCE
        poll = select.poll()
        try:
            while not self._control.at_end and time.monotonic() < until:
                self.register(poll)
                try:
                    poll.poll(1000)
                except OSError:  # more is open than a new limit allows; this one is looked at in any case
                    select.select([self._keeper], [], [], 1.0)
                self.receive()
                if select.select([self._keeper], [], [], 0)[0]:
                    break
        finally:
            self.reap_keeper(PATIENCE)  # after an interrupt from the keyboard, too

    def close(self) -> None:
        for channel in (self._control, self._orders, self._results, self._answers, self._untaken):
            channel.close()
        if (keeper := getattr(self, "_keeper", None)) is not None:
            os.close(keeper)
        self._place.remove()


def _from_worker(fields: tuple[object, ...]) -> wire.FromWorker:
    return wire.NotBegun._make(fields) if len(fields) == len(wire.NotBegun._fields) else wire.Done._make(fields)


#: Filters of warnings belong to the whole interpreter: two threads of ours must not put back each other's.
_filters = threading.Lock()


def _fork(setup: Setup) -> int:
    # Newer pythons warn when a process with threads forks, because the child may wait for a lock that no
    # thread will ever release. We may be a guest in such a program; the keeper touches no such lock.
    if has_one_thread():
        return fork_keeper(setup)
    with _filters, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        return fork_keeper(setup)


def has_one_thread() -> bool:
    return len(os.listdir("/proc/self/task")) == 1
