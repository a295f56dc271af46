"""Looking at a journal changes nothing, holds nobody up, and works where nothing can be written."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pexen_state.core.inputs import PoolHasRoom
from pexen_state.journal import queries
from pexen_state.journal.errors import JournalError, JournalReadOnly
from pexen_state.journal.lock import RunLock
from pexen_state.journal.reader import open_reader, reader
from pexen_state.journal.writer import Journal
from tests.journal.telling import Runner, write_run
from tests.stories import returned, spec

NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def test_a_reader_cannot_write(path: Path) -> None:
    write_run(path)
    with closing(open_reader(path)) as connection, pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM task")


def test_a_reader_sees_each_turn_while_the_run_goes_on(path: Path) -> None:
    runner = Runner(path)
    runner.begin(spec("a"), spec("b"))
    with reader(path) as connection:
        assert queries.states(connection, 1) == {"submitted": 1, "ready": 1}
        runner.turn(returned("a"), PoolHasRoom(1))
        assert queries.states(connection, 1) == {"succeeded": 1, "submitted": 1}
    runner.close()


def test_a_writer_does_not_wait_for_a_reader_that_stays(path: Path) -> None:
    runner = Runner(path)
    runner.begin(spec("a"), spec("b"))
    with reader(path) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT * FROM tasks").fetchall()
        runner.turn(returned("a"), PoolHasRoom(1))
        runner.close()


def in_a_child(function: Callable[[], None]) -> None:
    """Run it as somebody whom permissions bind; a failure in it fails the test."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setresuid(NOBODY, NOBODY, NOBODY)
            function()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert status == 0


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A journal in a directory that its owner cannot write to."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody else")
    directory = Path(tempfile.mkdtemp())
    write_run(directory / "journal.db")
    for one in [directory, *directory.iterdir()]:
        os.chown(one, NOBODY, NOBODY)
    directory.chmod(0o500)
    yield directory / "journal.db"
    shutil.rmtree(directory)


def test_a_journal_in_a_read_only_directory_is_read(read_only: Path) -> None:
    def look() -> None:
        with reader(read_only) as connection:
            assert [task["task"] for task in queries.tasks(connection, 1)] == ["first", "second"]

    in_a_child(look)
    assert sorted(os.listdir(read_only.parent)) == ["journal.db", "journal.db.lock"]


def test_a_journal_with_a_log_that_cannot_be_read_is_not_read_without_it(read_only: Path) -> None:
    read_only.with_name("journal.db-wal").write_bytes(b"x" * 5000)
    os.chown(f"{read_only}-wal", NOBODY, NOBODY)

    def look() -> None:
        with pytest.raises(JournalError, match=r"journal\.db"):
            open_reader(read_only)

    in_a_child(look)


def test_a_journal_that_is_held_is_not_taken_for_a_quiet_one(read_only: Path) -> None:
    os.chown(read_only, 0, 0)  # whoever holds it takes no journal of somebody else

    def look() -> None:
        with pytest.raises(JournalError, match=r"journal\.db"):
            open_reader(read_only)

    with RunLock.acquire(read_only):
        in_a_child(look)


def test_nothing_is_run_with_a_read_only_journal(read_only: Path) -> None:
    def write() -> None:
        with RunLock.acquire(read_only) as lock, pytest.raises(JournalReadOnly, match="cannot be written to"):
            Journal.open(lock)

    in_a_child(write)


def test_a_lock_that_cannot_be_made_is_told(read_only: Path) -> None:
    os.unlink(f"{read_only}.lock")

    def write() -> None:
        with pytest.raises(JournalReadOnly, match="Permission denied"):
            RunLock.acquire(read_only)

    in_a_child(write)
