"""The command that follows a run's end (`--on-finish`), as the command line has it: made of options, told, made up for.

A kill between the end of a run and the end of its command leaves the command owed. Whoever resumes runs it, in the
directory and with the environment of the run.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pexen_state.cli import journals
from pexen_state.cli.app import App
from pexen_state.cli.errors import Exit
from pexen_state.cli.running import environment
from pexen_state.cli.running.options import Options, timeout_of
from pexen_state.cli.running.recorded import Recorded, environment_of, is_ours
from pexen_state.report.text import safe
from pexen_state.suite.on_finish import Followed, OnFinish, exit_code_of, follow, is_owed, owed

if TYPE_CHECKING:
    from pexen_state.journal.records import RunRecord


def of_options(options: Options, directory: str, environ: Mapping[str, str]) -> OnFinish | None:
    """None if nobody said what is to follow. Raises UsageError."""
    if options.on_finish is None:
        return None
    limit_s = timeout_of(options.on_finish_timeout or "10m", "--on-finish-timeout")
    return OnFinish(options.on_finish, directory, environ, limit_s, bool(options.strict))


def tell(app: App, followed: Followed, here: str) -> None:
    """What became of it. It has changed nothing about the run, nor about the exit code."""
    words = safe(followed.in_words())
    printed = ""
    if not followed.is_well and followed.output is not None:
        printed = f". What it printed: {journals.shown(followed.output, here)}"
    app.console.say(f"pexen: --on-finish {words}{printed}")


def due(path: str, which: str | None = None) -> list[RunRecord]:
    """Runs whose command is owed, the oldest first: of every run, or of the one that is named."""
    found = [record for record in reversed(owed(path)) if is_ours(record.options)]
    return [record for record in found if which is None or which in (str(record.id), record.name)]


def in_words(records: Sequence[RunRecord]) -> list[str]:
    return [
        f"run {record.id} ({safe(record.name)}) is over, and its --on-finish was not run to its end."
        for record in records
    ]


def make_up_for(app: App, path: str, record: RunRecord, waits: bool = False) -> Exit:
    """Run what is owed, and return the exit code of the run."""
    from pexen_state.journal import queries
    from pexen_state.journal.lock import RunLock
    from pexen_state.journal.reader import reader

    here = journals.current_directory()
    recorded = Recorded.from_json(record.options, record.id)
    options = recorded.options
    environ = environment_of(recorded.surroundings, os.environ)
    if options.env_file is not None:
        environ.update(environment.read_file(options.env_file))
    environ.update(options.env or {})
    what = of_options(options, recorded.surroundings["directory"], environ)
    patience = {"wait_s": math.inf, "patience_s": math.inf} if waits else {}
    with RunLock.acquire(path, **patience) as lock:
        if what is not None and is_owed(path, record.id):  # nobody was quicker
            app.console.say(f"{in_words([record])[0]} Now: {safe(what.command)}")
            if (followed := follow(what, lock, record.id)) is not None:
                tell(app, followed, here)
    with reader(path) as connection:
        return exit_code_of(queries.run(connection, record.id), bool(options.strict))
