"""A turn of many tasks: what is alike is written at once, and nobody can tell afterwards."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from pexen_state.core.decisions import Transition
from pexen_state.core.inputs import PoolHasRoom
from pexen_state.core.states import Cause, State, Verdict
from pexen_state.journal import turn
from pexen_state.journal.care.check import check
from pexen_state.journal.errors import JournalConflict
from pexen_state.journal.records import AttemptBegan, AttemptEnd
from pexen_state.journal.turn import Memory, Rows, lay_out
from tests.journal.telling import MIDNIGHT_US, Runner, change, sql
from tests.stories import exited, raised, returned, runner_died, spec, started, withdrawn, worker_died

KEYS = [f"t{number}" for number in range(120)]


def dispatched(task: int) -> Transition:
    return Transition(task, 1, State.READY, State.SUBMITTED, Cause.DISPATCH)


def passed(task: int) -> Transition:
    return Transition(task, 1, State.SUBMITTED, State.SUCCEEDED, Cause.RETURNED, Verdict.PASS, True)


def laid_out(memory: Memory, *decisions: Transition) -> Rows:
    return lay_out(decisions, (), {}, memory, MIDNIGHT_US, "/")


def test_tasks_that_are_alike_are_no_rows_of_python() -> None:
    memory = Memory(1, 0)
    laid_out(memory, *map(dispatched, range(1, 1001)))

    rows = laid_out(memory, *map(passed, range(1, 1001)), *map(dispatched, range(1001, 2001)))

    assert [(one.seq, len(one.tasks)) for one in rows.alike] == [(1001, 1000), (2001, 1000)]
    assert not rows.transitions
    assert not rows.finishes
    assert rows.projected == 2000


def test_a_few_tasks_are_rows() -> None:
    rows = laid_out(Memory(1, 0), dispatched(1), dispatched(2))

    assert not rows.alike
    assert len(rows.transitions) == len(rows.submits) == 2


def test_a_task_that_moves_twice_in_a_turn_is_projected_once() -> None:
    rows = laid_out(Memory(1, 0), *map(dispatched, range(1, 101)), passed(50))

    assert not rows.alike, "the stretch that it is in is written row by row"
    assert len(rows.transitions) == 101
    assert (len(rows.submits), len(rows.moves)) == (99, 1)


def a_day(runner: Runner) -> None:
    """A hundred and twenty tasks that pass, fail, crash, are tried again and never begin."""
    runner.begin(*(spec(key, retries=key.endswith("5")) for key in KEYS), room=120)
    left = {key: AttemptEnd(number % 2, 4711, MIDNIGHT_US + 5, 0.25) for number, key in enumerate(KEYS)}
    left |= {key: AttemptEnd(1, 4711, exit_code=3, output="/elsewhere/output.log") for key in KEYS[90:100]}
    runner.turn(
        *map(withdrawn, KEYS[20:40]),
        *(raised(key) if key in ("t45", "t75") else returned(key) for key in KEYS[40:90]),
        *map(exited, KEYS[90:100]),
        worker_died(KEYS[100]),
        left=left,
    )
    runner.clock.go_on(1)
    runner.turn(PoolHasRoom(20))
    runner.turn(*map(returned, KEYS[:20]), *map(returned, KEYS[25:35]), left=left)


def everything(path: Path) -> list[list[tuple[Any, ...]]]:
    return [sql(path, f"SELECT * FROM {table} ORDER BY 1") for table in ("task", "transition", "attempt", "run_event")]


def test_however_a_turn_is_divided_the_same_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    for worth in (1, turn.WORTH_A_STATEMENT, 1_000_000):
        monkeypatch.setattr(turn, "WORTH_A_STATEMENT", worth)
        path = tmp_path / f"{worth}.db"
        runner = Runner(path)
        a_day(runner)
        runner.close()
        assert check(path) == []
        told.append(everything(path))

    assert told[0] == told[1] == told[2]
    assert sql(path, "SELECT state, count(*) FROM attempts GROUP BY 1 ORDER BY 1") == [
        ("failed", 12),
        ("lost", 1),
        ("submitted", 29),
        ("succeeded", 78),
    ]


@pytest.mark.parametrize("step", [1, -1, 2])
def test_many_are_submitted_at_once_whether_their_numbers_follow_each_other_or_not(
    runner: Runner, path: Path, step: int
) -> None:
    numbers = [*range(len(KEYS))][::step]
    first = {number: place for place, number in enumerate(numbers)}
    runner.begin(*(spec(key, priority=first.get(number, 1000)) for number, key in enumerate(KEYS)), room=len(numbers))
    runner.close()

    assert check(path) == []
    submitted = sql(path, "SELECT key, submitted, seq FROM transition t JOIN task k ON k.id = t.task ORDER BY seq")
    assert [key for key, _, _ in submitted] == [KEYS[number] for number in numbers]
    assert all(submitted == seq for _, submitted, seq in submitted)


def test_one_that_is_not_there_to_be_submitted_among_many_is_found(runner: Runner, path: Path) -> None:
    runner.begin(*map(spec, KEYS), room=0)
    change(path, "UPDATE task SET attempt = 7 WHERE key = 't77'")
    before = everything(path)

    with pytest.raises(JournalConflict, match=r"^t77: decision \d+, ready -> submitted .* says: ready, attempt 7"):
        runner.turn(PoolHasRoom(len(KEYS)))

    assert everything(path) == before


def test_one_among_many_that_is_not_where_it_should_be_is_named_and_nothing_is_written(
    runner: Runner, path: Path
) -> None:
    runner.begin(*map(spec, KEYS), room=120)
    change(path, "UPDATE task SET state = 10 WHERE key = 't77'")
    before = everything(path)

    with pytest.raises(JournalConflict, match=r"^t77: decision \d+, submitted -> succeeded .* says: cancelled"):
        runner.turn(*map(returned, KEYS))

    assert everything(path) == before


def test_an_attempt_that_was_cut_off_keeps_what_was_said_when_it_began(runner: Runner, path: Path) -> None:
    runner.begin(spec("long"))
    runner.journal.append(
        runner.plan.handle(started("long")).decisions, [AttemptBegan(1, 1, 2, 4711, MIDNIGHT_US + 250_000)]
    )
    runner.close(None)
    again = Runner(path)
    again.go_on(room=0)

    again.turn(runner_died("long"), left={"long": AttemptEnd(output=f"{path.parent}/journal.d/output.log")})
    again.close()

    assert sql(path, "SELECT worker, pid, started_at, state, output FROM attempts") == [
        (2, 4711, "2023-11-14T22:13:20.250000Z", "lost", "journal.d/output.log")
    ]


def test_a_beginning_that_is_told_twice_is_written_once(runner: Runner, path: Path) -> None:
    runner.begin(spec("long"))
    runner.journal.append(runner.plan.handle(started("long")).decisions, [AttemptBegan(1, 1, 1, 4711, MIDNIGHT_US)])

    runner.journal.append([], [AttemptBegan(1, 1, 9, 9, MIDNIGHT_US)])

    assert sql(path, "SELECT worker, pid FROM attempts") == [(1, 4711)]


def test_tasks_are_written_with_place_for_what_will_be_said_of_them(runner: Runner, path: Path) -> None:
    runner.begin(*(spec(f"{number:06}") for number in range(2000)), room=0)
    pages = "SELECT count(DISTINCT pageno) FROM dbstat WHERE name = 'task'"
    try:
        ((before,),) = sql(path, pages)
    except sqlite3.OperationalError:
        pytest.skip("this SQLite tells nothing of its pages")

    runner.turn(PoolHasRoom(2000))
    runner.turn(*(returned(f"{number:06}") for number in range(2000)))

    ((after,),) = sql(path, pages)
    assert after <= before + 2
    assert sql(path, "SELECT DISTINCT state, verdict FROM tasks") == [("succeeded", "pass")]
