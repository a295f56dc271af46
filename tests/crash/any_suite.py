"""Any suite at all, made of a seed: a random graph with random locks, budgets and endings.

    any_suite:main DIRECTORY SEED [--kill-after-commit K] [--kill-before-commit K]

How a task ends depends on nothing but the seed, so that whoever runs it again sees the same.
"""

from __future__ import annotations

import argparse
import os
import signal
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from pexen_state import Sched, Skip, TaskFailError, task
from pexen_state.core.states import State, Verdict
from pexen_state.sched.catalogue import Catalogue
from pexen_state.sched.checks import check_names
from pexen_state.sched.common import DepcheckError, RunOver
from pexen_state.sched.identity import key_of
from pexen_state.sched.pool import ProcessWorkerPool, ThreadWorkerPool
from pexen_state.sched.specs import Callables, spec_of
from tests.crash.suite import first_run, kill_at_commit
from tests.crash.witness import note

NAMES = ("x", "y", "z", ("t", 1))
WANTED = (*NAMES, "x | y")
LOCKS = ("/", "/a", "/a/b", "/a/c", "flat")

#: How a task ends: what becomes of it, if it comes to that.
ENDINGS = {
    "returns": (State.SUCCEEDED, Verdict.PASS),
    "asserts": (State.FAILED, Verdict.FAIL),
    "raises": (State.FAILED, Verdict.ERROR),
    "fails": (State.FAILED, Verdict.FAIL),
    "skips": (State.SKIPPED, Verdict.SKIP),
    "dies": (State.FAILED, Verdict.CRASH),
}


class Sketch(NamedTuple):
    """One task, as the seed has it."""

    key: str
    ending: str
    deps_ok: bool
    locks_ok: bool
    meta: dict[str, Any]


class AnySuite(NamedTuple):
    pool: str
    workers: int
    sketches: list[Sketch]

    @classmethod
    def of(cls, seed: int) -> AnySuite:
        """The suite of a seed: the first that can run at all, of those that it leads to."""
        dice = Random(seed)
        while True:
            made = cls(dice.choice(["process", "thread"]), dice.randint(1, 3), [])
            for number in range(dice.randint(3, 10)):
                made.sketches.append(_sketch(dice, f"t{number}", made.pool))
            with suppress(DepcheckError):
                if made.keys():
                    return made

    def keys(self) -> list[str]:
        """Keys of the tasks that a run has: those that are not on demand, and who is taken for them. None: no run.

        Raises DepcheckError.
        """
        catalogue = Catalogue()
        ordinary = list(catalogue.take({id(task): task for task in self.tasks("/nowhere")}).values())
        callables = Callables(ordinary, [spec_of(task, key_of(task)) for task in ordinary], all_would_run=False)
        if not catalogue:
            check_names(callables.specs)
        return [spec.key for spec in catalogue.completed(callables, None, (), checked=True).specs] if ordinary else []

    def tasks(self, directory: str) -> list[Callable[..., Any]]:
        return [_task(directory, self.pool, sketch) for sketch in self.sketches]


def _sketch(dice: Random, key: str, pool: str) -> Sketch:
    endings = [name for name in ENDINGS if name != "dies" or pool == "process"]
    ending = dice.choice(endings) if dice.random() < 0.5 else "returns"
    uses = _some(dice, LOCKS, 0.2)
    meta = {
        "requires": _some(dice, WANTED, 0.17),
        "requires_all": _some(dice, NAMES, 0.05),
        "provides": _some(dice, NAMES, 0.3),
        "uses": uses,
        "claims": [name for name in _some(dice, LOCKS, 0.2) if name not in uses],
        "priority": dice.choice([0, 0, 1, 2]),
        "retries": dice.choice([0, 0, 1, 2]),
        "always": dice.random() < 0.2,
        "max_crashes": dice.choice([0, 1]),
        "on_demand": dice.random() < 0.2,
        "cost": dice.choice([0, 1]),
    }
    return Sketch(key, ending, dice.random() < 0.5, dice.random() < 0.5, meta)


def _some(dice: Random, things: tuple[Any, ...], often: float) -> list[Any]:
    return [thing for thing in things if dice.random() < often]


def _task(directory: str, pool: str, sketch: Sketch) -> Callable[..., Any]:
    def run(shared: dict[str, Any]) -> str:
        attempt = os.environ["PEXEN_ATTEMPT"] if pool == "process" else "-"
        note(directory, "S", sketch.key, attempt)
        shared[sketch.key] = sorted(shared)
        note(directory, "E", sketch.key, attempt)  # what follows only says how
        match sketch.ending:
            case "dies":
                os.kill(os.getpid(), signal.SIGKILL)
            case "asserts":
                raise AssertionError(sketch.key)
            case "raises":
                raise OSError(sketch.key)
            case "fails":
                raise TaskFailError(sketch.key, deps_ok=sketch.deps_ok, locks_ok=sketch.locks_ok)
            case "skips":
                raise Skip(sketch.key)
        return sketch.key

    return task(name=sketch.key, **sketch.meta)(run)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("seed", type=int)
    parser.add_argument("--kill-after-commit", type=int, default=0)
    parser.add_argument("--kill-before-commit", type=int, default=0)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    suite = AnySuite.of(asked.seed)
    journal = Path(asked.directory) / "journal.db"
    run = first_run(journal)
    if asked.kill_after_commit or asked.kill_before_commit:
        kill_at_commit(asked.kill_after_commit, asked.kill_before_commit)
    workers = {"process": ProcessWorkerPool, "thread": ThreadWorkerPool}[suite.pool](suite.workers)
    sched = Sched(
        suite.tasks(asked.directory),
        journal=journal,
        name="any",
        run_id=run,
        announce=lambda _: note(asked.directory, "K", "-"),
    )
    try:
        for result in sched.run(workers):
            if not result.replayed:
                note(asked.directory, "A", result.key or "-", result.state)
    except RunOver:
        pass  # an earlier session was killed after its last word
