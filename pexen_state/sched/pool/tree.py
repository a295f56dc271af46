"""Process trees, as /proc shows them: who descends from whom, what they are called, and how to end them.

A process is known by its pid and its start time, never by the pid alone. It must not decide who is to die.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence
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


def kill_strays(cookie_prefix: str, slots: str | None = None) -> list[str]:
    """Kill what a dead runner, whose keeper was killed too, left on this machine. Returns what it found, in words.

    Strays are found by their environment, whose PEXEN_ATTEMPT_ID begins with `cookie_prefix`, and by the slot
    file, which the keeper, the workers and what they forked still have mapped. To be called before the pool
    is opened, and while holding the run lock. Raises PoolError if one cannot be killed.
    """
    if not cookie_prefix:
        raise ValueError("an empty prefix would be that of everybody's processes")
    seen: dict[int, Process] = {}

    def find() -> list[Process]:
        found = strays([cookie_prefix], slots)
        seen.update((process.pid, process) for process in found)
        return found

    if survivors := kill_all(find):
        raise PoolError(
            f"processes of an earlier session cannot be killed: {names(survivors)}; "
            "they may still use what the tasks have locked"
        )
    return [str(process) for process in seen.values()]


def strays(cookie_prefixes: Sequence[str], slots: str | None = None) -> list[Process]:
    """Living processes, but for us and our ancestors, with one of these cookies, or that have `slots` mapped."""
    cookies = [f"{COOKIE}={prefix}".encode() for prefix in cookie_prefixes]
    if not cookies and slots is None:
        return []
    mapped = os.path.realpath(slots).encode() if slots else None
    ours = _ancestors(os.getpid())  # whoever resumes from a shell that a task left behind wants to keep it
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) in ours:
            continue
        if (cookies and _has_cookie(entry, cookies)) or (mapped is not None and _has_mapped(entry, mapped)):
            process = look_at(int(entry))
            if process is not None and process.state not in "ZX":
                found.append(process)
    return found


def that_hold_socket(inode: int) -> list[Process]:
    """Living processes, but for us, that have this socket open."""
    link = f"socket:[{inode}]"
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid() and link in _descriptors_of(entry):
            process = look_at(int(entry))
            if process is not None and process.state not in "ZX":
                found.append(process)
    return found


def _descriptors_of(pid: str) -> list[str]:
    """What its descriptors lead to; those of others' processes are not shown to us."""
    links = []
    with contextlib.suppress(OSError):
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):  # closed meanwhile
                links.append(os.readlink(f"/proc/{pid}/fd/{descriptor}"))
    return links


def _ancestors(pid: int) -> set[int]:
    found: set[int] = set()
    while pid and pid not in found:
        found.add(pid)
        process = look_at(pid)
        pid = process.parent if process else 0
    return found


def _has_cookie(pid: str, cookies: Sequence[bytes]) -> bool:
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/environ", "rb") as file:
            environment = file.read()
        return any(environment.startswith(cookie) or b"\0" + cookie in environment for cookie in cookies)
    return False


def _has_mapped(pid: str, path: bytes) -> bool:
    # A file that was unlinked since is shown as "path (deleted)".
    with contextlib.suppress(OSError), open(f"/proc/{pid}/maps", "rb") as file:
        return any(b" " + path == line[-len(path) - 1 :] for line in _paths(file.read()))
    return False


def _paths(maps: bytes) -> Iterable[bytes]:
    for line in maps.splitlines():
        yield line.removesuffix(b" (deleted)")
