"""Space for the end: a file beside the journal that is given back when the disk is full, and a look at what is free.

A full disk does not only fail a commit: SQLite's shared memory is a mapped file, and touching a page of it that the
disk has no room for kills the process. So what is free is looked at before a write, and the margin is wide.
"""

from __future__ import annotations

import os
from contextlib import suppress

from pexen_state.journal.errors import full
from pexen_state.journal.paths import JournalPaths

RESERVE_BYTES = 1 << 20
_MARGIN_BYTES = 1 << 20  # beyond what the turn itself needs


class Reserve:
    """`hold` at the start, `check` before a write, `give_back` when the disk is full."""

    def __init__(self, paths: JournalPaths) -> None:
        self._paths = paths

    def hold(self) -> bool:
        """Take the space, if there is some. False if there is not: then the run goes on without a reserve."""
        try:
            fd = os.open(self._paths.reserve, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError:
            return False
        try:
            os.fchmod(fd, 0o600)
            os.posix_fallocate(fd, 0, RESERVE_BYTES)
        except OSError:
            self.give_back()
            return False
        finally:
            os.close(fd)
        return True

    def give_back(self) -> None:
        with suppress(OSError):
            os.unlink(self._paths.reserve)

    def check(self, need_bytes: int = 0) -> None:
        """Raises JournalFull if the disk has less than `need_bytes` and a margin."""
        try:
            disk = os.statvfs(self._paths.parent)
        except OSError:
            return  # the write itself will say what is wrong
        if disk.f_bavail * disk.f_frsize < need_bytes + _MARGIN_BYTES:
            raise full(self._paths.db)
