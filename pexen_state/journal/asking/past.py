"""Tasks over many runs: one task's history, tasks that pass and fail by turns, and tasks that take long.

The SQL is here, over the views; it walks the tasks of each run by their ids. What follows from the rows is worked out
on plain values. Nothing is shown.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from pexen_state.core.states import BAD_WORDS, State
from pexen_state.journal import queries
from pexen_state.journal.asking.comparing import GOOD
from pexen_state.journal.asking.durations import typical_seconds


def _words(verdicts: Iterable[str]) -> str:
    return ", ".join(f"'{verdict}'" for verdict in sorted(verdicts))


#: The newest runs (`:last`) of a suite (`:suite`), or of all if that is NULL.
_NEWEST = """
newest AS MATERIALIZED (
  SELECT id, name FROM run WHERE :suite IS NULL OR name = :suite ORDER BY id DESC LIMIT :last
)
"""

HISTORY = """
SELECT t.run, r.name AS suite, coalesce(t.started_at, t.ended_at) AS at, t.state, t.verdict, t.flaky, t.attempts,
  t.seconds, t.reason
FROM run AS r CROSS JOIN tasks AS t ON t.run = r.id
WHERE (:suite IS NULL OR r.name = :suite) AND t.task = :task
ORDER BY r.id DESC
LIMIT :last
"""

KEYS = "SELECT DISTINCT t.task FROM run AS r JOIN tasks AS t ON t.run = r.id WHERE :suite IS NULL OR r.name = :suite"

# Few tasks are unsteady: the first pass finds which, and only these are told in full. That a person cancelled a task
# says nothing about the task.
UNSTEADY = f"""
WITH {_NEWEST},
unsteady AS MATERIALIZED (
  SELECT n.name AS suite, t.task
  FROM newest AS n CROSS JOIN tasks AS t ON t.run = n.id
  WHERE t.verdict IN ({_words(GOOD | BAD_WORDS)}) AND t.state <> 'cancelled'
  GROUP BY n.name, t.task
  HAVING max(t.flaky) OR min(t.verdict IN ({_words(BAD_WORDS)})) <> max(t.verdict IN ({_words(BAD_WORDS)}))
)
SELECT n.name AS suite, t.task, t.run, t.verdict, t.flaky, t.fingerprint, t.ended_at
FROM newest AS n CROSS JOIN tasks AS t ON t.run = n.id
WHERE t.verdict IN ({_words(GOOD | BAD_WORDS)}) AND t.state <> 'cancelled'
  AND (n.name, t.task) IN (SELECT suite, task FROM unsteady)
ORDER BY n.name, t.task, t.run
"""

#: All attempts of a task: that is what it cost the run.
TIMES_IN_RUN = """
SELECT a.task, sum(a.seconds) AS seconds, count(*) AS attempts
FROM attempts AS a
WHERE a.run = :run AND a.seconds IS NOT NULL
GROUP BY a.task
"""

_CANCELLED = State.CANCELLED.word

SUITES = "SELECT DISTINCT name FROM run"


class Past(NamedTuple):
    """A task in one run."""

    run: int
    suite: str
    at: str | None  #: ISO 8601, UTC: when its last attempt began, or when it was decided that it would not run
    state: str
    verdict: str | None
    flaky: bool
    attempts: int
    seconds: float | None
    reason: str | None


class Spread(NamedTuple):
    """Of the seconds that a task took when it passed; of all its runs if it never passed."""

    median: float
    least: float
    most: float
    runs: int


class Streak(NamedTuple):
    """How it has been for some time. `since` is the first run of that, `runs` how many, `before` how many runs
    before that ended the other way in a row; 0: it has always been so."""

    is_bad: bool
    since: int
    runs: int
    before: int


class History(NamedTuple):
    task: str
    runs: list[Past]  #: newest first
    spread: Spread | None
    streak: Streak | None  #: None if it never passed or failed


class Unsteady(NamedTuple):
    """A task that passed after a failed attempt, or whose verdict changed while the task itself did not."""

    task: str
    suite: str
    score: float  #: share of its runs in which one of both happened
    runs: int
    flaky: int  #: runs in which it passed after a failed attempt
    changes: int  #: from passed to failed or back, from one run to the next
    verdicts: str  #: one letter a run, oldest first: see `letter`
    last_run: int
    last_at: str | None


class Slow(NamedTuple):
    task: str
    seconds: float
    share: float  #: of all tasks' seconds, 0 to 1
    attempts: int | None = None  #: in one run


def history(connection: sqlite3.Connection, task: str, suite: str | None = None, last: int = -1) -> History:
    found = connection.execute(HISTORY, {"task": task, "suite": suite, "last": last}).fetchall()
    runs = [Past(*row)._replace(flaky=bool(row[5]), attempts=row[6] or 0) for row in found]
    return History(task, runs, spread(runs), streak(runs))


def unsteady(connection: sqlite3.Connection, suite: str | None, last: int) -> list[Unsteady]:
    """The worst first."""
    rows = connection.execute(UNSTEADY, {"suite": suite, "last": last}).fetchall()
    found = [_unsteady(name, task, list(those)) for (name, task), those in groupby(rows, lambda row: (row[0], row[1]))]
    return sorted(
        (one for one in found if one.score),
        key=lambda one: (-one.score, -one.flaky, -one.changes, -one.last_run, one.suite, one.task),
    )


def slowest(connection: sqlite3.Connection, suite: str, last: int) -> list[Slow]:
    """By what they usually take, in the newest runs of a suite; the slowest first."""
    return _shared(
        [Slow(task, seconds, 0.0) for task, seconds in typical_seconds(connection, suite, last, most=None).items()]
    )


def slowest_in(connection: sqlite3.Connection, run: int) -> list[Slow]:
    rows = connection.execute(TIMES_IN_RUN, {"run": run})
    return _shared([Slow(task, seconds, 0.0, attempts) for task, seconds, attempts in rows])


def keys(connection: sqlite3.Connection, suite: str | None = None) -> list[str]:
    """Of all tasks that there ever were."""
    return sorted(key for (key,) in connection.execute(KEYS, {"suite": suite}))


def task_key(connection: sqlite3.Connection, word: str, suite: str | None = None) -> str:
    """The key of a TASK: of the newest run, if that has such a one, else of any. Raises NotFound."""
    if suite is None:
        run = queries.run_id(connection)
        newest = [key for (key,) in connection.execute(queries.KEYS, (run,))]
        if any(key.endswith(word) for key in newest):
            return queries.tail_of(newest, word, f"run {run}")
    return queries.tail_of(keys(connection, suite), word, "the journal" if suite is None else f"the suite {suite}")


def check_suite(connection: sqlite3.Connection, suite: str | None) -> None:
    """Raises NotFound."""
    names = sorted(name for (name,) in connection.execute(SUITES))
    if suite is not None and suite not in names:
        raise queries.NotFound(f"no suite is named {suite!r}. The journal has: {', '.join(names) or 'no run at all'}.")


# -- what follows from the rows


def letter(verdict: str | None, flaky: bool) -> str:
    """A verdict as one letter; small if it passed in a later attempt than its first."""
    if verdict is None:
        return "?"
    one = "X" if verdict == "crash" else verdict[0].upper()
    return one.lower() if flaky else one


def spread(runs: Sequence[Past]) -> Spread | None:
    runs = [one for one in runs if one.state != _CANCELLED]
    seconds = [one.seconds for one in runs if one.seconds is not None and one.verdict in GOOD]
    seconds = seconds or [one.seconds for one in runs if one.seconds is not None]
    return Spread(median(seconds), min(seconds), max(seconds), len(seconds)) if seconds else None


def streak(runs: Sequence[Past]) -> Streak | None:
    """Runs come newest first. Those in which it neither passed nor failed, or was cancelled, do not count."""
    judged = [one for one in runs if one.verdict in GOOD | BAD_WORDS and one.state != _CANCELLED]
    if not judged:
        return None
    groups = [(is_bad, list(those)) for is_bad, those in groupby(judged, lambda one: one.verdict in BAD_WORDS)]
    is_bad, newest = groups[0]
    return Streak(is_bad, newest[-1].run, len(newest), len(groups[1][1]) if len(groups) > 1 else 0)


def median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _unsteady(suite: str, task: str, rows: Sequence[tuple[object, ...]]) -> Unsteady:
    flaky = changes = happened = last_run = 0
    last_at = None
    before = None
    letters = []
    for _, _, run, verdict, is_flaky, fingerprint, at in rows:
        now = (verdict in BAD_WORDS, fingerprint)
        is_change = before is not None and before[0] != now[0] and before[1] == now[1]
        flaky += bool(is_flaky)
        changes += is_change
        if is_flaky or is_change:
            happened += 1
            last_run, last_at = int(str(run)), str(at) if at is not None else None
        letters.append(letter(str(verdict), bool(is_flaky)))
        before = now
    score = happened / len(rows)
    return Unsteady(task, suite, score, len(rows), flaky, changes, "".join(letters), last_run, last_at)


def _shared(found: Sequence[Slow]) -> list[Slow]:
    whole = sum(one.seconds for one in found)
    return sorted(
        (one._replace(share=one.seconds / whole if whole else 0.0) for one in found),
        key=lambda one: (-one.seconds, one.task),
    )
