"""Stories of the loop: what is on disk before it is seen, what waits for the caller, how a session ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from pexen_state.core.decisions import Decision, Transition
from pexen_state.core.inputs import Ending, Input, PauseAsked, StopAsked
from pexen_state.core.plan import Plan
from pexen_state.core.spec import TaskSpec
from pexen_state.core.states import Cause, State, Verdict
from pexen_state.journal.records import Checkpoint
from pexen_state.sched import loop as loop_module
from pexen_state.sched import window as window_module
from pexen_state.sched.common import TaskRes
from pexen_state.sched.inbox import Inbox
from pexen_state.sched.loop import Loop
from pexen_state.sched.pool.base import Began, Job, Outcome, Readable
from pexen_state.sched.shared import SharedStore
from pexen_state.sched.window import Hold
from tests.fakes import FakePool

ASSERTED = Ending(Cause.ASSERTED, Verdict.FAIL)


class Session:
    """A loop with a fake pool, and one story of everything that can be seen from outside, in order."""

    def __init__(self, *specs: TaskSpec, workers: int = 1, spare: int | None = 1) -> None:
        self.plan = Plan(specs, record=True)
        self.pool = FakePool(workers, spare)
        self.story = self.pool.story
        self.inbox = Inbox()
        self.broken = False
        shared = SharedStore(self.plan, {})
        self.loop = Loop(
            self.plan,
            self.pool,
            self,
            shared,
            [self.inbox],
            dict.fromkeys(self.plan.tasks, print),
            lambda submit: Job(submit.task, submit.attempt, print, shared.input_of(submit.parents)),
            clock=self.pool.clock,
        )

    def append(
        self,
        decisions: Sequence[Decision],
        began: Sequence[Began],
        ended: Mapping[int, Outcome],
        checkpoints: Sequence[Checkpoint] = (),
    ) -> None:
        if self.broken:
            raise OSError("the disk is gone")
        states = [f"{one.task}:{one.new.word}" for one in decisions if isinstance(one, Transition)]
        self.story.append("commit " + " ".join(states))

    def checkpoint(self, task: int, key: str) -> None:
        return None

    def run(self) -> Iterator[TaskRes]:
        for result in self.loop.run():
            self.story.append(f"give {result.key}")
            yield result

    def ask(self, asked: Input) -> None:
        self.inbox.put(asked)
        self.pool.reports.append(Readable(self.inbox.fileno()))


def tasks(count: int, **fields: Any) -> list[TaskSpec]:
    return [TaskSpec(str(number), **fields) for number in range(1, count + 1)]


def chain(count: int) -> list[TaskSpec]:
    return [
        TaskSpec(str(n), requires=(n - 1,) if n > 1 else (), provides=(n,) if n < count else ())
        for n in range(1, count + 1)
    ]


def test_a_result_is_on_disk_before_it_is_given_and_so_is_what_follows_from_it():
    session = Session(*chain(2))

    assert [result.key for result in session.run()] == ["1", "2"]

    assert session.story == [
        "commit 1:submitted",
        "hand over 1",
        "commit 1:succeeded 2:submitted",
        "give 1",
        "hand over 2",
        "commit 2:succeeded",
        "give 2",
    ]


def test_a_turn_is_one_commit_however_many_tasks_it_moves():
    session = Session(*tasks(8), workers=4, spare=0)
    session.pool.script = session.pool.end_all

    list(session.run())

    assert sum(line.startswith("commit") for line in session.story) == 3


def test_nothing_new_starts_while_the_caller_holds_a_result():
    session = Session(*tasks(3), workers=1, spare=0)

    run = session.run()
    next(run)
    session.pool.script = lambda: pytest.fail("the loop waited while the caller had the result")
    handed = [line for line in session.story if line.startswith("hand over")]

    assert handed == ["hand over 1"]
    session.pool.script = session.pool.end_oldest
    list(run)


def two_ended_at_once_and_the_caller_takes_its_time(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TaskRes]:
    monkeypatch.setattr(loop_module.Window, "caller_is_slow", lambda self: True)
    session.pool.script = session.pool.end_all
    run = session.run()
    next(run)
    session.pool.script = lambda: None
    next(run)
    session.pool.script = session.pool.end_all
    return run


def test_idle_workers_get_what_does_not_follow_from_a_result_that_was_not_given_yet(monkeypatch):
    session = Session(*tasks(4), workers=2, spare=0)

    run = two_ended_at_once_and_the_caller_takes_its_time(session, monkeypatch)

    assert session.story[-4:] == ["give 1", "hand over 3", "hand over 4", "give 2"]
    list(run)


def test_a_caller_is_not_slow_because_the_disk_is(monkeypatch):
    session = Session(*tasks(4), workers=2, spare=0)
    session.pool.script = session.pool.end_all
    began = time.perf_counter()
    # A commit takes a second, and nothing else takes any time.
    monkeypatch.setattr(
        window_module.time, "perf_counter", lambda: began + sum(line.startswith("commit") for line in session.story)
    )

    list(session.run())
    handed = session.story.index("hand over 3")

    assert session.story[handed - 2 : handed] == ["give 1", "give 2"]


def test_what_follows_from_a_later_result_waits_for_it(monkeypatch):
    second, third, fourth = TaskSpec("2", provides=("b",)), TaskSpec("3", requires=("b",)), TaskSpec("4")
    session = Session(TaskSpec("1"), second, third, fourth, workers=2, spare=0)

    run = two_ended_at_once_and_the_caller_takes_its_time(session, monkeypatch)

    assert session.story[-3:] == ["give 1", "hand over 4", "give 2"]
    list(run)
    assert session.plan.is_over


def test_that_a_task_started_is_committed_after_a_tenth_of_a_second():
    session = Session(*tasks(1))
    began = session.pool.clock.now
    steps: Iterator[Callable[[], None]] = iter([lambda: session.pool.begin(1), lambda: None, session.pool.end_oldest])
    session.pool.script = lambda: next(steps)()

    list(session.run())

    assert session.story[2] == "commit 1:running"
    assert session.pool.clock.now == pytest.approx(began + 0.1)


def test_a_task_that_ended_meanwhile_is_never_said_to_be_running():
    session = Session(*tasks(1))

    def begin_and_end() -> None:
        session.pool.begin(1)
        session.pool.end(1)

    session.pool.script = begin_and_end
    list(session.run())

    assert session.plan.story("1")[1:] == ["ready -> submitted: dispatch", "submitted -> succeeded: returned"]


def test_a_retried_task_gives_one_result():
    session = Session(*tasks(1, retries=2))
    endings = iter([ASSERTED, ASSERTED, Ending(Cause.RETURNED, Verdict.PASS)])
    session.pool.script = lambda: session.pool.end(1, next(endings))

    (result,) = session.run()

    assert (result.state, result.verdict, result.attempt) == ("succeeded", "pass", 3)


def test_a_caller_who_leaves_stops_what_runs_and_marks_nothing_failed():
    session = Session(*tasks(4), workers=1, spare=1)

    run = session.run()
    next(run)
    run.close()

    assert session.story[-4:] == ["commit 3:ready", "withdraw", "kill 2", "commit 2:lost 2:ready"]
    states = [task.state for task in session.plan.tasks.values()]
    assert states == [State.SUCCEEDED, State.READY, State.READY, State.READY]
    assert not session.pool.watched


def test_a_paused_run_lets_its_tasks_end_and_starts_no_other():
    session = Session(*tasks(4), workers=1, spare=0)

    run = session.run()
    next(run)
    session.ask(PauseAsked("interrupt"))
    rest = [result.key for result in run]

    assert rest == ["2"]
    assert session.plan.tasks[3].state is State.READY
    assert session.plan.paused_by == "interrupt"


def test_a_stopped_run_kills_its_tasks():
    session = Session(*tasks(3), workers=1, spare=0)

    run = session.run()
    next(run)
    session.ask(StopAsked("sigterm"))

    assert list(run) == []
    assert "kill 2" in session.story
    assert session.plan.paused_by is None


def test_when_the_journal_cannot_be_written_nothing_more_is_shown_and_what_runs_ends_first():
    session = Session(*tasks(4), workers=2, spare=0)
    run = session.run()
    next(run)

    session.broken = True
    with pytest.raises(OSError, match="the disk is gone"):
        next(run)

    assert session.story[-1] == "withdraw"
    assert not session.pool.jobs, "the pool was left with tasks in it"


def first_turn_that_may_be_held_back(session: Session, *steps: Callable[[], None], monkeypatch: Any) -> list[str]:
    """What was done by the time that the first result is given, if a turn may wait for three more ends, or a second."""
    monkeypatch.setattr(loop_module.Window, "hold", lambda self, in_pool: Hold(3, 1.0) if in_pool > 3 else None)
    left = iter(steps)
    session.pool.script = lambda: next(left, session.pool.end_oldest)()
    run = session.run()
    next(run)
    story = list(session.story)
    list(run)
    return story


def test_a_turn_is_held_back_for_more_ends_while_the_workers_have_enough_to_do(monkeypatch):
    session = Session(*tasks(6), workers=2, spare=4)

    story = first_turn_that_may_be_held_back(session, monkeypatch=monkeypatch)

    assert story[-2:] == ["commit 1:succeeded 2:succeeded 3:succeeded 4:succeeded", "give 1"]


def test_a_turn_that_is_held_back_does_not_wait_for_a_long_task(monkeypatch):
    session = Session(*tasks(6), workers=2, spare=4)
    began = session.pool.clock.now

    story = first_turn_that_may_be_held_back(session, session.pool.end_oldest, lambda: None, monkeypatch=monkeypatch)

    assert story[-2:] == ["commit 1:succeeded", "give 1"]
    assert session.pool.clock.now == began + 1.0


def test_a_turn_that_is_held_back_is_taken_when_anything_else_happens(monkeypatch):
    session = Session(*tasks(6), workers=2, spare=4)
    began = session.pool.clock.now

    story = first_turn_that_may_be_held_back(
        session, session.pool.end_oldest, lambda: session.ask(PauseAsked("ctrl-c")), monkeypatch=monkeypatch
    )

    assert story[-3:] == ["commit 1:succeeded", "withdraw", "give 1"]
    assert session.pool.clock.now == began


# -- an interrupt from the keyboard


class InterruptedPool(FakePool):
    """The interrupt comes when the jobs are with the workers, and the loop has not heard of that."""

    def hand_over(self, jobs: Sequence[Job]) -> None:
        super().hand_over(jobs)
        raise KeyboardInterrupt


def test_what_was_begun_while_an_interrupt_got_in_between_is_stopped_and_not_taken_for_withdrawn():
    session = Session(TaskSpec("one"))
    session.pool.__class__ = InterruptedPool

    with pytest.raises(KeyboardInterrupt):
        list(session.run())

    assert "kill 1" in session.story
    assert session.plan.tasks[1].withdrawn == 0


def test_a_report_that_an_interrupt_has_lost_is_not_waited_for():
    session = Session(TaskSpec("one"))

    def lose() -> None:
        session.pool.jobs.clear()
        raise KeyboardInterrupt

    session.pool.script = lose
    began = session.pool.clock()

    with pytest.raises(KeyboardInterrupt):
        list(session.run())

    assert session.pool.clock() == began
    assert session.plan.tasks[1].state is State.SUBMITTED, "whether it has run is for the next session to find out"
