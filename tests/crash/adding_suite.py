"""A program that adds tasks to its run while it goes on, made of a seed: in its loop, and in its tasks.

    adding_suite:main DIRECTORY SEED [--kill-after-commit K] [--kill-before-commit K]

Every task has a key, provides its key, and ends in a way that depends on nothing but the seed. So do the tasks that it
adds, or that the caller adds when it is given the result.
"""

from __future__ import annotations

import argparse
import os
import signal
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from pexen_state import Sched, current, task
from pexen_state.sched.common import RunOver
from pexen_state.sched.pool import ProcessWorkerPool, ThreadWorkerPool
from tests.crash.suite import first_run, kill_at_commit
from tests.crash.witness import note

#: Who adds a task.
FROM_THE_BEGINNING, BY_CALLER, BY_TASK = "begin", "caller", "task"


class Sketch(NamedTuple):
    """A task, as the seed has it."""

    key: str
    added: str
    parent: str | None  #: who adds it, or with whose result in hand the caller does
    requires: tuple[str, ...]
    after: tuple[str, ...]
    claims: tuple[str, ...]
    ending: str  #: "returns", "asserts", "once" (it fails in its first attempt), "dies" (so does its worker)


class Program(NamedTuple):
    pool: str
    workers: int
    sketches: tuple[Sketch, ...]

    def kids(self, parent: str | None, added: str) -> list[Sketch]:
        return [one for one in self.sketches if one.parent == parent and one.added == added]


@cache
def program(seed: int) -> Program:
    dice = Random(seed)
    pool = dice.choice(["process", "thread"])
    sketches: list[Sketch] = []
    known: dict[str | None, list[str]] = {None: []}  # keys that surely are in the run when the kids of a task are added
    for number in range(dice.randint(4, 12)):
        key = f"t{number}"
        parent = dice.choice(sketches).key if sketches and dice.random() < 0.8 else None
        added = dice.choice([BY_CALLER, BY_TASK]) if parent is not None else FROM_THE_BEGINNING
        requires = tuple(name for name in known[parent] if dice.random() < 0.3)
        after = ("t[0-3]",) if dice.random() < 0.1 and added != FROM_THE_BEGINNING else ()
        claims = tuple(lock for lock in ("/a", "/a/b") if dice.random() < 0.1)
        endings = ["returns"] * 5 + ["asserts", "once"] + ["dies"] * (pool == "process")
        sketches.append(Sketch(key, added, parent, requires, after, claims, dice.choice(endings)))
        known[key] = [*known[parent], key]
        if parent is None:
            known[None].append(key)
            for names in known.values():
                if key not in names:
                    names.append(key)
    return Program(pool, dice.randint(1, 3), tuple(sketches))


def metadata(sketch: Sketch) -> dict[str, Any]:
    return {
        "name": sketch.key,
        "provides": [sketch.key],
        "requires": list(sketch.requires),
        "after": list(sketch.after),
        "claims": list(sketch.claims),
        "retries": int(sketch.ending == "once"),
        "retry_on": ["raised"],
    }


@task  # a failed assertion frees its locks: who comes first makes no difference
def later(shared: dict[str, Any], *, directory: str, seed: int, key: str) -> str:
    """The body of every task."""
    made = program(seed)
    (sketch,) = (one for one in made.sketches if one.key == key)
    me = current()
    note(directory, "S", key, me.attempt)
    for kid in made.kids(key, BY_TASK):
        call = {"directory": directory, "seed": seed, "key": kid.key}
        me.add_task("tests.crash.adding_suite:later", kwargs=call, **metadata(kid))
    if (begun := me.checkpoint("begun")) is None:
        me.checkpoint("begun", True)
    shared[key] = sorted(shared)
    note(directory, "E", key, me.attempt)  # what follows only says how
    match sketch.ending:
        case "dies" if begun is None:
            os.kill(os.getpid(), signal.SIGKILL)
        case "once" if begun is None:
            raise OSError(key)
        case "asserts":
            raise AssertionError(key)
    return key


def made_of(sketch: Sketch, directory: str, seed: int) -> Callable[..., Any]:
    """As a closure: the caller adds these to a pool that has begun."""

    def body(shared: dict[str, Any]) -> str:
        return later(shared, directory=directory, seed=seed, key=sketch.key)

    return task(**metadata(sketch))(body)


def run(directory: str, seed: int, **how: Any) -> None:
    made = program(seed)
    pool = {"process": ProcessWorkerPool, "thread": ThreadWorkerPool}[made.pool](made.workers)
    first = [made_of(one, directory, seed) for one in made.kids(None, FROM_THE_BEGINNING)]
    sched = Sched(first, name="adding", **how)
    for result in sched.run(pool):
        if not result.replayed:
            note(directory, "A", result.key or "-", result.state)
        sched.add_tasks([made_of(one, directory, seed) for one in made.kids(result.key, BY_CALLER)])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("seed", type=int)
    parser.add_argument("--kill-after-commit", type=int, default=0)
    parser.add_argument("--kill-before-commit", type=int, default=0)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    journal = Path(asked.directory) / "journal.db"
    number = first_run(journal)
    kill_at_commit(asked.kill_after_commit, asked.kill_before_commit)
    try:
        announce = lambda _: note(asked.directory, "K", "-")  # noqa: E731
        run(asked.directory, asked.seed, journal=journal, run_id=number, announce=announce)
    except RunOver:
        pass  # an earlier session was killed after its last word
