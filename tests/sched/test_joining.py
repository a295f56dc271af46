"""Tasks join a run while it goes on: the caller adds them with a result in hand."""

from __future__ import annotations

import os
import threading
import warnings
from pathlib import Path

import pytest

from pexen_state import PexenWarning, Sched, task
from pexen_state.sched import DepcheckError, MutexError, PoolError
from pexen_state.sched.common import SchedulerError
from pexen_state.sched.executable import Executable
from pexen_state.sched.meta import assign_val
from pexen_state.sched.pool import ProcessWorkerPool, ThreadWorkerPool
from tests.journal.telling import sql
from tests.sched.newcomers import named, rows, take, told

# Who requires it is added later.
pytestmark = pytest.mark.filterwarnings("ignore:Dep .* provided by:pexen_state.util.PexenWarning")

WRONG_NAME = """\
Unsatisfied requires remain: ['datbase']
  login requires 'datbase', but no task provides it.
  Did you mean 'database', provided by start_db?"""

POOLS = pytest.mark.parametrize("kind", [ProcessWorkerPool, ThreadWorkerPool], ids=["process", "thread"])
JOURNALS = pytest.mark.parametrize("journaled", [True, False], ids=["journal", "memory"])


@pytest.fixture
def journal(journaled: bool, tmp_path: Path) -> Path | None:
    return tmp_path / "journal.db" if journaled else None


@POOLS
@JOURNALS
def test_with_a_result_in_hand_the_caller_adds_tasks_that_depend_on_anything(kind, journaled, journal):
    sched = Sched([named("a", provides=["a"]), named("b", provides=["b"], priority=1)], journal=journal)

    found = take(
        sched,
        kind,
        also={
            "a": lambda: sched.add_tasks([named("a1", requires=["a"]), named("b1", requires=["b"])]),
            "b1": lambda: sched.add_tasks([named("c1", requires=["a", "c"]), named("c", provides=["c"])]),
            "c1": lambda: sched.add_tasks([named("d", requires_all=["a"], after=["c*"])]),
        },
    )

    assert {key: result.ret for key, result in found.items()} == {
        "a": [],
        "a1": ["a"],
        "b": [],
        "b1": ["b"],
        "c": [],
        "c1": ["a", "c"],
        "d": ["a"],
    }


@POOLS
@JOURNALS
def test_tasks_may_be_added_with_the_very_last_result_again_and_again(kind, journaled, journal):
    sched = Sched([named("t0", provides=["t0"])], journal=journal)
    found = []
    for result in sched.run(kind()):
        found.append(result.key)
        number = len(found)
        if number < 6:
            sched.add_tasks([named(f"t{number}", provides=[f"t{number}"], requires=[f"t{number - 1}"])])

    assert found == [f"t{number}" for number in range(6)]


@JOURNALS
def test_nothing_is_added_if_one_of_them_could_never_run(journaled, journal):
    sched = Sched([named("start_db", provides=["database"])], journal=journal)
    said = []

    def add():
        for wrong in (
            [named("fine"), named("login", requires=["datbase"])],
            [named("fine"), named("x", requires=["y"], provides=["x"]), named("y", requires=["x"], provides=["y"])],
            [named("fine"), named("both", claims=["/l"], uses=["/l"])],
        ):
            with pytest.raises(SchedulerError) as error:
                sched.add_tasks(wrong)
            said.append((type(error.value), str(error.value)))

    found = take(sched, also={"start_db": add})

    assert list(found) == ["start_db"]
    assert said[0] == (
        DepcheckError,
        WRONG_NAME,
    )
    assert said[1][0] is DepcheckError
    assert "These wait for each other: x -> y -> x" in said[1][1]
    assert said[2][0] is MutexError


def test_two_tasks_of_one_key_are_refused_under_a_journal(tmp_path):
    sched = Sched([named("a")], journal=tmp_path / "journal.db")

    def add():
        with pytest.raises(SchedulerError, match=r"the key 'a' is in the run already.*func_meta\(name="):
            sched.add_tasks([named("b"), named("a")])
        with pytest.raises(SchedulerError, match="the key 'c' is in the run already"):
            sched.add_tasks([named("c"), named("c")])

    assert list(take(sched, also={"a": add})) == ["a"]


def test_a_name_that_no_journal_can_hold_is_refused_when_it_is_added(tmp_path):
    sched = Sched([named("a")], journal=tmp_path / "journal.db")

    def add():
        with pytest.raises(Exception, match="cannot be kept in the journal"):
            sched.add_tasks([named("b", provides=[object()])])

    assert list(take(sched, also={"a": add})) == ["a"]


@JOURNALS
def test_a_name_that_nobody_provides_is_filled_from_the_catalogue(journaled, journal):
    sched = Sched([named("a")], journal=journal, catalogue=[named("disk", provides=["disk"]), named("tape")])
    also = {
        "a": lambda: sched.add_tasks([named("b", requires=["disk"])]),
        "b": lambda: sched.add_tasks([named("c", requires=["disk"])]),
    }

    once, again = take(sched, also=also), take(sched, also={})

    assert once["c"].ret == again["c"].ret == ["disk"]
    assert sorted(once) == sorted(again) == ["a", "b", "c", "disk"]


@JOURNALS
def test_who_asks_for_no_dependencies_gets_none(journaled, journal):
    sched = Sched([named("a")], journal=journal, no_deps=True)

    assert sorted(take(sched, also={"a": lambda: sched.add_tasks([named("b", requires=["x"])])})) == ["a", "b"]


@JOURNALS
def test_a_condition_holds_for_who_joins(journaled, journal):
    sched = Sched([named("a")], journal=journal, params={"disk": "nvme"})
    add = lambda: sched.add_tasks(  # noqa: E731
        [named("b", when="param.disk == 'sata'"), named("c", when="param.disk == 'nvme'")]
    )

    assert sorted(take(sched, also={"a": add})) == ["a", "c"]
    assert sched.plan is not None
    assert sched.plan.tasks[2].reason.startswith("when: ")


@JOURNALS
def test_no_tasks_and_tasks_that_are_there_already_change_nothing(journaled, journal):
    first, second = named("a"), named("b")
    sched = Sched([first], journal=journal)

    def add():
        sched.add_tasks([])
        sched.add_tasks([first])
        sched.add_tasks([second])
        sched.add_tasks([second])

    assert sorted(take(sched, also={"a": add})) == ["a", "b"]


@JOURNALS
def test_a_second_run_has_them_from_its_beginning_and_its_loop_may_add_them_again(journaled, journal):
    sched = Sched([named("a", provides=["a"])], journal=journal)
    also = {"a": lambda: sched.add_tasks([named("b", requires=["a"])])}

    once, again, silent = take(sched, also=also), take(sched, also=also), take(sched, also={})

    assert [sorted(one) for one in (once, again, silent)] == [["a", "b"]] * 3


def test_who_leaves_the_loop_with_an_addition_finds_it_in_the_next_session(tmp_path):
    sched = Sched([named("a", provides=["a"])], journal=tmp_path / "journal.db")
    for _ in sched.run(ThreadWorkerPool()):
        sched.add_tasks([named("b", requires=["a"])])
        break
    assert rows(tmp_path / "journal.db") == [("a", "succeeded", "pass"), ("b", "waiting", None)]

    again = Sched([named("a", provides=["a"])], journal=tmp_path / "journal.db")
    found = take(again, also={"a": lambda: again.add_tasks([named("b", requires=["a"])])})

    assert [(key, one.replayed, one.ret) for key, one in found.items()] == [("a", True, []), ("b", False, ["a"])]


def test_what_is_added_while_the_run_is_paused_waits_for_the_next_session(tmp_path):
    sched = Sched([named("a")], journal=tmp_path / "journal.db")

    def pause_and_add():
        sched.pause()
        sched.add_tasks([named("b")])

    take(sched, also={"a": pause_and_add})

    assert rows(tmp_path / "journal.db")[1] == ("b", "ready", None)
    assert sorted(take(sched, also={})) == ["a", "b"]


def test_what_joins_a_run_that_was_cancelled_is_cancelled_with_it(tmp_path):
    sched = Sched([named("a"), named("z", priority=9)], journal=tmp_path / "journal.db")

    def cancel_and_add():
        sched.cancel()
        sched.add_tasks([named("b")])

    take(sched, lambda workers: ThreadWorkerPool(workers, spare=0), also={"a": cancel_and_add})

    states = {key: state for key, state, _ in rows(tmp_path / "journal.db")}
    assert states["b"] == "cancelled"
    assert sql(tmp_path / "journal.db", "SELECT state FROM runs") == [("cancelled",)]


def test_of_what_joins_a_run_that_was_given_up_only_cleanups_run(tmp_path):
    def breaks(shared):
        raise AssertionError

    sched = Sched([named("a", breaks), named("z", priority=9)], journal=tmp_path / "journal.db", max_fail=1)
    add = {"a": lambda: sched.add_tasks([named("b"), named("clean", always=True)])}

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PexenWarning)
        found = take(sched, lambda workers: ThreadWorkerPool(workers, spare=0), also=add)

    assert list(found) == ["a", "clean"]
    assert ("b", "skipped", "not_run") in rows(tmp_path / "journal.db")


def test_from_many_threads_at_once_each_is_added_once(tmp_path):
    sched = Sched([named("a")], journal=tmp_path / "journal.db")

    def add():
        threads = [
            threading.Thread(target=lambda n=n: sched.add_tasks([named(f"t{n}x{m}") for m in range(10)]))
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    found = take(sched, also={"a": add}, workers=2)

    assert len(found) == 81
    assert len(rows(tmp_path / "journal.db")) == 81


def test_a_thread_may_add_while_the_loop_waits():
    hand = threading.Event()

    def waits(shared):
        hand.wait(60)

    sched = Sched([named("waits", waits), named("first")])
    results = sched.run(ThreadWorkerPool(2))
    thread = threading.Thread(target=lambda: sched.add_tasks([named("opens", lambda _: hand.set())]))
    assert next(results).key == "first"
    thread.start()

    assert sorted(one.key for one in results) == ["opens", "waits"]
    thread.join()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_task_in_a_process_of_its_own_is_told_that_the_scheduler_is_elsewhere():
    sched = Sched()

    def adds(shared):
        with pytest.raises(SchedulerError, match="add_task"):
            sched.add_tasks([named("lost")])

    sched.add_tasks([named("adds", adds)])
    found = told(sched.run(ProcessWorkerPool()))

    assert found["adds"].verdict == "pass"


def test_a_closure_needs_a_new_keeper_which_a_program_with_threads_cannot_fork():
    sched = Sched([named("a")])
    done = threading.Event()
    thread = threading.Thread(target=done.wait)

    def add():
        thread.start()
        try:
            with pytest.raises(
                PoolError, match="Register it before the pool starts, or move it to the top of a module"
            ):
                sched.add_tasks([named("closure")])
            sched.add_tasks([os.getcwd])
        finally:
            done.set()
            thread.join()

    found = take(sched, ProcessWorkerPool, also={"a": add})

    assert found["posix/getcwd"].ret == os.getcwd()


@POOLS
def test_executables_are_added_where_there_is_a_keeper(kind, tmp_path):
    def executable(word):
        made = Executable(["/bin/sh", "-c", f"echo {word} >> {tmp_path}/said"])
        assign_val(made, name=word)
        return made

    sched = Sched([executable("one")], journal=tmp_path / "journal.db")
    found = take(sched, kind, also={"one": lambda: sched.add_tasks([executable("two")])})

    assert {key: one.verdict for key, one in found.items()} == {"one": "pass", "two": "pass"}
    assert (tmp_path / "said").read_text() == "one\ntwo\n"


def test_threads_alone_cannot_run_an_executable_and_say_so():
    sched = Sched([named("a")])

    def add():
        with pytest.raises(PoolError, match="or use the process pool"):
            sched.add_tasks([Executable(["/bin/true"])])

    assert list(take(sched, also={"a": add})) == ["a"]


def test_a_task_that_could_never_have_what_it_needs_does_not_join():
    @task(name="first")
    def first(shared):
        pass

    @task(name="greedy", needs={"gpu": 3})
    def greedy(shared):
        pass

    sched = Sched([first], resources={"gpu": 2})

    for _ in sched.run():
        with pytest.raises(SchedulerError, match="greedy needs 3 of 'gpu', and there is no more than 2"):
            sched.add_tasks([greedy])
