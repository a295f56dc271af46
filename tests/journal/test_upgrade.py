"""From one schema to the next: a backup, all or nothing, and the same schema in the end."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from pexen_state.journal import upgrade
from pexen_state.journal.care.check import check
from pexen_state.journal.engine import connect, disconnect, make_file
from pexen_state.journal.lock import RunLock
from pexen_state.journal.paths import JournalPaths
from pexen_state.journal.versions import REVISION
from pexen_state.journal.writer import Journal
from tests.journal.telling import sql, write_run

NEXT = "9000"

ADDS_A_COLUMN = f'''
"""A column, and a table that is built anew."""
import sqlalchemy as sa
from alembic import op

revision = "{NEXT}"
down_revision = "{REVISION}"
branch_labels = depends_on = None


def upgrade():
    with op.batch_alter_table("task", recreate="always") as table:
        table.add_column(sa.Column("colour", sa.Text()))
    op.execute("UPDATE task SET colour = 'blue'")
'''

FAILS_HALF_WAY = ADDS_A_COLUMN + '    op.execute("UPDATE no_such_table SET a = 1")\n'

DIES_HALF_WAY = ADDS_A_COLUMN + "    import os, signal\n    os.kill(os.getpid(), signal.SIGKILL)\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "journal.db"
    write_run(path)
    return path


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """The migrations of a pexen that is one ahead of us. A place whose name could be taken for a format."""
    place = tmp_path / "100%d" / "migrations"
    shutil.copytree(upgrade.scripts_dir(), place)
    (place / "versions" / "9000_next.py").write_text(ADDS_A_COLUMN)
    return place


def schema_of(path: Path) -> list[tuple[object, ...]]:
    """Every table by its columns, keys and indexes, and every view by its text."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(
            "SELECT type, name FROM sqlite_master WHERE type IN ('table', 'index') ORDER BY 1, 2"
        )
        told: list[tuple[object, ...]] = []
        for kind, name in found.fetchall():
            columns = "table_xinfo" if kind == "table" else "index_xinfo"
            keys = connection.execute(f"PRAGMA foreign_key_list('{name}')").fetchall()
            told += [
                (kind, name, *connection.execute(f"PRAGMA {columns}('{name}')").fetchall()),
                (kind, name, sorted(key[2:] for key in keys)),
            ]
        told += connection.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE type = 'view' ORDER BY 2"
        ).fetchall()
        return told


def test_a_fresh_schema_equals_the_migrated_one(path: Path, tmp_path: Path) -> None:
    migrated = tmp_path / "migrated.db"
    make_file(str(migrated))
    connection = connect(str(migrated), foreign_keys=False)
    with connection.begin():
        upgrade.run_migrations(connection, "head", upgrade.scripts_dir())
    disconnect(connection)

    assert schema_of(migrated) == schema_of(path)
    assert sql(migrated, "SELECT version_num FROM alembic_version") == [(REVISION,)]


def test_the_newest_migration_is_the_revision_of_the_code() -> None:
    config = Config()
    config.set_main_option("script_location", upgrade.scripts_dir())
    script = ScriptDirectory.from_config(config)

    assert script.get_current_head() == REVISION
    revisions = [one.revision for one in script.walk_revisions()]
    assert revisions == sorted(revisions, reverse=True), "newer and older are told by comparing them"


def test_an_upgrade_keeps_what_was_written_and_makes_a_backup_first(path: Path, scripts: Path) -> None:
    before = sql(path, "SELECT * FROM transitions")

    backup = Path(upgrade.upgrade(JournalPaths.of(path), REVISION, to=NEXT, scripts=str(scripts)))

    assert sql(path, "SELECT key, colour FROM task") == [("first", "blue"), ("second", "blue")]
    assert sql(path, "SELECT * FROM transitions") == before
    assert sql(path, "SELECT version_num FROM alembic_version") == [(NEXT,)]
    assert sql(path, "PRAGMA foreign_key_check") == []
    assert backup.name == f"journal.db.backup-{REVISION}"
    assert oct(backup.stat().st_mode & 0o777) == "0o600"
    assert sql(backup, "SELECT version_num FROM alembic_version") == [(REVISION,)]
    assert sql(backup, "SELECT * FROM transitions") == before


def test_an_upgrade_that_fails_leaves_the_old_journal(path: Path, scripts: Path) -> None:
    (scripts / "versions" / "9000_next.py").write_text(FAILS_HALF_WAY)

    with pytest.raises(Exception, match="no_such_table"):
        upgrade.upgrade(JournalPaths.of(path), REVISION, to=NEXT, scripts=str(scripts))

    assert check(path) == []
    assert sql(path, "SELECT version_num FROM alembic_version") == [(REVISION,)]
    assert sql(path, "SELECT count(*) FROM tasks") == [(2,)]


def test_a_kill_in_the_middle_of_an_upgrade_leaves_the_old_journal(path: Path, scripts: Path) -> None:
    (scripts / "versions" / "9000_next.py").write_text(DIES_HALF_WAY)
    program = f"""
import sys
from pexen_state.journal import upgrade
from pexen_state.journal.paths import JournalPaths
upgrade.upgrade(JournalPaths.of(sys.argv[1]), "{REVISION}", to="{NEXT}", scripts=sys.argv[2])
"""
    ended = subprocess.run([sys.executable, "-c", program, path, scripts], check=False)

    assert ended.returncode == -9
    assert check(path) == []
    assert sql(path, "SELECT count(*) FROM tasks") == [(2,)]


def test_opening_an_older_journal_upgrades_it(path: Path, scripts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As the next pexen will do: it knows one revision more.
    monkeypatch.setattr("pexen_state.journal.upgrade.scripts_dir", lambda: str(scripts))
    monkeypatch.setattr("pexen_state.journal.upgrade.upgrade.__kwdefaults__", {"to": NEXT, "scripts": None})
    monkeypatch.setattr("pexen_state.journal.upgrade.is_due.__defaults__", (NEXT,))

    with RunLock.acquire(path) as lock:
        journal = Journal.open(lock)
        assert [task.key for task in journal.saved_tasks(1)] == ["first", "second"]
        journal.close()

    assert sql(path, "SELECT version_num FROM alembic_version") == [(NEXT,)]
    assert path.with_name(f"journal.db.backup-{REVISION}").is_file()


def test_an_upgrade_leaves_the_programs_logging_alone(path: Path, scripts: Path) -> None:
    handlers, level = list(logging.root.handlers), logging.root.level
    before = logging.getLogger("mine")

    upgrade.upgrade(JournalPaths.of(path), REVISION, to=NEXT, scripts=str(scripts))

    assert (list(logging.root.handlers), logging.root.level) == (handlers, level)
    assert not before.disabled


def test_a_backup_holds_what_is_still_in_the_write_ahead_log(path: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("UPDATE run SET name = 'in the log'")
        writer.commit()
        assert os.path.getsize(f"{path}-wal") > 0

        upgrade.make_backup(str(path), str(tmp_path / "copy.db"))

    assert sql(tmp_path / "copy.db", "SELECT name FROM runs") == [("in the log",)]
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith("copy")) == ["copy.db"]


def test_developers_upgrade_by_alembics_own_command(tmp_path: Path) -> None:
    top = Path(__file__).resolve().parents[2]
    journal = tmp_path / "dev.db"
    make_file(str(journal))

    subprocess.run(
        [sys.executable, "-m", "alembic", "-c", top / "alembic.ini", "-x", f"journal={journal}", "upgrade", "head"],
        check=True,
        cwd=tmp_path,
        capture_output=True,
    )

    assert sql(journal, "SELECT version_num FROM alembic_version") == [(REVISION,)]
