"""Which process it is: pid, when it started, and in which boot. A pid alone is used again.

Knows /proc and signals, and nothing of journals.
"""

from __future__ import annotations

import os
import signal
from typing import NamedTuple

from pexen_state.box.life import boot_id


class ProcessIdentity(NamedTuple):
    pid: int
    start: int  #: clock ticks since the boot
    boot_id: str


def process_identity(pid: int) -> ProcessIdentity | None:
    """Who has this pid now, or None if nobody has it, or only what is left of a process that is dead."""
    fields = _stat(pid)
    if fields is None or fields[0] in (b"Z", b"X"):
        return None
    return ProcessIdentity(pid, int(fields[19]), boot_id())


def is_alive(who: ProcessIdentity) -> bool:
    return process_identity(who.pid) == who


def descendants(pid: int) -> list[ProcessIdentity]:
    """All processes below it, nearest first. What was born meanwhile may be missing."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := _stat(int(name))) is not None:
            children.setdefault(int(fields[1]), []).append(int(name))
    found = list(children.get(pid, ()))
    for one in found:  # grows while it is walked
        found.extend(children.get(one, ()))
    return [who for one in found if (who := process_identity(one)) is not None]


def kill(who: ProcessIdentity) -> bool:
    """SIGKILL exactly this process. False if it was gone, or is not ours to kill."""
    try:
        # A descriptor of the process, so that its pid cannot go to another one between the look and the kill.
        fd = os.pidfd_open(who.pid)
    except OSError:
        return False
    try:
        if not is_alive(who):
            return False
        signal.pidfd_send_signal(fd, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        os.close(fd)
    return True


def _stat(pid: int) -> list[bytes] | None:
    """The fields of /proc/PID/stat from the state on; the name before it may hold any character."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError, PermissionError):  # it died, perhaps while it was read
        return None
