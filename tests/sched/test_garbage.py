"""The collector is left as it was found, whatever happens meanwhile."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest

from pexen_state.sched import DepcheckError, Sched, func_meta
from pexen_state.sched.garbage import collector_paused


@pytest.fixture(autouse=True)
def collector_on() -> Iterator[None]:
    assert gc.isenabled()
    yield
    gc.enable()
    gc.unfreeze()


def test_the_collector_rests_meanwhile_and_then_finds_what_was_made_among_the_old():
    with collector_paused():
        assert not gc.isenabled()
        with collector_paused():
            made = [[one] for one in range(10)]
        assert not gc.isenabled()

    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
    assert any(one is made for one in gc.get_objects(generation=2))


def test_an_error_turns_it_on_again():
    with pytest.raises(KeyboardInterrupt), collector_paused():
        raise KeyboardInterrupt

    assert gc.isenabled()


def test_a_collector_that_somebody_turned_off_stays_off():
    gc.disable()

    with collector_paused():
        pass

    assert not gc.isenabled()


def test_what_somebody_froze_stays_frozen():
    gc.freeze()
    frozen = gc.get_freeze_count()

    with collector_paused():
        made = [[]]

    assert gc.get_freeze_count() <= frozen
    assert gc.get_freeze_count() > frozen // 2
    assert any(one is made for one in gc.get_objects())


def test_threads_that_pause_it_at_once_leave_it_on():
    inside, out = threading.Barrier(2), threading.Barrier(2)

    def build() -> None:
        with collector_paused():
            inside.wait()
            out.wait()

    threads = [threading.Thread(target=build) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert gc.isenabled()


@pytest.mark.parametrize("journaled", [False, True])
def test_it_works_while_tasks_run_and_while_the_caller_has_a_result_in_hand(tmp_path, journaled):
    seen = []

    def body() -> None:
        seen.append(gc.isenabled())

    tasks = [func_meta(name=str(number))(lambda: body()) for number in range(3)]
    results = Sched(tasks, journal=tmp_path / "journal.db" if journaled else None).run()
    seen.extend(gc.isenabled() for _ in results)

    assert seen == [True] * 6
    assert gc.get_freeze_count() == 0


def test_tasks_that_are_refused_leave_it_on():
    @func_meta(requires=["nothing"])
    def body() -> None:
        pass

    with pytest.raises(DepcheckError):
        Sched([body])

    assert gc.isenabled()


@pytest.mark.parametrize("journaled", [False, True])
def test_what_was_there_when_a_run_began_is_looked_at_again_when_it_is_over(tmp_path, journaled):
    journal = tmp_path / "journal.db" if journaled else None
    tasks = [func_meta(name=f"t{number}")(lambda: gc.get_freeze_count()) for number in range(3)]
    results = Sched(tasks, journal=journal).run()

    frozen = [result.ret for result in results]

    assert min(frozen) > 0
    assert gc.get_freeze_count() == 0


def test_a_run_that_is_left_thaws_what_it_froze():
    results = Sched([func_meta(name=f"t{number}")(lambda: None) for number in range(3)]).run()
    next(results)
    assert gc.get_freeze_count() > 0

    results.close()

    assert gc.get_freeze_count() == 0


def test_a_run_leaves_alone_what_somebody_froze_before():
    gc.freeze()
    before = gc.get_freeze_count()

    list(Sched([lambda: None]).run())

    assert before // 2 < gc.get_freeze_count() <= before
