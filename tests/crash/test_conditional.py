"""SIGKILL at every commit of a session that decides which tasks apply, and of one that decides it anew."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from pexen_state.journal.care.check import check
from tests.crash import conditional_suite
from tests.crash.aftermath import MOST_SESSIONS, ask, wait_for_the_keeper
from tests.crash.sessions import Nursery, Session
from tests.crash.witness import NAME, contradictions, records

MOST_COMMITS = 50
WHEN = pytest.mark.parametrize("when", ["after", "before"])

OLD, NEW = {"old", "child"}, {"new", "child", "picky"}


def start(nursery: Nursery, directory: Path, *words: str) -> Session:
    return nursery.start(f"{conditional_suite.__name__}:main", [str(directory), *words], directory)


def to_the_end(nursery: Nursery, directory: Path, *words: str) -> None:
    for _ in range(MOST_SESSIONS):
        if start(nursery, directory, *words).wait().code == 0:
            return
    raise AssertionError("the run does not come to its end")


def ended_as_decided(directory: Path) -> set[str]:
    """Who ran, beside those that always do: all that applied on one of the boxes, and nobody else."""
    assert check(directory / "journal.db") == []
    assert ask(directory, "SELECT state FROM runs") == [("finished",)]
    found = dict(ask(directory, "SELECT task, verdict FROM tasks"))
    passed = {key for key, verdict in found.items() if verdict == "pass"}
    assert set(found.values()) == {"pass", "skip"}
    assert passed - {"first", "last"} in (OLD, NEW)
    log = records(directory)
    assert list(contradictions(log, requires={"child": {"old", "new"} & passed})) == []
    assert {record.key for record in log if record.what == "S"} <= passed, "nobody ran who does not apply"
    return passed - {"first", "last"}


@WHEN
def test_what_was_decided_holds_on_another_box_whenever_the_first_session_is_killed(
    when: str, nursery: Nursery, tmp_path: Path
) -> None:
    ends = []
    for commit in range(1, MOST_COMMITS):
        directory = tmp_path / str(commit)
        directory.mkdir()
        killed = start(nursery, directory, "1", f"--kill-{when}-commit", str(commit)).wait()
        assert killed.code == 0 or killed.was_killed, killed.err

        to_the_end(nursery, directory, "2")

        ends.append(ended_as_decided(directory))
        if killed.code == 0:
            break
    assert 5 < commit < MOST_COMMITS
    first = ends.index(OLD)
    assert ends == [NEW] * first + [OLD] * (len(ends) - first), "it is decided once, in the first turn"
    assert 0 < first < 5


@WHEN
def test_what_was_decided_anew_holds_whenever_that_session_is_killed(
    when: str, nursery: Nursery, tmp_path: Path
) -> None:
    before = tmp_path / "before"
    before.mkdir()
    left = start(nursery, before, "1", "--leave-after", "first").wait()
    assert left.code == 0, left.err
    wait_for_the_keeper(before)
    (before / NAME).unlink()
    ends = []
    for commit in range(1, MOST_COMMITS):
        directory = tmp_path / str(commit)
        shutil.copytree(before, directory, ignore=shutil.ignore_patterns("*.socket"))
        killed = start(nursery, directory, "2", "--rerun-changed", f"--kill-{when}-commit", str(commit)).wait()
        assert killed.code == 0 or killed.was_killed, killed.err

        to_the_end(nursery, directory, "2")

        ends.append(ended_as_decided(directory))
        if killed.code == 0:
            break
    assert 3 < commit < MOST_COMMITS
    first = ends.index(NEW)
    assert ends == [OLD] * first + [NEW] * (len(ends) - first)
    assert max(Counter(record.key for record in records(directory) if record.what == "S").values()) == 1
