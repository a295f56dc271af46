"""The results of a run are read as they are wanted: a million of them are never in memory at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pexen_state.journal import restore
from pexen_state.journal.reader import reader
from pexen_state.sched import Sched, func_meta
from pexen_state.sched.pool import ThreadWorkerPool

TASKS, PAGE = 25, 10


@pytest.fixture
def path(tmp_path: Path) -> Path:
    tasks = [func_meta(name=f"t{number}")(lambda: None) for number in range(TASKS)]
    assert len(list(Sched(tasks, journal=tmp_path / "journal.db").run(ThreadWorkerPool()))) == TASKS
    return tmp_path / "journal.db"


def test_a_page_is_read_when_the_one_before_was_taken(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore, "_PAGE", PAGE)
    read: list[int] = []
    with reader(path) as connection:

        def fetch(query: str, params: restore.Row) -> list[restore.Row]:
            rows: list[Any] = connection.execute(query, params).fetchall()
            if "LIMIT" in query:
                read.append(len(rows))
            return rows

        pages = restore.saved_results(fetch, 1)
        first = next(pages)
        assert (len(first), read) == (PAGE, [PAGE])
        rest = list(pages)

    assert [len(page) for page in rest] == [PAGE, TASKS - 2 * PAGE]
    assert read == [PAGE, PAGE, TASKS - 2 * PAGE, 0]
    seqs = [result.ended_seq for page in (first, *rest) for result in page]
    assert seqs == sorted(set(seqs))
