"""Whatever tasks do to their box, and for ever: the number of sessions is bounded, by budgets or by parking."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle

from hypothesis import given
from hypothesis import strategies as st

from pexen_state.core.commands import Enter, Reboot
from pexen_state.core.decisions import Decision
from pexen_state.core.inputs import (
    BoxDied,
    Ending,
    Finished,
    Input,
    Lost,
    NewBoot,
    NotRebooted,
    PoolHasRoom,
    RunOpened,
)
from pexen_state.core.plan import Plan
from pexen_state.core.spec import TaskSpec
from pexen_state.core.states import Cause
from tests.core.test_properties import thorough
from tests.stories import VERDICT

MOST_BOOTS = 5
ENOUGH_IN_A_ROW = 3  # sessions that were killed or crashed, without one task coming to its end: the run is parked
STEPS = 2000  # far more than a session of so few tasks can have

CRASH, KILL, ASK, RETURN, RAISE, HANG, DIE, SKIP = range(8)
_ENDINGS = {
    RETURN: Cause.RETURNED,
    RAISE: Cause.RAISED,
    HANG: Cause.TIMED_OUT,
    SKIP: Cause.SKIPPED,
    ASK: Cause.REBOOT_ASKED,
}


class Box:
    """A run on a box that its tasks take down. What they do is a circle of numbers: it never gets better."""

    def __init__(self, specs: Sequence[TaskSpec], deeds: Sequence[tuple[int, int]], room: int) -> None:
        self.specs = specs
        self.deeds: Iterator[tuple[int, int]] = cycle(deeds)
        self.room = room
        self.decided: list[Decision] = []
        self.ended: list[str] = []  # how each session did
        self.boots = 1
        self.is_over = False

    def session(self) -> str:
        """One life of the runner: how it ended."""
        plan = Plan(self.specs)
        for decision in self.decided:
            plan.apply(decision)
        commands = self._tell(plan, [*self._what_became(plan), RunOpened(f"boot {self.boots}", may_reboot=True)])
        for _ in range(STEPS):
            plan.validate()
            if any(isinstance(one, Reboot) for one in commands):
                if self.boots < MOST_BOOTS:
                    self.boots += 1
                    return "rebooted"
                commands = self._tell(plan, [NotRebooted("no more boots")])
                continue
            if plan.is_over:
                self.is_over = True
                return "finished"
            assert plan.in_flight, "there is something left to run, and nothing runs"
            who, deed = next(self.deeds)
            number = sorted(plan.in_flight)[who % len(plan.in_flight)]
            attempt = plan.tasks[number].attempt
            if deed in (CRASH, KILL):
                return "crashed" if deed == CRASH else "killed"
            if deed == DIE:
                commands = self._tell(plan, [Lost(number, attempt, Cause.WORKER_DIED)])
            else:
                cause = _ENDINGS[deed]
                commands = self._tell(plan, [Finished(number, attempt, Ending(cause, VERDICT[cause]))])
        raise AssertionError("this session never ends")

    def _what_became(self, plan: Plan) -> list[Input]:
        left = [(number, plan.tasks[number].attempt) for number in sorted(plan.in_flight)]
        match self.ended[-1:]:
            case ["crashed"]:
                return [BoxDied(tuple(left)), NewBoot()]
            case ["rebooted"]:
                return [*(Lost(*attempt, Cause.SHUT_DOWN) for attempt in left), NewBoot()]
            case _:
                return [Lost(*attempt, Cause.RUNNER_DIED) for attempt in left]

    def _tell(self, plan: Plan, inputs: list[Input]) -> Sequence[object]:
        turns = [plan.handle(PoolHasRoom(0), *inputs)]
        while len(turns) == 1 or any(isinstance(one, Enter) for one in turns[-1].commands):
            turns.append(plan.handle(PoolHasRoom(self.room - len(plan.in_flight))))
        self.decided += [one for turn in turns for one in turn.decisions]
        return [one for turn in turns for one in turn.commands]

    def tasks_ended(self) -> int:
        return len({one.task for one in self.decided if hasattr(one, "new") and one.new.is_final})


def suites(most_crashes: st.SearchStrategy[int | None]) -> st.SearchStrategy[list[TaskSpec]]:
    one = st.builds(
        TaskSpec,
        key=st.sampled_from("abcde"),
        requires=st.sampled_from(((), (), ("x",))),
        provides=st.sampled_from(((), ("x",))),
        claims=st.sampled_from(((), ("/a",), ("/a/b",))),
        recovers=st.sampled_from(((), (), ("/a",))),
        retries=st.integers(0, 2),
        max_crashes=most_crashes,
        survives_reboot=st.booleans(),
        cleared_by_reboot=st.booleans(),
        always=st.booleans(),
        uses=st.just(()),
        requires_all=st.just(()),
        after=st.just(()),
        on_fail_locks=st.none(),
        on_fail_deps=st.none(),
        when=st.none(),
        group=st.sampled_from((None, None, "g", "h")),
    )
    return st.lists(one, min_size=1, max_size=5, unique_by=lambda spec: spec.key)


def deeds(*which: int) -> st.SearchStrategy[list[tuple[int, int]]]:
    return st.lists(st.tuples(st.integers(0, 4), st.sampled_from(which)), min_size=1, max_size=12)


@given(suites(st.integers(0, 2)), deeds(CRASH, CRASH, ASK, RETURN, RAISE, HANG, DIE, SKIP), st.integers(1, 3))
@thorough
def test_with_budgets_a_run_on_a_box_that_keeps_crashing_comes_to_its_end(
    specs: list[TaskSpec], what: list[tuple[int, int]], room: int
) -> None:
    box = Box(specs, what, room)
    # A crash beside others costs nobody a budget, but each of its suspects costs one before there can be another: it
    # ends, is tried again for a failure, dies alone, or asks for a reboot.
    budgets = sum(1 + spec.retries + (spec.max_crashes or 0) + 1 for spec in specs) + MOST_BOOTS

    while not box.is_over:
        box.ended.append(box.session())
        assert len(box.ended) <= 2 * budgets + MOST_BOOTS, f"it goes on for ever: {box.ended[-20:]}"


@given(suites(st.none() | st.integers(0, 2)), deeds(CRASH, KILL, ASK, RETURN, RAISE, HANG, SKIP), st.integers(1, 3))
@thorough
def test_without_budgets_and_whoever_kills_its_runner_it_ends_or_is_parked(
    specs: list[TaskSpec], what: list[tuple[int, int]], room: int
) -> None:
    box = Box(specs, what, room)
    in_a_row = 0

    while not box.is_over and in_a_row < ENOUGH_IN_A_ROW:
        before = box.tasks_ended()
        box.ended.append(box.session())
        is_violent = box.ended[-1] in ("crashed", "killed") and box.tasks_ended() == before
        in_a_row = in_a_row + 1 if is_violent else 0
        assert len(box.ended) <= ENOUGH_IN_A_ROW * (len(specs) + MOST_BOOTS + 1), f"for ever: {box.ended[-20:]}"
