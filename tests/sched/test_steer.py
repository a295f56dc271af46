"""Steering from another process: the runner does it, or, where nobody runs, it is done to the journal."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pexen_state.journal.care.check import check
from pexen_state.journal.control import ask
from pexen_state.journal.errors import JournalBusy, JournalMissing
from pexen_state.journal.lock import RunLock
from pexen_state.journal.queries import NotFound
from pexen_state.sched import Sched, func_meta
from pexen_state.sched.pool import ProcessWorkerPool, ThreadWorkerPool
from pexen_state.sched.steer import Cancel, Pause, Steered, Unlock, steer
from tests.journal.telling import change, sql


@func_meta(name="first", priority=-1)
def first() -> None:
    pass


@func_meta(name="breaks", claims=["/proc/sys", ("disk", 1)], priority=-1)
def breaks() -> None:
    raise ValueError


@func_meta(name="second")
def second() -> None:
    pass


@func_meta(name="third", priority=1)
def third() -> None:
    pass


def stopped(path: Path, *tasks) -> None:
    """A run of which nobody runs the rest: its caller left after the first result."""
    run = Sched(tasks or [first, second, third], journal=path).run(ThreadWorkerPool(1, spare=0))
    next(run)
    run.close()


KILLED = """
import os, signal, sys
from pexen_state.sched import Sched, func_meta
from pexen_state.sched.pool import ProcessWorkerPool

def hangs():
    print(os.getpid(), flush=True)
    signal.pause()

def last(): pass

tasks = [func_meta(name="hangs", claims=["disk"])(hangs), func_meta(name="last", after=["hangs"])(last)]
list(Sched(tasks, journal=sys.argv[1]).run(ProcessWorkerPool(1, spare=0)))
"""


def killed(path: Path) -> None:
    """A run that was killed while a task ran."""
    with subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.stdout.read()  # until the keeper has ended the task


def states(path: Path) -> list[tuple[str, str, str | None]]:
    return sql(path, "SELECT task, state, verdict FROM tasks ORDER BY number")


def how_ended(path: Path) -> list[str]:
    return [how for (how,) in sql(path, "SELECT how_ended FROM sessions ORDER BY id")]


def run_states(path: Path) -> list[str]:
    return [state for (state,) in sql(path, "SELECT state FROM runs ORDER BY id")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "j.db"


# -- nobody runs


def test_a_run_that_nobody_runs_is_cancelled_in_its_journal(path):
    stopped(path)

    assert steer(path, Cancel()) == Steered(1, False, is_over=True)

    assert states(path) == [
        ("first", "succeeded", "pass"),
        ("second", "cancelled", "not_run"),
        ("third", "cancelled", "not_run"),
    ]
    assert run_states(path) == ["cancelled"]
    assert how_ended(path) == ["stopped", "finished"]
    assert check(path) == []


def test_what_ran_when_its_runner_was_killed_is_cancelled_with_what_it_was(path):
    killed(path)

    assert steer(path, Cancel(), 1).is_over

    assert states(path) == [("hangs", "cancelled", "error"), ("last", "cancelled", "not_run")]
    assert how_ended(path) == ["killed", "finished"]
    assert sql(path, "SELECT state, cause FROM attempts") == [("lost", "runner_died")]
    assert check(path) == []


def test_one_task_is_cancelled_and_the_others_are_gone_on_with(path):
    stopped(path)

    assert steer(path, Cancel("second"), 1) == Steered(1, False)

    assert how_ended(path) == ["stopped", "steered"]
    results = Sched([first, second, third], journal=path).run()
    assert [(result.key, result.state) for result in results] == [("first", "succeeded"), ("third", "succeeded")]
    assert run_states(path) == ["finished"]
    assert check(path) == []


def test_a_paused_run_is_marked_so_and_a_second_pause_says_that_it_is(path):
    killed(path)

    assert steer(path, Pause()) == Steered(1, False)
    assert steer(path, Pause()) == Steered(1, False, was_so=True)

    assert how_ended(path) == ["killed", "paused"]
    assert run_states(path) == ["unfinished"]


def test_a_run_that_was_cut_off_stays_one_that_was_when_one_of_its_locks_is_freed(path):
    stopped(path, breaks, second)

    steer(path, Pause())
    assert not steer(path, Unlock('["disk", 1]')).is_over
    assert steer(path, Unlock("/proc//sys/")) == Steered(1, False)

    assert how_ended(path) == ["stopped", "paused", "steered", "steered"]
    assert steer(path, Pause()).was_so
    with pytest.raises(NotFound, match=r"run 1: the lock /proc/sys is not held\."):
        steer(path, Unlock("/proc/sys"))
    assert check(path) == []


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (Cancel("fourth"), "run 1: no task of this run is called 'fourth'."),
        (Cancel("breaks"), "run 1: breaks has ended already: failed."),
        (
            Unlock("memory"),
            'run 1: the lock memory is not held; held by tasks that have ended are: /proc/sys, ["disk", 1].',
        ),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_written(path, asked, sentence):
    stopped(path, breaks, second)

    with pytest.raises(NotFound) as error:
        steer(path, asked, 1)

    assert str(error.value) == sentence
    assert how_ended(path) == ["stopped"]


def test_a_run_that_is_over_is_not_steered_any_more(path):
    list(Sched([first], journal=path).run())
    with pytest.raises(NotFound, match=r"run 1 is over \(finished\): there is nothing to cancel\."):
        steer(path, Cancel(), 1)
    with pytest.raises(NotFound, match=r"there is nothing to pause: every run of .*j\.db is over\."):
        steer(path, Pause())
    with pytest.raises(NotFound, match=r"nothing to unlock\. A new run begins with all locks free\."):
        steer(path, Unlock("disk"), 1)
    with pytest.raises(NotFound, match=r"the journal has no run 7\."):
        steer(path, Cancel(), 7)
    assert how_ended(path) == ["finished"]


def test_without_a_journal_there_is_nothing_to_steer_and_none_is_made(path):
    with pytest.raises(JournalMissing, match="there is no journal"):
        steer(path, Pause())

    assert list(path.parent.iterdir()) == []


def test_a_run_whose_last_results_were_not_given_is_not_ended_by_a_pause(path):
    list(Sched([first], journal=path).run())
    # As its caller left when all was decided, and before the last result.
    change(path, "UPDATE run SET state = 0, verdict = 0, ended_us = NULL")
    change(path, "UPDATE session SET how_ended = 2")

    assert steer(path, Pause()) == Steered(1, False)

    assert run_states(path) == ["unfinished"]
    assert [result.replayed for result in Sched([first], journal=path).run()] == [True]


def test_who_cancels_a_run_whose_tasks_had_all_ended_ends_it_as_what_it_was(path):
    list(Sched([first], journal=path).run())
    change(path, "UPDATE run SET state = 0, verdict = 0, ended_us = NULL")
    change(path, "UPDATE session SET how_ended = 2")

    assert steer(path, Cancel()) == Steered(1, False, is_over=True)

    assert sql(path, "SELECT state, verdict FROM runs") == [("finished", "pass")]


KILLED_WHILE_IT_STEERS = """
import os, signal, sys
from pexen_state.journal.writer import Journal
from pexen_state.sched.steer import *

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(Journal, sys.argv[2], die)
steer(sys.argv[1], Unlock("/proc/sys"))
"""


@pytest.mark.parametrize("before", ["_write", "close"])
def test_a_paused_run_stays_paused_when_who_steers_it_is_killed(path, before):
    stopped(path, breaks, second)
    steer(path, Pause())

    subprocess.run([sys.executable, "-c", KILLED_WHILE_IT_STEERS, path, before], check=False)

    assert how_ended(path) == ["stopped", "paused", *(["steered"] if before == "close" else [])]
    assert steer(path, Pause()).was_so
    assert check(path) == []


# -- somebody runs


def asking(path: Path, *asked, run: int | None = 1):
    """A task that steers the run that it is a task of, and returns what it was told."""

    @func_meta(name="asks", priority=-1, after=["breaks"])
    def asks() -> list[str]:
        told = []
        for one in asked:
            try:
                done = steer(path, one, run)
                told.append(f"run {done.run}, in flight {done.in_flight}" if done.is_run else "nobody runs it")
            except (NotFound, JournalBusy) as error:
                told.append(f"{type(error).__name__}: {error}")
        return told

    return asks


def test_the_runner_is_asked_and_does_it(path):
    asks = asking(path, Unlock("memory"), Cancel("second"), Cancel("second"), Pause())

    results = list(Sched([asks, second, third], journal=path).run(ProcessWorkerPool(1, spare=0)))

    assert results[0].ret == [
        "NotFound: run 1: the lock memory is not held.",
        "run 1, in flight 1",
        "NotFound: run 1: second has ended already: cancelled.",
        "run 1, in flight 1",
    ]
    assert len(results) == 1
    assert states(path)[1:] == [("second", "cancelled", "not_run"), ("third", "ready", None)]
    assert how_ended(path) == ["paused"]


def test_a_lock_that_a_task_left_is_freed_by_its_text(path):
    waits = func_meta(name="waits", claims=[("disk", 1)], priority=1)(lambda: None)
    asks = asking(path, Unlock('["disk",1]'), Unlock("/proc/sys"))

    results = list(Sched([breaks, asks, waits], journal=path).run(ProcessWorkerPool(1, spare=0)))

    assert [(result.key, result.state) for result in results] == [
        ("breaks", "failed"),
        ("asks", "succeeded"),
        ("waits", "succeeded"),
    ]


def nested(depth: int) -> object:
    value: object = "disk"
    for _ in range(depth):
        value = ["t", value]
    return value


def test_an_odd_request_is_answered_and_the_run_goes_on(path):
    # Deep enough for us, and not too deep for who reads JSON.
    odd = [
        {"do": "unlock", "lock": nested(700)},
        {"do": "unlock", "lock": {"tuple": nested(700)}},
        {"do": "cancel", "task": 7},
        {"do": "cancel", "task": None},
        {"do": "pause", "run": nested(700)},
        {"do": nested(700)},
        {},
    ]

    @func_meta(name="asks", priority=-1)
    def asks() -> list[object]:
        return [ask(path, request)["ok"] for request in odd]

    results = list(Sched([asks, second], journal=path).run(ProcessWorkerPool(1, spare=0)))

    assert results[0].ret == [False] * len(odd)
    assert [result.state for result in results] == ["succeeded", "succeeded"]


@pytest.mark.parametrize(
    "pool", [ThreadWorkerPool(1, spare=2), ProcessWorkerPool(1, spare=2)], ids=["thread", "process"]
)
def test_who_asks_how_a_run_stands_is_told_the_window_and_nothing_is_written(path, pool):
    @func_meta(name="asks", priority=-1)
    def asks() -> list[object]:
        while sql(path, "SELECT state FROM tasks WHERE task = 'asks'") != [("running",)]:
            pass  # that it began is written soon, whoever asks
        before = written(path)
        answers = [ask(path, {"do": "status", "run": run}) for run in (1, 1, 2)]
        return [*answers, written(path) == before]

    results = list(Sched([asks, first, second, third], journal=path).run(pool))

    standing = {"ok": True, "run": 1, "in_flight": 3, "window": 3}
    another = {"ok": False, "run": 1, "error": "run 1 is being run, not run 2"}
    assert results[0].ret == [standing, standing, another, True]
    assert len(results) == 4


def written(path: Path) -> list[tuple[int, ...]]:
    """All that a decision would be in."""
    return sql(path, "SELECT (SELECT count(*) FROM transition), (SELECT count(*) FROM run_event)")


class Measured(ProcessWorkerPool):
    """Knows the widest window by which it was given something."""

    widest = 0

    def hand_over(self, jobs):
        self.widest = max(self.widest, self.limit)
        super().hand_over(jobs)


def test_no_more_is_in_flight_than_the_window_allowed(path):
    def looking(number: int) -> object:
        return func_meta(name=f"t{number}")(lambda: ask(path, {"do": "status"}))

    pool = Measured(2)  # no `spare`: the window moves
    told = [result.ret for result in Sched(map(looking, range(60)), journal=path).run(pool)]

    assert len(told) == 60
    assert all(one["window"] >= 3 for one in told)
    assert 2 <= max(one["in_flight"] for one in told) <= pool.widest


def test_who_asks_a_runner_that_ends_meanwhile_looks_again(path):
    stopped(path)
    with RunLock.acquire(path) as lock, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(lock.paths.socket)
        listener.listen()

        def end() -> None:
            for take in (0, 1, 65536):  # reset; reset or nothing; nothing
                client, _ = listener.accept()
                with client:
                    select.select([client], [], [])
                    if take:
                        client.recv(take)
            listener.close()
            os.unlink(lock.paths.socket)
            lock.release()

        thread = threading.Thread(target=end)
        thread.start()
        done = steer(path, Cancel())
        thread.join()

    assert done == Steered(1, False, is_over=True)


def test_who_means_another_run_does_not_hit_the_one_that_is_being_run(path):
    stopped(path)
    asks = asking(path, Cancel(), run=1)

    results = list(Sched([asks, second], journal=path, name="other").run(ProcessWorkerPool(1, spare=0)))

    assert [result.state for result in results] == ["succeeded", "succeeded"]
    (told,) = results[0].ret
    assert told.startswith("JournalBusy: run 2 of the journal ")
    assert "is being run now, and run 1 is not" in told
    assert run_states(path) == ["unfinished", "finished"]


def test_who_holds_the_journal_and_does_not_listen_is_told(path, monkeypatch):
    stopped(path)
    monkeypatch.setattr("pexen_state.sched.steer.PATIENCE_S", 0.0)

    with RunLock.acquire(path), pytest.raises(JournalBusy, match=f"{os.getpid()}"):
        steer(path, Pause())


def test_asking_a_runner_loads_no_database(path):
    program = (
        "import sys; from pexen_state.sched.steer import steer, Pause; from pexen_state.journal.errors import *\n"
        "assert not [name for name in sys.modules if name.startswith(('sqlalchemy', 'alembic', 'rich'))]"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


# -- from the program that runs


def test_a_program_cancels_one_of_its_tasks(path):
    sched = Sched([first, second, third], journal=path)
    run = sched.run(ThreadWorkerPool(1, spare=0))
    next(run)

    sched.cancel("third")

    assert [(result.key, result.state) for result in run] == [("second", "succeeded")]
    assert states(path)[2] == ("third", "cancelled", "not_run")
