"""The questions that looking verbs and reports ask, each with its SQL, over the views.

Rows come as dicts, in the order of the view's columns. A RUN is an id, `latest`, `latest-1` or a suite's name; a TASK
is a key, or any tail of it that only one task has.
"""

from __future__ import annotations

import re
import sqlite3
from typing import Any

from pexen_state.journal.errors import JournalError
from pexen_state.journal.ids import ids_of

Found = dict[str, Any]

RUNS = "SELECT * FROM runs ORDER BY id DESC LIMIT ?"
RUN = "SELECT * FROM runs WHERE id = ?"
NTH_NEWEST = "SELECT id FROM run ORDER BY id DESC LIMIT 1 OFFSET ?"
NEWEST_NAMED = "SELECT id FROM run WHERE name = ? ORDER BY id DESC LIMIT 1"
NEWEST_UNFINISHED = "SELECT id FROM run WHERE state = 0 ORDER BY id DESC LIMIT 1"
SESSIONS = "SELECT * FROM sessions WHERE run = ? ORDER BY id"
BEGAN = "SELECT (began_us + set_by_us) / 1e6 FROM session WHERE id = ?"
TASKS = "SELECT * FROM tasks WHERE run = ? ORDER BY number"
KEYS = "SELECT task FROM tasks WHERE run = ? ORDER BY number"
ATTEMPTS = "SELECT * FROM attempts WHERE run = ? ORDER BY task, attempt"
ATTEMPTS_OF = "SELECT * FROM attempts WHERE run = ? AND task = ? ORDER BY attempt"
TRANSITIONS = "SELECT * FROM transitions WHERE run = ? AND seq > ? ORDER BY seq"
TRANSITIONS_OF = "SELECT * FROM transitions WHERE run = ? AND task = ? ORDER BY seq"
RESULTS_OF = "SELECT * FROM results WHERE run = ? AND task = ? ORDER BY at"
STATES = "SELECT state, count(*) AS tasks FROM tasks WHERE run = ? GROUP BY state"
NAMES = "SELECT DISTINCT name FROM run"
TASK = "SELECT * FROM tasks WHERE run = ? AND task = ?"
NUMBER = "SELECT number FROM tasks WHERE run = ? AND task = ?"

# What is asked once a second is asked of the tables, where it costs a fraction. Which ids: `journal.ids`.
TALLY = "SELECT state, verdict, count(*) FROM task WHERE id BETWEEN ? AND ? GROUP BY state, verdict"
IN_FLIGHT = """
SELECT k.key AS task, k.state AS state, k.attempt - k.withdrawn AS attempt,
  b.at_us + coalesce(a.wait_us, 0) AS began_us, a.worker AS worker, a.pid AS pid
FROM task k JOIN transition b ON b.seq = k.submitted LEFT JOIN attempt a ON a.id = k.submitted
WHERE k.id BETWEEN ? AND ? AND k.state IN (2, 3, 4) ORDER BY began_us, k.id
"""
ENDED_BADLY = """
SELECT k.key AS task, k.verdict AS verdict, k.reason AS reason, a.took_us / 1e6 AS seconds
FROM task k LEFT JOIN attempt a ON a.id = k.submitted
WHERE k.id BETWEEN ? AND ? AND k.verdict BETWEEN 5 AND 8 ORDER BY k.ended DESC LIMIT ?
"""
UNFINISHED_KEYS = "SELECT key FROM task WHERE id BETWEEN ? AND ? AND state < 6"
HOLDING = "SELECT key, state, verdict, spec FROM task WHERE id BETWEEN ? AND ? AND locks <> 0 AND spec IS NOT NULL"
WANTING = """
SELECT spec, count(*) FROM task WHERE id BETWEEN ? AND ? AND state < 2 AND locks = 0
  AND (instr(spec, '"uses"') OR instr(spec, '"claims"') OR instr(spec, '"recovers"')) GROUP BY spec
"""
RANGE = "SELECT min(first_seq), max(coalesce(last_seq, 1 << 62)) FROM session WHERE run = ?"
LAST_SEQ = "SELECT max(coalesce((SELECT max(seq) FROM transition), 0), coalesce((SELECT max(seq) FROM run_event), 0))"
_CHANGES = """
SELECT t.seq AS seq, k.key AS task, k.spec AS spec, t.task AS id, t.attempt - t.withdrawn AS attempt, t.old AS old,
  t.new AS new, t.cause AS cause, t.verdict AS verdict, t.at_us AS at_us, t.reason AS reason,
  e.took_us / 1e6 AS seconds, e.exit_code AS exit_code, e.signal AS signal, e.output AS output{more}
FROM transition t JOIN task k ON k.id = t.task
LEFT JOIN attempt e ON t.new >= 6 AND k.ended = t.seq AND e.id = k.submitted AND e.ended = t.seq
WHERE t.seq > ? AND t.seq <= ? AND t.task BETWEEN ? AND ? ORDER BY t.seq LIMIT ?
"""
CHANGES = _CHANGES.format(more="")
CHANGES_AND_RETURNED = _CHANGES.format(more=", e.id AS opened, e.ret AS ret")
RUN_EVENTS = "SELECT seq, kind, data, at_us FROM run_event WHERE run = ? AND seq > ? ORDER BY seq LIMIT ?"
PARTS = """
SELECT attempt, name, verdict, note, metrics, files, at_us FROM result WHERE attempt BETWEEN ? AND ? ORDER BY id
"""
VERDICTS = "SELECT task, verdict FROM tasks WHERE run = ?"
LIVES = "SELECT id, pid, first_seq, last_seq, began_us, ended_us, how_ended FROM session WHERE run = ? ORDER BY id"
IN_FLIGHT_FILES = """
SELECT key AS task, spec, id, attempt - withdrawn AS attempt FROM task
WHERE id BETWEEN ? AND ? AND state IN (2, 3, 4) ORDER BY submitted
"""
LAST_CHANGE_OF_ALL = "SELECT at_us / 1e6 FROM transition ORDER BY seq DESC LIMIT 1"

_NAMED = 8  # runs and tasks that a message names
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
        raise _no_run(connection, f"the journal has no run {run_id}. `pexen runs` lists them.")
    return found[0]


def run_id(connection: sqlite3.Connection, which: str = "latest") -> int:
    """The id of a RUN. Raises NotFound."""
    if which.isdecimal() and which.isascii():
        number = int(which) if len(which) < 19 else -1  # more than SQLite can hold is no run either
        if connection.execute("SELECT 1 FROM run WHERE id = ?", (number,)).fetchone() is None:
            raise _no_run(connection, f"the journal has no run {which}. `pexen runs` lists them.")
        return number
    if not which.isascii():  # lone surrogates: names are kept as text that SQL can hold
        which = which.encode("utf-8", "backslashreplace").decode()
    latest = _LATEST.fullmatch(which)
    if latest:
        found = connection.execute(NTH_NEWEST, (int((latest[1] or "0")[:18]),)).fetchone()
        if found is None:
            raise _no_run(connection, f"the journal has no run {which!r}. `pexen runs` lists them.")
    else:
        found = connection.execute(NEWEST_NAMED, (which,)).fetchone()
        if found is None:
            names = sorted(name for (name,) in connection.execute(NAMES))
            raise _no_run(connection, f"no run is named {which!r}. The journal has: {_listed(names)}.")
    return int(found[0])


def _no_run(connection: sqlite3.Connection, message: str) -> NotFound:
    """What is said where a run was looked for: that the journal is empty, if it is."""
    if connection.execute("SELECT 1 FROM run LIMIT 1").fetchone() is None:
        return NotFound("the journal has no run yet. `pexen run` begins one.")
    return NotFound(message)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def is_run(which: str) -> bool:
    """Whether a word can be a RUN by its looks alone: an integer, or `latest`."""
    return (which.isdecimal() and which.isascii()) or _LATEST.fullmatch(which) is not None


def newest_unfinished(connection: sqlite3.Connection) -> int | None:
    found = connection.execute(NEWEST_UNFINISHED).fetchone()
    return None if found is None else int(found[0])


def sessions(connection: sqlite3.Connection, run_id: int) -> list[Found]:
    return rows(connection, SESSIONS, run_id)


def began(connection: sqlite3.Connection, session_id: int) -> float:
    """When a session began, in seconds since 1970 by the clock as it was set since."""
    return float(connection.execute(BEGAN, (session_id,)).fetchone()[0])


def tasks(connection: sqlite3.Connection, run_id: int) -> list[Found]:
    """In the order in which they were declared."""
    return rows(connection, TASKS, run_id)


def states(connection: sqlite3.Connection, run_id: int) -> dict[str, int]:
    """How many tasks are in each state."""
    return dict(connection.execute(STATES, (run_id,)).fetchall())


def task_key(connection: sqlite3.Connection, run_id: int, which: str, whole_parts: bool = False) -> str:
    """The key of a TASK. Raises NotFound, which names what was meant if it could be several."""
    return tail_of([key for (key,) in connection.execute(KEYS, (run_id,))], which, f"run {run_id}", whole_parts)


def tail_of(keys: list[str], which: str, where: str, whole_parts: bool = False) -> str:
    """The one of these keys that is it, or ends so. Raises NotFound; `where` is for its message.

    `whole_parts`: what it ends with has to be whole parts of its path, because it is to be changed, not looked at.
    """
    if which in keys:
        return which
    ends = [key for key in keys if key.endswith(f"/{which}")]
    if not ends:
        ends = [key for key in keys if key.endswith(which)]
        if ends and whole_parts:
            raise NotFound(
                f"{where} has no task {which!r}. Only a whole key, or the last whole parts of its path, name one here, "
                f"and not the end of {_listed(ends)}."
            )
    if len(ends) == 1:
        return ends[0]
    if ends:
        some = _listed(ends)
        raise NotFound(f"{which!r} may be any of {len(ends)} tasks of {where}: {some}. Say more of its key.")
    from pexen_state.words import did_you_mean

    raise NotFound(f"{where} has no task {which!r}.{did_you_mean(which, keys)}")


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


def task(connection: sqlite3.Connection, run_id: int, key: str) -> Found:
    """One task, whose key is known to be there."""
    return rows(connection, TASK, run_id, key)[0]


def number(connection: sqlite3.Connection, run_id: int, key: str) -> int:
    """The number of a task in its run. The key is known to be there."""
    return int(connection.execute(NUMBER, (run_id, key)).fetchone()[0])


def tally(connection: sqlite3.Connection, run_id: int) -> list[tuple[int, int, int]]:
    """(state, verdict, how many tasks) as numbers."""
    return connection.execute(TALLY, ids_of(run_id)).fetchall()


def in_flight(connection: sqlite3.Connection, run_id: int) -> list[Found]:
    """Tasks that were handed to the pool and have not ended, the longest first; their states are numbers."""
    return rows(connection, IN_FLIGHT, *ids_of(run_id))


def ended_badly(connection: sqlite3.Connection, run_id: int, limit: int) -> list[Found]:
    """The newest tasks with verdict fail, error, timeout or crash; verdicts are numbers."""
    return rows(connection, ENDED_BADLY, *ids_of(run_id), limit)


def unfinished_keys(connection: sqlite3.Connection, run_id: int) -> list[str]:
    return [key for (key,) in connection.execute(UNFINISHED_KEYS, ids_of(run_id)).fetchall()]


def newest_named(connection: sqlite3.Connection, name: str) -> int:
    """The newest run of a suite that is known to have one."""
    return int(connection.execute(NEWEST_NAMED, (name,)).fetchone()[0])


def last_change(connection: sqlite3.Connection) -> float:
    """When the journal's newest transition was written, in seconds since 1970; 0 if it has none."""
    found = connection.execute(LAST_CHANGE_OF_ALL).fetchone()
    return float(found[0]) if found is not None else 0.0


def seconds_since_1970(iso: str) -> float:
    """Of a time as the views have it."""
    from datetime import datetime

    return datetime.fromisoformat(iso).timestamp()


def verdicts(connection: sqlite3.Connection, run_id: int) -> dict[str, str | None]:
    """The verdict of each task by its key; None for those that have none yet."""
    return dict(connection.execute(VERDICTS, (run_id,)).fetchall())


def last_seq(connection: sqlite3.Connection) -> int:
    """The newest decision of the whole journal."""
    return int(connection.execute(LAST_SEQ).fetchone()[0])


def changes(connection: sqlite3.Connection, run_id: int, after_seq: int, limit: int) -> list[Found]:
    """Transitions of the run after a decision, in order, as numbers; with what the attempt left that ended a task."""
    return rows(connection, CHANGES, *changes_of(connection, run_id, after_seq, limit))


def changes_of(connection: sqlite3.Connection, run_id: int, after_seq: int, limit: int) -> tuple[int, ...]:
    """What to ask CHANGES with. No index leads from a run to its transitions: its sessions say where they are."""
    first, last = connection.execute(RANGE, (run_id,)).fetchone()
    return (max(after_seq, (first or 1) - 1), last or 0, *ids_of(run_id), limit)
