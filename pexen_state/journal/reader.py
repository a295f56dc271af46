"""How a journal is looked at: a connection that cannot write, by the standard library alone.

What a kill left half written is taken back first, under the run lock: SQLite cannot read it otherwise.
Fetch and close: a reader that stays in a transaction lets the write-ahead log grow.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import quote

from pexen_state.journal.errors import (
    JournalError,
    JournalMissing,
    NotAJournal,
    corrupt,
    from_sqlite,
    half_written,
    too_new,
)
from pexen_state.journal.lock import RunLock, is_held
from pexen_state.journal.paths import JournalPaths
from pexen_state.journal.versions import APPLICATION_ID, REVISION, was_never

_BUSY_S = 10.0


def open_reader(path: str | os.PathLike[str]) -> sqlite3.Connection:
    """A connection for reading, of a journal of any schema up to this version's. The caller closes it.

    Raises a JournalError.
    """
    paths = JournalPaths.of(path)
    try:
        mode = os.stat(paths.db).st_mode
    except FileNotFoundError:
        raise JournalMissing(
            f"there is no journal {paths.db}. `pexen run` makes one; an existing one is named with --journal."
        ) from None
    except OSError as error:
        raise JournalError(f"the journal {paths.db} cannot be reached: {error.strerror}.") from error
    if not stat.S_ISREG(mode):
        raise NotAJournal(f"{paths.db} is no file. Name another one with --journal.")
    with reading(paths.db):
        return _checked(_connect(paths), paths)


def revision_of(path: str | os.PathLike[str]) -> str:
    """Of a journal's schema, which may be older or newer than this version knows. Raises a JournalError."""
    paths = JournalPaths.of(path)
    with reading(paths.db), closing(_connect(paths)) as connection:
        return _revision(connection, paths)


@contextmanager
def reader(path: str | os.PathLike[str]) -> Iterator[sqlite3.Connection]:
    """`open_reader`, closed at the end; what SQLite says within is raised as the JournalError that it means."""
    with closing(open_reader(path)) as connection, reading(os.fspath(path)):
        yield connection


@contextmanager
def reading(path: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise from_sqlite(error, path) from error
    except UnicodeDecodeError as error:  # SQLite quotes what it found, and the driver cannot read that
        raise corrupt(path, "it holds text that is none") from error


def _connect(paths: JournalPaths) -> sqlite3.Connection:
    check_not_emptied(paths)
    try:
        return _open(paths, "mode=ro")
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_READONLY_ROLLBACK:
            _roll_back(paths)
            return _open(paths, "mode=ro")
        if lies_still(paths):
            return _open(paths, "immutable=1")
        raise error


def _roll_back(paths: JournalPaths) -> None:
    """Let SQLite take back what a kill left half written in a journal without a write-ahead log, such as a copy."""
    if not (os.access(paths.db, os.W_OK) and os.access(paths.parent, os.W_OK)):
        raise half_written(paths.db)
    with RunLock.acquire(paths.db):
        _open(paths, "mode=rw").close()


def lies_still(paths: JournalPaths) -> bool:
    """Whether it may be read as it lies there (`immutable=1`), when it cannot be read as a journal that may change.

    A reader of a write-ahead log needs the shared memory file, which it cannot make here. Without it the file may
    only be read if nothing can be in the log, nothing is to be rolled back, and nobody writes.
    """
    left = _size(paths.wal) or _size(f"{paths.db}-journal")
    return not os.access(paths.parent, os.W_OK) and not is_held(paths.db) and not left


def _open(paths: JournalPaths, how: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(os.fsencode(paths.db))}?{how}",
        uri=True,
        timeout=_BUSY_S,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.text_factory = _text
        connection.execute("PRAGMA query_only=ON")
        connection.execute("PRAGMA trusted_schema=OFF")  # a file from elsewhere runs nothing
        connection.execute("PRAGMA schema_version").fetchone()  # the first look into the file
    except BaseException:
        connection.close()
        raise
    return connection


def _checked(connection: sqlite3.Connection, paths: JournalPaths) -> sqlite3.Connection:
    try:
        found = _revision(connection, paths)
        if found > REVISION:
            raise too_new(paths.db, found, REVISION)
        cut_off(connection, paths)
        if found < REVISION:
            from pexen_state.journal.older import read_as_new

            read_as_new(connection, found)
    except BaseException:
        connection.close()
        raise
    return connection


def _revision(connection: sqlite3.Connection, paths: JournalPaths) -> str:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        raise NotAJournal(f"{paths.db} is no journal of pexen. Name another file with --journal.")
    found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    if found is None or not isinstance(found[0], str):
        raise corrupt(paths.db, "it does not say which schema it has")
    if was_never(found[0]):
        raise corrupt(paths.db, f"it names the schema {found[0][:32]!r}, which there never was")
    return found[0]


def cut_off(connection: sqlite3.Connection, paths: JournalPaths) -> None:
    """Raises JournalCorrupt for a file that lost its end, at once and not when somebody gets there."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    have, want = _size(paths.db), pages * page_bytes
    if have < want and not _size(paths.wal):
        raise corrupt(paths.db, f"it has {have} bytes and should have {want}")


def check_not_emptied(paths: JournalPaths) -> None:
    """Raises JournalCorrupt for a file that lost all of it. SQLite would take its log for an old one, and delete it."""
    if not _size(paths.db) and _size(paths.wal):
        raise corrupt(paths.db, "it is empty, and what is in its -wal file belongs to what it was")


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _text(raw: bytes) -> str:
    """JSON may name lone surrogates, which SQLite then writes as UTF-8 does not."""
    try:
        return str(raw, "utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return str(raw, "utf-8", "backslashreplace")
