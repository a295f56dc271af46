"""Which runs a prune would delete. Reads only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from pexen_state.journal import queries
from pexen_state.journal.care.sizes import taken
from pexen_state.journal.paths import JournalPaths
from pexen_state.journal.records import RunState

# A run that never ended is as old as its last session.
_RUNS = """
SELECT r.id, r.name, r.state, coalesce(
  r.ended_us, (SELECT max(coalesce(s.ended_us, s.began_us)) FROM session s WHERE s.run = r.id), r.began_us
) FROM run r ORDER BY r.id DESC
"""


class Wish(NamedTuple):
    """What a run has to be for it to go: all that is said here."""

    suite: str | None = None  #: of this suite
    keep: int | None = None  #: not among so many newest of its suite
    older_than: float | None = None  #: ended more seconds ago than that
    unfinished: bool = False  #: may be one that could be resumed
    max_size: int | None = None  #: among the oldest that have to go, for all that stay to take at most these bytes


class Chosen(NamedTuple):
    runs: list[int]
    spared: list[int]  #: that would go, too, but are unfinished
    stays: int | None = None  #: bytes that all others take, if the wish was about that


def choose(connection: sqlite3.Connection, paths: JournalPaths, wish: Wish, now_us: int) -> Chosen:
    """The oldest first. Raises NotFound for a suite that the journal does not have."""
    if wish.suite is not None:
        names = sorted(name for (name,) in connection.execute(queries.NAMES))
        if wish.suite not in names:
            said = f"no run is of the suite {wish.suite!r}. The journal has: {', '.join(names) or 'no run at all'}."
            raise queries.NotFound(said)
    runs: list[int] = []
    spared: list[int] = []
    size = taken(connection, paths) if wish.max_size is not None else None
    stays = size.total if size is not None else None
    for run, state in reversed(list(_fitting(connection, wish, now_us))):
        if stays is not None and wish.max_size is not None and stays <= wish.max_size:
            break
        if state == RunState.UNFINISHED and not wish.unfinished:
            spared.append(run)
            continue
        runs.append(run)
        if size is not None and stays is not None:
            stays -= size.by_run[run]
    return Chosen(runs, spared, stays)


def _fitting(connection: sqlite3.Connection, wish: Wish, now_us: int) -> Iterator[tuple[int, int]]:
    seen: dict[str, int] = {}
    for run, name, state, last_us in connection.execute(_RUNS):
        seen[name] = seen.get(name, 0) + 1
        if wish.suite is not None and name != wish.suite:
            continue
        if wish.keep is not None and seen[name] <= wish.keep:
            continue
        if wish.older_than is not None and now_us - last_us <= wish.older_than * 1e6:
            continue
        yield run, state
