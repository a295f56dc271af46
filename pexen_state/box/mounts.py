"""What kind of file system a path is on."""

from __future__ import annotations

import os

_MOUNTS = "/proc/self/mountinfo"

#: What is in these is gone after a reboot; an overlay's upper part usually is, where one is the root of a container
#: or of a live system.
VOLATILE = frozenset({"tmpfs", "ramfs", "devtmpfs", "overlay", "aufs"})


def kind_of(path: str, mounts: str = _MOUNTS) -> str | None:
    """The type as the kernel calls it (`ext4`, `tmpfs`); None if that is not to be found."""
    try:
        device = os.stat(path).st_dev
        with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        return None
    wanted = f"{os.major(device)}:{os.minor(device)}"
    found: tuple[int, str] | None = None
    real = os.path.realpath(path)
    for line in lines:
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) < 5 or not after:
            continue
        point = fields[4].encode().decode("unicode_escape", "replace")  # spaces in it are \040
        is_above = real == point or real.startswith(point.rstrip("/") + "/")
        # A subvolume of btrfs has a device number of its own, which is in no mount: the longest path decides then.
        rank = len(point) + (1_000_000 if fields[2] == wanted else 0)
        if is_above and (found is None or rank >= found[0]):
            found = rank, after.split()[0]
    return found[1] if found is not None else None
