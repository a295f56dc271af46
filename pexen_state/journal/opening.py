"""From a path to a connection that may be written to: is it a journal, is it whole, does this version know it?

Everything is asked through SQLite or `os.stat`; the file itself is never opened here. The run lock must be held.
"""

from __future__ import annotations

import os
import stat

from sqlalchemy.engine import Connection

from pexen_state.journal.engine import (
    connect,
    disconnect,
    driver_of,
    ensure_wal,
    leave_as_it_is,
    make_file,
    make_journal,
    sqlite_errors,
)
from pexen_state.journal.errors import JournalMissing, JournalReadOnly, NotAJournal, corrupt
from pexen_state.journal.paths import JournalPaths
from pexen_state.journal.reader import check_not_emptied, cut_off
from pexen_state.journal.upgrade import is_due, upgrade
from pexen_state.journal.versions import APPLICATION_ID, was_never


def open_journal(paths: JournalPaths, *, create: bool) -> Connection:
    """Open it, make it if it is not there and `create`, upgrade it if it is old. Raises a JournalError."""
    if not os.path.lexists(paths.db):
        if not create:
            raise missing(paths)
        make_file(paths.db)
    _look(paths)
    connection = connect(paths.db)
    try:
        revision = _revision(connection, paths)
        if revision is None:
            make_journal(connection, paths.db)
        elif is_due(revision, paths.db):
            disconnect(connection)
            upgrade(paths, revision)
            connection = connect(paths.db)
        ensure_wal(connection, paths.db)
    except BaseException:
        leave_as_it_is(lambda: disconnect(connection), paths.db)
        raise
    return connection


def missing(paths: JournalPaths) -> JournalMissing:
    return JournalMissing(
        f"there is no journal {paths.db}. `pexen run` makes one; an existing one is named with --journal."
    )


def _look(paths: JournalPaths) -> None:
    """What can be said without opening it."""
    check_not_emptied(paths)
    mode = os.stat(paths.db).st_mode
    if not stat.S_ISREG(mode):
        raise NotAJournal(f"{paths.db} is no file. Name another one with --journal.")
    for path in (paths.db, paths.parent):
        if not os.access(path, os.W_OK):
            raise JournalReadOnly(
                f"{path} cannot be written to, so nothing can be run with the journal {paths.db}. Give yourself the "
                "right to write there, or name another file with --journal."
            )


def _revision(connection: Connection, paths: JournalPaths) -> str | None:
    """The revision of the schema; None for an empty file, which a kill may leave before the schema is written."""
    with sqlite_errors(paths.db), connection.begin():

        def ask(query: str) -> object:
            return connection.exec_driver_sql(query).scalar()

        tables = ask("SELECT count(*) FROM sqlite_master")
        if ask("PRAGMA application_id") != APPLICATION_ID:
            if tables:
                raise NotAJournal(
                    f"{paths.db} is an SQLite database, but no journal of pexen. Name another file with --journal."
                )
            return None
        revision = ask("SELECT version_num FROM alembic_version")
    cut_off(driver_of(connection), paths)
    if not isinstance(revision, str):
        raise corrupt(paths.db, "it does not say which schema it has")
    if was_never(revision):
        raise corrupt(paths.db, f"it names the schema {revision[:32]!r}, which there never was")
    return revision
