"""What a keeper is born with, and how a worker is born of it."""

from __future__ import annotations

import errno
import os
import signal
import socket
import traceback
from collections.abc import Iterable, Sequence
from typing import NamedTuple, NoReturn

from pexen_state.box.cgroups import Delegated
from pexen_state.box.oom import be_as_others
from pexen_state.box.scarcity import in_words
from pexen_state.sched.pool.answers import Answering
from pexen_state.sched.pool.base import Body
from pexen_state.sched.pool.desk import Desk, Place
from pexen_state.sched.pool.evidence import Stacks
from pexen_state.sched.pool.frames import Channel
from pexen_state.sched.pool.settle import restore_signals
from pexen_state.sched.pool.slots import Slots
from pexen_state.sched.pool.worker import Worker


class Ends(NamedTuple):
    """The ends of sockets that belong to the keeper and its workers."""

    control: socket.socket
    orders: socket.socket
    results: socket.socket
    answers: int
    desk: socket.socket  #: where attempts ask

    def close(self) -> None:
        for end in (self.control, self.orders, self.results, self.desk):
            end.close()
        os.close(self.answers)

    def numbers(self) -> list[int]:
        """Their descriptors."""
        return [self.control.fileno(), self.orders.fileno(), self.results.fileno(), self.answers, self.desk.fileno()]


class Setup(NamedTuple):
    """What the keeper has from its parent's memory."""

    ends: Ends
    slots: Slots
    workers: int
    bodies: Sequence[Body]
    journaled: bool
    keep_fds: tuple[int, ...]
    runner: int
    place: Place
    delegated: Delegated | None  #: where attempts get cgroups of their own


def become_worker(setup: Setup, index: int, stacks: Stacks, own: Iterable[int], desk: Desk) -> NoReturn:
    """In the child of a fork: be a worker until the end. What is the keeper's `own` is closed, and so is its desk."""
    status = 70
    try:
        signal.set_wakeup_fd(-1)
        restore_signals()
        be_as_others()
        for fd in (*own, setup.ends.control.detach()):
            os.close(fd)
        desk.close()
        stacks.write_when_asked()
        orders, answers = Channel(setup.ends.orders), Answering(setup.ends.answers, Channel(setup.ends.results))
        desk_path, delegated = setup.place.path, setup.delegated
        Worker(index, orders, answers, setup.slots, setup.bodies, setup.journaled, desk_path, delegated).serve()
        status = 0
    except Exception as error:  # noqa: BLE001 - the keeper's stack below us must never be unwound here
        status = blame(error)
    finally:
        os._exit(status)


def blame(error: Exception) -> int:
    """The exit status. What the box refuses is no fault of ours, and is told by who replaces us."""
    # poll() says EINVAL where more is open than a new limit allows.
    if isinstance(error, OSError) and (in_words(error) is not None or error.errno == errno.EINVAL):
        return os.EX_OSERR
    traceback.print_exc()
    return os.EX_SOFTWARE
