"""Process trees, as /proc shows them: who descends from whom, what they are called, and how to end them.

A process is known by its pid and its start time, never by the pid alone. It must not decide who is to die.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from pexen_state.sched.common import PoolError

_PR_SET_CHILD_SUBREAPER = 36
# Looked up now: a freshly forked child of a threaded program should not need the loader's lock.
_prctl = ctypes.CDLL(None, use_errno=True).prctl
COOKIE = "PEXEN_ATTEMPT_ID"


class Process(NamedTuple):
    pid: int
    parent: int
    state: str  #: one letter: R S D T Z ...
    start: int  #: clock ticks since boot
    name: str

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"


def become_subreaper() -> None:
    """Orphans among our descendants become our children, so that we hear of their end."""
    if _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise PoolError(f"this kernel lets no process adopt orphans: {os.strerror(error)}")


def look_at(pid: int) -> Process | None:
    """A process as it is now, None if it is not there any more."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name is in parentheses and may hold anything, parentheses too.
    opening, closing = text.index(b"("), text.rindex(b")")
    fields = text[closing + 2 :].split()
    name = text[opening + 1 : closing].decode("utf-8", "replace")
    return Process(pid, int(fields[1]), fields[0].decode("ascii"), int(fields[19]), name)


def processes() -> dict[int, Process]:
    found = (look_at(int(entry)) for entry in os.listdir("/proc") if entry.isdigit())
    return {process.pid: process for process in found if process is not None}


def descendants(root: int, beside: Iterable[int] = ()) -> list[Process]:
    """All that descend from `root`, parents first, zombies left out. `beside`: subtrees that are not looked at."""
    everyone = processes()
    children: dict[int, list[Process]] = {}
    for process in everyone.values():
        children.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    left_out = frozenset(beside)
    to_visit = [root]
    while to_visit:
        for child in children.get(to_visit.pop(), ()):
            if child.pid in left_out:
                continue
            to_visit.append(child.pid)
            if child.state not in "ZX":
                found.append(child)
    return found


def send(pid: int, number: int) -> bool:
    """Signal a process. False if it is gone already."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):  # the latter: a set-uid child; root's runner can kill it
        return False
    return True


def names(found: Iterable[Process]) -> str:
    """A few processes in words, for a reason."""
    listed = [str(process) for process in found]
    more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
    return ", ".join(listed[:5]) + more


def kill_all(find: Callable[[], list[Process]], patience: float = 5.0) -> list[Process]:
    """SIGKILL what `find` finds, again and again until it finds nothing. Returns those that did not die."""
    until = time.monotonic() + patience
    pause = 0.001
    while found := find():
        for process in found:
            send(process.pid, signal.SIGKILL)
        if time.monotonic() > until:
            return found
        time.sleep(pause)
        pause = min(0.05, pause * 2)
    return []
