"""Any suite, killed anywhere: its end is one that some uninterrupted schedule of it gives.

The proof is the schedule itself: what the journal says was decided, without the attempts that a kill cut off, must be
lawful from its first decision to its last, and lead to the same end. It is judged by the shadow of the core's tests,
which shares no code with the plan, and by the plan.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from pathlib import Path
from random import Random

import pytest

from pexen_state.core.decisions import Added, Decision, Transition
from pexen_state.core.plan import Plan
from pexen_state.core.spec import TaskSpec
from pexen_state.core.states import Cause, State, Verdict
from pexen_state.core.validate import validate
from pexen_state.journal import restore
from pexen_state.journal.care.check import check
from pexen_state.journal.reader import reader
from tests.core.shadow import Shadow, ShadowTask, conflict
from tests.crash import any_suite
from tests.crash.aftermath import MOST_SESSIONS, ask
from tests.crash.any_suite import ENDINGS, AnySuite
from tests.crash.sessions import Nursery
from tests.crash.witness import contradictions, records

SEEDS = range(40)
MOST_KILLS = 3

CUT_OFF = {Cause.WITHDRAWN, Cause.RUNNER_DIED}
AT_A_STANDSTILL = {Cause.UNMET, Cause.LOCKED}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_end_of_any_suite_is_one_that_some_uninterrupted_schedule_gives(
    seed: int, nursery: Nursery, tmp_path: Path
) -> None:
    try_seed(nursery, tmp_path, seed)


def try_seed(nursery: Nursery, directory: Path, seed: int) -> None:
    """Run the suite of a seed with kills; raises AssertionError if anything is wrong with its end."""
    run_with_kills(nursery, directory, seed)

    assert check(directory / "journal.db") == []
    made = decided(directory / "journal.db")
    told = judged(made)
    assert ends(told) == ends(judged(without_kills(made)))
    suite = AnySuite.of(seed)
    assert_as_sketched(suite, told)
    assert list(contradictions(records(directory), exclusive=exclusive(told))) == []
    known = {(key, str(attempt)) for key, attempt in ask(directory, "SELECT task, attempt FROM attempts")}
    started = {(key, attempt) for what, key, attempt in records(directory) if what == "S" and attempt != "-"}
    assert started <= known


def run_with_kills(nursery: Nursery, directory: Path, seed: int) -> None:
    """To its end, after kills at commits that the seed chooses."""
    dice = Random(seed)
    for _ in range(MOST_KILLS):
        kill = f"--kill-{dice.choice(['before', 'after'])}-commit"
        session = nursery.start(
            f"{any_suite.__name__}:main", [str(directory), str(seed), kill, str(dice.randint(1, 8))], directory
        ).wait()
        assert session.code == 0 or session.was_killed, session.err
    for _ in range(MOST_SESSIONS):
        session = nursery.start(f"{any_suite.__name__}:main", [str(directory), str(seed)], directory).wait()
        if session.code == 0:
            return
    raise AssertionError(session.err)


def decided(journal: Path) -> list[Decision]:
    with reader(journal) as connection:
        return list(restore.decisions(lambda query, params: connection.execute(query, params).fetchall(), 1))


def judged(decisions: list[Decision]) -> Shadow:
    """Have every decision judged; raises AssertionError at the first that is not lawful."""
    plan = Plan()
    shadow = Shadow([])
    previous: Cause | None = None
    for decision in decisions:
        cause = decision.cause if isinstance(decision, Transition) else None
        if cause in AT_A_STANDSTILL and previous not in AT_A_STANDSTILL:
            assert_standstill(shadow)
        shadow.tell(decision)
        plan.apply(decision)
        validate(plan)
        previous = cause
    return shadow


def assert_standstill(shadow: Shadow) -> None:
    """Tasks are given up only when nothing can go on."""
    for number, task in enumerate(shadow.tasks, 1):
        if task.ended_at is None:
            assert not task.state.in_flight, f"{task.spec.key} runs, and others are given up"
            assert not shadow.could_run(number), f"{task.spec.key} could run, and others are given up"


def without_kills(decisions: list[Decision]) -> list[Decision]:
    """The same schedule with the attempts left out that a kill of the runner cut off; the others renumbered."""
    cut_off = {(one.task, one.attempt) for one in decisions if isinstance(one, Transition) and one.cause in CUT_OFF}
    kept: list[Decision] = []
    attempts: dict[int, int] = defaultdict(int)
    for one in decisions:
        if isinstance(one, Transition):
            if (one.task, one.attempt) in cut_off and not one.new.is_final:
                continue
            attempts[one.task] += one.new is State.SUBMITTED
            one = one._replace(attempt=attempts[one.task])
        kept.append(one)
    return kept


def ends(shadow: Shadow) -> list[tuple[object, ...]]:
    return [(task.spec.key, task.state, task.verdict, task.provided, task.locks, task.holds) for task in shadow.tasks]


def assert_as_sketched(suite: AnySuite, shadow: Shadow) -> None:
    """Every task has ended: as its sketch says, or without ever having run."""
    tasks = {task.spec.key: task for task in shadow.tasks}
    assert list(tasks) == suite.keys()
    for sketch in suite.sketches:
        if sketch.key not in tasks:
            continue
        task = tasks[sketch.key]
        assert task.ended_at is not None, f"{sketch.key} has not ended"
        if task.ran:
            assert (task.state, task.verdict) == ENDINGS[sketch.ending], sketch
            retried = 0 if sketch.ending in ("returns", "fails", "skips", "dies") else sketch.meta["retries"]
            assert task.failures == retried, sketch
            assert task.crashes == (sketch.meta["max_crashes"] + 1 if sketch.ending == "dies" else 0), sketch
        else:
            assert task.state is State.SKIPPED, sketch
            assert task.verdict in (Verdict.NOT_RUN, Verdict.SKIP), sketch


def exclusive(shadow: Shadow) -> list[set[str]]:
    """Pairs of tasks of which only one may run at a time."""
    return [
        {one.spec.key, other.spec.key}
        for one, other in combinations(shadow.tasks, 2)
        if any(conflict(want, wanted) for want in one.wants for wanted in other.wants)
    ]


def test_the_judge_refuses_a_schedule_that_is_not_lawful() -> None:
    specs = (TaskSpec("first", provides=("x",), claims=("/a",)), TaskSpec("second", requires=("x",), uses=("/a/b",)))
    submitted = [
        Transition(number, 1, State.READY, State.SUBMITTED, Cause.DISPATCH) for number in range(1, len(specs) + 1)
    ]

    with pytest.raises(AssertionError, match="second was submitted, but cannot run"):
        judged([Added(1, specs), *submitted])

    assert [type(task) for task in judged([Added(1, specs), submitted[0]]).tasks] == [ShadowTask, ShadowTask]
