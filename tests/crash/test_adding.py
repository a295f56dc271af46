"""Programs that add tasks to their runs, killed anywhere: they end as if nobody had killed them.

Every task of such a program ends in a way of its own, whatever the order. So a run that was killed and resumed has
exactly the tasks, endings and `shared` of one that was not.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from pexen_state.journal.care.check import check
from tests.crash import adding_suite
from tests.crash.adding_suite import BY_CALLER, BY_TASK, Program, program
from tests.crash.aftermath import MOST_SESSIONS, ask
from tests.crash.sessions import Ended, Nursery
from tests.crash.witness import contradictions, records

SEEDS = (*range(24), 1054)  # in the last one a task joins that one which is over would have waited for
MOST_KILLS = 3
MOST_COMMITS = 100

#: Programs of both pools in which callers and tasks add tasks, and tasks of these again.
THOROUGH = [
    next(
        seed
        for seed in range(1000)
        if (made := program(seed)).pool == pool
        and len(made.sketches) == 9
        and {BY_CALLER, BY_TASK} <= {one.added for one in made.sketches if any(made.kids(one.key, BY_TASK))}
        and any(one.requires for one in made.sketches if one.added == BY_TASK)
        and any(one.ending == "once" for one in made.sketches)
    )
    for pool in ("process", "thread")
]


def session(nursery: Nursery, directory: Path, seed: int, *options: str) -> Ended:
    return nursery.start(f"{adding_suite.__name__}:main", [str(directory), str(seed), *options], directory).wait()


def to_the_end(nursery: Nursery, directory: Path, seed: int) -> None:
    for _ in range(MOST_SESSIONS):
        ended = session(nursery, directory, seed)
        if ended.code == 0:
            return
    raise AssertionError(ended.err)


def end_of(directory: Path) -> list[tuple[object, ...]]:
    """What became of each task, and what it left."""
    rows = ask(directory, "SELECT t.task, t.state, t.verdict, t.reason FROM tasks t ORDER BY t.task")
    left = dict(
        ask(
            directory,
            "SELECT k.key, a.shared FROM task k JOIN attempt a ON a.id = k.submitted WHERE a.shared IS NOT NULL",
        )
    )
    return [(*row, json.loads(left[row[0]]) if row[0] in left else None) for row in rows]


def undisturbed(nursery: Nursery, directory: Path, seed: int) -> list[tuple[object, ...]]:
    """How the program ends if nobody kills it."""
    directory.mkdir()
    to_the_end(nursery, directory, seed)
    return end_of(directory)


def assert_well_ended(directory: Path, wanted: list[tuple[object, ...]]) -> None:
    assert check(directory / "journal.db") == []
    assert end_of(directory) == wanted
    assert list(contradictions(records(directory))) == []
    assert all(state not in ("waiting", "ready") for _, state, *_ in end_of(directory))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_program_that_adds_tasks_and_is_killed_anywhere_ends_as_if_nobody_had_killed_it(
    seed: int, nursery: Nursery, tmp_path: Path
) -> None:
    dice = Random(seed)
    for _ in range(MOST_KILLS):
        kill = f"--kill-{dice.choice(['before', 'after'])}-commit"
        ended = session(nursery, tmp_path, seed, kill, str(dice.randint(1, 10)))
        assert ended.code == 0 or ended.was_killed, ended.err
    to_the_end(nursery, tmp_path, seed)

    assert_well_ended(tmp_path, undisturbed(nursery, tmp_path / "undisturbed", seed))


@pytest.mark.parametrize("seed", THOROUGH)
@pytest.mark.parametrize("when", ["after", "before"])
def test_a_kill_at_any_commit_makes_no_difference(when: str, seed: int, nursery: Nursery, tmp_path: Path) -> None:
    wanted = undisturbed(nursery, tmp_path / "undisturbed", seed)
    for commit in range(1, MOST_COMMITS):
        directory = tmp_path / str(commit)
        directory.mkdir()
        killed = session(nursery, directory, seed, f"--kill-{when}-commit", str(commit))
        if killed.code == 0:
            break  # the session has fewer commits
        assert killed.was_killed, killed.err
        to_the_end(nursery, directory, seed)
        assert_well_ended(directory, wanted)
    assert 5 < commit < MOST_COMMITS


def test_the_programs_add_tasks_in_every_way() -> None:
    made = [program(seed) for seed in SEEDS]

    assert {one.pool for one in made} == {"process", "thread"}
    assert sum(_adds(one, BY_CALLER) for one in made) > len(made) / 3
    assert sum(_adds(one, BY_TASK) for one in made) > len(made) / 3


def _adds(made: Program, who: str) -> bool:
    return any(one.added == who for one in made.sketches)
