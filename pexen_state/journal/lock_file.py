"""What is in the file of a run lock: one JSON object, and in it the word of a keeper that outlived its runner.

No import of SQLite: the keeper writes here, and knows nothing of journals.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import Any

_MAX_BYTES = 64 * 1024


def said_in(fd: int) -> dict[str, Any]:
    """Nothing, if it makes no sense, or is being written just now."""
    try:
        said = json.loads(os.pread(fd, _MAX_BYTES, 0).split(b"\n", 1)[0])
    except (ValueError, OSError):
        return {}
    return said if isinstance(said, dict) else {}


def put(fd: int, line: str) -> None:
    data = line.encode("ascii") + b"\n"
    # Written first, cut afterwards: at no instant does the file look as if nobody held it.
    os.pwrite(fd, data, 0)
    os.ftruncate(fd, len(data))


def leave_word(fd: int, runner: int) -> None:
    """Say that the runner of that pid is dead, and the box is not. For its keeper, which holds the lock by `fd`.

    The word is of use only if it is on the disk when the box goes down, so it is flushed. If it cannot be written, the
    next runner takes the death for one of the box, and tries what was in flight one by one.
    """
    said = said_in(fd)
    if said.get("pid") == runner:
        with suppress(OSError, KeyError):
            put(fd, json.dumps({**said, "died": [said["pid"], said["start"], said["boot_id"]]}))
            os.fdatasync(fd)


def died(said: dict[str, Any]) -> tuple[int, int, str] | None:
    """(pid, start, boot id) of the last runner that its keeper saw die."""
    match said.get("died"):
        case [int(pid), int(start), str(boot)]:
            return pid, start, boot
    return None
