"""`pexen resume`: after a kill the run goes on from anywhere, as it was started, and nothing is run twice."""

from __future__ import annotations

import os
import re
import resource
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pexen_state.sched.common import RunOver
from pexen_state.sched.planner import Sched
from tests.cli.box import Box
from tests.cli.killing import PROGRAM, kill_in_the_middle

WITNESS = 'echo "$PEXEN_TASK" >> "$HOME/witness"'


def witness(box: Box) -> list[str]:
    return (box.directory / "witness").read_text().split()


def test_a_killed_run_goes_on_and_keeps_what_was_finished(box: Box):
    box.script("suite/1", WITNESS)
    box.script("suite/2", f"test ! -e ../gate || cat ../gate; {WITNESS}")
    box.script("suite/3", WITNESS)
    kill_in_the_middle(box, "run", "suite")

    done = box.pexen("resume")

    assert done.code == 0
    assert re.fullmatch(r"run 1 was cut off at \d\d:\d\d:\d\d: the runner was killed\.", done.lines[1])
    assert done.lines[2] == "  1 finished result kept, 1 left, 1 was running: suite/2."
    assert witness(box) == ["suite/1", "suite/2", "suite/3"]
    assert "run 1: 3 tasks: 3 pass; in" in done.out
    assert "2/3 suite/2  attempt 2" in next(line for line in done.lines if line.startswith("  PASS"))
    assert box.sql("SELECT how_ended FROM sessions ORDER BY id") == [("killed",), ("finished",)]
    assert box.pexen("db", "check").code == 0
    assert box.pexen("resume").code == 5


def test_what_a_task_printed_before_the_kill_is_found_after_the_resume(box: Box):
    box.script("suite/1", "echo fine")
    box.script("suite/2", "echo last words; test ! -e ../gate || cat ../gate")
    kill_in_the_middle(box, "run", "suite")
    box.pexen("resume")

    first = box.pexen("logs", "suite/2", "--attempt", "1")
    both = box.pexen("logs", "suite/2", "--all")

    assert first.out == "last words\n"
    assert both.out.count("last words\n") == 2
    assert box.sql("SELECT count(*) FROM attempts WHERE output IS NULL") == [(0,)]


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
    where, path, *rest = one.splitlines()
    assert (where, rest) == (str(tmp_path), ["Asia/Tokyo C C.UTF-8", "0027", "512"])
    assert path.partition(":")[2] == started["PATH"], "behind what a task is given to type"
    assert three == one


def limit_files() -> None:
    os.umask(0o027)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def test_a_run_that_was_begun_with_too_few_descriptors_can_go_on_with_more(box: Box):
    box.file("s.jobs", "one: true\ntwo: test ! -e gate || cat gate; ulimit -n\n")
    kill_in_the_middle(box, "run", "s.jobs", "-j1")
    with closing(sqlite3.connect(box.journal)) as connection, connection:
        few = "json_set(recorded, '$.options.surroundings.limits.RLIMIT_NOFILE[0]', 14)"
        connection.execute(f"UPDATE run SET recorded = {few}")

    done = box.pexen("resume")

    assert done.code == 0, done.err
    assert box.pexen("logs", "two").out.split()[-1] == "256"


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
