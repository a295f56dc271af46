"""The results of a run are read as they are wanted: a million of them are never in memory at once."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from pexen_state.journal import restore, resuming
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
    monkeypatch.setattr(resuming, "_PAGE", PAGE)
    read: list[int] = []
    with reader(path) as connection:

        def fetch(query: str, params: restore.Row) -> list[restore.Row]:
            rows: list[Any] = connection.execute(query, params).fetchall()
            if "LIMIT" in query:
                read.append(len(rows))
            return rows

        pages = resuming.Resuming(fetch, 1, "", nullcontext).ended()
        ended = (one for page in pages for one in page)
        first = [next(ended) for _ in range(PAGE)]
        assert read == [PAGE]
        rest = list(ended)

    assert read == [PAGE, PAGE, TASKS - 2 * PAGE, 0]
    seqs = [task.ended_seq for task in (*first, *rest)]
    assert len(seqs) == TASKS
    assert seqs == sorted(set(seqs))


def test_who_the_tasks_are_is_read_in_pages_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resuming, "_PAGE", PAGE)
    with reader(path) as connection:

        def fetch(query: str, params: restore.Row) -> list[restore.Row]:
            rows: list[Any] = connection.execute(query, params).fetchall()
            return rows

        pages = [list(page) for page in resuming.Resuming(fetch, 1, "", nullcontext).recorded()]

    assert [len(page) for page in pages] == [PAGE, PAGE, TASKS - 2 * PAGE]
    assert [(task.number, task.key) for page in pages for task in page] == [(n + 1, f"t{n}") for n in range(TASKS)]
