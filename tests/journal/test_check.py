"""`check` replays every decision, and finds what somebody has bent."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pexen_state.journal.care.check import check
from tests.journal.telling import Runner, change
from tests.stories import raised, returned, runner_died, spec, started


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A run with everything, cut off."""
    path = tmp_path / "journal.db"
    runner = Runner(path)
    runner.begin(spec("a", provides={"x"}, claims={"disk"}), spec("b", requires={"x"}), spec("c", retries=1), room=3)
    runner.turn(started("a"), raised("c"))
    runner.turn(returned("a"), runner_died("c"))
    runner.close(None)
    return path


def test_what_pexen_wrote_is_sound(path: Path) -> None:
    assert check(path) == []


@pytest.mark.parametrize(
    ("bent", "found"),
    [
        ("UPDATE task SET state = 9 WHERE key = 'a'", "its state is skipped, by replay succeeded"),
        ("UPDATE task SET attempt = 5 WHERE key = 'a'", "its attempt is 5, by replay 1"),
        ("UPDATE task SET failures = 0 WHERE key = 'c'", "its failures is 0, by replay 1"),
        ("UPDATE task SET verdict = 5 WHERE key = 'a'", "its verdict is fail, by replay pass"),
        ("UPDATE task SET locks = 2 WHERE key = 'a'", "its locks is dirty, by replay freed"),
        ("UPDATE task SET provided = 0 WHERE key = 'a'", "its provided is False, by replay True"),
        ("UPDATE task SET ended = NULL WHERE key = 'a'", "recorded in another order"),
        ("DELETE FROM transition WHERE new = 6", "by replay running"),
        ("UPDATE transition SET old = 0 WHERE new = 6", "is illegal"),
        ("UPDATE transition SET cause = 99 WHERE new = 6", "makes no sense"),
        ("UPDATE attempt SET ended = NULL", "has no end, but the task is not in flight"),
        ("UPDATE session SET first_seq = 4", "belong to no session"),
        ("UPDATE transition SET at_us = -1 WHERE new = 6", "of at_us in the table transition can be no time"),
        ("UPDATE session SET ended_us = 'now'", "of ended_us in the table session can be no time"),
        ("UPDATE run_event SET data = '{'", "makes no sense"),
        ("DELETE FROM run_event", "cannot be applied|0 tasks were added"),
        ("DROP VIEW sessions", "the view sessions is not what pexen makes it"),
    ],
)
def test_what_somebody_bent_is_found(path: Path, bent: str, found: str) -> None:
    change(path, bent)

    findings = check(path)

    assert any(re.search(found, f"{finding.task}: {finding.what}") for finding in findings), findings
