"""Groups of exclusivity: a task runs with none of another group, and a group is left when nothing of it can run."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pexen_state.core.commands import Enter, Submit
from pexen_state.core.decisions import Entered
from pexen_state.core.explain import sentence, why
from pexen_state.core.forecast import forecast
from pexen_state.core.inputs import BoxDied, Ending, Finished, PoolHasRoom, RunOpened, TasksAdded
from pexen_state.core.plan import Plan
from pexen_state.core.spec import TaskSpec
from pexen_state.core.states import Cause, Verdict
from tests.stories import spec

PASSED = Ending(Cause.RETURNED, Verdict.PASS)


class Box:
    """A plan, and workers that are changed when it asks for that. `story` has who began, and which groups."""

    def __init__(self, *specs: TaskSpec, plan: Plan | None = None, workers: int = 2) -> None:
        self.plan = plan or Plan(specs)
        self.workers = workers
        self.story: list[str] = []
        self.turn(RunOpened())

    def turn(self, *inputs: object) -> None:
        while True:
            ended = sum(type(one) is Finished for one in inputs)
            room = PoolHasRoom(self.workers - len(self.plan.in_flight) + ended)
            commands = self.plan.handle(*inputs, room).commands  # type: ignore[arg-type]
            self.plan.validate()
            for command in commands:
                if isinstance(command, Submit):
                    self.story.append(self.plan.tasks.specs[command.task].key)
                elif isinstance(command, Enter):
                    self.story.append(f"[{command.group or ''}]")
            if not any(isinstance(command, Enter) for command in commands):
                return
            inputs = ()

    def end(self, *keys: str) -> None:
        numbers = [next(n for n in self.plan.in_flight if self.plan.tasks.specs[n].key == key) for key in keys]
        self.turn(*(Finished(number, self.plan.tasks[number].attempt, PASSED) for number in numbers))

    def let_go(self) -> list[str]:
        while self.plan.in_flight:
            self.end(self.plan.tasks.specs[min(self.plan.in_flight)].key)
        return self.story

    def why(self, key: str) -> str:
        number = next(number for number, task in self.plan.tasks.items() if task.spec.key == key)
        return sentence(why(self.plan, number))


def of(group: str | None, key: str, **more: object) -> TaskSpec:
    return spec(key, group=group, **more)


def test_tasks_of_a_group_run_with_none_of_another_one():
    box = Box(of(None, "a"), of("vm", "b"), of(None, "c"), of("vm", "d"), of("net", "e"))

    assert box.story == ["a", "c"]
    box.end("a")
    assert box.story == ["a", "c"], "c is running"
    box.end("c")
    assert box.let_go() == ["a", "c", "[vm]", "b", "d", "[net]", "e"]
    assert box.plan.is_over


def test_a_group_is_left_only_when_nothing_of_it_can_run_and_may_be_entered_again():
    box = Box(
        of("vm", "boot", provides=["vm"]),
        of("vm", "use", requires=["vm"], provides=["image"]),
        of("host", "check", requires=["image"], provides=["checked"]),
        of("vm", "again", requires=["checked"]),
    )

    assert box.let_go() == ["[vm]", "boot", "use", "[host]", "check", "[vm]", "again"]
    assert forecast([task.spec for task in box.plan.tasks.values()], [1.0] * 4, 2).switches == 2


def test_the_group_of_the_best_that_is_ready_comes_next():
    box = Box(of(None, "now"), of("a", "late", priority=3), of("b", "soon", priority=1), of("c", "same", priority=1))

    assert box.let_go() == ["now", "[b]", "soon", "[c]", "same", "[a]", "late"]


def test_why_says_whose_turn_it_is():
    box = Box(of(None, "a"), of("vm", "b"), of("vm", "c"), of("vm", "d"))

    assert box.why("b") == (
        "b is ready and waits for the turn of the group vm: now it is that of the tasks without a group, and 1 task "
        "of them runs."
    )
    box.end("a")
    assert box.why("d") == "d is ready and waits for a free worker."


def test_a_lock_that_is_left_held_in_another_group_keeps_its_group_from_being_entered_for_ever():
    box = Box(
        of("vm", "breaks", claims=["disk"], on_fail_locks="hold"),
        of("net", "other"),
        of("vm", "waits", claims=["disk"]),
    )
    number = min(box.plan.in_flight)
    box.turn(Finished(number, 1, Ending(Cause.FAILED, Verdict.FAIL, locks_ok=False)))

    assert box.let_go() == ["[vm]", "breaks", "[net]", "other"]
    assert box.plan.is_over
    assert box.plan.tasks[3].verdict is Verdict.NOT_RUN


def test_a_group_is_entered_still_when_the_run_goes_on_and_suspects_are_tried_in_it():
    specs = [of("vm", "crashes"), of("net", "innocent"), of("vm", "beside")]
    lived = Plan(specs)
    decided = [
        *lived.handle(RunOpened("boot 1"), PoolHasRoom(2)).decisions,
        *lived.handle(PoolHasRoom(2)).decisions,
        *lived.handle(BoxDied(((1, 1), (3, 1))), PoolHasRoom(0)).decisions,
    ]
    resumed = Plan(specs)
    for decision in decided:
        resumed.apply(decision)

    assert Entered("vm") in decided
    assert resumed.group == "vm"
    assert Box(plan=resumed).let_go() == ["crashes", "beside", "[net]", "innocent"]


def test_tasks_of_a_group_may_join_a_run_that_has_none():
    box = Box(of(None, "a"), of(None, "b", requires=["x"]), workers=1)
    box.turn(TasksAdded((of("vm", "c", provides=["x"]),)))

    assert box.let_go() == ["a", "[vm]", "c", "[]", "b"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([None, None, "x", "y"]),
            st.sampled_from([(), (0,), (1,), (2,)]),
            st.sampled_from([(), ("l",), ("m",)]),
            st.integers(0, 2),
        ),
        min_size=1,
        max_size=10,
    ),
    st.integers(1, 3),
)
def test_every_task_ends_as_without_groups_and_the_forecast_counts_the_switches(drawn, workers):
    specs = [
        of(group, f"t{n}", requires=[p for p in parents if p < n], provides=[n], claims=claims, priority=priority)
        for n, (group, parents, claims, priority) in enumerate(drawn)
    ]
    box = Box(*specs, workers=workers)
    story = box.let_go()
    told = forecast(specs, [1.0] * len(specs), workers)

    assert box.plan.is_over
    assert all(task.verdict is Verdict.PASS for task in box.plan.tasks.values())
    entered = [entry for entry in story if entry.startswith("[")]
    began_in_one = len(entered) - (story[0].startswith("["))
    if workers == 1:  # else the ends may come in another order than in thought
        assert told.switches == began_in_one
    assert len(entered) <= len(specs)
