"""SIGKILL at every commit of a run in one call: what passed before is skipped, and the command follows its end once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pexen_state.journal.care.check import check
from pexen_state.journal.event_kinds import EventKind
from tests.crash import followed_suite
from tests.crash.aftermath import MOST_SESSIONS, ask
from tests.crash.sessions import Ended, Nursery
from tests.crash.witness import records

MOST_COMMITS = 50
WELL = "2 finished tasks=5 passed=3 warned=0 failed=0 skipped=2 not_run=0"


def run(nursery: Nursery, directory: Path, *words: str) -> Ended:
    return nursery.start(f"{followed_suite.__name__}:main", [str(directory), *words], directory).wait()


def told(directory: Path) -> list[str]:
    """What the command has written about run 2."""
    file = directory / followed_suite.FOLLOWED
    return [line for line in file.read_text().splitlines() if line.startswith("2 ")] if file.exists() else []


def written_down(directory: Path) -> int:
    query = f"SELECT count(*) FROM run_event WHERE kind = {int(EventKind.FOLLOWED)} AND run = 2"
    ((count,),) = ask(directory, query)
    return int(count)


@pytest.mark.parametrize("when", ["after", "before"])
def test_a_call_that_was_killed_is_made_again_until_all_of_it_is_done(
    when: str, nursery: Nursery, tmp_path: Path
) -> None:
    before = tmp_path / "before"
    before.mkdir()
    first = run(nursery, before)
    assert first.code == 0, first.err
    twice, owed = [], []
    for commit in range(1, MOST_COMMITS):
        directory = tmp_path / str(commit)
        shutil.copytree(before, directory, ignore=shutil.ignore_patterns("*.socket"))
        killed = run(nursery, directory, f"--kill-{when}-commit", str(commit))
        assert killed.code == 0 or killed.was_killed, killed.err
        if killed.code and ask(directory, "SELECT state FROM runs WHERE id = 2") == [("finished",)]:
            owed.append(commit)

        for _ in range(MOST_SESSIONS):
            if ask(directory, "SELECT state FROM runs WHERE id = 2") == [("finished",)] and written_down(directory):
                break
            again = run(nursery, directory)
            assert again.code == 0, again.err

        assert check(directory / "journal.db") == []
        assert dict(ask(directory, "SELECT task, verdict FROM tasks WHERE run = 2")) == {
            "setup": "skip",
            "broken": "pass",
            "behind": "pass",
            "other": "skip",
            "last": "pass",
        }
        began = [record.key for record in records(directory) if record.what == "S"]
        assert (began.count("setup"), began.count("other")) == (1, 1), "in run 1 alone"
        assert set(told(directory)) == {WELL}
        assert written_down(directory) == 1
        if len(told(directory)) > 1:
            twice.append(commit)
        *_, end = map(json.loads, (directory / "report.jsonl").read_text().splitlines())
        assert end["type"] == "end"
        if killed.code == 0:
            break
    assert 5 < commit < MOST_COMMITS
    # Its end was there, and what became of the command was not: it is run, or run again, and never lost.
    assert owed == [*range(owed[0], commit)] or owed == []
    assert len(twice) <= 1
    assert set(twice) <= set(owed) | {commit - 1}
