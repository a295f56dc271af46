"""What is opened as a journal, and what is refused: with a sentence, and without a change."""

from __future__ import annotations

import hashlib
import os
import random
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest

from pexen_state.journal.care.check import check
from pexen_state.journal.errors import (
    JournalCorrupt,
    JournalError,
    JournalMissing,
    JournalTooNew,
    NotAJournal,
)
from pexen_state.journal.lock import RunLock
from pexen_state.journal.reader import open_reader
from pexen_state.journal.versions import REVISION
from pexen_state.journal.writer import Journal
from tests.journal.telling import Runner, change, sql, write_run
from tests.stories import spec


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def open_and_close(path: Path, *, create: bool = True) -> None:
    with RunLock.acquire(path) as lock:
        Journal.open(lock, create=create).close()


def refused(path: Path, kind: type[JournalError], match: str) -> None:
    """For writing and for reading, with the file left as it was."""
    before = hashlib.sha256(path.read_bytes()).digest() if path.is_file() else None
    with pytest.raises(kind, match=match):
        open_and_close(path)
    with pytest.raises(kind, match=match):
        open_reader(path)
    if before is not None:
        assert hashlib.sha256(path.read_bytes()).digest() == before


def test_a_new_journal_is_of_the_newest_revision(path: Path) -> None:
    open_and_close(path)

    assert sql(path, "SELECT version_num FROM alembic_version") == [(REVISION,)]
    assert sql(path, "PRAGMA journal_mode") == [("wal",)]
    assert check(path) == []


def test_alembic_is_not_imported_where_no_upgrade_is_due(path: Path) -> None:
    program = """
import sys
from pexen_state.journal.lock import RunLock
from pexen_state.journal.writer import Journal
for _ in range(2):
    with RunLock.acquire(sys.argv[1]) as lock:
        Journal.open(lock).close()
assert "alembic" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program, path], check=True)


def test_looking_imports_no_sqlalchemy(path: Path) -> None:
    write_run(path)
    program = """
import sys
from pexen_state.journal.care import check
from pexen_state.journal import control, queries, reader
with reader.reader(sys.argv[1]) as connection:
    assert queries.run_id(connection) == 1
assert check.check(sys.argv[1]) == []
assert "sqlalchemy" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program, path], check=True)


def test_a_journal_that_is_not_there_is_not_made_unless_asked(path: Path) -> None:
    with pytest.raises(JournalMissing, match=r"there is no journal .*journal\.db"):
        open_and_close(path, create=False)
    with pytest.raises(JournalMissing):
        open_reader(path)
    assert not path.exists()


def test_text_is_no_journal(path: Path) -> None:
    path.write_text("Dear diary, " * 1000)
    refused(path, NotAJournal, "is no SQLite database")


def test_another_programs_database_is_no_journal(path: Path) -> None:
    change(path, "CREATE TABLE run (id INTEGER)")
    refused(path, NotAJournal, "no journal of pexen")


def test_a_directory_is_no_journal(path: Path) -> None:
    path.mkdir()
    refused(path, NotAJournal, "is no file")


def test_a_journal_from_the_future_is_refused(path: Path) -> None:
    write_run(path)
    change(path, "UPDATE alembic_version SET version_num = '9999'")
    refused(path, JournalTooNew, f"its schema is 9999, this one knows {REVISION}")


def test_a_journal_that_does_not_say_its_schema_is_damaged(path: Path) -> None:
    write_run(path)
    change(path, "DELETE FROM alembic_version")
    refused(path, JournalCorrupt, "does not say which schema")


@pytest.mark.parametrize("part", [0.05, 0.3, 0.6, 0.99])
def test_a_journal_that_lost_its_end_is_refused_at_once(path: Path, part: float) -> None:
    write_run(path)
    os.truncate(path, int(path.stat().st_size * part))
    refused(path, JournalError, "journal.db")


def test_damaged_bytes_are_an_error_of_ours_a_finding_or_harmless(path: Path) -> None:
    write_run(path)
    whole = path.read_bytes()
    dice = random.Random(7)
    for _ in range(150):
        bad = bytearray(whole)
        for _ in range(dice.randrange(1, 30)):
            bad[dice.randrange(len(bad))] = dice.randrange(256)
        path.write_bytes(bad)
        with suppress(JournalError):
            check(path)


def test_what_a_kill_leaves_before_the_schema_is_written_becomes_a_journal(path: Path) -> None:
    path.touch()
    open_and_close(path)
    assert check(path) == []

    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    open_and_close(path)
    assert check(path) == []


def test_a_name_with_every_kind_of_character_is_a_name(tmp_path: Path) -> None:
    path = tmp_path / "a%20?b#c&mode=memory 'q' ü.db"
    write_run(path)

    assert path.is_file()
    with closing(open_reader(path)) as connection:
        assert connection.execute("SELECT count(*) FROM tasks").fetchone() == (2,)


def test_a_name_that_is_no_utf8_is_a_name(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.db")
    write_run(path)

    assert check(path) == []


def test_a_file_that_is_refused_keeps_its_log_apart(tmp_path: Path) -> None:
    made = tmp_path / "made.db"
    write_run(made)
    runner = Runner(made)
    runner.begin(spec("late"))
    for suffix in ("", "-wal"):  # by another process: closing it here would take SQLite's locks away
        subprocess.run(["cp", f"{made}{suffix}", f"{tmp_path}/journal.db{suffix}"], check=True)
    runner.close()
    path = tmp_path / "journal.db"
    damaged = path.read_bytes().replace(b"CREATE VIEW attempts AS", b"CREATE VIEW attempts ((")
    path.write_bytes(damaged)
    log = Path(f"{path}-wal").read_bytes()
    assert log

    with pytest.raises(JournalCorrupt, match="It is left as it is"), RunLock.acquire(path) as lock:
        Journal.open(lock)

    assert path.read_bytes() == damaged
    assert Path(f"{path}-wal").read_bytes() == log
