"""People and programs that delete, move or replace the files of a journal while it is written to.

That is noticed with the next turn; what was committed stays, and who goes on is alone.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from pexen_state.journal.care.prune import prune
from pexen_state.journal.care.vacuum import vacuum
from pexen_state.journal.errors import JournalBusy
from pexen_state.journal.lock import RunLock
from tests.crash import suite
from tests.crash.aftermath import leftovers, resume, violations
from tests.crash.sessions import Ended, Nursery

Way = Callable[[Path], None]


def broken_off(nursery: Nursery, directory: Path, fault: Way) -> Ended:
    """A session to which this happens while its caller has the fourth result in hand."""
    session = suite.start(nursery, directory, "process", "--hold-after", "4")
    assert session.held(), session.wait().err
    fault(directory)
    session.go_on()
    return session.wait()


def ends_with(session: Ended, sentence: str) -> None:
    assert session.code == suite.JOURNAL_FAILED, session.err
    assert session.err.startswith("JournalGone: "), session.err
    assert sentence in session.err
    assert session.err.count("\n") == 1, session.err


def goes_on(nursery: Nursery, directory: Path, session: Ended) -> None:
    assert leftovers(directory) == []
    assert list(violations(directory, [session, *resume(nursery, directory, "process")])) == []


def delete(name: str) -> Way:
    return lambda directory: (directory / name).unlink()


def replace(name: str) -> Way:
    def copy_over(directory: Path) -> None:
        shutil.copy2(directory / name, directory / "copy")
        (directory / "copy").replace(directory / name)

    return copy_over


@pytest.mark.parametrize("name", ["journal.db-wal", "journal.db-shm"])
@pytest.mark.parametrize("how", [delete, replace])
def test_what_sqlite_keeps_beside_the_journal_goes_and_nothing_is_lost(
    how: Callable[[str], Way], name: str, nursery: Nursery, tmp_path: Path
) -> None:
    session = broken_off(nursery, tmp_path, how(name))

    ends_with(session, f"{name} was deleted, moved or replaced while the journal was written to.")
    goes_on(nursery, tmp_path, session)


@pytest.mark.parametrize("how", [delete, replace])
def test_the_lock_goes_and_who_held_it_stops(how: Callable[[str], Way], nursery: Nursery, tmp_path: Path) -> None:
    session = broken_off(nursery, tmp_path, how("journal.db.lock"))

    ends_with(session, "so it keeps nobody else out")
    goes_on(nursery, tmp_path, session)


def test_a_second_runner_is_refused_even_if_the_lock_was_deleted(nursery: Nursery, tmp_path: Path) -> None:
    first = suite.start(nursery, tmp_path, "process", "--hold-after", "4")
    assert first.held(), first.wait().err
    (tmp_path / "journal.db.lock").unlink()

    second = suite.start(nursery, tmp_path, "process").wait()

    assert second.code == suite.JOURNAL_FAILED
    assert second.err.startswith(f"JournalBusy: the process {first.pid} still writes to the journal"), second.err
    with RunLock.acquire(tmp_path / "journal.db") as lock:
        for care in (vacuum, lambda lock: prune(lock, [])):
            with pytest.raises(JournalBusy, match=f"the process {first.pid} still writes"):
                care(lock)
    first.go_on()
    goes_on(nursery, tmp_path, first.wait())


def test_a_session_that_could_not_say_its_end_is_no_runner(nursery: Nursery, tmp_path: Path) -> None:
    """Its program lives on, and has the journal open no more."""
    killed = suite.start(nursery, tmp_path, "process", "--kill-after-commit", "8").wait()
    assert killed.was_killed
    with sqlite3.connect(tmp_path / "journal.db") as connection:
        ours = (os.getpid(), _start_of(os.getpid()))
        connection.execute("UPDATE session SET pid = ?, start = ?", ours)
    connection.close()

    sessions = resume(nursery, tmp_path, "process")

    assert list(violations(tmp_path, [killed, *sessions])) == []


def _start_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def away_with(directory: Path, away: Path) -> None:
    """The directory is moved, and another one of its name is there; but the witness sees all of it."""
    directory.rename(away)
    directory.mkdir()
    (directory / "witness.log").hardlink_to(away / "witness.log")


def test_a_journal_that_is_moved_away_is_gone_on_with_when_it_is_put_back(nursery: Nursery, tmp_path: Path) -> None:
    home, away = tmp_path / "journal.db", tmp_path / "away"

    session = broken_off(nursery, tmp_path, lambda _: home.replace(away))

    ends_with(session, "was deleted, moved or replaced while it was written to")
    away.replace(home)
    goes_on(nursery, tmp_path, session)


def test_a_directory_that_is_moved_away_is_gone_on_with_when_it_is_put_back(nursery: Nursery, tmp_path: Path) -> None:
    home, away = tmp_path / "home", tmp_path / "away"
    home.mkdir()

    session = broken_off(nursery, home, lambda directory: away_with(directory, away))

    ends_with(session, "was deleted, moved or replaced while it was written to")
    shutil.rmtree(home)
    away.rename(home)
    goes_on(nursery, home, session)


@pytest.mark.parametrize("what", ["the journal", "its directory"])
def test_a_journal_that_is_deleted_ends_the_session_with_a_sentence_and_leaves_nobody(
    what: str, nursery: Nursery, tmp_path: Path
) -> None:
    home, away, before = tmp_path / "home", tmp_path / "away", tmp_path / "before"
    home.mkdir()

    def delete_it(directory: Path) -> None:
        shutil.copytree(directory, before, ignore=shutil.ignore_patterns("*.socket"))
        if what == "its directory":
            away_with(directory, away)
            while away.exists():  # whoever is in it may make another file meanwhile
                shutil.rmtree(away, ignore_errors=True)
        else:
            (directory / "journal.db").unlink()

    session = broken_off(nursery, home, delete_it)

    ends_with(session, "was deleted, moved or replaced while it was written to")
    assert leftovers(before) == []


def test_a_journal_that_is_replaced_by_another_is_not_written_to(nursery: Nursery, tmp_path: Path) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    home.mkdir()
    other.mkdir()
    assert suite.start(nursery, other, "process").wait().code == 0
    told = (other / "journal.db").read_bytes()

    session = broken_off(nursery, home, lambda directory: (other / "journal.db").replace(directory / "journal.db"))

    ends_with(session, "was deleted, moved or replaced while it was written to")
    assert (home / "journal.db").read_bytes() == told
