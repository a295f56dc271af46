"""SIGKILL before and after every single commit of the journal, on both pools."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash import suite
from tests.crash.aftermath import resume, violations
from tests.crash.sessions import Nursery

#: More commits than any session of the suite makes.
MOST_COMMITS = 200

POOLS = pytest.mark.parametrize("pool", ["process", "thread"])


@POOLS
@pytest.mark.parametrize("when", ["after", "before"])
def test_a_run_that_was_killed_at_any_commit_ends_as_if_nobody_had_killed_it(
    when: str, pool: str, nursery: Nursery, tmp_path: Path
) -> None:
    for commit in range(1, MOST_COMMITS):
        directory = tmp_path / str(commit)
        directory.mkdir()
        killed = suite.start(nursery, directory, pool, f"--kill-{when}-commit", str(commit)).wait()
        if killed.code == 0:
            break  # the session has fewer commits
        assert killed.was_killed, killed.err
        sessions = [killed, *resume(nursery, directory, pool)]
        assert list(violations(directory, sessions)) == [], f"killed {when} commit {commit}"
    assert 5 < commit < MOST_COMMITS


@POOLS
@pytest.mark.parametrize("commits", [4, 6])  # the end of a run alone takes three
def test_a_run_whose_every_session_is_killed_still_ends_the_same(
    pool: str, commits: int, nursery: Nursery, tmp_path: Path
) -> None:
    sessions = []
    while len(sessions) < MOST_COMMITS:
        sessions.append(suite.start(nursery, tmp_path, pool, "--kill-after-commit", str(commits)).wait())
        if sessions[-1].code == 0:
            break
        assert sessions[-1].was_killed, sessions[-1].err

    assert list(violations(tmp_path, sessions)) == []
