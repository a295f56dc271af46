"""The views are what SQL users hold on to: their columns are promised, and their words are ours."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pexen_state.core.inputs import PoolHasRoom
from pexen_state.core.states import Cause, State, Verdict
from pexen_state.journal.records import AttemptBegan, AttemptEnd
from pexen_state.journal.views import VIEWS
from tests.journal.telling import Runner, change, sql
from tests.stories import raised, returned, runner_died, skipped, spec, started, timed_out, withdrawn, worker_died

PROMISED = {
    "runs": "id uuid name target params host kernel state verdict started_at ended_at seconds tasks passed warned "
    "failed skipped not_run sessions reboots parent",
    "sessions": "id run pid boot_id host kernel pexen_version started_at ended_at how_ended seconds",
    "tasks": "run task state verdict flaky reason attempts seconds started_at ended_at priority tags fingerprint "
    "group_name",
    "attempts": "run task attempt session worker pid boot_id started_at ended_at seconds state exit_code signal cause "
    "reboot_count output",
    "results": "run task attempt name verdict note at metrics files",
    "transitions": "seq run task attempt old new cause at",
    "facts": "run session name value",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def test_every_promised_column_is_there_in_its_place(path: Path) -> None:
    Runner(path).close()
    with closing(sqlite3.connect(path)) as connection:
        for view, columns in PROMISED.items():
            found = [column[0] for column in connection.execute(f"SELECT * FROM {view}").description]
            assert found[: len(columns.split())] == columns.split()
    assert set(VIEWS) == set(PROMISED)


def test_tags_and_groups_are_there_to_be_asked_for(path: Path) -> None:
    runner = Runner(path)
    runner.begin(spec("a", tags=("slow", 'raid "5"')), spec("b", group="vm"), spec("c", tags=("slow",)), spec("d"))
    runner.close()

    slow = "SELECT task FROM tasks, json_each(tags) WHERE value = 'slow' ORDER BY number"
    assert sql(path, slow) == [("a",), ("c",)]
    assert sql(path, "SELECT task, group_name FROM tasks WHERE group_name IS NOT NULL") == [("b", "vm")]
    assert sql(path, "SELECT tags FROM tasks WHERE task = 'd'") == [(None,)]


def test_a_run_that_saw_everything(path: Path) -> None:
    runner = Runner(path)
    runner.begin(
        spec("flaky", retries=1, priority=-1.5),
        spec("slow", provides={"x"}),
        spec("odd"),
        spec("never", requires={"x"}),
        room=4,
    )
    runner.clock.go_on(60)
    runner.turn(raised("flaky", reason="ValueError: no"), left={"flaky": AttemptEnd(seconds=60)})
    runner.turn(timed_out("slow"), skipped("odd", reason="no such disk"), PoolHasRoom(1))
    runner.clock.go_on(0.000_001)
    runner.turn(returned("flaky"), PoolHasRoom(1), left={"flaky": AttemptEnd(seconds=0.5)})
    runner.journal.end_run("finished", "timeout")
    runner.close("finished")

    assert sql(
        path, "SELECT task, state, verdict, flaky, attempts, priority, fingerprint FROM tasks ORDER BY number"
    ) == [
        ("flaky", "succeeded", "pass", 1, 2, -1.5, "30313233343536373839616263646566"),
        ("slow", "timed_out", "timeout", 0, 1, 0.0, "30313233343536373839616263646566"),
        ("odd", "skipped", "skip", 0, 1, 0.0, "30313233343536373839616263646566"),
        ("never", "skipped", "not_run", 0, 0, 0.0, "30313233343536373839616263646566"),
    ]
    assert sql(path, "SELECT reason FROM tasks WHERE task = 'odd'") == [("no such disk",)]
    assert sql(path, "SELECT attempt, state, cause, seconds FROM attempts WHERE task = 'flaky' ORDER BY attempt") == [
        (1, "failed", "raised", 60.0),
        (2, "succeeded", "returned", 0.5),
    ]
    assert sql(path, "SELECT at, reason FROM transitions WHERE cause = 'raised'") == [
        ("2023-11-14T22:14:20.000000Z", "ValueError: no")
    ]
    ((target, params, state, verdict, started, ended, seconds, *counts),) = sql(
        path,
        "SELECT target, params, state, verdict, started_at, ended_at, seconds, tasks, passed, warned, failed, skipped,"
        " not_run, sessions, reboots FROM runs",
    )
    assert (target, params, state, verdict) == ("a target", '{"disk": "vda"}', "finished", "timeout")
    assert (started, ended, seconds) == ("2023-11-14T22:13:20.000000Z", "2023-11-14T22:14:20.000001Z", 60.000001)
    assert counts == [4, 1, 0, 1, 1, 1, 1, 0]


def test_what_was_cut_off_ended_with_its_session_however_late_somebody_went_on(path: Path) -> None:
    runner = Runner(path)
    runner.begin(spec("tried again"), spec("given up", max_crashes=0), spec("never begun"), room=3)
    runner.clock.go_on(5)
    now = runner.clock.now_us
    turn = runner.plan.handle(started("tried again"), started("given up"))
    runner.journal.append(turn.decisions, [AttemptBegan(1, 1, 0, 4711, now), AttemptBegan(2, 1, 1, 4712, now)])
    runner.close(how=None)
    runner.clock.go_on(3600)

    after = Runner(path)
    after.clock.now_us = runner.clock.now_us
    after.go_on(room=0)
    after.turn(worker_died("given up"), runner_died("tried again"), withdrawn("never begun"), PoolHasRoom(2))
    after.clock.go_on(60)
    after.turn(returned("tried again"), left={"tried again": AttemptEnd(began_us=after.clock.now_us, seconds=60)})
    after.turn(returned("never begun"))
    after.close("finished")

    began, ended = "2023-11-14T22:13:25.000000Z", "2023-11-14T23:14:25.000000Z"
    assert sql(path, "SELECT how_ended, ended_at FROM sessions")[0] == ("killed", began)
    cut_off = "SELECT task, started_at, ended_at, seconds FROM attempts WHERE session = 1 ORDER BY task"
    assert sql(path, cut_off) == [("given up", began, began, None), ("tried again", began, began, None)]
    assert sql(path, "SELECT task, ended_at FROM tasks ORDER BY number") == [
        ("tried again", ended),
        ("given up", began),
        ("never begun", ended),
    ]


def test_results_and_facts_are_told_by_run_and_task(path: Path) -> None:
    runner = Runner(path)
    runner.begin(spec("a"))
    change(
        path,
        "INSERT INTO result(attempt, name, verdict, note, metrics, files, at_us)"
        " SELECT submitted, 'sub/one', 4, 'slow', '{\"mb_s\": 4}', '[\"a.log\"]', 1000000 FROM task",
    )
    change(path, "INSERT INTO fact(session, name, value) VALUES (1, 'cpus', 2)")
    runner.close()

    assert sql(path, "SELECT * FROM results") == [
        (1, "a", 1, "sub/one", "warn", "slow", "1970-01-01T00:00:01.000000Z", '{"mb_s": 4}', '["a.log"]')
    ]
    assert sql(path, "SELECT * FROM facts") == [(1, 1, "cpus", 2)]


def test_every_number_has_its_word(path: Path) -> None:
    runner = Runner(path)
    runner.begin(spec("a"))
    runner.close()
    for state in State:
        change(path, "UPDATE transition SET old = ?", int(state))
        assert sql(path, "SELECT old FROM transitions") == [(state.word,)]
    for cause in Cause:
        change(path, "UPDATE transition SET cause = ?", int(cause))
        assert sql(path, "SELECT cause FROM transitions") == [(cause.word,)]
    for verdict in Verdict:
        change(path, "UPDATE task SET verdict = ?", int(verdict))
        assert sql(path, "SELECT verdict FROM tasks") == [(verdict.word if verdict else None,)]


@pytest.mark.parametrize("view", ["tasks", "attempts", "transitions", "results"])
def test_one_run_of_many_is_found_without_a_walk_over_all_of_them(path: Path, view: str) -> None:
    Runner(path).close()

    plan = sql(path, f"EXPLAIN QUERY PLAN SELECT * FROM {view} WHERE run = 7")

    # `SCAN` of a large table would mean that every row of every run is looked at.
    steps = [step for *_, step in plan]
    assert not any(step.startswith("SCAN") for step in steps), steps


def test_counting_the_tasks_of_a_run_reads_that_run_alone(path: Path) -> None:
    Runner(path).close()

    steps = [step for *_, step in sql(path, "EXPLAIN QUERY PLAN SELECT * FROM runs WHERE id = 7")]

    assert any("SEARCH k USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)" in step for step in steps), steps
    assert not any(step.startswith(("SCAN k", "SCAN r ")) for step in steps), steps


def test_the_views_need_no_trust_in_the_file(path: Path) -> None:
    Runner(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA trusted_schema=OFF")
        for view in VIEWS:
            connection.execute(f"SELECT * FROM {view}").fetchall()
