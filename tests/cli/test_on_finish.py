"""--on-finish as people meet it: run, resume, rerun, cancel, a service that looks what is to be done, Ctrl-C."""

from __future__ import annotations

import signal

import pytest

from tests.cli.box import Box
from tests.cli.killing import kill_in_the_middle

TELL = 'echo "$PEXEN_RUN $PEXEN_STATE $PEXEN_EXIT_CODE" >> told'


def told(box: Box) -> list[str]:
    file = box.directory / "told"
    return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def jobs(box: Box) -> Box:
    box.file("a.jobs", "one: true\ntwo: test ! -e bad\n")
    return box


def test_it_follows_the_end_and_changes_no_exit_code(jobs: Box):
    good = jobs.pexen("run", "a.jobs", "--on-finish", f"{TELL}; echo hello; exit 3")
    jobs.file("bad", "")
    bad = jobs.pexen("run", "a.jobs", "--on-finish", TELL)

    assert (good.code, bad.code) == (0, 1)
    assert told(jobs) == ["1 finished 0", "2 finished 1"]
    assert good.err.splitlines()[-2:] == [
        f"pexen: --on-finish: {TELL}; echo hello; exit 3",
        "pexen: --on-finish ended with exit status 3. What it printed: .pexen/journal.d/run-1/on-finish.log",
    ]
    assert bad.err.splitlines()[-1] == "pexen: --on-finish ended well"
    assert (jobs.directory / ".pexen/journal.d/run-1/on-finish.log").read_text() == "hello\n"


def test_it_is_a_setting_which_an_empty_one_leaves_out(box: Box):
    box.script("tests/a")
    box.file("tests/pexen.toml", f"[run]\non_finish = '{TELL}'\non_finish_timeout = '1m'\n")

    assert box.pexen("run", "tests").code == 0
    assert box.pexen("run", "tests", "--on-finish", "").code == 0
    assert box.pexen("rerun", cwd="tests").code == 0

    assert told(box) == ["1 finished 0"]
    assert box.pexen("rerun", "1", "--on-finish", f"{TELL}; true", cwd="tests").code == 0
    assert told(box) == ["1 finished 0", "4 finished 0"]


def test_a_run_that_is_cut_off_has_it_at_its_end(jobs: Box):
    jobs.file("a.jobs", "one: true\ntwo: test ! -e gate || cat gate\n")
    kill_in_the_middle(jobs, "run", "a.jobs", "-j1", "--on-finish", TELL)
    assert told(jobs) == []

    assert jobs.pexen("resume").code == 0

    assert told(jobs) == ["1 finished 0"]


def test_what_a_kill_left_owed_is_made_up_for_by_a_resume(jobs: Box):
    jobs.file("sub/env", "SECRET=42\n")
    command = f'{TELL}; echo "$SECRET $LANG $(pwd)" > env; test -e second || {{ : > second; kill -9 $PPID; }}'
    done = jobs.pexen("run", "a.jobs", "--on-finish", command, "--env-file", "sub/env", env={"LANG": "C.UTF-8"})
    assert done.code == -signal.SIGKILL
    assert jobs.sql("SELECT state FROM runs") == [("finished",)]

    looked = jobs.pexen("resume", "--check")
    planned = jobs.pexen("resume", "--plan")
    resumed = jobs.pexen("--journal", "../.pexen/journal.db", "resume", cwd="sub", env={"LANG": "de_DE"})
    again = jobs.pexen("resume")

    sentence = "run 1 (a.jobs) is over, and its --on-finish was not run to its end."
    assert (looked.code, looked.out) == (0, f"{sentence}\n")
    assert (planned.code, planned.out) == (0, f"{sentence}\n")
    assert resumed.code == 0
    assert resumed.err.splitlines()[-1] == "pexen: --on-finish ended well"
    assert told(jobs) == ["1 finished 0", "1 finished 0"]
    assert (jobs.directory / "env").read_text() == f"42 C.UTF-8 {jobs.directory}\n"
    assert again.code == 5
    assert jobs.pexen("resume", "--check").code == 5
    assert jobs.pexen("db", "check").code == 0


def test_all_and_unattended_make_up_for_it_too_and_end_as_the_run(jobs: Box):
    jobs.file("bad", "")
    command = f"{TELL}; test -e second || {{ : > second; kill -9 $PPID; }}"
    assert jobs.pexen("run", "a.jobs", "--on-finish", command).code == -signal.SIGKILL

    done = jobs.pexen("resume", "--all", "--unattended")

    assert done.code == 1
    assert told(jobs) == ["1 finished 1", "1 finished 1"]
    assert jobs.pexen("resume", "--all", "--unattended").code == 0


def test_run_that_may_resume_makes_up_for_it_and_begins_another(jobs: Box):
    command = f"{TELL}; test -e second || {{ : > second; kill -9 $PPID; }}"
    assert jobs.pexen("run", "a.jobs", "--on-finish", command).code == -signal.SIGKILL

    assert jobs.pexen("run", "a.jobs", "--resume").code == 0

    assert told(jobs) == ["1 finished 0", "1 finished 0"]
    assert jobs.sql("SELECT id, state FROM runs") == [(1, "finished"), (2, "finished")]


def test_a_resume_may_leave_it_out_for_good(jobs: Box):
    jobs.file("a.jobs", "one: true\ntwo: test ! -e gate || cat gate\n")
    kill_in_the_middle(jobs, "run", "a.jobs", "-j1", "--on-finish", TELL)

    assert jobs.pexen("resume", "--on-finish", "").code == 0

    assert jobs.pexen("resume", "--check").code == 5
    assert told(jobs) == []


def test_a_run_that_nobody_runs_and_that_is_cancelled_has_it_then(jobs: Box):
    jobs.file("a.jobs", "one: true\ntwo: test ! -e gate || cat gate\n")
    kill_in_the_middle(jobs, "run", "a.jobs", "-j1", "--on-finish", TELL)

    done = jobs.pexen("cancel")

    assert done.code == 0
    assert told(jobs) == ["1 cancelled 1"]
    assert jobs.pexen("resume").code == 5


def test_the_end_of_a_run_that_was_given_up_is_an_end(jobs: Box):
    jobs.file("a.jobs", "one: false\ntwo: true\n")

    assert jobs.pexen("run", "a.jobs", "-j1", "-x", "--on-finish", TELL).code == 1

    assert told(jobs) == ["1 cancelled 1"]


def test_who_gets_a_copy_of_the_run_does_not_run_it(jobs: Box):
    assert jobs.pexen("run", "a.jobs", "--on-finish", f"{TELL}; kill -9 $PPID").code == -signal.SIGKILL

    assert jobs.pexen("db", "export", "1", "copy.db").code == 0

    assert jobs.pexen("--journal", "copy.db", "resume").code == 5
    assert jobs.pexen("--journal", "copy.db", "db", "check").code == 0
    assert told(jobs) == ["1 finished 0"]
    assert jobs.pexen("resume", "--check").code == 0


def test_ctrl_c_ends_it_and_the_run_is_what_it_was(jobs: Box):
    gate = jobs.gate()
    with jobs.started("run", "a.jobs", "--on-finish", gate.wait) as run:
        gate.reached()
        run.signal(signal.SIGINT)
        done = run.ended()

    assert done.code == 0
    assert "pexen: stopping the command of --on-finish; the run itself is over." in done.err
    assert done.err.splitlines()[-1].startswith("pexen: --on-finish was killed by SIGTERM.")
    assert jobs.pexen("resume", "--check").code == 5


def test_over_its_time_limit_it_is_killed(jobs: Box):
    done = jobs.pexen("run", "a.jobs", "--on-finish", "sleep 600", "--on-finish-timeout", "0.2s")

    assert done.code == 0
    assert "pexen: --on-finish was over its time limit, and was killed after " in done.err


def test_what_makes_no_sense_is_told_before_anything_runs(jobs: Box):
    done = jobs.pexen("run", "a.jobs", "--on-finish-timeout", "soon")

    assert done.code == 2
    assert "--on-finish-timeout: " in done.err
    assert not jobs.journal.exists()


def test_reports_are_whole_when_it_runs(jobs: Box):
    done = jobs.pexen(
        "run", "a.jobs", "--junit", "r.xml", "--jsonl", "r.jsonl", "--on-finish", "cp r.xml r.jsonl .pexen"
    )

    assert done.code == 0
    for name in ("r.xml", "r.jsonl"):
        assert (jobs.directory / name).read_bytes() == (jobs.directory / ".pexen" / name).read_bytes()
    assert (jobs.directory / "r.xml").read_text().count("<testcase ") == 2
