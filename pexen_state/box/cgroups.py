"""Control groups of version 2 that a service manager has handed over: one is made for each attempt of a task.

The kernel's side is described in its Documentation/admin-guide/cgroup-v2.rst, systemd's (`Delegate=`) in its
CGROUP_DELEGATION.md: what is handed over has an extended attribute that says so, and is ours to divide. A group that
hands controllers on may hold no process itself, so who starts attempts goes into a leaf first. That is for programs to
do, not for libraries in them: who is in such a leaf has agreed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from pexen_state.box.mounts import entries

LEAF = "pexen-runner"

_MARKS = ("trusted.delegate", "user.delegate")  #: the first is for root's eyes
_OUR_UNIT = re.compile(r"pexen@.+\.service")  #: they all ask for theirs to be handed over


class Usage(NamedTuple):
    """What all that ever ran in a cgroup has used together."""

    cpu_s: float  #: of which in the kernel:
    system_s: float
    memory_peak: int | None  #: bytes; None: not measured here
    oom_kills: int = 0  #: processes that were killed because memory ran out


class Cgroup:
    """One for an attempt. Made by `make`, gone after `remove`; all else may be called of one that is not there."""

    def __init__(self, path: str, home: str) -> None:
        self.path = path
        self._home = home  #: where whoever leaves it goes

    def make(self, memory_max: int | None = None) -> None:
        """Raises OSError, also if the limit (bytes) cannot be set; then it is not there."""
        os.mkdir(self.path)
        if memory_max is None:
            return
        try:
            _write(self.path, "memory.max", str(memory_max))
            _write(self.path, "memory.oom.group", "1")  # half an attempt is no use to anybody
            with suppress(OSError):  # no such file: there is no swap
                _write(self.path, "memory.swap.max", "0")
        except OSError:
            self.remove()
            raise

    @contextmanager
    def inside(self) -> Iterator[None]:
        """This process, and what it starts meanwhile, belongs to it, if the kernel has no objection."""
        try:
            _write(self.path, "cgroup.procs", "0")
        except OSError:
            yield
            return
        try:
            yield
        finally:
            _write(self._home, "cgroup.procs", "0")

    def kill(self) -> None:
        """SIGKILL for all that is in it, at once: nothing escapes by forking. Does nothing before Linux 5.14."""
        with suppress(OSError):
            _write(self.path, "cgroup.kill", "1")

    def pids(self) -> list[int]:
        """Of those that are in it, or in groups that they have made in it."""
        found: list[int] = []
        for directory, _, _ in os.walk(self.path):
            with suppress(OSError):
                found += map(int, _read(directory, "cgroup.procs").split())
        return found

    def usage(self) -> Usage | None:
        try:
            cpu = dict(line.split() for line in _read(self.path, "cpu.stat").splitlines())
            seconds = [int(cpu[name]) / 1e6 for name in ("usage_usec", "system_usec")]
        except (OSError, KeyError, ValueError):
            return None
        peak, kills = None, 0
        with suppress(OSError, ValueError):
            peak = int(_read(self.path, "memory.peak"))
        with suppress(OSError, KeyError, ValueError):
            kills = int(dict(line.split() for line in _read(self.path, "memory.events").splitlines())["oom_kill"])
        return Usage(seconds[0], seconds[1], peak, kills)

    def remove(self) -> None:
        """With those that were made in it. Stays if somebody is in it who cannot be killed."""
        with suppress(OSError):
            os.rmdir(self.path)
            return
        for directory, _, _ in os.walk(self.path, topdown=False):
            with suppress(OSError):
                os.rmdir(directory)


class Delegated:
    """What was handed over, with this process in its leaf."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._home = os.path.join(path, LEAF)
        self.limits_memory = "memory" in _read(path, "cgroup.subtree_control").split()

    @classmethod
    def here(cls) -> Delegated | None:
        """None: nothing was, or this process is not in its leaf."""
        own = own_cgroup()
        if own is None or os.path.basename(own) != LEAF or not _was_handed_over(os.path.dirname(own)):
            return None
        try:
            return cls(os.path.dirname(own))
        except OSError:
            return None

    def cgroup(self, name: str) -> Cgroup:
        return Cgroup(os.path.join(self._path, name), self._home)

    def cgroups(self, prefix: str) -> list[Cgroup]:
        """Those that are there whose names begin like this."""
        with suppress(OSError):
            return [self.cgroup(name) for name in os.listdir(self._path) if name.startswith(prefix)]
        return []


def move_into_leaf() -> bool:
    """Divide the cgroup that was handed over to this process alone, if one was. True: it is in its leaf.

    Where others are in it, too (a shell in a scope, say), it is left as it is.
    """
    own = own_cgroup()
    if own is None or not _was_handed_over(own):
        return False
    leaf = os.path.join(own, LEAF)
    try:
        if _read(own, "cgroup.procs").split() != [str(os.getpid())]:
            return False
        with suppress(FileExistsError):
            os.mkdir(leaf)
        _write(leaf, "cgroup.procs", "0")
    except OSError:
        return False
    with suppress(OSError):  # it is not handed on to us
        _write(own, "cgroup.subtree_control", "+memory")
    return True


def own_cgroup(mounts: str = "/proc/self/mountinfo", groups: str = "/proc/self/cgroup") -> str | None:
    """Path of the directory of this process's cgroup of version 2; None if it has none, or it is mounted nowhere."""
    try:
        path = _path_in(groups)
        places = [entry for entry in entries(mounts) if entry.mount.kind == "cgroup2"]
    except OSError:
        return None
    if path is None:
        return None
    for _, root, point, _ in places:
        if root == "/" or path == root or path.startswith(f"{root}/"):
            below = path if root == "/" else path[len(root) :]
            return os.path.normpath(point + below)
    return None


def name_of(pid: int) -> str:
    """The last part of the path of another process's cgroup. Raises OSError if that process is gone."""
    return os.path.basename((_path_in(f"/proc/{pid}/cgroup") or "").removesuffix(" (deleted)"))


def _path_in(groups: str) -> str | None:
    """Of the cgroup of version 2, if there is one; cgroups(7). Raises OSError."""
    with open(groups, encoding="utf-8", errors="surrogateescape") as file:
        return next((line[3:].rstrip("\n") for line in file if line.startswith("0::")), None)


def _was_handed_over(path: str) -> bool:
    for mark in _MARKS:
        with suppress(OSError):
            if os.getxattr(path, mark) == b"1":
                return True
    # A user's own service manager marks nothing, at least up to systemd 252.
    with suppress(OSError):
        return _OUR_UNIT.fullmatch(os.path.basename(path)) is not None and os.stat(path).st_uid == os.geteuid()
    return False


def _read(directory: str, name: str) -> str:
    with open(os.path.join(directory, name), encoding="ascii") as file:
        return file.read()


def _write(directory: str, name: str, text: str) -> None:
    # One write(2): that is when the kernel says no.
    descriptor = os.open(os.path.join(directory, name), os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode("ascii"))
    finally:
        os.close(descriptor)
