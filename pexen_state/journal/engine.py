"""The one connection that writes to a journal: how it is opened, and how a file becomes a journal.

SQLAlchemy Core over the standard library's driver. Transactions begin when we say so, and take the write lock at
once: a transaction that first reads and then writes may fail although nobody else wrote. There is never a second
connection that writes; SQLite has lost data that way.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from urllib.parse import quote

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from pexen_state.journal.errors import JournalError, JournalReadOnly, corrupt, from_sqlite
from pexen_state.journal.schema import metadata
from pexen_state.journal.versions import APPLICATION_ID, REVISION
from pexen_state.journal.views import VIEWS

_BUSY_S = 60.0  # a reader may hold up a checkpoint; nobody else writes

_PRAGMAS = (
    "PRAGMA synchronous=FULL",  # NORMAL loses acknowledged results with the power
    "PRAGMA foreign_keys=ON",
    "PRAGMA trusted_schema=OFF",  # a file from elsewhere runs nothing
    "PRAGMA temp_store=MEMORY",
)


def connect(path: str, *, foreign_keys: bool = True) -> Connection:
    """A connection to a file that exists. `foreign_keys=False` is for migrations, which rebuild tables."""

    def open_file() -> sqlite3.Connection:
        # Without autobegin. Any thread may come: the one that makes a generator need not be the one that ends it.
        raw = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            for pragma in _PRAGMAS:
                raw.execute(pragma)
            if not foreign_keys:
                raw.execute("PRAGMA foreign_keys=OFF")
        except BaseException:
            leave_as_it_is(raw.close, path)
            raise
        return raw

    engine = sqlalchemy.create_engine("sqlite://", creator=open_file, poolclass=StaticPool)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    with sqlite_errors(path):
        return engine.connect()


def driver_of(connection: Connection) -> sqlite3.Connection:
    """The driver's own connection: for statements that SQLite takes outside of a transaction only, and for turns and
    much reading, where a layer around each statement or row costs more than that."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    return raw


def disconnect(connection: Connection) -> None:
    """Close it, and the file with it."""
    connection.close()
    connection.engine.dispose()


@contextmanager
def sqlite_errors(path: str) -> Iterator[None]:
    """Whatever SQLite says within is raised as the JournalError that it means."""
    try:
        yield
    except DBAPIError as error:
        original = error.orig
        if not isinstance(original, sqlite3.Error):
            raise
        raise from_sqlite(original, path) from original
    except sqlite3.Error as error:
        raise from_sqlite(error, path) from error
    except UnicodeDecodeError as error:  # SQLite quotes what it found, and the driver cannot read that
        raise corrupt(path, "it holds text that is none") from error


def make_file(path: str) -> None:
    """An empty file that only its owner can read, whatever the umask. SQLite gives its -wal the same mode."""
    try:
        # O_EXCL: nobody in this process has it open yet, so closing it here takes no lock of SQLite's away.
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise JournalReadOnly(
            f"the journal {path} cannot be made ({error.strerror}). Give yourself the right to write to its "
            "directory, or name another file with --journal."
        ) from error
    try:
        with suppress(OSError):  # the umask can only have taken some of it away
            os.fchmod(fd, 0o600)
    finally:
        os.close(fd)


def make_journal(connection: Connection, path: str) -> None:
    """Write the schema into an empty file: all of it, or nothing."""
    with sqlite_errors(path):
        driver_of(connection).execute("PRAGMA journal_mode=WAL")
        with connection.begin():
            connection.exec_driver_sql(f"PRAGMA application_id={APPLICATION_ID}")
            metadata.create_all(connection, checkfirst=False)
            make_views(connection)
            connection.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (REVISION,))


def make_views(connection: Connection) -> None:
    for statement in VIEWS.values():
        connection.exec_driver_sql(statement)


def drop_views(connection: Connection) -> None:
    names = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'view'").scalars().all()
    for name in names:
        connection.exec_driver_sql(f'DROP VIEW "{name}"')


def leave_as_it_is(close: Callable[[], None], path: str) -> None:
    """Close a file that is refused. The last who closes it moves its log into it, but for one that may only read."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True)) as held:
        with suppress(sqlite3.Error):
            held.execute("PRAGMA schema_version").fetchone()  # opens the log, too
        close()
        return
    close()


def ensure_wal(connection: Connection, path: str) -> None:
    """Mode and checks of a journal that exists."""
    with sqlite_errors(path):
        (mode,) = driver_of(connection).execute("PRAGMA journal_mode=WAL").fetchone()
    if mode != "wal":
        raise JournalError(
            f"the file system of {path} does not let SQLite use its write-ahead log (mode {mode}). Put the journal "
            "on a local file system."
        )
