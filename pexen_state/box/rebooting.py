"""Rebooting the box, and into the system that it has now."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Sequence

from pexen_state.box.life import has_systemd

_PATIENCE = 10.0
_CURRENT = re.compile(rb"^BootCurrent: *([0-9A-Fa-f]{4})\s*$", re.MULTILINE)


class CannotReboot(Exception):
    """The command that was to reboot the box failed. The message is a sentence."""


def reboot_command(given: str | None = None) -> list[str]:
    """The words of the command, by default as the box does it."""
    if given is not None:
        return shlex.split(given)
    return ["systemctl", "reboot"] if has_systemd() else ["reboot"]


def keep_boot_entry() -> str | None:
    """With EFI: let the next boot be of the same entry as this one. Returns that entry's number, None without EFI.

    Firmware prefers the network, or another disk, on many machines that are installed automatically.
    """
    listed = _run(["efibootmgr"])
    found = _CURRENT.search(listed.stdout) if listed is not None and listed.returncode == 0 else None
    if found is None:
        return None
    entry = found[1].decode()
    kept = _run(["efibootmgr", "-q", "-n", entry])
    return entry if kept is not None and kept.returncode == 0 else None


def reboot(command: Sequence[str]) -> None:
    """Begin to reboot. Returns when the command does: that the box goes down is to be waited for.

    Raises CannotReboot.
    """
    try:
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return  # it may be on its way
    except OSError as error:
        raise CannotReboot(f"{shlex.join(command)} cannot be run: {error.strerror}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
        how = f"exit {done.returncode}" if done.returncode > 0 else f"signal {-done.returncode}"
        raise CannotReboot(f"{shlex.join(command)}: {how}{': ' + said[-1] if said else ''}")


def _run(words: Sequence[str]) -> subprocess.CompletedProcess[bytes] | None:
    try:
        return subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
