"""`pexen resume`: after a kill the run goes on from anywhere, as it was started, and nothing is run twice."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pexen_state.sched.common import RunOver
from pexen_state.sched.planner import Sched
from tests.cli.box import Box

WITNESS = 'echo "$PEXEN_TASK" >> "$HOME/witness"'


def witness(box: Box) -> list[str]:
    return (box.directory / "witness").read_text().split()


def kill_in_the_middle(box: Box, *words: str, stdin: bytes = b"", **options: object) -> None:
    """Start a run whose second task waits at the gate, and kill it there."""
    gate = box.gate()
    with box.started(*words, stdin=stdin, **options) as run:
        gate.reached()
        run.until("PASS")
        run.signal(signal.SIGKILL)
        run.process.wait()
    gate.path.unlink()  # and not opened: what the keeper has not killed yet must not go on


def test_a_killed_run_goes_on_and_keeps_what_was_finished(box: Box):
    box.script("suite/1", WITNESS)
    box.script("suite/2", f"test ! -e ../gate || cat ../gate; {WITNESS}")
    box.script("suite/3", WITNESS)
    kill_in_the_middle(box, "run", "suite")

    done = box.pexen("resume")

    assert done.code == 0
    assert re.fullmatch(r"run 1 was cut off at \d\d:\d\d:\d\d: the runner was killed\.", done.lines[1])
    assert re.match(r"  1 finished result kept, [01] left, [12] (was|were) running: suite/2", done.lines[2])
    assert witness(box) == ["suite/1", "suite/2", "suite/3"]
    assert "run 1: 3 tasks: 3 pass; in" in done.out
    assert "2/3 suite/2  attempt 2" in next(line for line in done.lines if line.startswith("  PASS"))
    assert box.sql("SELECT how_ended FROM sessions ORDER BY id") == [("killed",), ("finished",)]
    assert box.pexen("db", "check").code == 0
    assert box.pexen("resume").code == 5


def test_a_list_from_standard_input_is_resumed_from_the_journal(box: Box):
    text = b"one: true\n" + b"two: test ! -e gate || cat gate\n" + b"echo caf\xe9\n" + b"echo '\xff' | wc -c\n"
    kill_in_the_middle(box, "run", "-", "-j1", stdin=text)

    done = box.pexen("resume")

    assert done.code == 0, done.err
    assert "4 tasks: 4 pass" in done.out
    assert "echo caf\\udce9" in done.out


def test_an_edited_list_gains_its_new_lines_and_loses_the_others(box: Box):
    box.file("s.jobs", "one: true\ntwo: test ! -e gate || cat gate\nthree: true\n")
    kill_in_the_middle(box, "run", "s.jobs", "-j1")
    box.file("s.jobs", "one: true\ntwo: test ! -e gate || cat gate\nfour: true\n")

    done = box.pexen("resume")

    assert box.sql("SELECT task, verdict FROM tasks ORDER BY task") == [
        ("four", "pass"),
        ("one", "pass"),
        ("three", "not_run"),
        ("two", "pass"),
    ]
    assert done.code == 1
    assert "pexen: warning: 1 unfinished tasks are no longer there and will not run: three" in done.err
    assert "pexen: warning: 1 tasks are new and join the run" in done.err


def test_a_list_that_is_gone_is_resumed_all_the_same(box: Box):
    file = box.file("s.jobs", "one: true\ntwo: test ! -e gate || cat gate\nthree: true\n")
    kill_in_the_middle(box, "run", "s.jobs", "-j1")
    file.unlink()

    assert box.pexen("resume").code == 0


def test_it_goes_on_as_it_was_started_wherever_resume_is_typed(box: Box, tmp_path: Path):
    look = 'pwd; echo "$PATH"; echo "${TZ-unset} ${LC_TIME-unset} $LANG"; umask; ulimit -n'
    box.file("s.jobs", f"one: ({look}) > one\ntwo: test ! -e gate || cat gate\nthree: ({look}) > three\n")
    started = {"TZ": "Asia/Tokyo", "LC_TIME": "C", "LANG": "C.UTF-8", "PATH": f"/opt/strange:{os.environ['PATH']}"}
    elsewhere = {"LC_TIME": "de_DE", "LANG": "C", "PATH": os.environ["PATH"]}
    gate = box.gate()
    with box.started("run", "s.jobs", "-j1", env=started, preexec_fn=limit_files) as run:
        gate.reached()
        run.until("PASS")
        run.signal(signal.SIGKILL)
        run.process.wait()
    gate.path.unlink()  # and not opened: what the keeper has not killed yet must not go on
    journal = str(box.journal)

    done = box.pexen("resume", "--journal", journal, cwd="/", env=elsewhere)

    assert done.code == 0, done.err
    one, three = (tmp_path / "one").read_text(), (tmp_path / "three").read_text()
    assert one.splitlines() == [str(tmp_path), started["PATH"], "Asia/Tokyo C C.UTF-8", "0027", "512"]
    assert three == one


def limit_files() -> None:
    os.umask(0o027)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def test_options_are_used_again_and_those_of_resume_override(box: Box):
    box.file("s.jobs", "one: true\ntwo: test ! -e gate || cat gate\nthree: true\n")
    kill_in_the_middle(box, "run", "s.jobs", "-j1", "--timeout", "20m", "--name", "nightly")

    done = box.pexen("resume", "nightly", "-j3")

    assert done.code == 0
    assert "suite nightly  3 tasks  3 workers (process pool)  timeout 20m, no retries" in done.lines[0]


def test_the_directory_of_a_run_has_to_be_there(box: Box):
    box.file("deep/s.jobs", "one: true\ntwo: test ! -e ../gate || cat ../gate\n")
    kill_in_the_middle(box, "--journal", "../j.db", "run", "s.jobs", "-j1", cwd=box.directory / "deep")
    (box.directory / "deep/s.jobs").unlink()
    (box.directory / "deep").rmdir()

    done = box.pexen("--journal", "j.db", "resume")

    assert done.code == 2
    assert "the run was begun in" in done.err
    assert "Make it again, then `pexen resume`." in done.err


def test_nothing_to_resume_is_told_apart_from_a_mistake(box: Box):
    nowhere = box.pexen("resume")
    named = box.pexen("resume", "--journal", "none.db")
    box.script("suite/a")
    box.pexen("run", "suite")
    over = box.pexen("resume")
    unknown = box.pexen("resume", "17")
    no_such_name = box.pexen("resume", "nightly")

    assert (nowhere.code, named.code, over.code) == (5, 3, 5)
    assert over.err == "pexen: nothing to resume: every run of this journal is over. `pexen run` begins another.\n"
    assert unknown.code == 2
    assert "has no run 17" in unknown.err
    assert no_such_name.code == 2
    assert "no run is named 'nightly'" in no_such_name.err


def test_a_run_of_a_program_is_not_resumed_by_the_command(box: Box):
    box.file("program.py", PROGRAM)
    subprocess.run([sys.executable, "program.py"], cwd=box.directory, check=True, env=box.environment)

    done = box.pexen("resume", "--journal", "j.db")

    assert done.code == 2
    assert "run 1 was begun by a program, not by `pexen run`" in done.err


PROGRAM = """
import pexen_state
from pexen_state import Sched
@pexen_state.task(provides=["one"])
def one(): pass
@pexen_state.task(requires=["one"])
def two(): pass
for result in Sched([one, two], journal="j.db").run():
    break
"""


def test_of_two_runners_one_is_told_who_holds_the_journal(box: Box):
    gate = box.gate()
    box.script("suite/waits", gate.wait)
    with box.started("run", "suite") as first:
        gate.reached()

        second = box.pexen("run", "suite")
        third = box.pexen("resume")

        assert (second.code, third.code) == (6, 6)
        assert f"is held by the process {first.process.pid}, since " in second.err
        gate.let_go()
        assert first.ended().code == 0
    assert box.sql("SELECT count(*) FROM runs") == [(1,)]


def test_a_run_that_ended_while_its_lock_was_waited_for_is_not_begun_again(box: Box):
    box.script("suite/one")
    box.pexen("run", "suite")

    with pytest.raises(RunOver, match="nothing to resume: run 1 is finished"):
        list(Sched([task], journal=box.journal, run_id=1).run())

    assert box.sql("SELECT sessions FROM runs") == [(1,)]


def task() -> None: ...


# -- what is typed anew, and what the run has recorded


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
    assert "run 1 goes on with its own tasks: -k, --last-failed and --not-run are left aside" in done.err
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
    assert "running when it was left: run again\n         suite/2" in text
    assert "suite/4" in text
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


# -- every unfinished run


def test_all_goes_on_with_what_nobody_left_on_purpose(box: Box):
    text = "one: true\ntwo: test ! -e gate || cat gate\n"
    for name in ("killed", "stopped", "interrupted", "left"):
        box.file(f"{name}.jobs", text)
    box.file("killed.jobs", f"{text}three: false\n")
    kill_in_the_middle(box, "run", "killed.jobs", "-j1")
    leave(box, "stopped.jobs", signal.SIGTERM)
    leave(box, "interrupted.jobs", signal.SIGINT, signal.SIGINT)
    leave(box, "left.jobs", signal.SIGINT, signal.SIGINT, signal.SIGINT)
    subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("j.db", ".pexen/journal.db")],
        cwd=box.directory,
        check=True,
        env=box.environment,
    )

    check = box.pexen("resume", "--check")
    done = box.pexen("resume", "--all", "-j2")
    none_left = box.pexen("resume", "--check")
    nothing = box.pexen("resume", "--all")
    unattended = box.pexen("resume", "--all", "--unattended")
    mixed = box.pexen("resume", "--all", "1")

    alone = [
        "run 3 (interrupted.jobs) is left alone: it was ended by Ctrl-C.",
        "run 4 (left.jobs) is left alone: it was ended by Ctrl-C.",
        "run 5 (main) is left alone: it was begun by a program, not by `pexen run`.",
    ]
    assert check.code == 0
    assert [line.split(" at ")[0] for line in check.lines] == ["run 1 was cut off", "run 2 was stopped"]
    assert check.err.splitlines() == alone
    assert done.code == 1  # the worst of both
    assert [line.split("  ")[1] for line in done.lines if line.startswith("pexen ")] == ["run 1", "run 2"]
    assert "run 1: 3 tasks: 2 pass, 1 fail" in done.out
    assert "run 2: 2 tasks: 2 pass" in done.out
    assert (none_left.code, nothing.code, unattended.code, mixed.code) == (5, 5, 0, 2)
    assert "nothing is to go on by itself." in none_left.err
    assert "nothing to resume: no unfinished run of this journal is to go on by itself." in nothing.err
    assert "neither RUN nor --plan goes with them" in mixed.err
    assert box.sql("SELECT id, state FROM runs ORDER BY id") == [
        (1, "finished"),
        (2, "finished"),
        (3, "unfinished"),
        (4, "unfinished"),
        (5, "unfinished"),
    ]
    assert box.pexen("resume", "3").code == 0


def leave(box: Box, jobs: str, *signals: signal.Signals) -> None:
    """Start a run whose second task waits at the gate, and end it there as a person would."""
    gate = box.gate()
    with box.started("run", jobs, "-j1") as run:
        gate.reached()
        run.until("PASS")
        for number, one in enumerate(signals):
            run.signal(one)
            if number < len(signals) - 1:
                run.until(("interrupted", "stopping")[number], "err")
        assert run.process.wait(60) == 4
    gate.path.unlink()


def test_all_hands_a_signal_on_and_begins_nothing_after_it(box: Box):
    text = "one: true\ntwo: test ! -e gate || cat gate\n"
    for name in ("a", "b"):
        box.file(f"{name}.jobs", text)
        kill_in_the_middle(box, "run", f"{name}.jobs", "-j1")
    gate = box.gate()
    with box.started("resume", "--all") as run:
        gate.reached()
        run.signal(signal.SIGTERM)
        done = run.ended()

    assert done.code == 4
    assert "pexen: asked to end: stopping what runs. `pexen resume` goes on." in done.err
    assert box.sql("SELECT run, how_ended FROM sessions ORDER BY id") == [
        (1, "killed"),
        (2, "killed"),
        (1, "stopped"),
    ]


def test_a_suite_that_is_not_there_any_more_is_a_mistake_and_not_the_end(box: Box):
    box.script("suite/1")
    box.script("suite/2", "test ! -e ../gate || cat ../gate")
    kill_in_the_middle(box, "run", "suite")
    for name in ("1", "2"):
        (box.directory / "suite" / name).unlink()
    box.script("suite/other")

    done = box.pexen("resume", "--unattended")

    assert done.code == 2
    assert "run 1 cannot go on: none of its tasks is in its suite any more, which is: suite. `pexen run`" in done.err
    assert box.sql("SELECT state, sessions FROM runs") == [("unfinished", 1)]


def test_what_may_not_be_said_anew_is_told(box: Box):
    assert "No such option" in box.pexen("resume", "--exit-codes", "ltp").err


def test_a_journal_of_an_older_pexen_is_upgraded_on_the_way(box: Box):
    box.journal.parent.mkdir()
    shutil.copy(Path(__file__).parents[1] / "journal/fixtures/journal-0001.db", box.journal)

    check = box.pexen("resume", "--check")
    done = box.pexen("resume", "--all", "--unattended")

    assert check.code == 0
    assert check.lines == ["the journal was written by an older pexen: it is upgraded first, and then looked at."]
    assert done.code in (0, 1), done.err  # as its runs end
    assert box.pexen("runs").code == 0
