"""The files of a task: all that is promised is there, and what nobody used is not left behind."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from pexen_state.sched.common import Skip
from pexen_state.sched.executable import Executable
from tests.sched.pools import (
    Cause,
    Context,
    Job,
    Verdict,
    die_of,
    opened,
    reports_until_all_ended,
    run,
    said,
    wait_until_begun,
)


def sh(script: str) -> Executable:
    return Executable(["/bin/sh", "-c", script])


def job(run_directory: Path, number: int, body: Callable[..., object], nth: int = 1, **shared: object) -> Job:
    """As the journal lays its files."""
    task = run_directory / f"task-{number}"
    directory = task / str(nth)
    context = Context("1", f"task-{number}", f"cookie-{number}-{nth}", nth, str(directory), str(task / "data"))
    return Job(number, nth, body, dict(shared), context=context, output=str(directory / "output.log"))


LOOK = (
    'test -z "$(ls -A "$PEXEN_DATA")" && test -z "$(ls -A "$PEXEN_ARTIFACTS")" && test "$(cat "$PEXEN_SHARED")" = {} &&'
    ' test "$(ls "$(dirname "$PEXEN_SHARED")")" = "artifacts\noutput.log\nshared.json" &&'
    ' case $PEXEN_DATA in *"/$PEXEN_TASK/data") ;; *) exit 1 ;; esac'
)


def test_each_job_finds_all_that_is_promised_empty_and_leaves_nothing_if_it_used_nothing(tmp_path):
    look = sh(LOOK)
    with opened([look]) as pool:
        ends = run(pool, [job(tmp_path, number, look) for number in range(1, 20)])

    assert {said(end)[1] for end in ends.values()} == {Verdict.PASS}
    assert {end.outcome.output for end in ends.values()} == {None}
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("script", "kept"),
    [
        ("echo hello", "1/output.log"),
        ('echo hello > "$PEXEN_ARTIFACTS/a"', "1/artifacts/a"),
        ('echo hello > "$PEXEN_DATA/d"', "data/d"),
        ('mkdir "$PEXEN_DATA/empty"', "data/empty"),
        ('echo hello > "$(dirname "$PEXEN_SHARED")/else"', "1/else"),
        ('echo \'{"a": 1}\' > "$PEXEN_SHARED"', "1/shared.json"),
        ("exit 1", "1/artifacts"),
        ("sleep 1000 &", "1/artifacts"),
    ],
)
def test_what_a_job_left_stays_and_the_next_one_does_not_see_it(tmp_path, script, kept):
    leave, look = sh(script), sh(LOOK)
    with opened([leave, look]) as pool:
        ends = run(pool, [job(tmp_path, 1, look), job(tmp_path, 2, leave), job(tmp_path, 3, look)])

    assert [said(ends[number])[1] for number in (1, 3)] == [Verdict.PASS] * 2
    assert os.listdir(tmp_path) == ["task-2"]
    assert (tmp_path / "task-2" / kept).exists()


def test_who_prints_something_and_uses_nothing_else_leaves_that_alone(tmp_path):
    loud = sh("echo hello")
    with opened([loud]) as pool:
        ends = run(pool, [job(tmp_path, number, loud) for number in (1, 2)])

    left = [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))]
    assert left == ["task-1", "task-1/1", "task-1/1/output.log", "task-2", "task-2/1", "task-2/1/output.log"]
    assert Path(ends[2].outcome.output).read_text() == "hello\n"


def test_a_python_task_that_prints_nothing_leaves_nothing_and_one_that_does_its_output_alone(tmp_path):
    def silent():
        return 1

    def loud():
        print("hello")

    def skips():
        raise Skip("no quota")

    def fails():
        raise ValueError("no disk")

    bodies = [silent, loud, skips, fails]
    with opened(bodies) as pool:
        ends = run(pool, [job(tmp_path, number, body) for number, body in enumerate(bodies, 1)])
        again = run(pool, [job(tmp_path, 1, silent, nth=2), job(tmp_path, 4, silent, nth=2)])

    left = [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))]
    assert left == ["task-2", "task-2/1", "task-2/1/output.log", "task-4", "task-4/1", "task-4/1/output.log"]
    assert [ends[number].outcome.output is None for number in (1, 2, 3, 4)] == [True, False, True, False]
    assert [again[number].outcome.output for number in (1, 4)] == [None, None]


def test_what_a_python_task_put_beside_its_output_stays(tmp_path):
    def leaves():
        (tmp_path / "task-1" / "1" / "core").write_text("dumped")

    with opened([leaves]) as pool:
        ends = run(pool, [job(tmp_path, 1, leaves)])

    assert os.listdir(tmp_path / "task-1" / "1") == ["core"]
    assert ends[1].outcome.output is None


@pytest.mark.parametrize("says", ["", "hello"])
def test_of_a_worker_that_died_there_is_an_output_only_if_something_was_printed(tmp_path, says):
    def dies():
        os.write(1, says.encode())
        die_of(signal.SIGKILL)

    with opened([dies]) as pool:
        ends = run(pool, [job(tmp_path, 1, dies)])

    expected = str(tmp_path / "task-1" / "1" / "output.log") if says else None
    assert (said(ends[1])[0], ends[1].outcome.output) == (Cause.WORKER_DIED, expected)


def test_a_later_attempt_finds_what_the_first_one_left_in_its_data(tmp_path):
    leave, quiet = sh('echo hello > "$PEXEN_DATA/d"; exit 1'), sh("true")
    look = sh('cat "$PEXEN_DATA/d"')
    with opened([leave, quiet, look]) as pool:
        run(pool, [job(tmp_path, 1, leave), job(tmp_path, 2, quiet)])
        again = run(pool, [job(tmp_path, 1, look, nth=2)])

    assert Path(again[1].outcome.output).read_text() == "hello\n"


def test_what_was_shared_stays_for_whoever_looks_for_the_reason_of_something(tmp_path):
    quiet = sh("true")
    with opened([quiet]) as pool:
        run(pool, [job(tmp_path, 1, quiet, build=7), job(tmp_path, 2, quiet)])

    assert json.loads((tmp_path / "task-1" / "1" / "shared.json").read_text()) == {"build": 7}
    assert os.listdir(tmp_path) == ["task-1"]


def test_what_is_written_to_shared_at_once_and_as_long_as_before_is_not_missed(tmp_path):
    write = sh('echo \'{"build":8}\' > "$PEXEN_SHARED"')
    with opened([write]) as pool:
        ends = run(pool, [job(tmp_path, number, write, build=7) for number in range(1, 20)])

    assert [end.outcome.shared for end in ends.values()] == [{"build": 8}] * 19


def test_who_follows_the_output_of_a_silent_job_does_not_see_that_of_the_next_one(tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    silent, loud = sh(f"read line < {gate}"), sh("echo hello")
    with opened([silent, loud]) as pool:
        pool.hand_over([job(tmp_path / "run", 1, silent), job(tmp_path / "run", 2, loud)])
        wait_until_begun(pool, 1)
        with open(tmp_path / "run" / "task-1" / "1" / "output.log") as followed:
            gate.write_text("go\n")
            ends = {report.task: report for report in reports_until_all_ended(pool, 2)}

            assert followed.read() == ""
    assert Path(ends[2].outcome.output).read_text() == "hello\n"


def test_who_stays_in_the_data_of_a_silent_job_writes_nothing_into_that_of_the_next_one(tmp_path):
    gates = [tmp_path / "gate1", tmp_path / "gate2"]
    for gate in gates:
        os.mkfifo(gate)
    waits = [sh(f"read line < {gate}") for gate in gates]
    with opened(waits) as pool:
        pool.hand_over([job(tmp_path / "run", number, body) for number, body in enumerate(waits, 1)])
        wait_until_begun(pool, 1)
        with gates[0].open("w") as gate:  # opens when the job reads: its files are there
            there = os.open(tmp_path / "run" / "task-1" / "data", os.O_RDONLY | os.O_DIRECTORY)
            gate.write("go\n")
        try:
            with gates[1].open("w") as gate:
                with pytest.raises(FileNotFoundError):
                    os.open("stray", os.O_CREAT | os.O_WRONLY, dir_fd=there)
                assert os.listdir(tmp_path / "run" / "task-2" / "data") == []
                gate.write("go\n")
        finally:
            os.close(there)
        reports_until_all_ended(pool, 2)
    assert os.listdir(tmp_path / "run") == []


def test_files_that_cannot_be_made_are_that_tasks_error(tmp_path):
    quiet = sh("true")
    (tmp_path / "task-1").write_text("in the way")
    with opened([quiet]) as pool:
        ends = run(pool, [job(tmp_path, 1, quiet), job(tmp_path, 2, quiet)])

    assert said(ends[1])[1] is Verdict.ERROR
    assert said(ends[1])[2].startswith("its files cannot be made: something else stands where pexen keeps its files: ")
    assert said(ends[2])[1] is Verdict.PASS
