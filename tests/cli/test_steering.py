"""Steering from another terminal: `pause`, `cancel` and `unlock`, whether or not somebody runs the run."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from signal import SIGCONT, SIGKILL, SIGSTOP

import pytest

from pexen_state.journal.care.check import check
from tests.cli.box import COMMAND, Box, Gate, Running
from tests.cli.typed import typed
from tests.journal.telling import change

HELD = """
import pexen_state

@pexen_state.task(claims={"disk"}, priority=-1)
def breaks():
    raise RuntimeError("left in the middle")

@pexen_state.task(priority=1)
def works():
    open("gate").read()

@pexen_state.task(claims={"disk"}, priority=2)
def wants():
    pass
"""


def jobs(box: Box, *tasks: dict[str, object]) -> None:
    box.file("work.jsonl", "".join(f"{json.dumps(task)}\n" for task in tasks))


@contextmanager
def at_work(box: Box, *options: str) -> Iterator[tuple[Running, Gate]]:
    """A run of three: `first` has ended, `second` is at the gate, `third` waits for it."""
    gate = box.gate()
    jobs(
        box,
        {"name": "first", "cmd": "true"},
        {"name": "second", "cmd": gate.wait, "requires": ["one"], "provides": ["two"]},
        {"name": "third", "cmd": "true", "requires": ["two"]},
    )
    jobs_file = box.directory / "work.jsonl"
    jobs_file.write_text(jobs_file.read_text().replace('"true"}', '"true", "provides": ["one"]}', 1))
    with box.started("run", "work.jsonl", "-j", "1", *options) as running:
        gate.reached()
        yield running, gate


def killed(running: Running) -> None:
    running.signal(SIGKILL)
    running.process.wait()


def test_a_paused_run_lets_running_tasks_end_and_can_be_resumed(box: Box):
    with at_work(box) as (running, gate):
        box.sql_until("SELECT count(*) FROM tasks WHERE state = 'running'", 1)
        paused = box.pexen("pause")
        gate.let_go()
        ended = running.ended()

    assert (paused.code, paused.err) == (0, "")
    assert paused.out == ("run 1 starts nothing new; 1 task is still running and may end. `pexen resume` goes on.\n")
    assert ended.code == 4
    assert box.sql("SELECT how_ended FROM sessions") == [("paused",)]

    again = box.pexen("pause", "1")
    assert (again.code, again.out) == (
        0,
        "run 1 was paused already, and nobody runs it. `pexen resume` goes on.\n",
    )
    assert box.pexen("resume").code == 0


def test_a_run_that_was_cut_off_can_be_paused_so_that_nobody_goes_on_with_it_unasked(box: Box):
    with at_work(box) as (running, _):
        killed(running)

    done = box.pexen("pause", "-r", "latest")

    assert (
        done.out == "run 1 is paused; nobody was running it. `pexen resume` goes on, `pexen resume --all` does not.\n"
    )
    assert box.sql("SELECT how_ended FROM sessions ORDER BY id DESC LIMIT 1") == [("paused",)]
    assert check(box.journal) == []


def test_a_cancelled_run_stops_what_runs_and_is_over(box: Box):
    with at_work(box) as (running, _):
        cancelled = box.pexen("cancel")
        ended = running.ended()

    assert cancelled.out == (
        "run 1 is cancelled: 1 task is stopped, 1 task never runs, 1 task had ended before. It cannot be resumed. "
        "`pexen rerun 1 --not-run` runs what did not.\n"
    )
    assert ended.code == 1
    assert box.sql("SELECT task, state, verdict, reason FROM tasks ORDER BY number") == [
        ("first", "succeeded", "pass", None),
        ("second", "cancelled", "error", "a person cancelled the run"),
        ("third", "cancelled", "not_run", "a person cancelled the run"),
    ]
    assert "  ERROR   second  a person cancelled the run" in ended.lines
    assert "1 not run: a person cancelled the run" in ended.lines
    assert box.sql("SELECT state FROM runs") == [("cancelled",)]
    assert box.pexen("resume").code == 5
    for words, said in (
        (["cancel"], "run 1 is cancelled: there is nothing to cancel."),
        (["cancel", "third"], "run 1 is cancelled: third has come to its end, too."),
        (["pause"], "run 1 is cancelled: there is nothing to pause."),
        (["unlock", "disk"], "run 1 is cancelled: a new run begins with all locks free."),
    ):
        done = box.pexen(*words)
        assert (done.code, done.out, done.err) == (2, "", f"pexen: {said}\n")


def test_a_run_that_nobody_runs_can_be_cancelled(box: Box):
    with at_work(box) as (running, _):
        killed(running)

    done = box.pexen("cancel", "1")

    assert done.out.startswith("run 1 is cancelled: 1 task is stopped, 1 task never runs, 1 task had ended before.")
    assert box.sql("SELECT state FROM runs") == [("cancelled",)]
    assert check(box.journal) == []


def test_who_cancels_a_run_whose_tasks_have_all_ended_is_told_what_it_came_to(box: Box):
    jobs(box, {"name": "first", "cmd": "true"})
    box.pexen("run", "work.jsonl")
    # As its runner was killed when all was decided, and before it said so.
    change(box.journal, "UPDATE run SET state = 0, verdict = 0, ended_us = NULL")
    change(box.journal, "UPDATE session SET how_ended = NULL, ended_us = NULL, last_seq = NULL")

    done = box.pexen("cancel")

    assert (done.code, done.out) == (0, "run 1 had come to its end, with verdict pass: nothing was cancelled.\n")
    assert box.sql("SELECT state, verdict FROM runs") == [("finished", "pass")]


def test_a_lock_that_is_freed_does_not_change_how_the_run_was_left(box: Box):
    box.file("held.py", HELD)
    gate = box.gate()
    with box.started("run", "held.py", "-j", "1") as running:
        gate.reached()
        box.sql_until("SELECT count(*) FROM tasks WHERE state = 'failed'", 1)
        killed(running)
    box.pexen("pause")

    box.pexen("unlock", "disk")

    assert box.sql("SELECT how_ended FROM sessions ORDER BY id") == [("killed",), ("paused",), ("steered",)]
    assert "  paused  " in box.pexen("runs").out
    assert box.pexen("resume", "--all").err.startswith("run 1 (held) is left alone: it is paused.")


def test_one_task_is_cancelled_and_the_run_goes_on(box: Box):
    with at_work(box) as (running, _):
        ended = box.pexen("cancel", "first")
        unknown = box.pexen("cancel", "thrid")
        waits = box.pexen("cancel", "1", "third")
        runs = box.pexen("cancel", "second")
        done = running.ended()
        code = done.code
    why = typed(box.directory, "why", "second")
    show = typed(box.directory, "show", "second")

    assert "  ERROR   second  a person cancelled it" in done.lines
    assert why.out.startswith("second was cancelled, verdict error: a person cancelled it")
    assert "  reason    a person cancelled it" in show.lines
    assert (ended.code, ended.err) == (2, "pexen: first has ended already (pass): there is nothing to cancel\n")
    assert (unknown.code, unknown.err) == (2, "pexen: run 1 has no task 'thrid'. Did you mean 'third'?\n")
    assert waits.out == "third of run 1 is cancelled: it never runs. The run goes on without it.\n"
    assert runs.out == "second of run 1 is cancelled: it was running, and is stopped. The run goes on without it.\n"
    assert code == 1
    assert box.sql("SELECT state, verdict FROM tasks WHERE number > 1") == [
        ("cancelled", "error"),
        ("cancelled", "not_run"),
    ]


def test_cancelling_the_last_task_of_a_run_that_nobody_runs_ends_it(box: Box):
    with at_work(box) as (running, _):
        killed(running)

    third = box.pexen("cancel", "third")
    second = box.pexen("cancel", "second")

    assert third.out == "third of run 1 is cancelled: it never runs. `pexen resume` goes on without it.\n"
    assert second.out.endswith("It was the last one: run 1 is over.\n")
    assert box.pexen("resume").code == 5


def test_a_lock_that_was_left_held_is_freed_and_the_next_task_runs(box: Box):
    box.file("held.py", HELD)
    gate = box.gate()
    with box.started("run", "held.py", "-j", "2") as running:
        gate.reached()
        box.sql_until("SELECT count(*) FROM tasks WHERE state = 'failed'", 1)
        none = box.pexen("unlock", "dick")
        freed = box.pexen("unlock", "disk")
        again = box.pexen("unlock", "disk")
        gate.let_go()
        ended = running.ended()

    left = "held/breaks (error)"
    assert (none.code, none.err) == (
        2,
        "pexen: no task that has ended holds a lock 'dick' in run 1. Left held: disk (left by held/breaks, error).\n",
    )
    assert freed.out == f"the lock disk of run 1 is free; {left} had left it held. 1 task that wants it may run now.\n"
    assert again.code == 2
    assert "No lock was left held." in again.err or "which has not ended: it is freed when that has" in again.err
    assert ended.code == 1
    assert box.sql("SELECT state FROM tasks WHERE task LIKE '%wants'") == [("succeeded",)]


def test_a_lock_of_a_run_that_was_cut_off_is_freed_for_its_resume(box: Box):
    box.file("held.py", HELD)
    gate = box.gate()
    with box.started("run", "held.py", "-j", "1") as running:
        gate.reached()
        box.sql_until("SELECT count(*) FROM tasks WHERE state = 'failed'", 1)
        killed(running)

    freed = box.pexen("unlock", "disk")

    assert freed.out.endswith("had left it held. 1 task that wants it may run: `pexen resume` goes on.\n")
    assert check(box.journal) == []
    with box.started("resume") as running:
        gate.reached()
        gate.let_go()
        assert running.ended().code == 1
    assert box.sql("SELECT state FROM tasks WHERE task LIKE '%wants'") == [("succeeded",)]


def test_who_means_an_older_run_is_told_which_one_is_being_run(box: Box):
    box.script("other/one")
    box.pexen("run", "other", "--name", "other", "--journal", ".pexen/journal.db")
    with at_work(box, "--name", "mine") as (running, _):
        over = box.pexen("pause", "other")
        killed(running)
    with box.started("run", "work.jsonl", "--name", "second", "-j", "1"):
        box.sql_until("SELECT max(run) FROM sessions", 3)
        busy = box.pexen("cancel", "mine")

    assert (over.code, over.err) == (
        2,
        "pexen: run 1 is finished: there is nothing to pause. Run 2 is being run now; name it, if you mean that one.\n",
    )
    assert busy.code == 6
    assert "is being run now, and run 2 is not" in busy.err


def test_a_runner_that_does_not_answer_is_not_waited_for_for_ever(box: Box):
    with at_work(box) as (running, gate):
        running.signal(SIGSTOP)
        done = box.pexen("pause")
        running.signal(SIGCONT)
        gate.let_go()
        running.ended()

    assert done.code == 3
    assert "has not answered for 10 s. It may be busy; try again." in done.err


HOSTILE = """
import pexen_state

@pexen_state.task(name="breaks\x1b]0;title\x07", claims={"disk\x1b[31m", "::error::lock", ("disk", 1)}, priority=-1)
def breaks():
    raise RuntimeError("left in the middle")

@pexen_state.task(priority=1)
def works():
    open("gate").read()

@pexen_state.task(name="wants\x1b[2J", priority=2)
def wants():
    pass
"""


def test_names_that_no_terminal_shows_are_typed_as_they_are_shown(box: Box):
    box.file("held.py", HOSTILE)
    gate = box.gate()
    with box.started("run", "held.py", "-j", "2") as running:
        gate.reached()
        box.sql_until("SELECT count(*) FROM tasks WHERE verdict IS NOT NULL", 2)
        said = [
            box.pexen("unlock", "other\x1b[31m"),
            box.pexen("unlock", "disk\\x1b[31m"),
            box.pexen("unlock", "\\::error::lock"),
            box.pexen("unlock", '["disk", 1]'),
            box.pexen("cancel", "breaks\\x1b]0;title\\x07"),
            box.pexen("cancel", "nothing\x1b[31m"),
            box.pexen("pause", "nobody\x1b[31m"),
        ]
        gate.let_go()
        running.ended()

    assert [done.code for done in said] == [2, 0, 0, 0, 2, 2, 2]
    for done in said:
        assert "\x1b" not in done.out + done.err
        assert not [line for line in (done.out + done.err).splitlines() if line.startswith("::")]
    assert "Left held: " in said[0].err
    assert said[1].out.startswith("the lock disk\\x1b[31m of run 1 is free; breaks\\x1b]0;title\\x07 (error) had left")
    assert said[3].out.startswith('the lock ["disk", 1] of run 1 is free;')


@pytest.mark.parametrize("verb", ["pause", "cancel", "unlock"])
def test_without_a_journal_there_is_nothing_to_steer(box: Box, verb: str):
    done = box.pexen(verb, *(["disk"] if verb == "unlock" else []))

    assert done.code == 3
    assert "there is no journal here" in done.err


def test_twenty_terminals_at_once_hold_nobody_up(box: Box):
    gate = box.gate()
    jobs(
        box,
        {"name": "gate", "cmd": gate.wait, "provides": ["go"], "priority": -1},
        *({"name": f"quick-{number}", "cmd": "true"} for number in range(2000)),
        *({"name": f"late-{number}", "cmd": "true", "requires": ["go"]} for number in range(10)),
    )
    with box.started("run", "work.jsonl", "-j", "2", stdout=subprocess.DEVNULL) as running:
        gate.reached()
        asking = [
            subprocess.Popen(
                [*COMMAND, *words],
                cwd=box.directory,
                env=box.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for number in range(10)
            for words in (["cancel", f"late-{number}"], ["unlock", f"lock-{number}"])
        ]
        answers = [(*process.communicate(timeout=120), process.returncode) for process in asking]
        gate.let_go()
        code = running.ended().code

    assert [answer[2] for answer in answers] == [0, 2] * 10
    assert all("it never runs. The run goes on without it." in out for out, _, _ in answers[::2])
    assert all("No lock was left held." in err for _, err, _ in answers[1::2])
    assert code == 1
    assert box.sql("SELECT state, count(*) FROM tasks GROUP BY state ORDER BY 2") == [
        ("cancelled", 10),
        ("succeeded", 2001),
    ]
    assert check(box.journal) == []


def test_who_cancels_a_task_names_whole_parts_of_its_path(box: Box):
    gate = box.gate()
    for key in ("fs/unlink", "net/route", "slow"):
        box.script(f"suite/{key}", gate.wait)
    with box.started("run", "suite", "-j1") as run:
        gate.reached()
        tail = box.pexen("cancel", "link")
        looked = box.pexen("show", "link")
        whole = box.pexen("cancel", "fs/unlink")
        run.process.kill()
        run.process.wait()

    assert (tail.code, tail.out) == (2, "")
    assert tail.err == (
        "pexen: run 1 has no task 'link'. Only a whole key, or the last whole parts of its path, name one here, "
        "and not the end of suite/fs/unlink.\n"
    )
    assert looked.code == 0
    assert whole.out.startswith("suite/fs/unlink of run 1 is cancelled: ")
