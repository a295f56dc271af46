"""Whoever runs a journal that has become large is told, and when its log cannot be emptied."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest

from pexen_state import PexenWarning
from pexen_state.journal import growth
from pexen_state.journal.growth import LARGE_LOG_BYTES, LogWatch, hint_about
from pexen_state.journal.paths import JournalPaths
from pexen_state.journal.reader import reader
from pexen_state.sched import Sched, func_meta
from pexen_state.sched.pool import ThreadWorkerPool
from tests.journal.telling import write_run


def test_a_large_journal_is_named_with_what_makes_it_smaller(tmp_path: Path) -> None:
    paths = JournalPaths.of(tmp_path / "journal.db")
    assert hint_about(paths) is None
    (tmp_path / "journal.db").touch()
    os.truncate(tmp_path / "journal.db", 5_000_000_000)  # it takes no room
    assert hint_about(paths) is None
    os.truncate(tmp_path / "journal.db", 5_100_000_000)

    said = hint_about(paths)

    assert said is not None
    assert "has 5.1 GB. `pexen db prune --max-size 2G` deletes the oldest runs" in said


def test_a_log_that_grows_is_told_of_each_time_that_it_has_doubled() -> None:
    watch = LogWatch()

    told = [size for size in range(0, 10 * LARGE_LOG_BYTES, LARGE_LOG_BYTES // 4) if watch.warning("log", size)]

    assert told == [LARGE_LOG_BYTES, 2 * LARGE_LOG_BYTES, 4 * LARGE_LOG_BYTES, 8 * LARGE_LOG_BYTES]


def test_a_run_beside_a_reader_that_stays_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "LARGE_LOG_BYTES", 200_000)
    path = tmp_path / "journal.db"

    tasks = [func_meta(name=f"t{number}")(lambda: "x" * 4000) for number in range(100)]
    write_run(path)

    with reader(path) as connection, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM task").fetchone()
        assert len(list(Sched(tasks, journal=path, name="large").run(ThreadWorkerPool(workers=1, spare=0)))) == 100

    told = [str(one.message) for one in caught if one.category is PexenWarning]
    assert "journal.db-wal has grown to" in told[0], told
