"""A keeper that was killed between forking a worker and saying so: nobody was told of that worker."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from pexen_state.sched.pool import ProcessWorkerPool, keeper, tree, wire
from pexen_state.sched.pool.base import Dropped, Job
from tests.crash.sessions import Nursery


def main() -> None:
    """In a process of its own: hand over a task that lasts, kill the keeper, tell what became of both."""
    tell = keeper.Keeper._tell

    def tell_of_no_worker(self: keeper.Keeper, message: wire.FromKeeper) -> None:
        if not isinstance(message, wire.Hired):
            tell(self, message)

    keeper.Keeper._tell = tell_of_no_worker  # type: ignore[method-assign]
    directory = os.getcwd()
    os.mkfifo("begun")
    begun = os.open("begun", os.O_RDWR)

    def lasts() -> None:
        Path(directory, "begun").write_text(f"{os.getpid()}\n")
        signal.pause()

    pool = ProcessWorkerPool(1)
    pool.register([lasts])
    pool.open(journaled=False)
    pool.hand_over([Job(1, 1, lasts, {})])
    worker = int(os.read(begun, 64))
    keeper_pid = pool.keeper_pid
    assert keeper_pid is not None
    os.kill(keeper_pid, signal.SIGKILL)
    (report,) = pool.wait()
    assert isinstance(report, Dropped)
    found = tree.look_at(worker)
    print(json.dumps([report.cause.word, found is not None and found.state not in "ZX"]))
    pool.close(0)


def test_a_worker_that_nobody_was_told_of_is_ended_with_the_others(nursery: Nursery, tmp_path: Path) -> None:
    ended = nursery.start(f"{__name__}:main", [], tmp_path).wait()

    assert ended.code == 0, ended.err
    assert json.loads(ended.out) == ["worker_died", False]
