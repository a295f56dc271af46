"""Who wants to be called while a run goes on: after every turn, and while nothing happens."""

from __future__ import annotations

import pytest

from pexen_state.core.plan import Plan
from pexen_state.core.spec import TaskSpec
from pexen_state.journal.care.check import check
from pexen_state.sched import Sched, func_meta
from pexen_state.sched import loop as loop_module
from pexen_state.sched.loop import Loop
from pexen_state.sched.partners import NoLedger
from pexen_state.sched.pool import ThreadWorkerPool
from pexen_state.sched.pool.base import Job
from pexen_state.sched.shared import SharedStore
from tests.fakes import FakePool
from tests.journal.telling import sql
from tests.sched.originals import on_both_pools


def named(name: str, **fields):
    return func_meta(name=name, **fields)(lambda: name)


class Beats:
    """Counts pulses, and what had been given when they came."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


def looped(pool, *keys: str, pulse) -> Loop:
    plan = Plan([TaskSpec(key) for key in keys])
    shared = SharedStore(plan, {})
    bodies = dict.fromkeys(plan.tasks, print)
    return Loop(
        plan, pool, NoLedger(), shared, [], bodies, lambda one: Job(one.task, one.attempt, print, {}),
        pulse=pulse, clock=pool.clock,
    )  # fmt: skip


def test_the_pulse_beats_after_every_turn_and_while_nothing_happens():
    pool, beats = FakePool(), Beats()
    waits = []

    def slow() -> None:
        waits.append(beats.count)
        if len(waits) == 6:
            pool.end_all()

    pool.script = slow
    started = pool.clock.now

    list(looped(pool, "one", pulse=beats).run())

    assert waits == [1, 2, 3, 4, 5, 6]  # one after the first turn, then one for each time that nothing came
    assert beats.count == 7
    assert pool.clock.now - started == pytest.approx(5 * loop_module.PULSE_S)


def test_nobody_is_woken_for_a_pulse_that_nobody_wants():
    pool = FakePool()
    untils = []
    wait = pool.wait
    pool.wait = lambda until=None, enough=1: (untils.append(until), wait(until, enough))[1]

    list(looped(pool, "one", "two", pulse=None).run())

    assert untils == [None, None]


def test_the_pulse_does_not_beat_while_the_caller_has_a_result_in_hand():
    pool, beats = FakePool(), Beats()
    run = looped(pool, "one", "two", pulse=beats).run()

    next(run)
    before = beats.count
    next(run)

    assert (before, beats.count) == (1, 2)


@on_both_pools
@pytest.mark.parametrize("journaled", [False, True])
def test_an_error_of_the_pulse_ends_the_session_in_order(pool, journaled, tmp_path):
    path = tmp_path / "j.db" if journaled else None

    def breaks() -> None:
        raise ZeroDivisionError

    sched = Sched([named("one"), named("two")], journal=path, pulse=breaks)
    with pytest.raises(ZeroDivisionError):
        list(sched.run(pool(1, spare=0)))

    if journaled:
        assert sql(path, "SELECT how_ended FROM sessions") == [("failed",)]
        assert check(path) == []
        results = Sched([named("one"), named("two")], journal=path).run(pool(1, spare=0))
        assert sorted(result.key for result in results) == ["one", "two"]


def test_the_plan_is_there_from_the_announcement_on_and_the_pulse_sees_it(tmp_path):
    seen = []
    sched = Sched(
        [named("one")],
        journal=tmp_path / "j.db",
        announce=lambda opened: seen.append((opened.run_id, sched.plan.unfinished)),
        pulse=lambda: seen.append(sched.plan.unfinished),
    )

    list(sched.run(ThreadWorkerPool()))

    assert seen[0] == (1, 1)
    assert seen[-1] == 0
