"""SIGKILL at every commit of a session that sends changed tasks back, and of one that gives its run up."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from pexen_state.journal.care.check import check
from tests.crash import changed_suite
from tests.crash.aftermath import MOST_SESSIONS, ask, wait_for_the_keeper
from tests.crash.sessions import Nursery, Session
from tests.crash.witness import NAME, contradictions, records

MOST_COMMITS = 50
WHEN = pytest.mark.parametrize("when", ["after", "before"])


def to_the_end(nursery: Nursery, what: str, directory: Path, *words: str) -> None:
    for _ in range(MOST_SESSIONS):
        if start(nursery, what, directory, *words).wait().code == 0:
            return
    raise AssertionError("the run does not come to its end")


def start(nursery: Nursery, what: str, directory: Path, *words: str) -> Session:
    return nursery.start(f"{changed_suite.__name__}:{what}", [str(directory), *words], directory)


@WHEN
def test_changed_tasks_run_again_once_whenever_the_session_that_sent_them_back_is_killed(
    when: str, nursery: Nursery, tmp_path: Path
) -> None:
    before = tmp_path / "before"
    before.mkdir()
    left = start(nursery, "main", before, "1", "--leave-after", "done").wait()
    assert left.code == 0, left.err
    wait_for_the_keeper(before)
    assert ask(before, "SELECT task, verdict FROM tasks WHERE verdict IS NOT NULL ORDER BY number") == [
        ("parent", "pass"),
        ("breaks", "error"),
        ("done", "pass"),
    ]
    (before / NAME).unlink()
    for commit in range(1, MOST_COMMITS):
        directory = tmp_path / str(commit)
        shutil.copytree(before, directory, ignore=shutil.ignore_patterns("*.socket"))
        killed = start(nursery, "main", directory, "2", f"--kill-{when}-commit", str(commit)).wait()
        assert killed.code == 0 or killed.was_killed, killed.err

        to_the_end(nursery, "main", directory, "2")

        log = records(directory)
        assert list(contradictions(log, requires={"next": {"parent"}})) == []
        started = Counter(record.key for record in log if record.what == "S")
        assert set(started) == {"parent", "breaks", "next", "wants", "last"}, "what has ended keeps its result"
        assert ask(directory, "SELECT task, verdict FROM tasks WHERE verdict <> 'pass'") == []
        assert ask(
            directory,
            "SELECT a.ret FROM attempt a JOIN task k ON k.submitted = a.id WHERE k.key IN ('done', 'next') ORDER BY 1",
        ) == [("1",), ("2",)]
        assert ask(directory, "SELECT state FROM runs") == [("finished",)]
        assert check(directory / "journal.db") == []
        if killed.code == 0:
            break
    assert 5 < commit < MOST_COMMITS


@WHEN
def test_a_run_is_given_up_once_and_for_all_whenever_it_is_killed(when: str, nursery: Nursery, tmp_path: Path) -> None:
    for commit in range(1, MOST_COMMITS):
        directory = tmp_path / str(commit)
        directory.mkdir()
        killed = start(nursery, "give_up", directory, f"--kill-{when}-commit", str(commit)).wait()
        assert killed.code == 0 or killed.was_killed, killed.err

        to_the_end(nursery, "give_up", directory)

        assert list(contradictions(records(directory))) == []
        started = {record.key for record in records(directory) if record.what == "S"}
        assert started == {"good", "bad", "sweep"}
        assert ask(directory, "SELECT task, state FROM tasks ORDER BY number") == [
            ("good", "succeeded"),
            ("bad", "failed"),
            ("never", "skipped"),
            ("behind", "skipped"),
            ("sweep", "succeeded"),
        ]
        assert ask(directory, "SELECT state FROM runs") == [("cancelled",)]
        assert check(directory / "journal.db") == []
        if killed.code == 0:
            break
    assert 5 < commit < MOST_COMMITS
