"""From an older schema to this one: a backup first, then alembic's migrations in one transaction.

Alembic is imported only when an upgrade is due: it costs more than all the rest of a start.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import Connection

from pexen_state.journal.care.copies import copy
from pexen_state.journal.engine import connect, disconnect, ensure_wal, sqlite_errors
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
        ensure_wal(connection, paths.db)  # a copy has none, and a kill would leave it so that nobody can look at it
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
    try:
        with closing(sqlite3.connect(source)) as connection:
            copy(connection, target)
    except JournalError as error:
        raise JournalError(
            f"no backup can be made at {target}, and without one the journal is not upgraded: {error}"
        ) from error
    return target
