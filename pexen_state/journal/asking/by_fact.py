"""The newest runs of a suite by the value of a fact about the box: what they are to be compared by.

Reads only, by the standard library. Only runs that came to their end by themselves, and that ran again no other one,
count: of what was cut short most would be told as gone.
"""

from __future__ import annotations

import sqlite3
from typing import Any, NamedTuple

from pexen_state.box.facts import restored

#: So many runs are looked at, and no more.
RUNS = 1000

# What was true when the run began holds for it: the facts of its first session.
_VALUES = """
SELECT r.id, (
  SELECT f.value FROM session s JOIN fact f ON f.session = s.id AND f.name = ? WHERE s.run = r.id ORDER BY s.id LIMIT 1
)
FROM run r WHERE r.name = ? AND r.state = 1 AND r.parent IS NULL ORDER BY r.id DESC LIMIT ?
"""
_OF_RUN = """
SELECT f.name, f.value, f.session FROM session s JOIN fact f ON f.session = s.id WHERE s.run = ? ORDER BY s.id
"""


class OfValue(NamedTuple):
    """Runs with one value of the fact."""

    value: Any  #: None: it is not known
    run: int  #: the newest
    runs: int  #: how many there are


def newest_by(connection: sqlite3.Connection, suite: str, fact: str) -> list[OfValue]:
    """One for each value that there was; the one with the newest run first."""
    newest: dict[Any, int] = {}
    counts: dict[Any, int] = {}
    for run, value in connection.execute(_VALUES, (fact, suite, RUNS)):
        newest.setdefault(value, run)
        counts[value] = counts.get(value, 0) + 1
    return [OfValue(_plain(fact, value), run, counts[value]) for value, run in newest.items()]


def value_in(connection: sqlite3.Connection, run: int, fact: str) -> Any:
    """What it was when the run began; None if nobody knows."""
    return facts_of(connection, run).get(fact)


def facts_of(connection: sqlite3.Connection, run: int) -> dict[str, Any]:
    """All that was known of the box when the run began."""
    found: dict[str, Any] = {}
    first: int | None = None
    for name, value, session in connection.execute(_OF_RUN, (run,)):
        first = session if first is None else first
        if session == first:
            found[name] = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
    return restored(found)


def _plain(fact: str, value: Any) -> Any:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    return None if value is None else restored({fact: value})[fact]
