"""All that a journal knows of one run, read at once: what every report is made of."""

from __future__ import annotations

import json
import os
import sqlite3
from dataclasses import dataclass, field
from typing import Any

from pexen_state.core.states import CRASHES, FAILURES
from pexen_state.journal import queries
from pexen_state.journal.records import USAGE, USAGE_METRICS
from pexen_state.report.merged import Earlier, merged

Found = dict[str, Any]

#: Of each output, from its end.
OUTPUT_BYTES = 64 * 1024

_AGAINST_IT = frozenset(cause.word for cause in FAILURES | CRASHES)

_PARTS = "SELECT task, attempt, name, verdict, note, at, metrics, files FROM results WHERE run = ? ORDER BY at"


@dataclass(slots=True)
class Task:
    """One task, with its attempts and what the last of them has reported about its parts."""

    about: Found  #: a row of the view `tasks`
    attempts: list[Found] = field(default_factory=list)
    parts: list[Found] = field(default_factory=list)
    usage: Found | None = None  #: what that attempt used, where it was counted
    earlier: list[Earlier] = field(default_factory=list)  #: how it ended in runs that are merged, the oldest first
    place: int = 0  #: among the tasks of the whole, from 1: its number is that in its own run

    @property
    def key(self) -> str:
        return str(self.about["task"])

    @property
    def verdict(self) -> str | None:
        """None: it has not ended."""
        verdict: str | None = self.about["verdict"]
        return verdict

    @property
    def run(self) -> int:
        """Whose verdict it is."""
        return int(self.about["run"])

    @property
    def seconds(self) -> float:
        return float(self.about["seconds"] or 0.0)

    @property
    def reason(self) -> str:
        return str(self.about["reason"] or "")

    @property
    def failed_before(self) -> list[Found]:
        """Attempts before the last one that count against the task. A kill of the runner, or a reboot, does not."""
        return [one for one in self.attempts[:-1] if one["cause"] in _AGAINST_IT]


@dataclass(slots=True)
class Whole:
    """A run, with those that it runs tasks of again if they are merged. Outputs are relative to `directory`."""

    runs: list[Found]  #: rows of the view `runs`, the oldest first
    sessions: list[Found]
    tasks: list[Task]  #: in the order in which they were declared
    journal: str  #: its path

    @property
    def run(self) -> Found:
        """The one that was asked for."""
        return self.runs[-1]

    @property
    def seconds(self) -> float | None:
        """How long all of it took."""
        took = [run["seconds"] for run in self.runs if run["seconds"] is not None]
        return float(sum(took)) if took else None

    @property
    def directory(self) -> str:
        return os.path.dirname(self.journal)

    def __post_init__(self) -> None:
        for place, task in enumerate(self.tasks, 1):
            task.place = place

    def output(self, task: Task) -> bytes:
        """The end of what the last attempt printed; empty if it printed nothing, or if that is gone."""
        end, size = self.end_of_output(task, OUTPUT_BYTES)
        return end if size <= OUTPUT_BYTES else b"... (%d more bytes)\n" % (size - OUTPUT_BYTES) + end

    def end_of_output(self, task: Task, most: int) -> tuple[bytes, int]:
        """So many of the last bytes that the last attempt printed, and how many it printed in all."""
        path = task.attempts[-1]["output"] if task.attempts else None
        if path is None:
            return b"", 0
        try:
            descriptor = os.open(
                os.path.join(self.directory, path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            )
            with open(descriptor, "rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - most))
                return file.read(most), size
        except OSError:
            return b"", 0


def whole(connection: sqlite3.Connection, run_id: int, path: str, alone: bool = False) -> Whole:
    """Raises NotFound. `path` is that of the journal; `alone`: without the runs that it runs tasks of again."""
    ours = not connection.in_transaction
    if ours:
        connection.execute("BEGIN")
    try:
        found = merged(connection, run_id, alone)
        ids = [run["id"] for run in found.runs]
        sessions = [one for run in ids for one in queries.sessions(connection, run)]
        tasks = {about["task"]: Task(about, earlier=found.earlier.get(about["task"], [])) for about in found.tasks}
        for run in ids:
            _fill(connection, run, tasks)
    finally:
        if ours:
            connection.execute("COMMIT")
    return Whole(found.runs, sessions, list(tasks.values()), os.path.abspath(path))


def _fill(connection: sqlite3.Connection, run: int, tasks: dict[str, Task]) -> None:
    """What the journal has of those tasks whose verdict is of that run."""
    for attempt in queries.attempts(connection, run):
        task = tasks[attempt["task"]]
        if task.run == run:
            task.attempts.append(attempt)
    for part in queries.rows(connection, _PARTS, run):
        task = tasks[part["task"]]
        if task.run == run and task.attempts and part["attempt"] == task.attempts[-1]["attempt"]:
            metrics, files = part["metrics"], part["files"]
            part |= {"metrics": json.loads(metrics or "{}"), "files": json.loads(files or "[]")}
            if part["name"] == USAGE and part["metrics"].keys() <= USAGE_METRICS:
                task.usage = part
            else:
                task.parts.append(part)
