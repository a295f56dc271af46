"""Tasks over many runs: since when they fail, which pass and fail by turns, which take long."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from pexen_state.core.states import Verdict
from pexen_state.journal.asking import past
from pexen_state.journal.asking.past import Past, Streak, streak
from pexen_state.journal.queries import NotFound
from pexen_state.journal.reader import reader
from pexen_state.journal.records import AttemptEnd, NewTask
from tests.journal.telling import Runner
from tests.stories import Said, cancel, raised, returned, spec, was_cancelled


def runs(*verdicts: str | None) -> list[Past]:
    """Oldest first, as they are told; newest first, as they are found."""
    found = [
        Past(number, "suite", None, "", verdict, False, 1, None, None) for number, verdict in enumerate(verdicts, 1)
    ]
    return found[::-1]


@pytest.mark.parametrize(
    ("verdicts", "found"),
    [
        (["pass", "pass", "fail", "error"], Streak(True, 3, 2, 2)),
        (["fail", "pass"], Streak(False, 2, 1, 1)),
        (["fail"], Streak(True, 1, 1, 0)),
        (["warn", "pass", "info"], Streak(False, 1, 3, 0)),
        (["pass", "not_run", "fail", "skip", None], Streak(True, 3, 1, 1)),
        (["fail", "pass", "fail", "pass", "pass", "timeout"], Streak(True, 6, 1, 2)),
        (["not_run", "skip", None], None),
        ([], None),
    ],
)
def test_a_streak_is_how_it_has_been_since_when(verdicts: list[str | None], found: Streak | None) -> None:
    assert streak(runs(*verdicts)) == found


def test_what_it_usually_takes_is_what_it_takes_to_pass() -> None:
    def took(verdict: str, seconds: float | None) -> Past:
        return Past(1, "suite", None, "", verdict, False, 1, seconds, None)

    assert past.spread([took("pass", 1), took("pass", 4), took("warn", 2), took("timeout", 60)]) == (2, 1, 4, 3)
    assert past.spread([took("timeout", 60), took("fail", 50)]) == (55, 50, 60, 2)
    assert past.spread([took("not_run", None)]) is None


NIGHTS: Sequence[Sequence[Said]] = [
    # flip: by turns; once: fails at last; edited: changes with its own text; calm: always the same
    [returned("flip"), returned("once"), raised("edited"), returned("calm")],
    [raised("flip"), returned("once"), returned("edited"), returned("calm")],
    [returned("flip"), returned("once"), returned("edited"), returned("calm")],
    [raised("flip"), raised("once"), returned("edited"), returned("calm")],
]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Four nights, and then a run of another suite."""
    runner = Runner(tmp_path / "journal.db")
    keys = ("flip", "once", "edited", "calm")
    for number, ends in enumerate(NIGHTS, start=1):
        marks = {"edited": b"old" if number == 1 else b"new"}
        begin(runner, "nightly", {key: marks.get(key, b"same") for key in keys})
        left = {key: AttemptEnd(0, 1, runner.clock.now_us, number * (at + 1.0)) for at, key in enumerate(keys)}
        runner.turn(*ends, left=left)
        runner.journal.end_session("finished")
    begin(runner, "weekly", {"deep/flip": b"other"})
    runner.turn(returned("deep/flip"), left={"deep/flip": AttemptEnd(0, 1, runner.clock.now_us, 7.0)})
    runner.close()
    return tmp_path / "journal.db"


def begin(runner: Runner, name: str, tasks: dict[str, bytes]) -> None:
    from pexen_state.core.inputs import PoolHasRoom, RunOpened
    from tests.stories import Plan

    specs = [spec(key) for key in tasks]
    runner.run = runner.journal.begin_run(
        name, ["target"], {}, [NewTask(one, tasks[one.key].ljust(16)) for one in specs]
    )
    runner.plan = Plan(specs)
    runner.journal.begin_session(runner.run)
    runner.turn(RunOpened(), PoolHasRoom(9))


def test_a_history_is_told_from_the_newest_run_on(journal: Path) -> None:
    with reader(journal) as connection:
        found = past.history(connection, "once")
        newest = past.history(connection, "once", last=2)
        elsewhere = past.history(connection, "once", suite="weekly")

    assert [(one.run, one.suite, one.verdict, one.seconds) for one in found.runs] == [
        (4, "nightly", "error", 8.0),
        (3, "nightly", "pass", 6.0),
        (2, "nightly", "pass", 4.0),
        (1, "nightly", "pass", 2.0),
    ]
    assert found.streak == Streak(True, 4, 1, 3)
    assert found.spread == (4.0, 2.0, 6.0, 3)
    assert [one.run for one in newest.runs] == [4, 3]
    assert elsewhere.runs == []


def test_a_task_is_looked_for_in_the_newest_run_first_and_then_in_all(journal: Path) -> None:
    with reader(journal) as connection:
        assert past.task_key(connection, "flip") == "deep/flip"
        assert past.task_key(connection, "flip", "nightly") == "flip"
        assert past.task_key(connection, "alm") == "calm"
        with pytest.raises(NotFound, match=r"the journal has no task 'clam'\. Did you mean 'calm'"):
            past.task_key(connection, "clam")
        with pytest.raises(NotFound, match=r"the suite nightly has no task 'deep/flip'"):
            past.task_key(connection, "deep/flip", "nightly")
        with pytest.raises(NotFound, match=r"no suite is named 'daily'\. The journal has: nightly, weekly\."):
            past.check_suite(connection, "daily")


def test_unsteady_is_what_changes_while_the_task_does_not(journal: Path) -> None:
    with reader(journal) as connection:
        found = past.unsteady(connection, None, 50)
        newest = past.unsteady(connection, "nightly", 2)

    assert [(one.task, one.score, one.flaky, one.changes, one.verdicts, one.last_run) for one in found] == [
        ("flip", 0.75, 0, 3, "PEPE", 4),
        ("once", 0.25, 0, 1, "PPPE", 4),
    ]
    assert [(one.task, one.runs, one.verdicts) for one in newest] == [("flip", 2, "PE"), ("once", 2, "PE")]


def test_a_pass_in_a_later_attempt_is_unsteady(tmp_path: Path) -> None:
    runner = Runner(tmp_path / "journal.db")
    runner.begin(spec("shaky", retries=1), spec("calm"), room=2)
    runner.turn(raised("shaky"), returned("calm"))
    from pexen_state.core.inputs import PoolHasRoom

    runner.turn(PoolHasRoom(2))
    runner.turn(returned("shaky"))
    runner.close()

    with reader(tmp_path / "journal.db") as connection:
        (found,) = past.unsteady(connection, None, 50)

    assert (found.task, found.score, found.flaky, found.changes, found.verdicts) == ("shaky", 1.0, 1, 0, "p")


def test_the_slowest_come_first_with_their_share(journal: Path) -> None:
    with reader(journal) as connection:
        usual = past.slowest(connection, "nightly", 10)
        in_one = past.slowest_in(connection, 2)

    # of the runs that passed: 4, 8, 12, 16 of calm; 6, 9, 12 of edited; 2, 4, 6 of once; 1, 3 of flip
    assert [(one.task, one.seconds) for one in usual] == [("calm", 10.0), ("edited", 9.0), ("once", 4.0), ("flip", 2.0)]
    assert [round(one.share, 2) for one in usual] == [0.4, 0.36, 0.16, 0.08]
    assert [(one.task, one.seconds, one.share, one.attempts) for one in in_one] == [
        ("calm", 8.0, 0.4, 1),
        ("edited", 6.0, 0.3, 1),
        ("once", 4.0, 0.2, 1),
        ("flip", 2.0, 0.1, 1),
    ]


@pytest.mark.parametrize("query", [past.HISTORY, past.UNSTEADY, past.TIMES_IN_RUN])
def test_tasks_are_found_by_their_ids(journal: Path, query: str) -> None:
    values = {"suite": None, "last": 10, "task": "flip", "run": 1}
    with reader(journal) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", values)]

    # `r`, `s`, `run`: a row a run or a session; `n` and `unsteady`: what was found before.
    scanned = {step.split()[1] for step in plan if step.startswith("SCAN")}
    assert scanned <= {"r", "s", "run", "n", "unsteady"}


def test_that_a_person_cancelled_a_task_says_nothing_about_it(tmp_path: Path) -> None:
    runner = Runner(tmp_path / "journal.db")
    for end in (returned("calm"), cancel("calm"), returned("calm")):
        begin(runner, "nightly", {"calm": b"same", "other": b"same"})
        runner.turn(end, left={"calm": AttemptEnd(0, 1, runner.clock.now_us, 2.0)})
        if runner.plan.named("calm").verdict is Verdict.NONE:
            runner.turn(was_cancelled("calm"), left={"calm": AttemptEnd(0, 1, runner.clock.now_us, 50.0)})
        runner.turn(returned("other"))
        runner.journal.end_session("finished")
    runner.close()

    with reader(tmp_path / "journal.db") as connection:
        found = past.history(connection, "calm")
        unsteady = past.unsteady(connection, None, 50)

    assert [(one.state, one.verdict) for one in found.runs] == [
        ("succeeded", "pass"),
        ("cancelled", "error"),
        ("succeeded", "pass"),
    ]
    assert found.streak == Streak(False, 1, 2, 0)
    assert found.spread == (2.0, 2.0, 2.0, 2)
    assert unsteady == []
