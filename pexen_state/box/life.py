"""Which life of the box this is, and whether it is coming to its end."""

from __future__ import annotations

import os

_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_FIRST_PROCESS = "/proc/1/stat"
_SYSTEMD = "/run/systemd/system"

#: Seconds in which systemd says what it is doing.
_PATIENCE = 3.0


def boot_id() -> str:
    """Changes with every boot of the kernel, but not when a container is started again."""
    with open(_BOOT_ID, encoding="ascii") as file:
        return file.read().strip()


def box_life() -> str:
    """Changes whenever the box begins anew: with the kernel, or, in a container, with its first process."""
    try:
        with open(_FIRST_PROCESS, "rb") as file:
            start = file.read().rpartition(b")")[2].split()[19].decode()
    except (OSError, IndexError):  # hidden from us
        start = "0"
    return f"{boot_id()}/{start}"


def has_systemd() -> bool:
    return os.path.isdir(_SYSTEMD)


def is_going_down() -> bool:
    """Whether somebody has begun to shut the box down, or to reboot it, as far as systemd can tell."""
    if not has_systemd():
        return False
    import subprocess  # heavy for who only wants to know which boot this is

    words = ["systemctl", "is-system-running"]
    try:
        said = subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return said.stdout.strip() == b"stopping"
