"""Failures of tasks as the original's documentation describes them: exceptions, promises that survive, warnings."""

from __future__ import annotations

import types

import pytest

from pexen_state import PexenWarning, sched
from pexen_state.sched import ExceptionInfo, TaskFailError, TaskRes, task_fail_wrap
from pexen_state.sched.meta import assign_val, func_meta
from pexen_state.sched.pool import ProcessWorkerPool, ThreadWorkerPool
from tests.sched.originals import names, on_both_pools


def run(tasks, pool, **shared):
    s = sched.Sched(tasks)
    s.add_shared(**shared)
    return list(s.run(pool))


def raising(error, **metadata):
    def raises():
        raise error

    assign_val(raises, **metadata)
    return raises


@on_both_pools
def test_an_exception_comes_with_the_result(pool):
    (result,) = run([raising(NameError("nothing of that name"))], pool())

    assert result.ret is None
    assert isinstance(result.excinfo, ExceptionInfo)
    assert result.excinfo.type is NameError
    assert result.excinfo.val.args == ("nothing of that name",)


def test_in_a_thread_the_traceback_is_that_of_the_task():
    (result,) = run([raising(NameError("here"))], ThreadWorkerPool())

    assert isinstance(result.excinfo.tb, types.TracebackType)
    assert result.excinfo.tb.tb_frame.f_code.co_name == "raises"


def test_what_of_an_exception_cannot_be_pickled_is_none():
    class Local(Exception):
        pass

    class Half(Exception):
        """Pickles, but cannot be loaded again."""

        def __init__(self, one, two):
            super().__init__(one)

    Half.__qualname__ = "Half"
    globals()["Half"] = Half

    results = run([raising(Local("a")), raising(Half(1, 2)), raising(ValueError(lambda: None))], ProcessWorkerPool())

    local, half, lambda_inside = (result.excinfo for result in results)
    assert local == ExceptionInfo(None, None, None)
    assert half == ExceptionInfo(Half, None, None)
    assert lambda_inside == ExceptionInfo(ValueError, None, None)


@on_both_pools
def test_what_a_task_shared_before_it_failed_is_in_its_result(pool):
    def fails(shared):
        shared["got"] = "this far"
        raise NameError

    (result,) = run([fails], pool())

    assert result.shared == {"got": "this far"}
    assert result.excinfo.type is NameError


@pytest.mark.parametrize(
    "error", [NameError(), TaskFailError(deps_ok=False), SystemExit(3), KeyboardInterrupt()], ids=repr
)
@on_both_pools
def test_a_failure_keeps_those_from_running_that_require_something_of_it(pool, error):
    child = raising(AssertionError("never run"), requires=["dep"])
    grandchild = raising(AssertionError("never run"), requires=["more"])
    assign_val(child, provides=["more"])
    s = sched.Sched([raising(error, provides=["dep"]), child, grandchild])

    with pytest.warns(PexenWarning) as warned:
        results = list(s.run(pool()))

    assert [result.excinfo.type for result in results] == [type(error)]
    assert len(warned) == 1
    assert "2 tasks skipped due to unmet deps" in str(warned[0].message)


@pytest.mark.parametrize("error", [NameError(), TaskFailError(locks_ok=False)], ids=repr)
@on_both_pools
def test_a_failure_keeps_its_locks(pool, error):
    waiter = raising(AssertionError("never run"), claims=["disk"], priority=2)
    s = sched.Sched([raising(error, claims=["disk"], uses=["cpu"], priority=1), waiter])

    with pytest.warns(PexenWarning) as warned:
        results = list(s.run(pool()))

    assert [result.excinfo.type for result in results] == [type(error)]
    assert len(warned) == 1
    assert "2 locks still held at exit" in str(warned[0].message)


@on_both_pools
def test_a_failure_with_locks_and_children_gives_both_warnings(pool):
    s = sched.Sched(
        [
            raising(NameError(), provides=["dep"], claims=["disk"], priority=-1),
            raising(AssertionError("never run"), requires=["dep"]),
            raising(AssertionError("never run"), claims=["disk"]),
        ]
    )

    with pytest.warns(PexenWarning) as warned:
        results = list(s.run(pool()))

    assert len(results) == 1
    texts = [str(one.message) for one in warned]
    assert len(texts) == 2
    assert any("1 tasks skipped due to unmet deps" in text for text in texts)
    assert any("1 locks still held at exit" in text for text in texts)


@on_both_pools
def test_a_controlled_failure_lets_everybody_go_on(pool):
    @func_meta(requires=["dep"], claims=["disk"])
    def child():
        return "run"

    failed = raising(TaskFailError("in a controlled manner"), provides=["dep"], claims=["disk"])

    first, second = run([failed, child], pool())

    assert first.excinfo.type is TaskFailError
    assert first.excinfo.val.args == ("in a controlled manner",)
    assert second == TaskRes(child, ret="run")


class Measured(TaskFailError):
    """A failure that carries data."""


@on_both_pools
def test_a_controlled_failure_can_carry_data(pool):
    def measures():
        failure = Measured("too slow")
        failure.seconds = 3.5
        raise failure

    (result,) = run([measures], pool())

    assert result.excinfo.type is Measured
    assert result.excinfo.val.seconds == 3.5


@on_both_pools
def test_a_failure_can_give_back_its_locks_and_still_break_what_it_provides(pool):
    s = sched.Sched(
        [
            raising(TaskFailError(deps_ok=False), provides=["dep"], claims=["disk"], priority=-1),
            raising(AssertionError("never run"), requires=["dep"]),
            raising(Measured("run"), claims=["disk"]),
        ]
    )

    with pytest.warns(PexenWarning, match="1 tasks skipped due to unmet deps"):
        results = list(s.run(pool()))

    assert [result.excinfo.type for result in results] == [TaskFailError, Measured]


@on_both_pools
def test_the_decorator_makes_every_failure_a_controlled_one(pool):
    @task_fail_wrap
    def bare():
        raise NameError("lost")

    @task_fail_wrap(reraise=Measured)
    def with_a_class():
        raise NameError("lost")

    bare_result, class_result = run([bare, with_a_class], pool())

    assert bare_result.excinfo.type is TaskFailError
    assert "lost" in str(bare_result.excinfo.val)
    assert class_result.excinfo.type is Measured


@on_both_pools
def test_the_decorator_says_which_promises_survive(pool):
    @func_meta(provides=["dep"], claims=["disk"], priority=-1)
    @task_fail_wrap(deps_ok=False)
    def fails():
        raise NameError

    @func_meta(requires=["dep"])
    def child():
        pass

    @func_meta(claims=["disk"])
    def waiter():
        pass

    with pytest.warns(PexenWarning, match="1 tasks skipped due to unmet deps"):
        assert names(sched.Sched([fails, child, waiter]).run(pool())) == ["fails", "waiter"]
