"""A journal that an older pexen wrote: upgraded with nothing lost, and gone on with.

`fixtures/journal-0001.db` was written by the code of revision 0001. It holds a finished run (passed, failed, flaky,
skipped, not run, a lock left held), one that was superseded, and one of a task list from standard input whose runner
was killed. Files like it are added with each revision, and never changed. That of 0002 also holds a run that was given
up, the one that ran its failed tasks again, one in which a changed task was sent back, and the numbers of a pruned one.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pexen_state.journal.care.check import check
from pexen_state.journal.errors import JournalCorrupt
from pexen_state.journal.lock import RunLock
from pexen_state.journal.reader import reader
from pexen_state.journal.schema import metadata
from pexen_state.journal.uptodate import bring_up_to_date
from pexen_state.journal.versions import REVISION
from pexen_state.journal.views import VIEWS
from pexen_state.journal.writer import Journal
from tests.journal.telling import change, sql

FIXTURES = sorted((Path(__file__).parent / "fixtures").glob("journal-*.db"))


def its_revision(fixture: Path) -> str:
    return fixture.stem.removeprefix("journal-")


@pytest.fixture(params=FIXTURES, ids=its_revision)
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A journal of any revision."""
    return Path(shutil.copy(request.param, tmp_path / "journal.db"))


@pytest.fixture(params=[one for one in FIXTURES if its_revision(one) < REVISION], ids=its_revision)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(shutil.copy(request.param, tmp_path / "journal.db"))


def columns(path: Path) -> dict[str, list[str]]:
    """Of every view that the journal has."""
    names = [name for (name,) in sql(path, "SELECT name FROM sqlite_master WHERE type = 'view'")]
    return {name: [column[1] for column in sql(path, f"PRAGMA table_info('{name}')")] for name in names}


def rows(path: Path, of: dict[str, list[str]]) -> dict[str, list[tuple[Any, ...]]]:
    return {view: sql(path, f"SELECT {', '.join(names)} FROM {view} ORDER BY 1, 2, 3") for view, names in of.items()}


def test_there_is_a_journal_of_every_revision() -> None:
    assert list(map(its_revision, FIXTURES)) == [f"{number:04}" for number in range(1, int(REVISION) + 1)]


def test_it_says_nothing_of_the_box_that_it_was_made_on(written: Path) -> None:
    raw = written.read_bytes()

    assert not [word for word in (b"/work", b"/tmp", b"/root", b"/home") if word in raw]
    assert len(raw) < 200_000


def test_the_views_show_after_the_upgrade_what_they_showed_before(old: Path) -> None:
    before = columns(old)
    shown = rows(old, before)

    backup = bring_up_to_date(old)

    assert backup is not None
    assert backup == f"{old}.backup-{old_revision(Path(backup))}"
    assert sql(old, "SELECT version_num FROM alembic_version") == [(REVISION,)]
    assert rows(Path(backup), before) == shown
    assert rows(old, before) == {**shown, "attempts": as_told_today(old, shown["attempts"], before["attempts"])}
    now = columns(old)
    assert set(now) == set(VIEWS)
    for view, names in before.items():
        assert now[view][: len(names)] == names, "views only gain columns, at their end"
    assert check(old) == []
    assert bring_up_to_date(old) is None


def as_told_today(path: Path, attempts: list[tuple[Any, ...]], names: list[str]) -> list[tuple[Any, ...]]:
    """Nobody counted the reboots that tasks ask for before they could: there were none. What was cut off with its
    session was said to have ended when somebody went on.
    """
    ended = dict(sql(path, "SELECT id, ended_at FROM sessions"))
    told = []
    for attempt in attempts:
        row = dict(zip(names, attempt, strict=True))
        row["reboot_count"] = row["reboot_count"] or 0
        if row["state"] == "lost" and row["seconds"] is None and row["ended_at"] is not None:
            row["ended_at"] = max(ended[row["session"]], row["started_at"] or "")
        told.append(tuple(row.values()))
    return told


def test_a_journal_of_this_revision_has_the_views_of_this_code() -> None:
    newest = FIXTURES[-1]
    with closing(sqlite3.connect(f"file:{newest}?immutable=1", uri=True)) as connection:
        views = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'view'").fetchall())

    assert views == VIEWS


def old_revision(backup: Path) -> str:
    ((revision,),) = sql(backup, "SELECT version_num FROM alembic_version")
    assert isinstance(revision, str)
    return revision


def test_readers_see_it_as_it_will_be_after_the_upgrade_and_leave_it_as_it_is(old: Path, tmp_path: Path) -> None:
    upgraded = Path(shutil.copy(old, tmp_path / "upgraded.db"))
    bring_up_to_date(upgraded)
    raw = old.read_bytes()

    with reader(old) as before, reader(upgraded) as after:
        for name in [*metadata.tables, *VIEWS]:
            if name == "alembic_version":
                continue
            looked, wanted = (one.execute(f"SELECT * FROM {name} ORDER BY 1, 2, 3") for one in (before, after))
            assert sorted(column[0] for column in looked.description) == sorted(
                column[0] for column in wanted.description
            ), name
            assert by_name(looked) == by_name(wanted), name
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            before.execute("CREATE TEMP TABLE mine (a)")

    assert check(old) == []
    assert old.read_bytes() == raw


def by_name(cursor: sqlite3.Cursor) -> list[dict[str, Any]]:
    return [dict(zip([column[0] for column in cursor.description], row, strict=True)) for row in cursor]


def test_what_is_asked_most_is_found_by_the_same_indexes_as_after_an_upgrade(old: Path, tmp_path: Path) -> None:
    upgraded = Path(shutil.copy(old, tmp_path / "upgraded.db"))
    bring_up_to_date(upgraded)

    with reader(old) as before, reader(upgraded) as after:
        for view in ("tasks", "attempts", "transitions"):
            assert steps(before, view) == steps(after, view)


def steps(connection: sqlite3.Connection, view: str) -> list[str]:
    """How SQLite finds the rows of a run, apart from what it calls the tables."""
    plan = connection.execute(f"EXPLAIN QUERY PLAN SELECT * FROM {view} WHERE run = 1")
    return [re.sub(r"(?<=^SEARCH )[a-z]+|(?<=^SCAN )[a-z]+|\d+$", "", row[3]) for row in plan]


@pytest.mark.parametrize("revision", ["", "1", "0000", "000x", "\0" * 4])
def test_a_schema_that_there_never_was_is_a_damage(written: Path, revision: str) -> None:
    change(written, "UPDATE alembic_version SET version_num = ?", revision)
    raw = written.read_bytes()

    with pytest.raises(JournalCorrupt, match="there never was"), reader(written):
        pass
    with pytest.raises(JournalCorrupt, match="there never was"):
        bring_up_to_date(written)

    assert written.read_bytes() == raw


def test_its_unfinished_run_can_be_restored_and_all_that_was_decided_replayed(written: Path) -> None:
    with RunLock.acquire(written) as lock:
        journal = Journal.open(lock)
        record = journal.unfinished_run()
        assert record is not None
        assert (record.name, record.options["surroundings"]["directory"]) == ("jobs", "/")
        saved = journal.saved_tasks(record.id)
        assert {task.key: task.state.word for task in saved} == {
            "first": "succeeded",
            "second": "failed",
            "hangs": "running",
            "last": "submitted",
        }
        ended = [task.number for task in saved if task.key in ("first", "second")]
        results = [result for page in journal.resuming(record.id).ended() for result in page]
        assert [result.number for result in results if result.ending.has_result] == ended
        journal.close()
    assert check(written) == []


def test_a_look_whether_an_upgrade_is_due_loads_no_database(old: Path) -> None:
    bring_up_to_date(old)
    program = (
        "import sys; from pexen_state.journal.uptodate import bring_up_to_date; bring_up_to_date(sys.argv[1])\n"
        "assert not [name for name in sys.modules if name.startswith(('sqlalchemy', 'alembic'))]"
    )

    subprocess.run([sys.executable, "-c", program, old], check=True)
