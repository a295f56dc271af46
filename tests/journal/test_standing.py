"""The plan of a run as the journal tells it, for whoever only looks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pexen_state.core.explain import sentence, why
from pexen_state.core.inputs import PoolHasRoom, UnlockAsked
from pexen_state.journal.queries import NotFound
from pexen_state.journal.reader import reader
from pexen_state.journal.standing import standing
from tests.journal.telling import Runner
from tests.stories import raised, returned, spec, started


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    runner = Runner(tmp_path / "journal.db")
    runner.begin(
        spec("setup", provides={"x"}, priority=-1),
        spec("breaks", claims={"disk", "flat"}),
        spec("runs", requires={"x"}, claims={"memory"}),
        spec("wants", claims={"memory"}, priority=1),
        spec("waits", requires={"y"}),
        spec("last", provides={"y"}, after=["runs"]),
        room=2,
    )
    runner.turn(returned("setup"), PoolHasRoom(1))
    runner.turn(raised("breaks"), started("runs"), PoolHasRoom(0))
    return runner


def test_it_is_the_plan_of_the_runner_as_of_its_last_turn(runner: Runner) -> None:
    with reader(runner.journal.paths.db) as connection:
        assert standing(connection, runner.run) == runner.plan
        runner.turn(UnlockAsked("disk"))
        again = standing(connection, runner.run)
        assert again == runner.plan
        assert not connection.in_transaction
    assert [name for name, _ in again.still_held()] == ["flat"]
    runner.close()


def test_it_can_be_asked_why_a_task_does_not_run(runner: Runner) -> None:
    runner.close(None)
    with reader(runner.journal.paths.db) as connection:
        plan = standing(connection, runner.run)
    told = {task.spec.key: sentence(why(plan, number)) for number, task in plan.tasks.items()}

    assert told["runs"] == "runs is running."
    assert told["wants"] == "wants waits for the lock memory, claimed by runs."
    assert told["waits"] == "waits requires 'y' and waits for last (waiting)."
    assert told["last"] == "last comes after runs: runs (running) must end first."


def test_a_run_that_is_not_there_is_told(runner: Runner) -> None:
    with reader(runner.journal.paths.db) as connection, pytest.raises(NotFound, match="the journal has no run 9"):
        standing(connection, 9)
    runner.close()


def test_it_loads_no_database_library() -> None:
    program = (
        "import sys; import pexen_state.journal.standing\n"
        "assert not [name for name in sys.modules if name.startswith(('sqlalchemy', 'alembic', 'rich'))]"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
