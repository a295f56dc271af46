"""A process that is killed while it appends: what it said was written is there, and the journal is sound."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pexen_state.core.states import State
from pexen_state.journal.care.check import check
from pexen_state.journal.lock import RunLock
from pexen_state.journal.writer import Journal

# Appends turns without end, and says each task that has ended, after its commit.
APPEND = """
import sys
from pexen_state.core.inputs import PoolHasRoom, RunOpened
from pexen_state.core.decisions import Transition
from pexen_state.core.plan import Plan
from pexen_state.core.spec import TaskSpec
from pexen_state.journal.lock import RunLock
from pexen_state.journal.records import AttemptEnd, NewTask
from pexen_state.journal.writer import Journal
from tests.stories import returned, VERDICT
from pexen_state.core.inputs import Ending, Finished
from pexen_state.core.states import Cause

journal = Journal.open(RunLock.acquire(sys.argv[1]))
specs = [TaskSpec(f"t{n}") for n in range(20000)]
journal.begin_session(journal.begin_run("suite", "target", {}, [NewTask(spec) for spec in specs]))
plan = Plan(specs)
inputs = [RunOpened(), PoolHasRoom(5)]
print("ready", flush=True)
while not plan.is_over:
    turn = plan.handle(*inputs)
    ended = [d.task for d in turn.decisions if d.new.is_final]
    journal.append(turn.decisions, (), {task: AttemptEnd(ret_json=str(task)) for task in ended})
    print(*ended, flush=True)
    running = sorted(plan.in_flight)
    inputs = [Finished(task, 1, Ending(Cause.RETURNED, VERDICT[Cause.RETURNED])) for task in running]
    inputs.append(PoolHasRoom(5))
"""


@pytest.mark.parametrize("seed", range(6))
def test_nothing_that_was_said_to_be_written_is_lost(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "journal.db"
    said: set[int] = set()
    with subprocess.Popen(
        [sys.executable, "-c", APPEND, str(path)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        turns = random.Random(seed).randrange(2, 400)
        for _ in range(turns):
            said.update(map(int, process.stdout.readline().split()))
        process.send_signal(signal.SIGKILL)
        # What it had said when it died counts, too; the last line may be cut.
        for line in process.stdout.readlines():
            if line.endswith("\n"):
                said.update(map(int, line.split()))

    assert said
    assert check(path) == []
    with RunLock.acquire(path) as lock:
        journal = Journal.open(lock)
        found = {task.number for task in journal.saved_tasks(1) if task.restored.state is State.SUCCEEDED}
        ended = [result for page in journal.resuming(1).ended() for result in page]
        results = {result.number: result.ret for result in ended if result.ending.has_result}
        journal.close()
    assert said <= found
    assert results == {number: str(number) for number in found}
    assert check(path) == []


def test_a_kill_at_any_moment_of_the_making_of_a_journal_leaves_one_that_can_be_made(tmp_path: Path) -> None:
    program = """
import sys
from pexen_state.journal.lock import RunLock
from pexen_state.journal.writer import Journal
lock = RunLock.acquire(sys.argv[1])
print("begins", flush=True)
Journal.open(lock)
print("ends", flush=True)
"""
    dice = random.Random(7)
    for number in range(8):
        path = tmp_path / f"{number}.db"
        with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            for _ in range(dice.randrange(200_000)):
                pass  # a moment that the seed decides, not a clock
            process.kill()
        with RunLock.acquire(path) as lock:
            Journal.open(lock).close()
        assert check(path) == []
