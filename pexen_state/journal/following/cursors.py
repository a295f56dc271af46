"""How far each consumer got, and who of its workers has what in hand: a small database beside the journal.

What was handed out goes up to one position, the frontier. An item that was handed out has a lease until it is
acknowledged; so what has neither a lease nor is beyond the frontier is done with, and nothing else is stored. A lease
is given to somebody else when its worker is dead, gave it back, or had it for too long. Who is dead is known by pid,
start time and boot, how long by a clock that nobody sets and that ends with the boot.

Unlike the journal it has several writers, so it has no write-ahead log (SQLite has lost data of several writers of
one), and is opened anew for each transaction: nobody inherits it by a fork, and a file that was replaced is noticed.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import NamedTuple
from urllib.parse import quote
from uuid import uuid4

from pexen_state.journal.errors import JournalError
from pexen_state.journal.following.stream import START, Position
from pexen_state.journal.identity import ProcessIdentity, is_alive, process_identity
from pexen_state.journal.paths import JournalPaths

APPLICATION_ID = 0x70657863  #: "pexc", in the header
SCHEMA_VERSION = 1  #: `user_version`

_BUSY_S = 60.0

_SCHEMA = (
    # Which file this is: the number of a deleted one's inode may be that of the next.
    "CREATE TABLE file(uuid TEXT NOT NULL)",
    """
CREATE TABLE consumer(
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  run INTEGER NOT NULL,
  uuid TEXT NOT NULL,  -- of the run: numbers begin anew with a journal
  types TEXT NOT NULL,  -- what it takes
  seq INTEGER NOT NULL, nth INTEGER NOT NULL,  -- handed out up to here
  known_seq INTEGER, known_us INTEGER,  -- a decision that was in the journal, and when it was made
  UNIQUE (name, uuid)
)""",
    # A number is never used twice: a lease may outlive its worker.
    """
CREATE TABLE worker(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  consumer INTEGER NOT NULL,
  pid INTEGER NOT NULL, start INTEGER NOT NULL, boot_id TEXT NOT NULL
)""",
    """
CREATE TABLE lease(
  consumer INTEGER NOT NULL, seq INTEGER NOT NULL, nth INTEGER NOT NULL,
  worker INTEGER,  -- NULL: given back
  until_us INTEGER,  -- of the clock of this boot; NULL: as long as the worker lives
  times INTEGER NOT NULL,  -- that it was handed out
  PRIMARY KEY (consumer, seq, nth)
) WITHOUT ROWID""",
)

_LEASED_TO = """
SELECT l.worker, w.pid, w.start, w.boot_id, min(l.until_us) FROM lease l LEFT JOIN worker w ON w.id = l.worker
WHERE l.consumer = ? GROUP BY l.worker
"""
_IDLE = """
SELECT id, pid, start, boot_id FROM worker
WHERE consumer = ? AND id NOT IN (SELECT worker FROM lease WHERE worker IS NOT NULL)
"""
_FREE = """
SELECT seq, nth, times FROM lease
WHERE consumer = ? AND (worker IS NULL OR until_us <= ? OR worker IN ({dead})) ORDER BY seq, nth LIMIT ?
"""
_TAKE = "UPDATE lease SET worker = ?, until_us = ?, times = times + 1 WHERE consumer = ? AND seq = ? AND nth = ?"
_GIVE = "INSERT INTO lease(consumer, seq, nth, worker, until_us, times) VALUES (?,?,?,?,?,1)"
_DONE = "DELETE FROM lease WHERE consumer = ? AND seq = ? AND nth = ?"
_MOVE = "UPDATE consumer SET seq = ?, nth = ?, known_seq = ?, known_us = ? WHERE id = ?"

# Made and opened under it: whoever closes a file that SQLite has open in this process drops SQLite's locks on it.
_opening = threading.Lock()


class ConsumerError(JournalError):
    """What a consumer needs to remember how far it got cannot be used."""


class Known(NamedTuple):
    """A decision by which a journal is known again."""

    seq: int
    at_us: int


class Standing(NamedTuple):
    """Where a consumer is."""

    frontier: Position
    known: Known | None
    free: bool  #: something that was handed out is to be handed out again
    others: bool  #: somebody else has something in hand


class Claim(NamedTuple):
    """What a worker was given."""

    again: list[tuple[Position, int]]  #: with how often it was handed out by now
    new: list[Position]
    standing: Standing


def boot_clock_us() -> int:
    """Microseconds since the boot, those in which the box slept included. Nobody sets it."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


class Cursors:
    """The database of one journal. May be used by several threads."""

    def __init__(self, paths: JournalPaths, clock_us: Callable[[], int] = boot_clock_us) -> None:
        self.path = paths.consumers
        self.clock_us = clock_us
        self._file: str | None = None

    # == consumers =======================================================================================

    def enter(self, name: str, run: int, uuid: str, types: str) -> tuple[int, int]:
        """(number of the consumer, number of the worker that this process has now)."""
        me = process_identity(os.getpid())
        assert me is not None, "/proc does not know this process"
        with self._transaction() as connection:
            found = connection.execute("SELECT id, types FROM consumer WHERE name = ? AND uuid = ?", (name, uuid))
            row = found.fetchone()
            if row is None:
                statement = "INSERT INTO consumer(name, run, uuid, types, seq, nth) VALUES (?,?,?,?,?,?)"
                consumer = connection.execute(statement, (name, run, uuid, types, *START)).lastrowid
            elif row[1] != types:
                raise ConsumerError(
                    f"the consumer {name!r} of run {run} takes {row[1]}, not {types}: what it passed over is not "
                    "handed out again. Take the same types as before, or another name."
                )
            else:
                consumer = row[0]
                self._bury(connection, consumer)
            statement = "INSERT INTO worker(consumer, pid, start, boot_id) VALUES (?,?,?,?)"
            worker = connection.execute(statement, (consumer, *me)).lastrowid
        assert consumer is not None
        assert worker is not None
        return int(consumer), worker

    def leave(self, consumer: int, worker: int, done: Sequence[Position] = ()) -> None:
        """What the worker still has in hand goes to others."""
        with self._transaction() as connection:
            self._acknowledge(connection, consumer, done)
            connection.execute("UPDATE lease SET worker = NULL WHERE worker = ?", (worker,))
            connection.execute("DELETE FROM worker WHERE id = ?", (worker,))

    # == items ===========================================================================================

    def standing(self, consumer: int, worker: int | None = None) -> Standing:
        """As a worker sees it. Takes nothing."""
        with self._transaction("BEGIN") as connection:
            return self._standing(connection, consumer, worker)[0]

    def claim(
        self,
        consumer: int,
        worker: int,
        offered: Sequence[tuple[Position, Known | None]],
        limit: int,
        seconds: float | None,
        done: Sequence[Position] = (),
    ) -> Claim:
        """Acknowledge what is done, and take up to so many: first what is to be handed out again, then of `offered`.

        `offered` are the next items of the stream, in order; those that somebody else took meanwhile are passed over.
        """
        with self._transaction() as connection:
            self._acknowledge(connection, consumer, done)
            standing, dead = self._standing(connection, consumer, worker)
            now = self.clock_us()
            until = None if seconds is None else now + round(seconds * 1e6)
            again: list[tuple[Position, int]] = []
            if standing.free:
                query = _FREE.format(dead=",".join(map(str, dead)))
                found = connection.execute(query, (consumer, now, limit)).fetchall()
                again = [(Position(seq, nth), times + 1) for seq, nth, times in found]
                connection.executemany(_TAKE, [(worker, until, consumer, *position) for position, _ in again])
            wanted = [one for one in offered if one[0] > standing.frontier][: limit - len(again)]
            new = [position for position, _ in wanted]
            if new:
                connection.executemany(_GIVE, [(consumer, *position, worker, until) for position in new])
                known = [one for _, one in wanted if one is not None]
                mark = known[-1] if known else standing.known or (None, None)
                connection.execute(_MOVE, (*new[-1], *mark, consumer))
                standing = standing._replace(frontier=new[-1])
        return Claim(again, new, standing)

    def acknowledge(self, consumer: int, done: Sequence[Position]) -> None:
        with self._transaction() as connection:
            self._acknowledge(connection, consumer, done)

    # == for whoever cares for the journal ===============================================================

    def of_run(self, run: int, uuid: str) -> list[tuple[str, str, int]]:
        """(name, types, number) of the consumers of a run. Makes no file."""
        if not os.path.lexists(self.path):
            return []
        query = "SELECT name, types, id FROM consumer WHERE run = ? AND uuid = ? ORDER BY name"
        with self._transaction("BEGIN") as connection:
            return connection.execute(query, (run, uuid)).fetchall()

    def forget(self, consumers: Sequence[int]) -> None:
        """Consumers of runs that are gone."""
        numbers = [(consumer,) for consumer in consumers]
        with self._transaction() as connection:
            connection.executemany("DELETE FROM lease WHERE consumer = ?", numbers)
            connection.executemany("DELETE FROM worker WHERE consumer = ?", numbers)
            connection.executemany("DELETE FROM consumer WHERE id = ?", numbers)

    # == within a transaction ============================================================================

    def _acknowledge(self, connection: sqlite3.Connection, consumer: int, done: Sequence[Position]) -> None:
        connection.executemany(_DONE, [(consumer, *position) for position in done])

    def _standing(
        self, connection: sqlite3.Connection, consumer: int, worker: int | None
    ) -> tuple[Standing, list[int]]:
        """And the workers that are dead, of those that have something in hand."""
        query = "SELECT seq, nth, known_seq, known_us FROM consumer WHERE id = ?"
        row = connection.execute(query, (consumer,)).fetchone()
        if row is None:
            raise ConsumerError(
                f"{self.path} does not know this consumer any more: its run was deleted by `pexen db prune`, or "
                "somebody has changed the file."
            )
        seq, nth, known_seq, known_us = row
        now = self.clock_us()
        dead, free, others = [], False, False
        for who, pid, start, boot_id, until_us in connection.execute(_LEASED_TO, (consumer,)).fetchall():
            if who is None or (until_us is not None and until_us <= now):
                free = True
            elif who != worker and (pid is None or not is_alive(ProcessIdentity(pid, start, boot_id))):
                dead.append(who)
                free = True
            others = others or who != worker
        known = None if known_seq is None else Known(known_seq, known_us)
        return Standing(Position(seq, nth), known, free, others), dead

    def _bury(self, connection: sqlite3.Connection, consumer: int) -> None:
        """Workers that are dead, and of whom nothing is left."""
        for who, pid, start, boot_id in connection.execute(_IDLE, (consumer,)).fetchall():
            if not is_alive(ProcessIdentity(pid, start, boot_id)):
                connection.execute("DELETE FROM worker WHERE id = ?", (who,))

    # == the file ========================================================================================

    @contextmanager
    def _transaction(self, begin: str = "BEGIN IMMEDIATE") -> Iterator[sqlite3.Connection]:
        try:
            with closing(self._open()) as connection:
                connection.execute(begin)
                try:
                    yield connection
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise _meaning(error, self.path) from error

    def _open(self) -> sqlite3.Connection:
        with _opening:
            self._make()
            connection = sqlite3.connect(
                f"file:{quote(os.fsencode(self.path))}?mode=rw",
                uri=True,
                timeout=_BUSY_S,
                isolation_level=None,
                check_same_thread=False,
            )
        try:
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA trusted_schema=OFF")
            connection.execute("PRAGMA journal_mode=PERSIST")
            self._check(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _make(self) -> None:
        """An empty file that only its owner can read, whatever the umask, if there is none."""
        try:
            mode = os.lstat(self.path).st_mode
            if not stat.S_ISREG(mode):
                raise ConsumerError(f"{self.path} is no file. Move it away: how far consumers got is kept there.")
            return
        except FileNotFoundError:
            if self._file is not None:
                raise _gone(self.path) from None
        except OSError as error:
            raise _unwritable(self.path, error.strerror or "") from error
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            return  # somebody else made it meanwhile
        except OSError as error:
            raise _unwritable(self.path, error.strerror or "") from error
        try:
            with suppress(OSError):  # the umask can only have taken some of it away
                os.fchmod(fd, 0o600)
        finally:
            os.close(fd)

    def _check(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN")  # both of one moment: somebody else may be filling it
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute("COMMIT")
        if (application, version) == (0, 0):
            self._fill(connection)
        elif application != APPLICATION_ID:
            raise ConsumerError(
                f"{self.path} was not written by pexen. Move it away: consumers keep there what they had."
            )
        elif version != SCHEMA_VERSION:
            raise ConsumerError(
                f"{self.path} was written by another version of pexen (its schema is {version}, this one knows "
                f"{SCHEMA_VERSION}). Use that version, or delete the file: every consumer then begins anew."
            )
        (file,) = connection.execute("SELECT uuid FROM file").fetchone()
        if self._file not in (None, file):
            raise _gone(self.path)
        self._file = file

    def _fill(self, connection: sqlite3.Connection) -> None:
        """All of the schema, or nothing. Somebody else may have been faster."""
        connection.execute("BEGIN IMMEDIATE")
        try:
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            if tables and application != APPLICATION_ID:
                raise ConsumerError(
                    f"{self.path} is a database of somebody else. Move it away: consumers keep there what they had."
                )
            if not tables:
                for statement in _SCHEMA:
                    connection.execute(statement)
                connection.execute("INSERT INTO file VALUES (?)", (str(uuid4()),))
                connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def _gone(path: str) -> ConsumerError:
    return ConsumerError(
        f"{path} was deleted, moved or replaced while a consumer used it. Put it back; or start the consumer anew, and "
        "it is given everything again."
    )


def _unwritable(path: str, why: str) -> ConsumerError:
    return ConsumerError(
        f"{path} cannot be written to ({why}), so no consumer can remember how far it got. Give yourself the right to "
        "write there; or name no consumer, and keep the last `seq` yourself."
    )


def _meaning(error: sqlite3.Error, path: str) -> ConsumerError:
    match (getattr(error, "sqlite_errorcode", None) or sqlite3.SQLITE_ERROR) & 0xFF:
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_ERROR | sqlite3.SQLITE_MISMATCH:
            return ConsumerError(
                f"{path}, where consumers keep how far they got, is damaged ({error}). Delete it: every consumer is "
                "then given everything again."
            )
        case sqlite3.SQLITE_FULL:
            return ConsumerError(
                f"the disk of {path} is full. What was acknowledged before is kept. Free some space, and start the "
                "consumer again."
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH | sqlite3.SQLITE_CANTOPEN:
            return _unwritable(path, str(error))
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return ConsumerError(
                f"another process has held {path} for more than {_BUSY_S:.0f} s ({error}). Look for who was stopped "
                "in the middle (`ps -ef`), and start the consumer again."
            )
        case _:
            return ConsumerError(
                f"{path} could not be read or written ({error}). What was acknowledged before is kept. Look at the "
                "disk, and start the consumer again."
            )
