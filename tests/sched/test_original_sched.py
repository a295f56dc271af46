"""`Sched` as the original's documentation describes it: collecting, checking, ordering and locking tasks."""

from __future__ import annotations

import pytest

from pexen_state import PexenWarning, sched
from pexen_state.sched import TaskRes
from pexen_state.sched.meta import assign_val, func_meta
from pexen_state.sched.pool import ProcessWorkerPool, ThreadWorkerPool
from tests.sched.originals import Gate, Meeting, Witness, children, names, on_both_pools


def echo(name, /, **metadata):
    """A task that returns its name."""

    def body():
        return name

    body.__name__ = name
    assign_val(body, **metadata)
    return body


def test_nothing_to_run_gives_nothing():
    assert list(sched.Sched([]).run()) == []
    assert list(sched.Sched().run(ThreadWorkerPool())) == []


@on_both_pools
def test_every_task_is_run_and_gives_one_result(pool):
    tasks = [echo("first"), echo("second"), lambda: "third"]

    results = list(sched.Sched(tasks).run(pool(workers=2)))

    assert sorted(result.ret for result in results) == ["first", "second", "third"]
    assert TaskRes(tasks[0], {}, "first", None) in results
    assert TaskRes(tasks[2], ret="third") in results


def test_threads_are_the_pool_if_none_is_given():
    marks = []

    results = list(sched.Sched([lambda: marks.append("in this process")]).run())

    assert len(results) == 1
    assert marks == ["in this process"]


@on_both_pools
def test_the_pool_can_be_given_by_name(pool):
    one = echo("one")

    assert list(sched.Sched([one]).run(pool=pool())) == [TaskRes(one, ret="one")]


@on_both_pools
def test_tasks_can_be_a_set_or_a_generator_and_can_be_added_later(pool):
    one, two, three = echo("one"), echo("two"), echo("three")
    s = sched.Sched({one})
    s.add_tasks(task for task in [two])
    s.add_tasks([three, one])

    assert sorted(names(s.run(pool()))) == ["one", "three", "two"]


@on_both_pools
def test_a_lower_priority_goes_first(pool):
    tasks = [echo("last", priority=10), echo("middle"), echo("first", priority=-3), echo("later", priority=0.5)]

    assert names(sched.Sched(tasks).run(pool())) == ["first", "middle", "later", "last"]


@on_both_pools
def test_a_task_waits_for_what_it_requires_whatever_the_priorities(pool):
    tasks = [
        echo("third", requires=["two"], priority=-2),
        echo("second", requires=["one"], provides=["two"], priority=-1),
        echo("first", provides=["one"]),
    ]

    assert names(sched.Sched(tasks).run(pool(workers=4))) == ["first", "second", "third"]


@on_both_pools
def test_a_task_waits_for_all_that_it_requires(pool):
    tasks = [
        echo("end", requires=["left", "right"], priority=-1),
        echo("left", provides=["left"]),
        echo("right", provides=["right"]),
    ]

    assert names(sched.Sched(tasks).run(pool(workers=2)))[-1] == "end"


@on_both_pools
def test_names_are_any_values_that_compare(pool):
    tasks = [echo("second", requires=[("vm", 1), 7, None]), echo("first", provides={("vm", 1), 7, None})]

    assert names(sched.Sched(tasks).run(pool())) == ["first", "second"]


def test_what_nothing_provides_is_an_error_that_lists_it():
    with pytest.raises(sched.DepcheckError) as refused:
        sched.Sched([echo("lonely", requires=["one"])])

    assert "Unsatisfied requires remain: ['one']" in str(refused.value)
    assert list(refused.value.remain) == ["one"]
    assert isinstance(refused.value, sched.SchedulerError)


def test_tasks_that_wait_for_each_other_are_an_error():
    with pytest.raises(sched.DepcheckError, match="Unsatisfied requires remain: "):
        sched.Sched([echo("hen", requires=["egg"], provides=["hen"]), echo("egg", requires=["hen"], provides=["egg"])])


def test_tasks_that_are_refused_are_not_added():
    s = sched.Sched([echo("good")])
    with pytest.raises(sched.DepcheckError):
        s.add_tasks([echo("bad", requires=["nowhere"])])

    assert names(s.run()) == ["good"]


def test_what_nothing_requires_is_one_warning_a_name():
    with pytest.warns(PexenWarning) as warned:
        sched.Sched([echo("eager", provides=["one", "two"])])

    texts = sorted(str(one.message) for one in warned)
    assert len(texts) == 2
    assert "Dep 'one' provided by" in texts[0]
    assert "but not required by any task" in texts[0]
    assert "Dep 'two' provided by" in texts[1]


def test_a_lock_both_used_and_claimed_is_an_error_that_names_the_task():
    torn = echo("torn", uses=[1, 2, 3], claims=[4, 2, 3, 6])

    with pytest.raises(sched.MutexError, match=r"has \{2, 3\} in both claims and uses") as refused:
        sched.Sched([torn])

    assert refused.value.task is torn


@on_both_pools
def test_those_who_claim_a_lock_are_never_in_at_the_same_time(pool, tmp_path):
    inside = tmp_path / "inside"

    def one_by_one():
        inside.mkdir()  # raises if somebody is in
        inside.rmdir()

    def another(number):
        @func_meta(claims=["the lock"])
        def claimer():
            one_by_one()

        return claimer

    results = list(sched.Sched([another(number) for number in range(40)]).run(pool(workers=4)))

    assert len(results) == 40
    assert [result.excinfo for result in results if result.excinfo] == []


@on_both_pools
def test_those_who_use_a_lock_are_in_together(pool, tmp_path):
    meeting = Meeting(tmp_path)

    @func_meta(uses=["the lock"])
    def one():
        meeting.one()

    @func_meta(uses=["the lock"])
    def other():
        meeting.other()

    assert sorted(names(sched.Sched([one, other]).run(pool(workers=2)))) == ["one", "other"]


@on_both_pools
def test_who_claims_a_lock_is_not_in_with_those_who_use_it(pool, tmp_path):
    seen = Witness(tmp_path)

    def user(number):
        @func_meta(uses=["disk"])
        def reads():
            seen.saw("read begins")
            seen.saw("read ends")

        return reads

    @func_meta(claims=["disk"], priority=-1)
    def writes():
        seen.saw("write begins")
        seen.saw("write ends")

    list(sched.Sched([*(user(number) for number in range(10)), writes]).run(pool(workers=3)))

    story = seen.story
    at = story.index("write begins")
    assert story[at + 1] == "write ends"
    assert story[:at].count("read begins") == story[:at].count("read ends")


@on_both_pools
def test_a_child_does_not_start_while_its_parents_result_is_in_the_callers_hand(pool, tmp_path):
    seen = Witness(tmp_path)

    @func_meta(provides=["done"])
    def parent():
        seen.saw("parent")

    @func_meta(requires=["done"])
    def child():
        seen.saw("child")

    results = sched.Sched([parent, child]).run(pool(workers=2))

    assert next(results).task is parent
    assert seen.story == ["parent"]
    assert next(results).task is child
    assert list(results) == []
    assert seen.story == ["parent", "child"]


@on_both_pools
def test_spare_is_how_many_tasks_wait_in_the_pool(pool, tmp_path):
    seen = Witness(tmp_path)

    def make(number):
        def body():
            seen.saw(f"task {number}")

        assign_val(body, priority=number)
        return body

    results = sched.Sched([make(number) for number in range(5)]).run(pool(workers=1, spare=0))
    next(results)
    assert len(seen.story) <= 2  # the first, and the one that the idle worker may have been given meanwhile

    assert len(list(results)) == 4
    assert seen.story == [f"task {number}" for number in range(5)]


@on_both_pools
def test_any_number_of_spares_runs_everything_in_order(pool):
    tasks = [echo(f"t{number}", priority=number) for number in range(20)]

    for spare in (0, 1, 50):
        assert names(sched.Sched(tasks).run(pool(workers=1, spare=spare))) == [f"t{number}" for number in range(20)]


@on_both_pools
def test_a_result_says_who_it_is_of_and_how_it_ended_and_is_still_equal_to_the_four_fields(pool):
    one = echo("one", name="the first", retries=1)

    (result,) = sched.Sched([one]).run(pool())

    assert (result.key, result.attempt, result.state, result.verdict) == ("the first", 1, "succeeded", "pass")
    assert result.replayed is False
    assert result == TaskRes(one, {}, "one", None)
    task, shared, ret, excinfo = result
    assert (task, shared, ret, excinfo) == (one, {}, "one", None)


@on_both_pools
def test_leaving_the_results_early_stops_the_run_and_everything_can_be_run_again(pool):
    tasks = [echo(f"t{number}", priority=number) for number in range(10)]
    s = sched.Sched(tasks)

    for result in s.run(pool()):
        assert result.ret == "t0"
        break
    unfinished = s.run(pool())
    next(unfinished)
    unfinished.close()

    assert names(s.run(pool())) == [f"t{number}" for number in range(10)]


def test_a_task_that_runs_when_its_results_are_left_is_killed(tmp_path):
    others = children()
    gate = Gate(tmp_path)

    @func_meta(priority=-1)
    def ends():
        pass

    def waits_for_ever():
        gate.wait()

    results = sched.Sched([ends, waits_for_ever]).run(ProcessWorkerPool(workers=2))
    next(results)
    results.close()

    gate.close()
    assert children() <= others
