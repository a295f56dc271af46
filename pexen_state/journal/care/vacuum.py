"""Gives the space back that deleted rows have left in the journal. The run lock must be held."""

from __future__ import annotations

import os
from typing import NamedTuple

from pexen_state.journal.beside import refuse_beside_another
from pexen_state.journal.engine import connect, disconnect, driver_of, ensure_wal, sqlite_errors
from pexen_state.journal.errors import JournalFull
from pexen_state.journal.lock import RunLock
from pexen_state.journal.paths import JournalPaths


class Sizes(NamedTuple):
    """Of the journal with its write-ahead log, in bytes."""

    before: int
    after: int
    is_done: bool  #: False: somebody reads it, so the file shrinks when they have left, and the journal is used again


def vacuum(lock: RunLock) -> Sizes:
    """Write the journal anew, without gaps. Raises a JournalError, and then it is as it was."""
    paths = lock.paths
    connection = connect(paths.db)
    try:
        ensure_wal(connection, paths.db)  # a copy has none
        with sqlite_errors(paths.db):
            raw = driver_of(connection)
            refuse_beside_another(lambda query, params: raw.execute(query, params).fetchall(), paths)
            before = _size(paths)
            _look_for_room(paths, before)
            raw.execute("PRAGMA temp_store=FILE")  # the new one is written there first, and need not fit into memory
            raw.execute("VACUUM")
            raw.execute("PRAGMA busy_timeout=2000")
            (busy, _, _) = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            after = _size(paths)
    finally:
        disconnect(connection)
    return Sizes(before, after, not busy)


def _look_for_room(paths: JournalPaths, size: int) -> None:
    """The whole new file stands in the write-ahead log before any of it gets into the old one."""
    disk = os.statvfs(paths.parent)
    free = disk.f_bavail * disk.f_frsize
    if free < 2 * size:
        raise JournalFull(
            f"the disk of the journal {paths.db} has {free} bytes free, and the journal is written anew there, for "
            f"which {2 * size} are needed. Free some space, and try again."
        )


def _size(paths: JournalPaths) -> int:
    total = 0
    for path in (paths.db, paths.wal):
        try:
            total += os.stat(path).st_size
        except FileNotFoundError:
            continue
    return total
