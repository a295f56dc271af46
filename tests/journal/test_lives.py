"""How a session ended that never said so: found out from what it decided, and from the boot that it was in."""

from __future__ import annotations

from pathlib import Path

import pytest

from pexen_state.box.life import boot_id
from pexen_state.core.inputs import NotRebooted, PoolHasRoom, RunOpened
from pexen_state.journal.lives import Today, last_that_decided, lives
from pexen_state.journal.records import HowEnded
from tests.journal.telling import Runner
from tests.stories import asks_for_reboot, returned, spec, started


def found(runner: Runner, boot: str = "another boot") -> list[HowEnded]:
    return [life.how_ended for life in lives(runner.journal.fetch, runner.run, Today(boot, None))]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def rebooting(path: Path) -> Runner:
    runner = Runner(path)
    runner.begin(spec("asks"), spec("lives on", survives_reboot=True), spec("other"), room=2)
    runner.turn(RunOpened("boot one", may_reboot=True))
    runner.turn(started("lives on"))
    runner.turn(asks_for_reboot("asks"), PoolHasRoom(1))
    assert runner.plan.is_rebooting
    return runner


def test_the_box_was_rebooted_if_that_was_the_last_that_was_heard_of_it(path: Path) -> None:
    runner = rebooting(path)
    assert found(runner) == [HowEnded.REBOOTED]
    assert found(runner, boot_id()) == [HowEnded.KILLED]

    runner.turn(returned("lives on"))

    assert found(runner) == [HowEnded.REBOOTED]
    runner.close(None)


def test_if_it_stayed_up_and_the_run_went_on_it_crashed_later(path: Path) -> None:
    runner = rebooting(path)

    runner.turn(NotRebooted("it stayed up"), PoolHasRoom(1))

    assert runner.plan.how("other")[0] == "submitted"
    assert found(runner) == [HowEnded.CRASHED]
    runner.close(None)


def test_a_session_that_decided_nothing_leaves_the_run_as_the_one_before_did(path: Path) -> None:
    first = Runner(path)
    first.begin(spec("one"))
    first.close("paused")
    second = Runner(path)
    second.run = first.run
    second.journal.begin_session(first.run)

    past = list(lives(second.journal.fetch, second.run, Today(boot_id(), None)))

    assert [(life.how_ended, life.decided) for life in past] == [(HowEnded.KILLED, False), (HowEnded.PAUSED, True)]
    assert last_that_decided(past) is past[1]
    assert last_that_decided(past[:1]) is past[0]
    assert last_that_decided([]) is None
    second.close(None)
