"""The file as its writer holds it: one connection, transactions, and what is done when the disk fails.

Knows no tables. SQLAlchemy opens the file; what is written goes straight to its driver, since a turn of one task costs
little more than a flush, and a layer around each statement would be seen. After a write that failed nothing more is
written through this connection: whether the last transaction is in the file is unknown until somebody opens it anew.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, islice
from typing import Any

from sqlalchemy.engine import Connection

from pexen_state.core.standing import IllegalTransition
from pexen_state.journal.engine import connect, disconnect, driver_of, leave_as_it_is, sqlite_errors
from pexen_state.journal.errors import JournalCorrupt, JournalError, JournalFull, JournalWriteError, corrupt
from pexen_state.journal.lock import RunLock
from pexen_state.journal.reserve import Reserve
from pexen_state.journal.statements import ROWS, Insert
from pexen_state.journal.whereabouts import Whereabouts

Row = tuple[Any, ...]


class Store:
    """Takes the reserve when it is made, and gives it back when it is closed. Methods raise JournalError."""

    def __init__(self, connection: Connection, lock: RunLock) -> None:
        self._paths = paths = lock.paths
        self._connection = connection
        self._driver: sqlite3.Connection = driver_of(connection)
        self._whereabouts = Whereabouts(paths, lock.fd)
        self._reserve = Reserve(paths)
        self._reserve.hold()
        self.failure: JournalError | None = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing, and on the disk when it ends."""
        if self.failure is not None:
            raise JournalWriteError(f"the journal is not written to any more, since a write failed: {self.failure}")
        try:
            with sqlite_errors(self._paths.db), self._driver:  # commits, or rolls back whatever was raised
                self._driver.execute("BEGIN IMMEDIATE")
                yield
        except JournalError as error:
            self.failure = error
            if isinstance(error, JournalFull):
                self._reserve.give_back()
            raise

    @contextmanager
    def all_or_the_end(self) -> Iterator[None]:
        """A transaction during which somebody remembers more than the file holds.

        So whatever gets in between, an interrupt from the keyboard included, is the end of writing.
        """
        with self.transaction():
            self.failure = JournalWriteError(f"a turn was not written to its end in {self._paths.db}")
            yield
        self.failure = None

    def run(self, statement: str, rows: list[Row]) -> int:
        """Run it for each row; return how many rows changed. Within a transaction."""
        if not rows:
            return 0
        if len(rows) == 1:
            return self._driver.execute(statement, rows[0]).rowcount
        return self._driver.executemany(statement, rows).rowcount

    def insert(self, statement: Insert, rows: Iterable[Row]) -> None:
        """Within a transaction."""
        left = iter(rows)
        while len(some := list(islice(left, ROWS))) == ROWS:
            self._driver.execute(statement.many, list(chain.from_iterable(some)))
        self.run(statement.one, some)

    def fetch(self, query: str, params: Row) -> list[Row]:
        """Within a transaction."""
        return self._driver.execute(query, params).fetchall()

    def read(self, query: str, params: Row) -> list[Row]:
        """The same, in a transaction of its own."""
        with self.transaction():
            return self.fetch(query, params)

    @contextmanager
    def sense(self) -> Iterator[None]:
        """Rows that no pexen has written are damage that SQLite cannot see."""
        try:
            yield
        except (ValueError, LookupError, TypeError, AttributeError, IllegalTransition) as error:
            self.failure = corrupt(self._paths.db, f"what it holds makes no sense: {error!r}")
            raise self.failure from error

    def look_around(self, need_bytes: int) -> None:
        """Before a write: is there room for it, and are the files still where they were?"""
        if self.failure is not None:
            return
        try:
            self._reserve.check(need_bytes)
            self._whereabouts.check()
        except JournalWriteError as error:
            self.failure = error
            raise

    @property
    def log_bytes(self) -> int:
        """Of the write-ahead log, before the latest turn."""
        return self._whereabouts.log_bytes

    def refresh(self) -> None:
        """Another connection, for the last words: one on which a commit failed cannot be believed."""
        self._reserve.give_back()
        self._whereabouts.check_journal()
        disconnect(self._connection)
        self._connection = connect(self._paths.db)
        self._driver = driver_of(self._connection)
        self._whereabouts.opened_anew()
        self.failure = None

    def close(self) -> None:
        """Move everything from the write-ahead log into the file, and close it.

        What cannot be moved now, because a reader stays or the disk is full, is as safe in the log.
        """
        if isinstance(self.failure, JournalCorrupt):
            leave_as_it_is(lambda: disconnect(self._connection), self._paths.db)
            self._reserve.give_back()
            return
        if self.failure is None:
            with suppress(JournalError), sqlite_errors(self._paths.db):
                self._driver.execute("PRAGMA busy_timeout=0")
                self._driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        disconnect(self._connection)
        self._reserve.give_back()
