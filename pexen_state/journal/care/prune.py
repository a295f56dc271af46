"""Old runs, deleted: their rows in one transaction, then their output.

A kill in between leaves directories that no run has; the next prune removes them. Numbers are never used twice: what
was the highest run, session and `seq` stays known when they are gone, since output, backups and consumers of events
know them, too.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Collection
from contextlib import suppress
from typing import NamedTuple

from pexen_state.journal import statements
from pexen_state.journal.beside import refuse_beside_another
from pexen_state.journal.care.orphans import orphans_of
from pexen_state.journal.care.removal import Left, remove_tree
from pexen_state.journal.engine import connect, disconnect, driver_of, ensure_wal, sqlite_errors
from pexen_state.journal.errors import corrupt
from pexen_state.journal.ids import TASK_BITS, ids_of
from pexen_state.journal.lock import RunLock
from pexen_state.journal.paths import JournalPaths

# No index leads from a run to its transitions: the largest table is walked once for all runs. So are those whose
# foreign keys have no index; they are checked at the end, not row by row.
_OF_DOOMED = f">> {TASK_BITS} IN (SELECT run FROM doomed)"
_DELETES = (
    f"DELETE FROM checkpoint WHERE task {_OF_DOOMED}",
    f"DELETE FROM result WHERE attempt IN (SELECT seq FROM transition WHERE task {_OF_DOOMED})",
    f"DELETE FROM attempt WHERE id IN (SELECT seq FROM transition WHERE task {_OF_DOOMED})",
    f"DELETE FROM transition WHERE task {_OF_DOOMED}",
    "DELETE FROM fact WHERE session IN (SELECT s.id FROM session s JOIN doomed d ON s.run = d.run)",
    "DELETE FROM session WHERE run IN (SELECT run FROM doomed)",
    "DELETE FROM run_event WHERE run IN (SELECT run FROM doomed)",
    "UPDATE run SET parent = NULL WHERE parent IN (SELECT run FROM doomed)",
    "DELETE FROM run WHERE id IN (SELECT run FROM doomed)",
)
_DELETE_TASKS = "DELETE FROM task WHERE id BETWEEN ? AND ?"
_INSERT_PRUNED = "INSERT INTO pruned(last_run, last_session, last_seq, runs, at_us) VALUES (?,?,?,?,?)"


class Pruned(NamedTuple):
    runs: tuple[int, ...]  #: that were there, and are not any more
    orphans: tuple[str, ...]  #: directories that an earlier prune did not get to
    left: tuple[Left, ...]  #: output that could not be removed


def delete_runs(connection: sqlite3.Connection, runs: Collection[int], at_us: int) -> None:
    """Delete every row of these runs. Within the caller's transaction, with foreign keys off."""
    if not runs:
        return
    (last_run,) = connection.execute(statements.LAST_RUN).fetchone()
    (last_session,) = connection.execute(statements.LAST_SESSION).fetchone()
    (last_seq,) = connection.execute(statements.LAST_SEQ).fetchone()
    connection.execute("CREATE TEMP TABLE doomed(run INTEGER PRIMARY KEY)")
    connection.executemany("INSERT INTO doomed VALUES (?)", [(run,) for run in runs])
    for statement in _DELETES:
        connection.execute(statement)
    connection.executemany(_DELETE_TASKS, [ids_of(run) for run in runs])
    connection.execute("DROP TABLE doomed")
    connection.execute(_INSERT_PRUNED, (last_run, last_session, last_seq, len(runs), at_us))


def prune(lock: RunLock, runs: Collection[int]) -> Pruned:
    """Delete these runs, of a journal whose lock is held, and their output. Raises a JournalError."""
    paths = lock.paths
    connection = connect(paths.db, foreign_keys=False)
    try:
        ensure_wal(connection, paths.db)  # a copy has none
        with sqlite_errors(paths.db):
            raw = driver_of(connection)
            refuse_beside_another(lambda query, params: raw.execute(query, params).fetchall(), paths)
            if runs:
                with connection.begin():
                    delete_runs(raw, runs, time.time_ns() // 1000)
                    if raw.execute("PRAGMA foreign_key_check").fetchone():
                        raise corrupt(paths.db, "rows point nowhere, so nothing was deleted; see `pexen db check`")
            (last_run,) = raw.execute(statements.LAST_RUN).fetchone()
            orphans = orphans_of(paths, {run for (run,) in raw.execute("SELECT id FROM run")}, last_run)
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        disconnect(connection)
    doomed = {os.path.basename(paths.run_dir(run)) for run in runs}
    left = [one for name in orphans for one in remove_tree(os.path.join(paths.dir, name))]
    _mend_latest(paths)
    return Pruned(tuple(sorted(runs)), tuple(name for name in orphans if name not in doomed), tuple(left))


def last_uuid(connection: sqlite3.Connection, among: Collection[int]) -> str | None:
    """The uuid of the run that the last session was of, if it is among these: what that left is found by it."""
    found = connection.execute(statements.LAST_UUID).fetchone()
    return str(found[0]) if found is not None and found[1] in among else None


def _mend_latest(paths: JournalPaths) -> None:
    """A link `latest` beside the journal, to output that is gone, goes too."""
    link = os.path.join(paths.parent, "latest")
    with suppress(OSError):
        into = os.path.join(paths.parent, os.path.dirname(os.readlink(link)))
        if os.path.normpath(into) == paths.dir and not os.path.exists(link):
            os.unlink(link)
