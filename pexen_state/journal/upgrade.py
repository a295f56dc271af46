"""From an older schema to this one: a backup first, then alembic's migrations in one transaction.

Alembic is imported only when an upgrade is due: it costs more than all the rest of a start.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from sqlalchemy.engine import Connection

from pexen_state.journal.engine import connect, disconnect, sqlite_errors
from pexen_state.journal.errors import JournalError, corrupt, too_new
from pexen_state.journal.paths import JournalPaths
from pexen_state.journal.versions import REVISION


def scripts_dir() -> str:
    """Where the migrations are: beside the package in a wheel, else at the top of the checkout."""
    package = Path(__file__).resolve().parent.parent
    for place in (package / "_migrations", package.parent / "migrations"):
        if (place / "env.py").is_file():
            return str(place)
    raise JournalError(f"the migrations of pexen are missing beside {package}. Install pexen-state again.")


def is_due(revision: str, path: str, newest: str = REVISION) -> bool:
    """Raises JournalTooNew for a journal that only a newer pexen knows."""
    if revision > newest:
        raise too_new(path, revision, newest)
    return revision < newest


def upgrade(paths: JournalPaths, revision: str, *, to: str = REVISION, scripts: str | None = None) -> str:
    """Bring a journal of `revision` to `to`. Nobody else may have it open. Returns the path of the backup."""
    backup = make_backup(paths.db, paths.backup(revision))
    connection = connect(paths.db, foreign_keys=False)  # tables are rebuilt and renamed
    try:
        with sqlite_errors(paths.db), connection.begin():
            run_migrations(connection, to, scripts or scripts_dir())
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
            if broken:
                raise corrupt(paths.db, f"{len(broken)} rows point nowhere after the upgrade; see {backup}")
    finally:
        disconnect(connection)
    return backup


def run_migrations(connection: Connection, to: str, scripts: str) -> None:
    """Within the caller's transaction. `env.py` drops the views before, and makes them anew after."""
    from alembic import command
    from alembic.config import Config

    config = Config()  # no ini file: it is not installed
    config.set_main_option("script_location", scripts.replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def make_backup(source: str, target: str) -> str:
    """A copy by SQLite itself, which knows what is still in the -wal. It is only there when it is whole."""
    partial = f"{target}.partial"
    with sqlite_errors(target):
        for path in (partial, f"{partial}-journal"):
            if os.path.lexists(path):
                os.unlink(path)
        try:
            fd = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            os.fchmod(fd, 0o600)
            os.close(fd)
        except OSError as error:
            raise JournalError(
                f"no backup can be made at {target} ({error.strerror}), and without one the journal is not upgraded."
            ) from error
        reader, writer = sqlite3.connect(source), sqlite3.connect(partial)
        try:
            reader.backup(writer)
            writer.execute("PRAGMA journal_mode=DELETE")  # a backup is one file
        finally:
            writer.close()
            reader.close()
    _sync(partial)
    os.rename(partial, target)
    _sync(os.path.dirname(target))
    return target


def _sync(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
