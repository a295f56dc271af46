"""Traces a run, takes its power at many instants, and looks for what was told and is gone."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import warnings
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from pexen_state import Sched
from pexen_state.sched.pool import ThreadWorkerPool
from tests.crash import power_suite
from tests.crash.power import Disk, lay_out, operations, trace

_FINAL = 6  # State.SUCCEEDED and all after it


@dataclass
class Found:
    losses: int = 0
    resumed: int = 0
    told: int = 0  # what had been told before a loss, over all of them
    problems: list[str] = field(default_factory=list)


class Losses:
    def __init__(self, directory: Path, seed: int, breakage: str | None = None) -> None:
        self._directory = directory
        self._chance = random.Random(seed)
        self._breakage = [breakage] if breakage is not None else []

    def of_run(self, losses: int, resumed: int) -> Found:
        """Run the suite once; then lose its power so often, and go on after some of the losses."""
        box, witness, log = (self._directory / name for name in ("box", "witness.log", "trace"))
        box.mkdir()
        trace("tests.crash.power_suite", str(box), str(witness), *self._breakage, log=log)
        done = [op for op in operations(log, self._directory) if op.path != str(log)]
        instants = sorted(self._chance.choices(range(len(done) + 1), k=losses))
        goes_on = set(self._chance.sample(range(losses), resumed))
        found, disk, told = Found(), Disk(), []
        place = 0
        for number, instant in enumerate(instants):
            for op in done[place:instant]:
                if op.path == str(witness):
                    told += op.data.decode().splitlines()
                else:
                    disk.do(op)
            place = instant
            after = self._directory / "after"
            lay_out(disk.loss(self._chance), box, after)
            found.losses += 1
            found.told += len(told)
            found.problems += [f"at {instant} of {len(done)}: {what}" for what in self._gone(after, told)]
            if number in goes_on:
                found.resumed += 1
                found.problems += [f"at {instant} of {len(done)}: {what}" for what in self._went_on(after, told)]
        shutil.rmtree(self._directory / "after", ignore_errors=True)
        return found

    def _gone(self, after: Path, told: Sequence[str]) -> list[str]:
        journal = after / "journal.db"
        if not journal.exists():
            return ["the journal is lost"] if told else []
        try:
            # A copy: who looks at a journal as its only writer brings it in order.
            copy = shutil.copytree(after, after.with_name("looked-at"), dirs_exist_ok=False)
            with closing(sqlite3.connect(copy / "journal.db")) as connection:
                (is_whole,) = connection.execute("PRAGMA integrity_check").fetchone()
                if is_whole != "ok":
                    return [f"the journal is damaged: {is_whole}"]
                if not told:
                    return []
                ended = {key for (key,) in connection.execute("SELECT key FROM task WHERE state >= ?", (_FINAL,))}
                kept = dict(connection.execute("SELECT t.key, c.value FROM checkpoint c JOIN task t ON t.id = c.task"))
        except sqlite3.Error as error:
            return [f"the journal cannot be read: {error}"]
        finally:
            shutil.rmtree(after.with_name("looked-at"), ignore_errors=True)
        return list(_missing(told, ended, kept))

    def _went_on(self, after: Path, told: Sequence[str]) -> list[str]:
        if self._is_over(after):
            return []
        acknowledged = {line.split()[1] for line in told if line.startswith("A ")}
        again = Sched(power_suite.suite(None), journal=after / "journal.db")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results = {one.key: one for one in again.run(ThreadWorkerPool(workers=2))}
        problems = [f"{key} ran again" for key in acknowledged if not results[key].replayed]
        if len(results) != power_suite.TASKS:
            problems.append(f"{len(results)} results, not {power_suite.TASKS}")
        return problems

    @staticmethod
    def _is_over(after: Path) -> bool:
        """Whether there is nothing to go on with: who asks for the suite then is given a new run."""
        if not (after / "journal.db").exists():
            return False
        with closing(sqlite3.connect(after / "journal.db")) as connection:
            there = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'run'").fetchone()[0]
            return bool(
                there and connection.execute("SELECT count(*) FROM run WHERE ended_us IS NOT NULL").fetchone()[0]
            )


def _missing(told: Sequence[str], ended: set[str], kept: dict[str, str]):
    for line in told:
        what, key, *value = line.split()
        if what == "A" and key not in ended:
            yield f"the result of {key} is lost"
        elif what == "C" and (key not in kept or json.loads(kept[key]) != int(value[0])):
            yield f"what {key} kept is lost"
