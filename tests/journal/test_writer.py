"""What a turn leaves in the journal, told by SQL and by whoever goes on with the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from pexen_state.core.decisions import Added, Cancelled, Paused, Transition, Unlocked
from pexen_state.core.inputs import CancelAsked, PauseAsked, PoolHasRoom, TasksAdded, UnlockAsked
from pexen_state.core.spec import Declared
from pexen_state.core.states import Cause, Locks, State, Verdict
from pexen_state.journal.errors import JournalConflict, JournalWriteError
from pexen_state.journal.records import AttemptBegan, AttemptEnd, EndedTask, NewTask
from tests.journal.telling import MIDNIGHT_US, Runner, change, sql
from tests.stories import cancel, raised, returned, runner_died, spec, started, was_cancelled, withdrawn, worker_died


def ended(runner: Runner) -> list[EndedTask]:
    return [one for page in runner.journal.resuming().ended() for one in page]


def transitions(path: Path) -> list[tuple[object, ...]]:
    return sql(path, "SELECT task, attempt, old, new, cause FROM transitions ORDER BY seq")


def test_a_turn_is_in_the_file_when_append_returns(runner: Runner, path: Path) -> None:
    runner.begin(spec("first", provides={"x"}), spec("second", requires={"x"}))

    runner.turn(returned("first"), PoolHasRoom(1))

    assert transitions(path) == [
        ("first", 1, "ready", "submitted", "dispatch"),
        ("first", 1, "submitted", "succeeded", "returned"),
        ("second", 1, "ready", "submitted", "dispatch"),
    ]
    assert sql(path, "SELECT task, state, verdict FROM tasks ORDER BY number") == [
        ("first", "succeeded", "pass"),
        ("second", "submitted", None),
    ]


def test_a_task_that_waits_for_nothing_is_ready_from_the_start(runner: Runner, path: Path) -> None:
    runner.begin(spec("free"), spec("bound", requires={"x"}), spec("x", provides={"x"}), room=0)

    assert sql(path, "SELECT task, state FROM tasks ORDER BY number") == [
        ("free", "ready"),
        ("bound", "waiting"),
        ("x", "ready"),
    ]


def test_a_decision_that_does_not_fit_is_a_conflict_and_writes_nothing(runner: Runner, path: Path) -> None:
    runner.begin(spec("first"), spec("second"), room=2)
    before = transitions(path)
    both = [
        Transition(1, 1, State.SUBMITTED, State.SUCCEEDED, Cause.RETURNED, Verdict.PASS, True),
        Transition(2, 1, State.RUNNING, State.SUCCEEDED, Cause.RETURNED, Verdict.PASS, True),
    ]

    with pytest.raises(JournalConflict, match=r"second: decision .* running -> succeeded .* says: submitted"):
        runner.journal.append(both)

    assert transitions(path) == before
    with pytest.raises(JournalWriteError, match="not written to any more"):
        runner.journal.append([])


def test_an_attempt_of_the_wrong_number_is_a_conflict(runner: Runner) -> None:
    runner.begin(spec("first"))

    with pytest.raises(JournalConflict, match="first"):
        runner.journal.append([Transition(1, 2, State.SUBMITTED, State.LOST, Cause.RUNNER_DIED)])


def test_somebody_else_who_writes_is_noticed(runner: Runner, path: Path) -> None:
    runner.begin(spec("first"))
    change(path, "UPDATE task SET state = 7 WHERE key = 'first'")

    with pytest.raises(JournalConflict, match="Somebody else wrote to this run"):
        runner.turn(returned("first"))


def test_a_turn_that_was_interrupted_half_way_is_the_end_of_writing(runner: Runner, path: Path) -> None:
    runner.begin(spec("first"), spec("second"), room=2)
    before = transitions(path)

    with pytest.raises(KeyError):
        runner.journal.append(
            [
                Transition(1, 1, State.SUBMITTED, State.SUCCEEDED, Cause.RETURNED, Verdict.PASS, True),
                Transition(7, 1, State.SUBMITTED, State.SUCCEEDED, Cause.RETURNED, Verdict.PASS, True),
            ]
        )

    with pytest.raises(JournalWriteError, match="not written to its end"):
        runner.turn(returned("second"))
    assert transitions(path) == before


def test_after_a_failure_the_end_of_the_session_is_still_written(runner: Runner, path: Path) -> None:
    runner.begin(spec("first"))
    change(path, "UPDATE task SET state = 7")
    with pytest.raises(JournalConflict):
        runner.turn(returned("first"))

    runner.journal.end_session("failed")

    assert sql(path, "SELECT how_ended FROM sessions") == [("failed",)]


def test_a_step_from_lost_to_ready_in_one_turn_is_one_change_of_the_task(runner: Runner, path: Path) -> None:
    runner.begin(spec("crashing", claims={"disk"}))

    runner.turn(worker_died("crashing"), PoolHasRoom(1))

    assert transitions(path) == [
        ("crashing", 1, "ready", "submitted", "dispatch"),
        ("crashing", 1, "submitted", "lost", "worker_died"),
        ("crashing", 1, "lost", "ready", "retry"),
        ("crashing", 2, "ready", "submitted", "dispatch"),
    ]
    (saved,) = runner.journal.saved_tasks()
    assert saved.restored[1:6] == (State.SUBMITTED, 2, 0, 0, 1)
    assert saved.restored.locks is Locks.DIRTY
    assert sql(path, "SELECT attempt, state, cause FROM attempts ORDER BY attempt") == [
        (1, "lost", "worker_died"),
        (2, "submitted", None),
    ]


def test_withdrawn_attempts_are_in_no_count_that_people_see(runner: Runner, path: Path) -> None:
    runner.begin(spec("late"), room=1)
    runner.turn(withdrawn("late"), PoolHasRoom(1))
    runner.turn(withdrawn("late"), PoolHasRoom(1))

    runner.turn(returned("late"), left={"late": AttemptEnd(ret_json="1")})

    assert sql(path, "SELECT attempts FROM tasks") == [(1,)]
    assert sql(path, "SELECT attempt, state FROM attempts") == [(1, "succeeded")]
    assert {attempt for _, attempt, *_ in transitions(path)} == {1}
    (result,) = ended(runner)
    (saved,) = runner.journal.saved_tasks()
    assert (saved.attempt, saved.withdrawn, result.ret) == (3, 2, "1")


def test_what_an_attempt_left_is_kept(runner: Runner, path: Path) -> None:
    runner.begin(spec("first"))
    output = str(path.parent / "journal.d" / "run-1" / "first-1" / "1" / "output.log")
    runner.clock.go_on(10)
    end = AttemptEnd(2, 4711, MIDNIGHT_US + 1_500_000, 8.25, 3, None, output, None, '{"set":{},"del":[]}', "{}")

    runner.turn(raised("first"), left={"first": end})

    assert sql(
        path, "SELECT worker, pid, started_at, ended_at, seconds, exit_code, signal, cause, output FROM attempts"
    ) == [
        (
            2,
            4711,
            "2023-11-14T22:13:21.500000Z",
            "2023-11-14T22:13:30.000000Z",
            8.25,
            3,
            None,
            "raised",
            "journal.d/run-1/first-1/1/output.log",
        )
    ]
    (result,) = ended(runner)
    assert (result.shared, result.error, result.seconds, result.output) == (end.shared_json, "{}", 8.25, output)


def test_an_attempt_that_began_is_seen_while_it_runs(runner: Runner, path: Path) -> None:
    runner.begin(spec("long"))
    turn = runner.plan.handle(started("long"))

    runner.journal.append(turn.decisions, [AttemptBegan(1, 1, 1, 4711, MIDNIGHT_US + 250_000)])

    now = "SELECT worker, pid, state, started_at, ended_at FROM attempts"
    assert sql(path, now) == [(1, 4711, "running", "2023-11-14T22:13:20.250000Z", None)]
    runner.turn(runner_died("long"))
    assert sql(path, now)[0][:3] == (1, 4711, "lost")


def test_word_of_a_beginning_that_comes_after_the_end_is_ignored(runner: Runner, path: Path) -> None:
    runner.begin(spec("quick"))
    turn = runner.plan.handle(returned("quick"))

    runner.journal.append(turn.decisions, [AttemptBegan(1, 1, 9, 9, 9)], {1: AttemptEnd(1, 4711)})

    assert sql(path, "SELECT worker, pid FROM attempts") == [(1, 4711)]


def test_tasks_that_join_are_written_with_the_decision(runner: Runner, path: Path) -> None:
    runner.begin(spec("first"))
    late = spec("late", provides={("disk", 1)}, priority=-1, declared=Declared.TASK)
    runner.journal.add_tasks(2, [NewTask(late)])
    assert sql(path, "SELECT count(*) FROM tasks") == [(1,)]

    runner.turn(TasksAdded((late,)), PoolHasRoom(1))

    assert [task.spec for task in runner.journal.saved_tasks()] == [runner.plan.named("first").spec, late]
    assert list(runner.journal.decisions())[2] == Added(2, (late,))


def test_a_decision_about_tasks_that_were_not_given_is_refused(runner: Runner) -> None:
    runner.begin(spec("first"))

    with pytest.raises(ValueError, match="add_tasks"):
        runner.turn(TasksAdded((spec("late"),)))


def test_a_lock_is_free_when_a_person_freed_all_that_the_task_held(runner: Runner, path: Path) -> None:
    runner.begin(spec("bad", claims={"disk", "/proc//sys/"}), spec("other", claims={"disk"}), room=1)
    runner.turn(raised("bad"))

    def held() -> Locks:
        return next(task.restored.locks for task in runner.journal.saved_tasks() if task.key == "bad")

    assert held() is Locks.HELD
    runner.turn(UnlockAsked("disk"))
    assert held() is Locks.HELD
    runner.turn(UnlockAsked("/proc/sys"))
    assert held() is Locks.FREED
    assert runner.plan.named("bad").locks is Locks.FREED
    assert [unlocked for _, unlocked in runner.journal.interventions()] == [Unlocked("disk"), Unlocked("/proc/sys")]


def test_an_older_unlock_does_not_count_for_a_task_that_ended_later(runner: Runner) -> None:
    runner.begin(spec("bad", claims={"disk"}))
    runner.turn(UnlockAsked("disk"))

    runner.turn(raised("bad"))

    assert runner.journal.saved_tasks()[0].restored.locks is Locks.HELD


def test_every_decision_comes_back_in_order(runner: Runner) -> None:
    runner.begin(spec("a", provides={"x"}, claims={("disk", 1)}), spec("b", requires={"x"}), room=1)
    runner.turn(raised("a"), PauseAsked("pause"))
    runner.turn(UnlockAsked(("disk", 1)), cancel("b"))
    first = Added(1, tuple(task.spec for task in runner.plan.tasks.values()))

    assert list(runner.journal.decisions()) == [first, *runner.plan.decided]
    assert Paused("pause") in runner.plan.decided


def test_finished_tasks_come_in_the_order_in_which_they_ended(runner: Runner) -> None:
    runner.begin(*(spec(key) for key in "abcd"), room=4)
    runner.turn(returned("c"))
    runner.turn(returned("b"), returned("a"))

    assert [task.key for task in runner.journal.saved_tasks()] == ["c", "b", "a", "d"]
    assert [one.number for one in ended(runner) if one.ending.has_result] == [3, 2, 1]


def test_a_task_that_was_cancelled_before_its_next_attempt_has_the_result_of_what_ran(runner: Runner) -> None:
    runner.begin(spec("again", retries=1), spec("never"), room=1)
    runner.turn(raised("again"), left={"again": AttemptEnd(error_json="{}")})
    runner.turn(CancelAsked())

    assert [(one.number, one.error) for one in ended(runner) if one.ending.has_result] == [(1, "{}")]
    assert [task.state.word for task in runner.journal.saved_tasks()] == ["cancelled", "cancelled"]
    assert Cancelled((), True) in list(runner.journal.decisions())


def test_only_tasks_that_an_attempt_ended_have_a_result(runner: Runner) -> None:
    runner.begin(
        spec("good"),
        spec("hung"),
        spec("crashed", max_crashes=0),
        spec("bad", provides={"x"}),
        spec("never", requires={"x"}),
        room=4,
    )
    runner.turn(returned("good"), worker_died("crashed"), raised("bad"))
    runner.turn(CancelAsked())
    runner.turn(was_cancelled("hung"))

    assert {task.key for task in runner.journal.saved_tasks() if task.ended_seq} == {
        "good",
        "hung",
        "crashed",
        "bad",
        "never",
    }
    words = {task.number: (task.key, task.state.word) for task in runner.journal.saved_tasks()}
    assert [words[result.number] for result in ended(runner) if result.ending.has_result] == [
        ("good", "succeeded"),
        ("crashed", "failed"),
        ("bad", "failed"),
        ("hung", "cancelled"),
    ]
