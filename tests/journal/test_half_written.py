"""A copy of a journal is one file, without a write-ahead log. Whoever is killed while he writes to one leaves it
half written, with what it was beside it. That is put right by whoever comes next, and said where it cannot be.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pexen_state.journal.care.check import check
from pexen_state.journal.care.prune import prune
from pexen_state.journal.care.vacuum import vacuum
from pexen_state.journal.errors import JournalBusy, JournalReadOnly
from pexen_state.journal.lock import RunLock
from pexen_state.journal.reader import open_reader, reader, revision_of
from pexen_state.journal.uptodate import bring_up_to_date
from pexen_state.journal.versions import REVISION
from tests.journal.telling import sql, write_run

NOBODY = 65534
OLD = Path(__file__).parent / "fixtures" / "journal-0001.db"

KILLED_WHILE_IT_WRITES = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size=1")
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE task SET reason = hex(randomblob(3000))")
connection.execute("DELETE FROM transition")
os.kill(os.getpid(), signal.SIGKILL)
"""


def half_written(path: Path) -> Path:
    """Cut off in the middle of a transaction."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode=DELETE").fetchone() == ("delete",)
    killed = subprocess.run([sys.executable, "-c", KILLED_WHILE_IT_WRITES, path], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert os.path.getsize(f"{path}-journal") > 0
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of this schema."""
    write_run(tmp_path / "journal.db")
    return half_written(tmp_path / "journal.db")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return half_written(Path(shutil.copy(OLD, tmp_path / "journal.db")))


# -- put right


def test_whoever_looks_puts_it_right(path: Path) -> None:
    with reader(path) as connection:
        assert connection.execute("SELECT count(*) FROM tasks").fetchone() == (2,)

    assert not os.path.exists(f"{path}-journal")
    assert check(path) == []
    RunLock.acquire(path, wait_s=0).release()  # nobody holds it any more


def test_whoever_goes_on_with_an_old_one_puts_it_right_and_upgrades_it(old: Path) -> None:
    assert bring_up_to_date(old) == f"{old}.backup-0001"

    assert revision_of(old) == REVISION
    assert check(old) == []
    assert sql(Path(f"{old}.backup-0001"), "PRAGMA integrity_check") == [("ok",)]


def test_it_is_left_alone_while_somebody_holds_it(path: Path) -> None:
    before = Path(f"{path}-journal").read_bytes()

    with RunLock.acquire(path), pytest.raises(JournalBusy, match="holds the journal"):
        open_reader(path)

    assert Path(f"{path}-journal").read_bytes() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
@pytest.mark.parametrize("unwritable", ["directory", "file"])
def test_whoever_may_not_write_is_told_what_does(path: Path, tmp_path: Path, unwritable: str) -> None:
    shown = Path("/dev/shm", f"half-written-{os.getpid()}")  # where anybody gets to
    shutil.copytree(tmp_path, shown)
    for one in [shown, *shown.iterdir()]:
        os.chown(one, NOBODY, NOBODY)
    (shown if unwritable == "directory" else shown / "journal.db").chmod(0o500)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setresuid(NOBODY, NOBODY, NOBODY)
            said = r"journal\.db was cut off while it was written.* `pexen db upgrade` .*puts that right"
            with pytest.raises(JournalReadOnly, match=said):
                open_reader(shown / "journal.db")
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    left = os.path.getsize(shown / "journal.db-journal")
    shutil.rmtree(shown)
    assert status == 0
    assert left


# -- and not brought about


UPGRADES = "from pexen_state.journal.uptodate import bring_up_to_date\nbring_up_to_date(sys.argv[1])"
PRUNES = "with RunLock.acquire(sys.argv[1]) as lock: prune(lock, [1])"
VACUUMS = "with RunLock.acquire(sys.argv[1]) as lock: vacuum(lock)"
IMPORTS = """
import sys
from pexen_state.journal.care.prune import prune
from pexen_state.journal.care.vacuum import vacuum
from pexen_state.journal.lock import RunLock
"""


def can_trace() -> bool:
    return bool(shutil.which("strace")) and subprocess.run(["strace", "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not can_trace(), reason="needs strace")
@pytest.mark.parametrize("nth", [1, 2, 4, 12, 30])
@pytest.mark.parametrize("program", [UPGRADES, PRUNES, VACUUMS], ids=["upgrade", "prune", "vacuum"])
def test_a_kill_at_a_write_leaves_what_can_be_gone_on_with(tmp_path: Path, program: str, nth: int) -> None:
    path = tmp_path / "journal.db"
    shutil.copy(OLD, path)
    if program != UPGRADES:
        bring_up_to_date(path)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
    kill = f"inject=pwrite64:signal=KILL:when={nth}"
    traced = ["strace", "-f", "-qq", "-o", os.devnull, "-P", str(path), "-P", f"{path}-wal", "-P", f"{path}-journal"]
    ended = subprocess.run([*traced, "-e", kill, sys.executable, "-c", IMPORTS + program, path], check=False)
    assert ended.returncode == -signal.SIGKILL

    bring_up_to_date(path)

    assert check(path) == []
    assert sql(path, "SELECT version_num FROM alembic_version") == [(REVISION,)]


@pytest.mark.parametrize("work", [lambda lock: prune(lock, [1]), vacuum], ids=["prune", "vacuum"])
def test_what_is_written_to_has_a_write_ahead_log_first(tmp_path: Path, work: Callable[[RunLock], object]) -> None:
    path = tmp_path / "journal.db"
    shutil.copy(OLD, path)
    bring_up_to_date(path)
    assert sql(path, "PRAGMA journal_mode") == [("wal",)]
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")

    with RunLock.acquire(path) as lock:
        work(lock)

    assert sql(path, "PRAGMA journal_mode") == [("wal",)]
    assert check(path) == []
