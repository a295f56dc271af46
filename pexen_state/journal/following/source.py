"""A run as it is followed: looks into its journal, each of which opens it, fetches, and closes it.

Nothing stays open between two looks: neither a transaction, which would let the write-ahead log grow, nor the file,
which may be replaced. Between looks the files' status alone is asked, which costs the runner nothing.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from pexen_state.journal import queries
from pexen_state.journal.following.cursors import ConsumerError, Known
from pexen_state.journal.following.stream import Item, Page, Position, decided_at, item_at, page
from pexen_state.journal.identity import is_alive
from pexen_state.journal.lock import holder_of
from pexen_state.journal.paths import JournalPaths
from pexen_state.journal.reader import reader
from pexen_state.journal.records import RunState

LOOK_S = 0.2  #: seconds between two looks at the status of files
_LOOK_ANYWAY_S = 1.0  # whatever their status: leases run out, runners die

#: When a file was changed last, its size, and which one it is.
FileStatus = tuple[int, int, int] | None
Status = tuple[FileStatus, FileStatus]

#: Waits so many seconds; False: nobody wants more.
Wait = Callable[[float], bool]


class RunGone(ConsumerError):
    """The run that was followed is not in the journal any more."""


class Look(NamedTuple):
    page: Page
    is_over: bool  #: nothing will be added to what the journal has


class Source:
    """One run of one journal. Raises JournalMissing, NotFound and other JournalErrors."""

    def __init__(self, journal: str | os.PathLike[str], run: int | str) -> None:
        self.paths = JournalPaths.of(journal)
        with reader(self.paths.db) as connection:
            self.run = queries.run_id(connection, str(run))
            (self.uuid,) = connection.execute("SELECT uuid FROM run WHERE id = ?", (self.run,)).fetchone()

    def look(self, after: Position, limit: int, known: Known | None = None) -> Look:
        """What comes next. `known` is a decision that was in the journal before."""
        # Asked first: what was written until then is seen.
        holder = holder_of(self.paths.db)
        is_held = holder is not None and is_alive(holder.runner)
        with self._reading(known) as connection:
            found = page(connection, self.run, after, limit)
            (state,) = connection.execute("SELECT state FROM run WHERE id = ?", (self.run,)).fetchone()
            query = "SELECT 1 FROM session WHERE run = ? AND how_ended IS NULL"
            is_open = connection.execute(query, (self.run,)).fetchone() is not None
        return Look(found, state != RunState.UNFINISHED and not (is_open and is_held))

    def items_at(self, positions: Sequence[Position], known: Known | None = None) -> list[Item]:
        """Items that were handed out before."""
        with self._reading(known) as connection:
            found = [item_at(connection, self.run, position) for position in positions]
        if None in found:
            raise _another_history(self.paths.db)
        return [item for item in found if item is not None]

    def status(self) -> Status:
        """Of the journal's files; it changes with each commit."""
        return _status_of(self.paths.db), _status_of(self.paths.wal)

    def wait(self, pause: Wait, seen: Status, beside: Sequence[str] = (), fruitless: int = 0) -> bool:
        """Until the files are not as they were seen, or others beside them have changed. False: nobody wants more.

        After fruitless looks longer, so that of many workers those look that find something.
        """
        before = [_status_of(path) for path in beside]
        waited = 0.0
        while waited < _LOOK_ANYWAY_S:
            seconds = LOOK_S * (1 << min(fruitless, 2))
            if not pause(seconds):
                return False
            waited += seconds
            if self.status() != seen or [_status_of(path) for path in beside] != before:
                break
        return True

    @contextmanager
    def _reading(self, known: Known | None) -> Iterator[sqlite3.Connection]:
        with reader(self.paths.db) as connection:
            connection.execute("BEGIN")  # one look
            found = connection.execute("SELECT uuid FROM run WHERE id = ?", (self.run,)).fetchone()
            if found is None or found[0] != self.uuid:
                raise RunGone(
                    f"run {self.run} is not in the journal {self.paths.db} any more: it was deleted by "
                    "`pexen db prune`, or the journal was replaced. What it still had for a consumer is lost."
                )
            if known is not None and decided_at(connection, known.seq) != known.at_us:
                raise _another_history(self.paths.db)
            yield connection


def _another_history(path: str) -> ConsumerError:
    return ConsumerError(
        f"the journal {path} does not have what this consumer was given before: an older copy of it was put back. "
        "Take another name for the consumer, and it is given everything that the journal has now."
    )


def _status_of(path: str) -> FileStatus:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
