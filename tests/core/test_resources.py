"""Counted resources: never more than there is, and nobody waits for ever."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pexen_state.core.commands import Submit
from pexen_state.core.explain import sentence, why
from pexen_state.core.inputs import Ending, Finished, PoolHasRoom, RunOpened
from pexen_state.core.plan import Plan
from pexen_state.core.spec import TaskSpec
from pexen_state.core.states import Cause, Verdict
from tests.stories import spec

PASSED = Ending(Cause.RETURNED, Verdict.PASS)
FAILED = Ending(Cause.RAISED, Verdict.ERROR)


def gpus(key: str, count: int, **more: object) -> TaskSpec:
    return spec(key, needs=(("gpu", count),), **more)


class Box:
    """A plan, and a pool that does as it is told."""

    def __init__(self, *specs: TaskSpec, workers: int = 9, **there: int) -> None:
        self.plan = Plan(specs, resources=there)
        self.workers = workers
        self.turn(RunOpened())

    def turn(self, *inputs: object) -> list[str]:
        """Keys of what is submitted then."""
        ended = sum(type(one) is Finished for one in inputs)
        room = self.workers - len(self.plan.in_flight) + ended
        turn = self.plan.handle(*inputs, PoolHasRoom(room))  # type: ignore[arg-type]
        self.plan.validate()
        return [self.plan.tasks.specs[one.task].key for one in turn.commands if isinstance(one, Submit)]

    def number(self, key: str) -> int:
        return next(number for number, task in self.plan.tasks.items() if task.spec.key == key)

    def end(self, key: str, ending: Ending = PASSED) -> list[str]:
        number = self.number(key)
        return self.turn(Finished(number, self.plan.tasks[number].attempt, ending))

    def running(self) -> list[str]:
        return [self.plan.tasks.specs[number].key for number in sorted(self.plan.in_flight)]

    def why(self, key: str) -> str:
        return sentence(why(self.plan, self.number(key)))


def test_no_more_run_than_there_is_enough_for():
    box = Box(gpus("a", 1), gpus("b", 1), gpus("c", 2), spec("d"), gpu=2)

    assert box.running() == ["a", "b", "d"]
    assert box.end("a") == []
    assert box.end("b") == ["c"]


def test_what_an_attempt_had_is_free_when_it_is_tried_again():
    box = Box(gpus("a", 2, retries=1, claims={"x"}), gpus("b", 2), gpu=2)

    assert box.end("a", FAILED) == ["a"]
    assert box.end("a") == ["b"]


def test_several_resources_are_had_all_at_once_or_not_at_all():
    both = spec("both", needs=(("gpu", 1), ("memory", 4)))
    box = Box(gpus("a", 1), both, spec("c", needs=(("memory", 4),)), gpu=1, memory=4)

    assert box.running() == ["a", "c"]
    assert box.end("a") == []
    assert box.end("c") == ["both"]


def test_of_those_that_wait_the_better_one_comes_first():
    box = Box(gpus("a", 1), gpus("b", 1), gpus("c", 1, priority=-1), gpu=1)

    assert box.running() == ["c"]
    assert box.end("c") == ["a"]
    assert box.end("a") == ["b"]


def test_who_was_overtaken_a_hundred_times_has_the_next_turn():
    small = [gpus(f"s{number:03}", 1, priority=1) for number in range(150)]
    box = Box(gpus("first", 1), gpus("large", 2), *small, gpu=2)
    overtaken = 0
    assert box.running() == ["first", "s000"]

    while "large" not in box.running():
        begun = box.end(box.running()[0])
        overtaken += sum(key.startswith("s") for key in begun)

    assert 98 <= overtaken <= 101
    assert box.running() == ["large"]
    assert len(box.end("large")) == 2


def test_while_one_has_the_next_turn_its_locks_are_kept_for_it_too_and_others_go_on():
    small = [gpus(f"s{number:03}", 1, priority=1) for number in range(120)]
    large = gpus("large", 2, claims={"disk"})
    box = Box(gpus("first", 1), large, *small, spec("other", priority=2), spec("disk", priority=3, uses={"disk"}),
              workers=2, gpu=2)  # fmt: skip
    while box.plan.resources.next_turn == 0:
        box.end(box.running()[0])

    assert "large has been overtaken 100 times, and comes first." in box.why("s119")
    begun = []
    while "large" not in box.running():
        begun += box.end(box.running()[0])
    assert "disk" not in begun
    while not box.plan.is_over:
        begun += box.end(box.running()[0])
    assert "disk" in begun


def test_why_says_of_what_there_is_too_little_and_who_has_it():
    box = Box(gpus("a", 1), gpus("b", 2), gpu=2)

    assert box.why("b") == "b needs 2 of gpu: 1 of 2 is free, the rest is with a (1)."


def test_nobody_counts_where_nobody_said_how_much_there_is():
    plan = Plan([gpus("a", 5), gpus("b", 5)])

    turn = plan.handle(RunOpened(), PoolHasRoom(2))

    assert len(turn.commands) == 2


TASKS = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from(["gpu", "memory"]), st.integers(1, 3), max_size=2),
        st.sets(st.sampled_from(["x", "/a", "/a/b"]), max_size=2),
        st.integers(0, 2),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=12,
)


@given(TASKS, st.integers(1, 4), st.lists(st.integers(0, 5), max_size=60))
def test_everybody_has_a_turn_whatever_happens(tasks, workers, tape):
    specs = [
        spec(f"t{number}", needs=tuple(sorted(needs.items())), claims=claims, priority=priority, retries=retries)
        for number, (needs, claims, priority, retries) in enumerate(tasks)
    ]
    box = Box(*specs, workers=workers, gpu=3, memory=4)

    for what in (*tape, *[0] * 500):
        if box.plan.is_over:
            break
        running = box.running()
        assert running, "nothing runs, and not all have ended"
        box.end(running[what % len(running)], FAILED if what % 2 else PASSED)

    assert box.plan.is_over
    assert all(
        not task.state.is_final or task.verdict is not Verdict.NOT_RUN or task.spec.claims
        for task in box.plan.tasks.values()
    )
