"""Some runs of a journal as a journal of their own: a copy of all of it, from which the others are deleted.

Ids stay what they are, so that "run 12" is the same run in both. The output of tasks is not in it. A command that is to
follow the end of a run, and has not yet, follows it where it ran: nobody who gets the copy is to run it.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Collection

from pexen_state.journal.care.copies import fill, new_file
from pexen_state.journal.care.prune import delete_runs
from pexen_state.journal.engine import connect, disconnect, driver_of, sqlite_errors
from pexen_state.journal.event_kinds import EventKind
from pexen_state.journal.reader import revision_of
from pexen_state.journal.restore import OWED
from pexen_state.journal.statements import INSERT_EVENT, LAST_SEQ
from pexen_state.journal.upgrade import run_migrations, scripts_dir
from pexen_state.journal.versions import REVISION

_ELSEWHERE = '{"error": "was not known when the run was exported"}'


def export(source: sqlite3.Connection, runs: Collection[int], target: str) -> int:
    """Write these runs of the journal that `source` reads to a file at `target`. Returns its size in bytes.

    Raises a JournalError; then there is no file, or the one that was there.
    """
    with new_file(target) as partial:
        fill(source, partial)
        revision = revision_of(partial)
        connection = connect(partial, foreign_keys=False)
        try:
            with sqlite_errors(target):
                raw = driver_of(connection)
                with connection.begin():
                    if revision < REVISION:
                        run_migrations(connection, REVISION, scripts_dir())
                    others = {run for (run,) in raw.execute("SELECT id FROM run")} - set(runs)
                    now_us = time.time_ns() // 1000
                    delete_runs(raw, others, now_us)
                    for (run,) in raw.execute(f"SELECT id FROM run WHERE {OWED}").fetchall():
                        (last_seq,) = raw.execute(LAST_SEQ).fetchone()
                        raw.execute(INSERT_EVENT, (last_seq + 1, run, int(EventKind.FOLLOWED), _ELSEWHERE, now_us))
                raw.execute("PRAGMA temp_store=FILE")
                raw.execute("VACUUM")
        finally:
            disconnect(connection)
        return os.stat(partial).st_size
