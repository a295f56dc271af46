"""All that a journal knows of one run, read at once: what every report is made of."""

from __future__ import annotations

import json
import os
import sqlite3
from dataclasses import dataclass, field
from typing import Any

from pexen_state.journal import queries

Found = dict[str, Any]

#: Of each output, from its end.
OUTPUT_BYTES = 64 * 1024

_PARTS = "SELECT task, attempt, name, verdict, note, at, metrics, files FROM results WHERE run = ? ORDER BY at"


@dataclass(slots=True)
class Task:
    """One task, with its attempts and what the last of them has reported about its parts."""

    about: Found  #: a row of the view `tasks`
    attempts: list[Found] = field(default_factory=list)
    parts: list[Found] = field(default_factory=list)

    @property
    def key(self) -> str:
        return str(self.about["task"])

    @property
    def verdict(self) -> str | None:
        """None: it has not ended."""
        verdict: str | None = self.about["verdict"]
        return verdict

    @property
    def seconds(self) -> float:
        return float(self.about["seconds"] or 0.0)

    @property
    def reason(self) -> str:
        return str(self.about["reason"] or "")

    @property
    def failed_before(self) -> list[Found]:
        """Attempts that ended, and were not the last."""
        return [one for one in self.attempts[:-1] if one["state"] in ("failed", "timed_out", "lost")]


@dataclass(slots=True)
class Whole:
    """A run. Paths of outputs are relative to `directory`."""

    run: Found  #: a row of the view `runs`
    sessions: list[Found]
    tasks: list[Task]  #: in the order in which they were declared
    directory: str

    def output(self, task: Task) -> bytes:
        """The end of what the last attempt printed; empty if it printed nothing, or if that is gone."""
        path = task.attempts[-1]["output"] if task.attempts else None
        if path is None:
            return b""
        try:
            descriptor = os.open(
                os.path.join(self.directory, path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            )
            with open(descriptor, "rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - OUTPUT_BYTES))
                end = file.read(OUTPUT_BYTES)
        except OSError:
            return b""
        return end if size <= OUTPUT_BYTES else b"... (%d more bytes)\n" % (size - OUTPUT_BYTES) + end


def whole(connection: sqlite3.Connection, run_id: int, path: str) -> Whole:
    """Raises NotFound. `path` is that of the journal."""
    ours = not connection.in_transaction
    if ours:
        connection.execute("BEGIN")
    try:
        run = queries.run(connection, run_id)
        sessions = queries.sessions(connection, run_id)
        tasks = {about["task"]: Task(about) for about in queries.tasks(connection, run_id)}
        for attempt in queries.attempts(connection, run_id):
            tasks[attempt["task"]].attempts.append(attempt)
        for part in queries.rows(connection, _PARTS, run_id):
            task = tasks[part["task"]]
            if task.attempts and part["attempt"] == task.attempts[-1]["attempt"]:
                metrics, files = part["metrics"], part["files"]
                part |= {"metrics": json.loads(metrics or "{}"), "files": json.loads(files or "[]")}
                task.parts.append(part)
    finally:
        if ours:
            connection.execute("COMMIT")
    return Whole(run, sessions, list(tasks.values()), os.path.dirname(os.path.abspath(path)))
