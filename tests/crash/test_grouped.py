"""SIGKILL at every commit of a run whose groups have pools of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pexen_state.journal.care.check import check
from pexen_state.journal.event_kinds import EventKind
from tests.crash import grouped_suite
from tests.crash.aftermath import MOST_SESSIONS, ask
from tests.crash.grouped_suite import OF
from tests.crash.sessions import Nursery, Session
from tests.crash.witness import contradictions, records

MOST_COMMITS = 80


def start(nursery: Nursery, directory: Path, *words: str) -> Session:
    return nursery.start(f"{grouped_suite.__name__}:main", [str(directory), *words], directory)


def of(key: str) -> str | None:
    return OF.get(key, "vm" if key == "vm/again" else None)


def groups_never_met(directory: Path) -> None:
    """By the journal: what is handed over belongs to the group that was entered last, and the last one has ended."""
    rows = ask(
        directory,
        f"""SELECT seq, key, new, data FROM (
          SELECT t.seq, k.key, t.new, NULL AS data FROM transition t JOIN task k ON k.id = t.task
          UNION ALL SELECT seq, NULL, NULL, data FROM run_event WHERE kind = {int(EventKind.ENTERED)}) ORDER BY seq""",
    )
    entered: str | None = None
    in_flight: set[str] = set()
    for _, key, new, data in rows:
        if data is not None:
            assert not in_flight, f"{in_flight} had not ended"
            entered = json.loads(data)["group"]
        elif new == 2:
            assert of(key) == entered, f"{key} was handed over in the group {entered}"
            in_flight.add(key)
        elif new != 3:
            in_flight.discard(key)


@pytest.mark.parametrize("when", ["after", "before"])
def test_a_kill_at_any_commit_makes_no_difference(when: str, nursery: Nursery, tmp_path: Path) -> None:
    for commit in range(1, MOST_COMMITS):
        directory = tmp_path / str(commit)
        directory.mkdir()
        killed = start(nursery, directory, f"--kill-{when}-commit", str(commit)).wait()
        assert killed.code == 0 or killed.was_killed, killed.err
        sessions = [killed]
        while sessions[-1].code != 0 and len(sessions) < MOST_SESSIONS:
            sessions.append(start(nursery, directory).wait())

        assert sessions[-1].code == 0, sessions[-1].err
        assert check(directory / "journal.db") == []
        assert ask(directory, "SELECT state FROM runs") == [("finished",)]
        assert {verdict for (verdict,) in ask(directory, "SELECT verdict FROM tasks")} == {"pass"}
        wanted = {"vm/again": {"net/3", "threads/2"}, "last": {"vm/3"}}
        assert list(contradictions(records(directory), requires=wanted)) == []
        groups_never_met(directory)
        if killed.code == 0:
            break
    assert 8 < commit < MOST_COMMITS
