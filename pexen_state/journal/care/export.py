"""Some runs of a journal as a journal of their own: a copy of all of it, from which the others are deleted.

Ids stay what they are, so that "run 12" is the same run in both. The output of tasks is not in it.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Collection

from pexen_state.journal.care.copies import fill, new_file
from pexen_state.journal.care.prune import delete_runs
from pexen_state.journal.engine import connect, disconnect, driver_of, sqlite_errors


def export(source: sqlite3.Connection, runs: Collection[int], target: str) -> int:
    """Write these runs of the journal that `source` reads to a file at `target`. Returns its size in bytes.

    Raises a JournalError; then there is no file, or the one that was there.
    """
    with new_file(target) as partial:
        fill(source, partial)
        connection = connect(partial, foreign_keys=False)
        try:
            with sqlite_errors(target):
                raw = driver_of(connection)
                with connection.begin():
                    others = {run for (run,) in raw.execute("SELECT id FROM run")} - set(runs)
                    delete_runs(raw, others, time.time_ns() // 1000)
                raw.execute("PRAGMA temp_store=FILE")
                raw.execute("VACUUM")
        finally:
            disconnect(connection)
        return os.stat(partial).st_size
