"""What kind of file system a path is on."""

from __future__ import annotations

import os
from typing import NamedTuple

_MOUNTS = "/proc/self/mountinfo"
_ESCAPES = (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\"))  # as the kernel writes them

#: What is in these is gone after a reboot; an overlay's upper part usually is, where one is the root of a container
#: or of a live system.
VOLATILE = frozenset({"tmpfs", "ramfs", "devtmpfs", "overlay", "aufs"})


class Mount(NamedTuple):
    kind: str  #: as the kernel calls it: `ext4`, `tmpfs`
    options: frozenset[str] = frozenset()  #: of the mount, and of the file system


class Entry(NamedTuple):
    """A line of the table of mounts; proc_pid_mountinfo(5)."""

    device: str  #: major:minor
    root: str  #: what of the file system is mounted
    point: str  #: where
    mount: Mount


def kind_of(path: str, mounts: str = _MOUNTS) -> str | None:
    """The type as the kernel calls it (`ext4`, `tmpfs`); None if that is not to be found."""
    found = mount_of(path, mounts)
    return found.kind if found is not None else None


def mount_of(path: str, mounts: str = _MOUNTS) -> Mount | None:
    try:
        device = os.stat(path).st_dev
        there = entries(mounts)
    except OSError:
        return None
    wanted = f"{os.major(device)}:{os.minor(device)}"
    found: tuple[int, Mount] | None = None
    real = os.path.realpath(path)
    for entry in there:
        point = entry.point
        is_above = real == point or real.startswith(point.rstrip("/") + "/")
        # A subvolume of btrfs has a device number of its own, which is in no mount: the longest path decides then.
        rank = len(point) + (1_000_000 if entry.device == wanted else 0)
        if is_above and (found is None or rank >= found[0]):
            found = rank, entry.mount
    return found[1] if found is not None else None


def entries(mounts: str = _MOUNTS) -> list[Entry]:
    """All that is mounted, as this process sees it. Raises OSError."""
    found = []
    with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
        lines = file.read().split("\n")
    for line in lines:
        before, _, after = line.partition(" - ")
        fields, of_device = before.split(), after.split()
        if len(fields) < 5 or not of_device:
            continue
        options = ",".join((*fields[5:6], *of_device[2:3])).split(",")
        mount = Mount(of_device[0], frozenset(options) - {""})
        found.append(Entry(fields[2], _plain(fields[3]), _plain(fields[4]), mount))
    return found


def _plain(point: str) -> str:
    for code, letter in _ESCAPES:
        point = point.replace(code, letter)
    return point
