"""Directories of output that no run has: what a kill in the middle of a prune has left. Reads only."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Collection
from contextlib import suppress

from pexen_state.journal.care.removal import GOING
from pexen_state.journal.paths import JournalPaths

_RUN_DIRECTORY = re.compile(rf"(run-([1-9]\d*))(?:{re.escape(GOING)})?", re.ASCII)
_LAST_RUN = "SELECT max(coalesce((SELECT max(id) FROM run), 0), coalesce((SELECT max(last_run) FROM pruned), 0))"


def orphans(connection: sqlite3.Connection, path: str) -> list[str]:
    """Names of the directories of output that no run has."""
    (last_run,) = connection.execute(_LAST_RUN).fetchone()
    runs = {run for (run,) in connection.execute("SELECT id FROM run")}
    return orphans_of(JournalPaths.of(path), runs, last_run)


def orphans_of(paths: JournalPaths, runs: Collection[int], last_run: int) -> list[str]:
    """A directory of a run that the journal has never had is somebody else's: a backup was put back, perhaps."""
    found: set[tuple[int, str]] = set()
    with suppress(OSError):
        for name in os.listdir(paths.dir):
            match = _RUN_DIRECTORY.fullmatch(name)
            if match and (match[0] != match[1] or int(match[2]) not in runs) and int(match[2]) <= last_run:
                found.add((int(match[2]), match[1]))
    return [name for _, name in sorted(found)]
