"""What did not work in the original, and has to."""

from __future__ import annotations

import functools
import os
import signal

from pexen_state import sched
from pexen_state.sched import TaskFailError, TaskRes, task_fail_wrap
from pexen_state.sched.meta import assign_val, func_meta, get_claims, get_requires
from pexen_state.sched.pool import ProcessWorkerPool
from tests.sched.originals import Meeting, names, on_both_pools


def test_a_worker_that_is_killed_does_not_hang_the_run():
    @func_meta(max_crashes=0)
    def dies():
        os.kill(os.getpid(), signal.SIGKILL)

    def neighbour():
        return "well"

    results = {result.task: result for result in sched.Sched([dies, neighbour]).run(ProcessWorkerPool(workers=2))}

    assert results[neighbour] == TaskRes(neighbour, ret="well")
    assert results[dies].verdict == "crash"
    assert results[dies].excinfo is not None


@on_both_pools
def test_a_lock_that_a_failure_frees_wakes_who_waits_for_it(pool):
    @func_meta(claims=["disk"], priority=-1)
    def fails():
        raise TaskFailError(deps_ok=False, locks_ok=True)

    @func_meta(claims=["disk"])
    def waits():
        return "awake"

    assert names(sched.Sched([fails, waits]).run(pool())) == ["fails", "waits"]


class Job:
    def __init__(self, name):
        self.name = name

    def method(self, shared):
        return self.name, dict(shared)

    @classmethod
    def of_class(cls):
        return cls.__name__

    def __call__(self, shared, extra="usual"):
        return self.name, dict(shared), extra


@on_both_pools
def test_partials_methods_objects_and_builtins_are_tasks(pool):
    def adds(shared, a, b):
        return dict(shared), a, b

    partial = functools.partial(adds, b=2)
    assign_val(partial, kwargs={"a": 1})
    job = Job("job")
    assign_val(job, kwargs={"extra": "special"})
    counts = functools.partial(len, "four")
    tasks = [partial, job, Job("method").method, Job.of_class, counts, dict]
    s = sched.Sched(tasks)
    s.add_shared(x=0)

    results = list(s.run(pool()))

    assert [result.excinfo for result in results] == [None] * 6
    assert [result.ret for result in results] == [
        ({"x": 0}, 1, 2),
        ("job", {"x": 0}, "special"),
        ("method", {"x": 0}),
        "Job",
        4,
        {},
    ]


@on_both_pools
def test_a_second_provider_gives_no_warning_and_one_of_them_is_enough(pool):
    @func_meta(provides=["net"], priority=-1)
    def breaks():
        raise TaskFailError(deps_ok=False)

    @func_meta(provides=["net"])
    def provides(shared):
        shared["net"] = "up"

    @func_meta(requires=["net"], priority=1)
    def takes(shared):
        return shared["net"]

    @func_meta(provides=["net"], priority=2)
    def comes_late():
        pass

    results = list(sched.Sched([breaks, provides, takes, comes_late]).run(pool(spare=0)))

    assert names(results) == ["breaks", "provides", "takes", "comes_late"]
    assert results[2].ret == "up"


@on_both_pools
def test_a_second_run_runs_everything_again(pool):
    @func_meta(provides=["x"])
    def first(shared):
        shared["by first"] = 1

    @func_meta(requires=["x"])
    def second(shared):
        return dict(shared)

    def added():
        return "added"

    s = sched.Sched([first, second])
    workers = pool()

    once = list(s.run(workers))
    again = list(s.run(workers))
    s.add_tasks([added])
    with_more = list(s.run(pool()))

    assert names(once) == names(again) == ["first", "second"]
    assert once == again
    assert sorted(names(with_more)) == ["added", "first", "second"]


@on_both_pools
def test_a_task_that_waits_for_one_lock_does_not_hold_another(pool, tmp_path):
    meeting = Meeting(tmp_path)

    @func_meta(claims=["b"], priority=1)
    def holds_b():
        meeting.one()

    @func_meta(claims=["a", "b"], priority=2)
    def wants_both():
        pass

    @func_meta(claims=["a"], priority=3)
    def wants_a():
        meeting.other()

    # holds_b only ends if wants_a runs at the same time.
    results = names(sched.Sched([holds_b, wants_both, wants_a]).run(pool(workers=2, spare=0)))

    assert sorted(results[:2]) == ["holds_b", "wants_a"]
    assert results[2] == "wants_both"


@on_both_pools
def test_a_task_that_waits_for_its_parents_holds_no_lock(pool, tmp_path):
    meeting = Meeting(tmp_path)

    @func_meta(provides=["ready"])
    def parent():
        meeting.one()

    @func_meta(requires=["ready"], claims=["disk"], priority=-1)
    def child():
        pass

    @func_meta(claims=["disk"])
    def other():
        meeting.other()

    results = names(sched.Sched([child, parent, other]).run(pool(workers=2)))

    assert results[-1] == "child"


@on_both_pools
def test_a_wrapped_task_keeps_its_parameters_and_its_metadata(pool):
    @task_fail_wrap
    @func_meta(requires=["x"], claims=["disk"], kwargs={"extra": 1})
    def inside(shared, extra):
        return dict(shared), extra

    @func_meta(provides=["x"])
    @task_fail_wrap(locks_ok=False)
    def outside(shared):
        shared["x"] = 1

    assert get_requires(inside) == {"x"}
    assert get_claims(inside) == {"disk"}
    assert inside.__name__ == "inside"

    results = list(sched.Sched([inside, outside]).run(pool()))

    assert names(results) == ["outside", "inside"]
    assert results[1].ret == ({"x": 1}, 1)
