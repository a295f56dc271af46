"""Whatever happens to a run: the projection, a replay of every decision, and the live plan say the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pexen_state.core.decisions import Added, AllRestored, Intervention, Restored
from pexen_state.core.inputs import (
    BoxDied,
    CancelAsked,
    ConditionsKnown,
    Ending,
    Finished,
    Input,
    Lost,
    NewBoot,
    PauseAsked,
    PoolHasRoom,
    RunOpened,
    Started,
    TaskChanged,
    TaskGone,
    TasksAdded,
    UnlockAsked,
)
from pexen_state.core.spec import Declared, TaskSpec
from pexen_state.core.states import FAILURES, RETRIED, Cause, State
from pexen_state.journal import turn
from pexen_state.journal.care.check import check, replay
from pexen_state.journal.ended import EndedPage
from pexen_state.journal.lock import RunLock
from pexen_state.journal.reader import reader
from pexen_state.journal.records import NewTask, SavedTask
from pexen_state.journal.standing import in_order, standing, woven
from pexen_state.journal.writer import Journal
from tests.core.world import condition
from tests.stories import VERDICT, Plan

NAMES = ("x", "y", ("z", 1))
LOCKS = ("/", "/a", "/a//b/", "flat", 7)
Draw = Callable[[int], int]


def some(things: tuple[object, ...], most: int) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(st.sampled_from(things), max_size=most, unique=True).map(tuple)


specs = st.builds(
    TaskSpec,
    key=st.sampled_from("abcdef"),
    requires=some(NAMES, 1),
    requires_all=some(NAMES, 1),
    provides=some(NAMES, 2),
    after=some(("a", "?"), 1),
    uses=some(LOCKS[:2], 1),
    claims=some(LOCKS[2:], 2),
    recovers=some(LOCKS[2:], 1),
    cleared_by_reboot=st.booleans(),
    priority=st.sampled_from((0, -1.5, 3)),
    always=st.booleans(),
    retries=st.integers(0, 2),
    retry_on=st.sampled_from((RETRIED, FAILURES)),
    max_crashes=st.sampled_from((1, 0, None)),
    timeout=st.none() | st.floats(0.5, 100),
    idle_timeout=st.none() | st.floats(0.5, 100),
    total_timeout=st.none() | st.floats(0.5, 100),
    weight=st.none() | st.floats(0.5, 100),
    needs=st.lists(st.tuples(st.sampled_from(["gpu", "memory"]), st.integers(1, 9)), max_size=2).map(tuple),
    survives_reboot=st.booleans(),
    kernel=st.sampled_from(("warn", "fail", "ignore")),
    declared=st.sampled_from(Declared),
    on_fail_locks=st.sampled_from((None, "free", "hold")),
    on_fail_deps=st.sampled_from((None, "break", "keep")),
    when=st.sampled_from((None, None, "n >= 1", "n >= 2")),
)


class JournaledPlan:
    """A plan whose every turn goes into a journal; whoever resumes has that alone."""

    def __init__(self, journal: Journal, tasks: list[TaskSpec], max_fail: int | None = None) -> None:
        self.max_fail = max_fail
        self.journal = journal
        self.sessions = 1
        self.id = journal.begin_run("suite", "target", {}, [NewTask(spec) for spec in tasks])
        journal.begin_session(self.id)
        self.plan = Plan(tasks, max_fail=max_fail)
        self.turn(self.known(), RunOpened(), PoolHasRoom(2))

    def known(self) -> ConditionsKnown:
        """Another thing in each session, and in every second one it is decided anew."""
        number = self.sessions % 3
        return ConditionsKnown(lambda spec: condition(spec, number), again=self.sessions % 2 == 0)

    def turn(self, *inputs: Input) -> None:
        turn = self.plan.handle(*inputs)
        for decision in turn.decisions:
            if isinstance(decision, Added):
                self.journal.add_tasks(decision.first, [NewTask(spec) for spec in decision.specs])
        self.journal.append(turn.decisions)

    def something_happens(self, draw: Draw, later: list[TaskSpec]) -> None:
        """One of all that can, to one of all tasks. Inputs that come too late are among them."""
        plan = self.plan
        number = sorted(plan.in_flight)[draw(len(plan.in_flight))] if plan.in_flight else 1 + draw(len(plan.tasks))
        attempt = plan.tasks[number].attempt
        cause = list(VERDICT)[draw(len(VERDICT))]
        lost = (Cause.WORKER_DIED, Cause.WITHDRAWN, Cause.STOPPED, Cause.CANCELLED)[draw(4)]
        if plan.tasks[number].state is State.RUNNING and lost is Cause.WITHDRAWN:
            lost = Cause.RUNNER_DIED  # what has begun is not withdrawn
        happened: list[Input] = [
            Finished(number, attempt, Ending(Cause.RETURNED, VERDICT[Cause.RETURNED])),
            Finished(number, attempt, Ending(cause, VERDICT[cause], bool(draw(2)), bool(draw(2)), "a reason")),
            Lost(number, attempt, lost, bool(draw(2)), "it was lost"),
            Started(number, attempt),
            UnlockAsked(LOCKS[draw(len(LOCKS))]),
            CancelAsked(1 + draw(len(plan.tasks)) if draw(4) else None),
            TaskGone(1 + draw(len(plan.tasks))),
            TasksAdded(tuple(later[:1])),
            PauseAsked("pause"),
            TaskChanged(1 + draw(len(plan.tasks))),
            TaskChanged(1 + draw(len(plan.tasks))),
        ]
        which = draw(24)
        if which < len(happened):
            if which == 7:
                del later[:1]
            self.turn(happened[which], PoolHasRoom(draw(3)))
        elif which == 23:
            self.cut_off(new_boot=bool(draw(2)))
        else:
            self.turn(*happened[which % 3 :: 3][:1], PoolHasRoom(2))

    def cut_off(self, new_boot: bool) -> None:
        """The runner dies, or its box does, and another one goes on with what it finds."""
        self.compare()
        self.plan = self.restored()
        self.journal.begin_session(self.id)
        self.sessions += 1
        left = [(number, self.plan.tasks[number].attempt) for number in sorted(self.plan.in_flight)]
        if new_boot:
            self.turn(BoxDied(tuple(left)), NewBoot())
        else:
            self.turn(*(Lost(*attempt, Cause.RUNNER_DIED) for attempt in left))
        self.turn(self.known(), RunOpened())

    def restored(self) -> Plan:
        saved = self.journal.saved_tasks(self.id)
        told = in_order(saved, self.journal.interventions(self.id))
        tasks = [task.spec for task in sorted(saved, key=lambda task: task.number)]
        plan = Plan.restored(tasks, told, max_fail=self.max_fail)
        plan.validate()
        assert isinstance(plan, Plan)
        assert self.resumed(tasks) == plan
        return plan

    def resumed(self, specs: list[TaskSpec]) -> Plan:
        """The same, read as a resume reads it."""
        past = self.journal.resuming(self.id)
        done = self.journal.interventions(self.id)
        told = woven(past.ended(done), past.under_way(), done)
        assert [task.spec for page in past.recorded() for task in page] == specs
        decisions: list[Restored | AllRestored | Intervention] = []
        for one in told:
            if isinstance(one, EndedPage):
                decisions += one.restored()
            else:
                decisions.append(one.restored if isinstance(one, SavedTask) else one)
        return Plan.restored(specs, decisions, max_fail=self.max_fail)

    def compare(self) -> None:
        with reader(self.journal.paths.db) as connection:
            assert list(replay(lambda query, params: connection.execute(query, params).fetchall(), self.id)) == []
            assert standing(connection, self.id) == self.plan
        assert self.restored() == self.plan


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journal]:
    # One journal for all examples: runs that lie side by side must not mix.
    with RunLock.acquire(tmp_path_factory.mktemp("projection") / "journal.db") as lock:
        journal = Journal.open(lock)
        yield journal
        journal.close()


@pytest.fixture(scope="module", params=[1, turn.WORTH_A_STATEMENT], ids=["by stretches", "by rows"])
def division(request: pytest.FixtureRequest) -> Iterator[None]:
    """How a turn is divided. These runs are small: nothing of them would be written by stretches otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(turn, "WORTH_A_STATEMENT", request.param)
        yield


@pytest.mark.usefixtures("division")
@given(
    tasks=st.lists(specs, min_size=1, max_size=6, unique_by=lambda spec: spec.key),
    cut=st.integers(0, 3),
    max_fail=st.none() | st.integers(1, 3),
    tape=st.lists(st.integers(0, 9999), min_size=20, max_size=200),
)
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_restore_equals_replay_equals_live(
    journal: Journal, tasks: list[TaskSpec], cut: int, max_fail: int | None, tape: list[int]
) -> None:
    first = tasks[: max(1, len(tasks) - cut)]
    later = tasks[len(first) :]
    numbers = iter(tape)
    run = JournaledPlan(journal, first, max_fail)

    while (number := next(numbers, None)) is not None:
        run.something_happens(lambda below, number=number: next(numbers, number) % below, later)  # type: ignore[misc]

    run.compare()


def test_the_journal_of_all_these_runs_is_sound(journal: Journal) -> None:
    assert check(journal.paths.db) == []
