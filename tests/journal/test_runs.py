"""Runs and sessions, and the files that they leave: told by SQL and by whoever goes on."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pexen_state.core.decisions import Transition
from pexen_state.core.inputs import PoolHasRoom
from pexen_state.core.states import Cause, State, Verdict
from pexen_state.journal.errors import JournalError, JournalGone
from pexen_state.journal.lock import RunLock
from pexen_state.journal.records import NewTask, RunState
from pexen_state.journal.values import NotEncodable
from pexen_state.journal.writer import Journal
from tests.journal.telling import Runner, change, sql
from tests.stories import returned, runner_died, spec


def test_a_run_goes_on_in_another_session(path: Path) -> None:
    first = Runner(path)
    first.begin(spec("a"), spec("b"), room=2)
    first.turn(returned("a"))
    first.close(None)  # killed: it said nothing

    second = Runner(path)
    second.go_on(room=0)
    second.turn(runner_died("b"), PoolHasRoom(1))
    second.turn(returned("b"))
    second.journal.end_run(RunState.FINISHED, Verdict.PASS)
    second.close("finished")

    assert sql(path, "SELECT id, run, how_ended FROM sessions") == [(1, 1, "killed"), (2, 1, "finished")]
    assert sql(path, "SELECT task, attempt, session, state FROM attempts ORDER BY task, attempt") == [
        ("a", 1, 1, "succeeded"),
        ("b", 1, 1, "lost"),
        ("b", 2, 2, "succeeded"),
    ]
    assert sql(path, "SELECT state, verdict, sessions, reboots, tasks, passed FROM runs") == [
        ("finished", "pass", 2, 0, 2, 2)
    ]


def test_a_session_that_was_cut_off_in_another_boot_crashed(path: Path) -> None:
    first = Runner(path)
    first.begin(spec("a"))
    first.close(None)
    change(path, "UPDATE session SET boot_id = 'another'")

    second = Runner(path)
    second.go_on()
    second.close()

    assert sql(path, "SELECT how_ended FROM sessions") == [("crashed",), ("stopped",)]
    assert sql(path, "SELECT reboots FROM runs") == [(1,)]


def test_a_new_run_supersedes_the_unfinished_one_of_its_name(runner: Runner, path: Path) -> None:
    runner.begin(spec("a"), name="nightly")
    runner.begin(spec("a"), name="other")
    runner.begin(spec("a"), name="nightly")

    assert sql(path, "SELECT id, name, state FROM runs") == [
        (1, "nightly", "superseded"),
        (2, "other", "unfinished"),
        (3, "nightly", "unfinished"),
    ]
    found = runner.journal.unfinished_run("nightly")
    assert found is not None
    assert (found.id, found.target, found.options) == (3, ["a", "target"], {"params": {"disk": "vda"}})
    assert runner.journal.unfinished_run("unknown") is None


def test_decisions_of_runs_that_take_turns_do_not_mix(path: Path) -> None:
    one = Runner(path)
    one.begin(spec("a"), spec("b"), name="one")
    one.journal.end_session("stopped")
    one.begin(spec("c"), name="two")
    one.journal.end_session("stopped")
    one.journal.begin_session(1)
    one.journal.append([Transition(1, 1, State.SUBMITTED, State.LOST, Cause.RUNNER_DIED)])

    assert [d.new.word for d in one.journal.decisions(1) if isinstance(d, Transition)] == ["submitted", "lost"]
    assert [d.new.word for d in one.journal.decisions(2) if isinstance(d, Transition)] == ["submitted"]
    one.close()
    assert sql(path, "SELECT run, task, new FROM transitions ORDER BY seq") == [
        (1, "a", "submitted"),
        (2, "c", "submitted"),
        (1, "a", "lost"),
    ]


def test_a_key_that_sql_cannot_hold_comes_back_as_it_was(runner: Runner, path: Path) -> None:
    keys = [os.fsdecode(b"caf\xe9"), "new\nline", "\x1b[31mred", "nul\0inside", "é"]
    runner.begin(*map(spec, keys))

    assert [task.key for task in runner.journal.saved_tasks()] == keys
    assert [task.spec for task in runner.journal.saved_tasks()] == list(map(spec, keys))
    assert sql(path, "SELECT task FROM tasks ORDER BY number LIMIT 1") == [("caf\\udce9",)]


def test_a_name_that_cannot_be_kept_is_refused_and_the_task_is_named(runner: Runner, path: Path) -> None:
    with pytest.raises(NotEncodable, match="provides of odd cannot be kept"):
        runner.begin(spec("odd", provides={object()}))

    assert sql(path, "SELECT count(*) FROM runs") == [(0,)]


def test_decisions_outside_of_a_session_are_refused(runner: Runner) -> None:
    runner.journal.begin_run("suite", "t", {}, [NewTask(spec("a"))])

    with pytest.raises(JournalError, match="begin_session"):
        runner.journal.append([])


def test_a_session_of_a_run_that_is_not_there_is_refused(runner: Runner) -> None:
    with pytest.raises(JournalError, match="has no run 7"):
        runner.journal.begin_session(7)


def test_facts_about_the_box_are_kept_with_the_session(runner: Runner, path: Path) -> None:
    run = runner.journal.begin_run("suite", "t", {}, [])
    runner.journal.begin_session(run, {"cpus": 4, "os.id": "debian", "disks": ["vda"]})

    assert sql(path, "SELECT run, session, name, value FROM facts") == [
        (1, 1, "cpus", 4),
        (1, 1, "os.id", "debian"),
        (1, 1, "disks", '["vda"]'),
    ]


def test_a_clean_close_leaves_one_file_and_the_lock(path: Path) -> None:
    runner = Runner(path)
    runner.begin(spec("a"))
    runner.close()

    assert sorted(os.listdir(path.parent)) == ["journal.db", "journal.db.lock"]


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_files_are_their_owners_alone_under_any_umask(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        runner = Runner(path)
        runner.begin(spec("a"))
        modes = {name: oct((path.parent / name).stat().st_mode & 0o777) for name in os.listdir(path.parent)}
        runner.close()
    finally:
        os.umask(before)

    assert modes == dict.fromkeys(
        ["journal.db", "journal.db-wal", "journal.db-shm", "journal.db.lock", "journal.db.reserve"], "0o600"
    )


@pytest.mark.parametrize("what", ["deleted", "moved", "replaced"])
def test_a_journal_that_is_gone_while_it_is_written_to_is_noticed(runner: Runner, path: Path, what: str) -> None:
    runner.begin(spec("a"))
    os.rename(path, path.with_name("elsewhere.db"))
    if what == "deleted":
        path.with_name("elsewhere.db").unlink()
    if what == "replaced":
        path.touch()

    with pytest.raises(JournalGone, match="was deleted, moved or replaced"):
        runner.turn(returned("a"))


def test_times_are_those_of_the_wall_clock(path: Path) -> None:
    before = time.time_ns() // 1000
    with RunLock.acquire(path) as lock:
        journal = Journal.open(lock)
        journal.begin_run("suite", "t", {}, [])
        journal.close()

    ((began_us,),) = sql(path, "SELECT began_us FROM run")
    assert before <= began_us <= time.time_ns() // 1000
