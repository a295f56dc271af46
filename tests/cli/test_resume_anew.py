"""What is typed anew when a run goes on, what the run has recorded, and a plan of what would be done."""

from __future__ import annotations

import re
import signal

from tests.cli.box import Box
from tests.cli.killing import kill_in_the_middle


def test_settings_that_change_do_not_change_a_run_that_goes_on(box: Box):
    box.file("pexen.toml", '[run]\njobs = 1\ntimeout = "5m"\nenv = { COLOUR = "red" }\nenv_file = "secrets"\n')
    box.file("secrets", "TOKEN=old\n")
    look = 'test "$COLOUR $TOKEN" ='
    box.file("s.jobs", f"one: {look} 'red old'\ntwo: test ! -e gate || cat gate\nthree: {look} 'red new'\n")
    kill_in_the_middle(box, "run", "s.jobs")
    box.file("pexen.toml", '[run]\njobs = 4\ntimeout = "1s"\nenv = { COLOUR = "blue" }\nbroken = true\n')
    (box.directory / "secrets").unlink()

    without = box.pexen("resume", "--journal", ".pexen/journal.db")
    box.file("secrets", "TOKEN=new\n")
    done = box.pexen("resume", "--journal", ".pexen/journal.db", "--retries", "2")

    assert without.code == 2
    assert "cannot read the environment file" in without.err
    assert "Put it there again, or name another one with --env-file." in without.err
    assert done.code == 0, done.out
    assert "1 worker (process pool)  timeout 5m, 2 retries" in done.lines[0]


def test_tasks_that_were_not_selected_stay_out_and_new_ones_join_if_the_expression_means_them(box: Box):
    text = "net/a: true\nnet/b: test ! -e gate || cat gate\nfs/a: true\n"
    box.file("s.jobs", text)
    kill_in_the_middle(box, "run", "s.jobs", "-j1", "-k", "net")
    box.file("s.jobs", f"{text}net/c: true\nfs/b: true\n")

    assert box.pexen("resume").code == 0
    assert box.sql("SELECT task FROM tasks ORDER BY number") == [("net/a",), ("net/b",), ("net/c",)]


def test_run_goes_on_with_the_unfinished_run_of_its_suite_if_it_is_told_to(box: Box):
    box.file("s.jobs", "one: true\ntwo: test ! -e gate || cat gate\n")
    kill_in_the_middle(box, "run", "s.jobs", "-j1")

    done = box.pexen("run", "s.jobs", "--resume", "-j3", "--lf")
    fresh = box.pexen("run", "s.jobs", "--resume")

    assert (done.code, fresh.code) == (0, 0)
    assert "run 1 was cut off at " in done.lines[1]
    assert "3 workers" in done.lines[0]
    assert "run 1 goes on with its own tasks: what is typed to pick others is left aside" in done.err
    assert box.sql("SELECT id, sessions, state FROM runs ORDER BY id") == [(1, 2, "finished"), (2, 1, "finished")]


def test_a_plan_says_what_would_become_of_every_task_and_runs_nothing(box: Box):
    nothing = box.pexen("resume", "--plan")
    assert nothing.code == 5
    box.script("suite/1", "exit 0")
    box.script("suite/2", "test ! -e ../gate || cat ../gate")
    box.script("suite/3")
    box.script("suite/4")
    kill_in_the_middle(box, "run", "suite")
    box.script("suite/1", "exit 1")
    (box.directory / "suite/3").unlink()
    box.script("suite/5")
    before = box.journal.read_bytes()

    done = box.pexen("resume", "--plan")

    assert done.code == 0, done.err
    assert re.fullmatch(r"run 1 was cut off at .*: the runner was killed\. Suite .*suite\.", done.lines[0])
    text = "\n".join(done.lines[1:])
    assert "     1 running when it was left: run again\n         suite/2" in text
    assert "     1 left: run\n         suite/4" in text
    assert (
        "     1 changed since: what is finished of them is kept; --rerun-changed runs it again\n         suite/1"
        in text
    )
    assert "     1 gone: skipped, with verdict not_run\n         suite/3" in text
    assert "     1 new: join the run\n         suite/5" in text
    assert text.endswith("     1 finished: kept")
    assert box.journal.read_bytes() == before

    again = box.pexen("resume", "--rerun-changed")

    assert again.code == 1
    assert box.sql("SELECT task, verdict FROM tasks ORDER BY task") == [
        ("suite/1", "fail"),
        ("suite/2", "pass"),
        ("suite/3", "not_run"),
        ("suite/4", "pass"),
        ("suite/5", "pass"),
    ]


def test_what_may_not_be_said_anew_is_told(box: Box):
    assert "No such option" in box.pexen("resume", "--exit-codes", "ltp").err


def test_a_limit_that_is_typed_anew_is_on_what_fails_from_now_on_and_a_recorded_one_on_the_whole_run(box: Box):
    text = "one: false\ntwo: false\nthree: test ! -e gate || cat gate\nfour: false\nfive: false\n"
    box.file("s.jobs", text)
    for name in ("typed", "recorded"):
        limit = ("--max-fail", "3") if name == "recorded" else ()
        gate = box.gate()
        with box.started("run", "s.jobs", "-j1", "--name", name, *limit) as run:
            gate.reached()
            run.signal(signal.SIGTERM)
            assert run.ended().code == 4
        gate.path.unlink()

    typed = box.pexen("resume", "typed", "-x")
    recorded = box.pexen("resume", "recorded")

    assert "no retries, given up after 1 more failure" in typed.lines[0]
    assert "The run was given up after 3 tasks had failed." in typed.lines
    assert "no retries, given up after 3 failures" in recorded.lines[0]
    assert "The run was given up after 3 tasks had failed." in recorded.lines
    assert (typed.code, recorded.code) == (1, 1)
    for run in (1, 2):
        assert box.sql(f"SELECT task, verdict FROM tasks WHERE run = {run} ORDER BY number") == [
            ("one", "fail"),
            ("two", "fail"),
            ("three", "pass"),
            ("four", "fail"),
            ("five", "not_run"),
        ]
