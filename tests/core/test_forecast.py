"""A run in thought: the order, the waves and the critical path are those of the real plan."""

from __future__ import annotations

from pexen_state.core.forecast import Forecast, critical_path, forecast
from pexen_state.core.spec import TaskSpec
from tests.stories import spec


def keys(specs: list[TaskSpec], tasks: list[int]) -> list[str]:
    return [specs[task - 1].key for task in tasks]


def begins(specs: list[TaskSpec], told: Forecast) -> list[tuple[str, float]]:
    return [(specs[begin.task - 1].key, begin.at) for begin in told.begins]


def test_tasks_begin_in_the_order_of_their_priority_as_soon_as_a_worker_is_free():
    specs = [spec("late", priority=1), spec("long"), spec("short"), spec("first", priority=-1)]

    told = forecast(specs, [1.0, 5.0, 2.0, 1.0], workers=2)

    assert begins(specs, told) == [("first", 0), ("long", 0), ("short", 1), ("late", 3)]
    assert told.seconds == 5


def test_tasks_that_claim_one_lock_are_in_waves_of_their_own():
    specs = [spec("a", claims={"disk"}), spec("b", claims={"disk"}), spec("c", uses={"disk"}), spec("d", uses={"disk"})]

    told = forecast(specs, [1.0] * 4)

    assert [keys(specs, wave) for wave in told.waves()] == [["a"], ["b"], ["c", "d"]]


def test_the_critical_path_goes_through_what_was_provided_and_through_locks():
    specs = [
        spec("setup", provides={"db"}),
        spec("quick", requires={"db"}),
        spec("holder", requires={"db"}, claims={"/proc/sys"}),
        spec("waiter", claims={"/proc/sys/net"}, priority=1, requires={"db"}),
        spec("report", after=("w*",)),
    ]

    path = critical_path(forecast(specs, [1.0, 1.0, 4.0, 2.0, 1.0]))

    assert [specs[step.begin.task - 1].key for step in path] == ["setup", "holder", "waiter", "report"]
    reasons = [(step.because.name, step.because.is_lock) for step in path if step.because]
    assert reasons == [("db", False), ("/proc/sys", True), ("w*", False)]
    assert path[0].because is None
    assert path[-1].begin.ends == 8


def test_the_last_of_all_providers_is_the_one_that_is_waited_for():
    specs = [
        spec("a", provides={"x"}),
        spec("b", provides={"x"}),
        spec("c", requires_all={"x"}),
        spec("d", requires={"x"}),
    ]

    path = critical_path(forecast(specs, [1.0, 3.0, 1.0, 1.0]))

    assert [specs[step.begin.task - 1].key for step in path] == ["b", "c"]


def test_what_can_never_run_is_told_with_the_reason_and_the_rest_goes_on():
    specs = [
        spec("lonely", requires={"nothing"}),
        spec("behind", requires={"lonely"}),
        spec("lonelys", provides={"lonely"}, requires={"nothing"}),
        spec("egg", requires={"hen"}, provides={"egg"}),
        spec("hen", requires={"egg"}, provides={"hen"}),
        spec("fine"),
    ]

    told = forecast(specs, [1.0] * 6, workers=1)

    assert begins(specs, told) == [("fine", 0)]
    never = {specs[one.task - 1].key: one.reason for one in told.never}
    assert never["lonely"] == "requires 'nothing', which no task provides"
    assert never["egg"] == "it waits for itself: egg -> hen -> egg"
    assert set(never) == {"lonely", "behind", "lonelys", "egg", "hen"}


def test_ten_thousand_tasks_at_one_lock_and_in_one_chain_are_rehearsed_with_as_many_turns():
    count = 10_000
    locked = [spec(f"t{number}", claims={"disk"}) for number in range(count)]
    chain = [
        spec(f"t{number}", provides={number}, requires={number - 1} if number else set()) for number in range(count)
    ]

    for specs in (locked, chain):
        told = forecast(specs, [1.0] * count)
        assert told.seconds == count
        assert len(critical_path(told)) == count


def test_no_tasks_take_no_time():
    told = forecast([], [], workers=3)

    assert told.seconds == 0
    assert told.waves() == []
    assert critical_path(told) == []
