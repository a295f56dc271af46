"""What an attempt has left that no process tree shows: found by its environment, its cgroup, and what it has open."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence

from pexen_state.sched.common import PoolError
from pexen_state.sched.pool.tree import COOKIE, Process, kill_all, look_at, names
from pexen_state.sched.pool.usage import cgroups_of


def kill_strays(cookie_prefix: str, slots: str | None = None) -> list[str]:
    """Kill what a dead runner, whose keeper was killed too, left on this machine. Returns what it found, in words.

    Strays are found by their environment, whose PEXEN_ATTEMPT_ID begins with `cookie_prefix`, by the cgroups of such
    attempts, and by the slot file, which the keeper, the workers and what they forked still have mapped. To be called
    before anything is handed to the pool, and while holding the run lock. Raises PoolError if one cannot be killed.
    """
    if not cookie_prefix:
        raise ValueError("an empty prefix would be that of everybody's processes")
    seen: dict[int, Process] = {}
    left = cgroups_of(cookie_prefix)

    def find() -> list[Process]:
        found = {process.pid: process for process in strays([cookie_prefix], slots)}
        found.update(_living(pid for cgroup in left for pid in cgroup.pids()))
        seen.update(found)
        return list(found.values())

    if survivors := kill_all(find):
        raise PoolError(
            f"processes of an earlier session cannot be killed: {names(survivors)}; "
            "they may still use what the tasks have locked"
        )
    for cgroup in left:
        cgroup.remove()
    return [str(process) for process in seen.values()]


def _living(pids: Iterable[int]) -> Iterator[tuple[int, Process]]:
    for pid in pids:
        process = look_at(pid)
        if process is not None and process.state not in "ZX":
            yield pid, process


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
