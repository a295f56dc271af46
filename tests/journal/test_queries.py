"""How people name a run or a task, and what they are told when there is none."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from pexen_state.journal import queries
from pexen_state.journal.queries import NotFound
from pexen_state.journal.reader import reader
from pexen_state.journal.records import AttemptEnd
from tests.journal.telling import Runner
from tests.stories import raised, returned, spec


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    path = tmp_path / "journal.db"
    runner = Runner(path)
    runner.begin(spec("a"), name="nightly")
    runner.journal.end_session("stopped")
    runner.begin(spec("net/dhcp/renew"), spec("net/dhcp/release"), spec("fs/renew"), name="other", room=2)
    runner.turn(returned("net/dhcp/renew"), raised("net/dhcp/release"), left={"net/dhcp/renew": AttemptEnd(1, 4711)})
    runner.close()
    with reader(path) as connection:
        yield connection


@pytest.mark.parametrize(("which", "run"), [("latest", 2), ("latest-1", 1), ("1", 1), ("nightly", 1), ("other", 2)])
def test_a_run_is_named_by_number_age_or_suite(journal: sqlite3.Connection, which: str, run: int) -> None:
    assert queries.run_id(journal, which) == run


@pytest.mark.parametrize(
    ("which", "told"),
    [
        ("7", "no run 7"),
        ("latest-2", "no run 'latest-2'"),
        ("weekly", "no run is named 'weekly'. The journal has: nightly, other."),
    ],
)
def test_a_run_that_is_not_there_is_told(journal: sqlite3.Connection, which: str, told: str) -> None:
    with pytest.raises(NotFound, match=told):
        queries.run_id(journal, which)


@pytest.mark.parametrize(
    ("which", "key"), [("net/dhcp/renew", "net/dhcp/renew"), ("release", "net/dhcp/release"), ("fs/renew", "fs/renew")]
)
def test_a_task_is_named_by_any_tail_that_is_its_own(journal: sqlite3.Connection, which: str, key: str) -> None:
    assert queries.task_key(journal, 2, which) == key


def test_a_tail_of_several_tasks_and_a_slip_of_the_pen_are_told(journal: sqlite3.Connection) -> None:
    with pytest.raises(NotFound, match=r"any of 2 tasks of run 2: net/dhcp/renew, fs/renew\. Say more"):
        queries.task_key(journal, 2, "renew")
    with pytest.raises(NotFound, match="Did you mean 'fs/renew'"):
        queries.task_key(journal, 2, "fs/rennew")


def test_rows_come_with_their_names_in_the_order_in_which_tasks_were_declared(journal: sqlite3.Connection) -> None:
    assert [(task["task"], task["verdict"]) for task in queries.tasks(journal, 2)] == [
        ("net/dhcp/renew", "pass"),
        ("net/dhcp/release", "error"),
        ("fs/renew", None),
    ]
    assert [run["name"] for run in queries.runs(journal)] == ["other", "nightly"]
    assert queries.states(journal, 2) == {"succeeded": 1, "failed": 1, "ready": 1}
    assert [attempt["pid"] for attempt in queries.attempts(journal, 2, "net/dhcp/renew")] == [4711]
    assert [step["new"] for step in queries.story(journal, 2, "net/dhcp/renew")] == ["submitted", "succeeded"]
    assert queries.newest_unfinished(journal) == 2
