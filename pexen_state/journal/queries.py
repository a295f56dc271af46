"""The questions that looking verbs and reports ask, each with its SQL, over the views.

Rows come as dicts, in the order of the view's columns. A RUN is an id, `latest`, `latest-1` or a suite's name; a TASK
is a key, or any tail of it that only one task has.
"""

from __future__ import annotations

import re
import sqlite3
from typing import Any

from pexen_state.journal.errors import JournalError

Found = dict[str, Any]

RUNS = "SELECT * FROM runs ORDER BY id DESC LIMIT ?"
RUN = "SELECT * FROM runs WHERE id = ?"
NTH_NEWEST = "SELECT id FROM run ORDER BY id DESC LIMIT 1 OFFSET ?"
NEWEST_NAMED = "SELECT id FROM run WHERE name = ? ORDER BY id DESC LIMIT 1"
NEWEST_UNFINISHED = "SELECT id FROM run WHERE state = 0 ORDER BY id DESC LIMIT 1"
SESSIONS = "SELECT * FROM sessions WHERE run = ? ORDER BY id"
TASKS = "SELECT * FROM tasks WHERE run = ? ORDER BY number"
KEYS = "SELECT task FROM tasks WHERE run = ? ORDER BY number"
ATTEMPTS = "SELECT * FROM attempts WHERE run = ? ORDER BY task, attempt"
ATTEMPTS_OF = "SELECT * FROM attempts WHERE run = ? AND task = ? ORDER BY attempt"
TRANSITIONS = "SELECT * FROM transitions WHERE run = ? AND seq > ? ORDER BY seq"
TRANSITIONS_OF = "SELECT * FROM transitions WHERE run = ? AND task = ? ORDER BY seq"
RESULTS_OF = "SELECT * FROM results WHERE run = ? AND task = ? ORDER BY at"
STATES = "SELECT state, count(*) AS tasks FROM tasks WHERE run = ? GROUP BY state"
NAMES = "SELECT DISTINCT name FROM run"

_LATEST = re.compile(r"latest(?:-(\d+))?", re.ASCII)


class NotFound(JournalError):
    """A RUN or a TASK that the journal does not have."""


def rows(connection: sqlite3.Connection, query: str, *params: object) -> list[Found]:
    cursor = connection.execute(query, params)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def runs(connection: sqlite3.Connection, limit: int = -1) -> list[Found]:
    """Newest first."""
    return rows(connection, RUNS, limit)


def run(connection: sqlite3.Connection, run_id: int) -> Found:
    """Raises NotFound."""
    found = rows(connection, RUN, run_id)
    if not found:
        raise NotFound(f"the journal has no run {run_id}. `pexen runs` lists them.")
    return found[0]


def run_id(connection: sqlite3.Connection, which: str = "latest") -> int:
    """The id of a RUN. Raises NotFound."""
    if which.isdecimal() and which.isascii():
        return int(run(connection, int(which))["id"])
    latest = _LATEST.fullmatch(which)
    if latest:
        found = connection.execute(NTH_NEWEST, (int(latest[1] or 0),)).fetchone()
        if found is None:
            raise NotFound(f"the journal has no run {which!r}. `pexen runs` lists them.")
    else:
        found = connection.execute(NEWEST_NAMED, (which,)).fetchone()
        if found is None:
            names = sorted(name for (name,) in connection.execute(NAMES))
            raise NotFound(f"no run is named {which!r}. The journal has: {', '.join(names) or 'no run at all'}.")
    return int(found[0])


def is_run(which: str) -> bool:
    """Whether a word can be a RUN by its looks alone: an integer, or `latest`."""
    return (which.isdecimal() and which.isascii()) or _LATEST.fullmatch(which) is not None


def newest_unfinished(connection: sqlite3.Connection) -> int | None:
    found = connection.execute(NEWEST_UNFINISHED).fetchone()
    return None if found is None else int(found[0])


def sessions(connection: sqlite3.Connection, run_id: int) -> list[Found]:
    return rows(connection, SESSIONS, run_id)


def tasks(connection: sqlite3.Connection, run_id: int) -> list[Found]:
    """In the order in which they were declared."""
    return rows(connection, TASKS, run_id)


def states(connection: sqlite3.Connection, run_id: int) -> dict[str, int]:
    """How many tasks are in each state."""
    return dict(connection.execute(STATES, (run_id,)).fetchall())


def task_key(connection: sqlite3.Connection, run_id: int, which: str) -> str:
    """The key of a TASK. Raises NotFound, which names what was meant if it could be several."""
    keys: list[str] = [key for (key,) in connection.execute(KEYS, (run_id,))]
    if which in keys:
        return which
    ends = [key for key in keys if key.endswith(f"/{which}")] or [key for key in keys if key.endswith(which)]
    if len(ends) == 1:
        return ends[0]
    if ends:
        some = ", ".join(ends[:5]) + (", ..." if len(ends) > 5 else "")
        raise NotFound(f"{which!r} may be any of {len(ends)} tasks of run {run_id}: {some}. Say more of its key.")
    from pexen_state.words import did_you_mean

    raise NotFound(f"run {run_id} has no task {which!r}.{did_you_mean(which, keys)}")


def attempts(connection: sqlite3.Connection, run_id: int, key: str | None = None) -> list[Found]:
    if key is None:
        return rows(connection, ATTEMPTS, run_id)
    return rows(connection, ATTEMPTS_OF, run_id, key)


def transitions(connection: sqlite3.Connection, run_id: int, after_seq: int = 0) -> list[Found]:
    return rows(connection, TRANSITIONS, run_id, after_seq)


def story(connection: sqlite3.Connection, run_id: int, key: str) -> list[Found]:
    """Every transition of one task."""
    return rows(connection, TRANSITIONS_OF, run_id, key)


def results(connection: sqlite3.Connection, run_id: int, key: str) -> list[Found]:
    return rows(connection, RESULTS_OF, run_id, key)
