"""Steering from another process, or from the program itself, while somebody runs the run: the runner does it."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pexen_state.journal.control import ask
from pexen_state.journal.errors import JournalBusy
from pexen_state.journal.lock import RunLock
from pexen_state.journal.queries import NotFound
from pexen_state.sched import Sched, func_meta
from pexen_state.sched.pool import ProcessWorkerPool, ThreadWorkerPool
from pexen_state.sched.steer import Cancel, Pause, Steered, Unlock, steer
from tests.journal.telling import sql
from tests.sched.steered import breaks, first, how_ended, run_states, second, states, stopped, third


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "j.db"


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
