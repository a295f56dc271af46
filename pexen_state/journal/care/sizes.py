"""How many bytes runs take: their rows in the journal, and their output beside it. Reads only."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from typing import NamedTuple

from pexen_state.journal.ids import TASK_BITS
from pexen_state.journal.paths import JournalPaths

_BLOCK = 512  #: bytes; what st_blocks counts, on any file system

_ROWS = (
    f"SELECT run, sum(rows) FROM (SELECT task >> {TASK_BITS} AS run, count(*) AS rows FROM transition GROUP BY 1"
    f" UNION ALL SELECT id >> {TASK_BITS}, count(*) FROM task GROUP BY 1) GROUP BY run"
)


class Taken(NamedTuple):
    """Bytes on the disk."""

    total: int
    by_run: dict[int, int]


def taken(connection: sqlite3.Connection, paths: JournalPaths) -> Taken:
    """By all runs, and by each.

    A row's share of the journal is estimated: all are taken to be of one size, and tasks and transitions to stand for
    the rest. What deleted runs have left free in the file is used again, so it is nobody's.
    """
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    (page,) = connection.execute("PRAGMA page_size").fetchone()
    journal = (pages - free) * page
    rows = dict.fromkeys((run for (run,) in connection.execute("SELECT id FROM run")), 0)
    rows.update((run, count) for run, count in connection.execute(_ROWS) if run in rows)
    every = max(sum(rows.values()), 1)
    by_run = {run: journal * count // every + _below(paths.run_dir(run)) for run, count in rows.items()}
    return Taken(max(sum(by_run.values()), journal), by_run)


def _below(directory: str) -> int:
    """Of a directory and all in it, but for what is mounted there. What cannot be looked at counts for nothing."""
    total = 0
    with suppress(OSError):
        top = os.lstat(directory)
        total = top.st_blocks * _BLOCK
        to_visit = [directory]
        while to_visit:
            with suppress(OSError), os.scandir(to_visit.pop()) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    if status.st_dev != top.st_dev:
                        continue
                    total += status.st_blocks * _BLOCK
                    if entry.is_dir(follow_symlinks=False):
                        to_visit.append(entry.path)
    return total
