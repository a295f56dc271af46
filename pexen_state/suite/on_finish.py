"""The command that follows the end of a run: `--on-finish CMD`.

It is run when the run's end is in the journal, under the run lock, so that one process alone runs it and nobody else
writes meanwhile; whoever only looks may look. What became of it is written down after it, so it is run at least once: a
kill before that, and the next resume runs it (`owed`). What becomes of it changes nothing about the run.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import IO, Any, NamedTuple

from pexen_state.journal import queries, restore
from pexen_state.journal.errors import JournalError
from pexen_state.journal.lock import RunLock
from pexen_state.journal.paths import JournalPaths
from pexen_state.journal.reader import reader
from pexen_state.journal.records import RunRecord
from pexen_state.journal.uptodate import is_empty
from pexen_state.report.text import safe
from pexen_state.suite.exits import Exit
from pexen_state.words import seconds_of

#: Seconds that it may take, if nobody says.
LIMIT_S = 600.0

_GRACE_S = 5.0
_OURS = "PEXEN_"
_LOG = "on-finish.log"

#: Columns of the view `runs` that it is told, and under which names.
_TOLD = {
    "tasks": "PEXEN_TASKS",
    "passed": "PEXEN_PASSED",
    "warned": "PEXEN_WARNED",
    "failed": "PEXEN_FAILED",
    "skipped": "PEXEN_SKIPPED",
    "not_run": "PEXEN_NOT_RUN",
}


class OnFinish(NamedTuple):
    """What is to be run. `environ` is that of the caller; what it finds of ours in there it is not told."""

    command: str  #: for /bin/sh -c; empty: nothing, whatever was recorded
    directory: str
    environ: Mapping[str, str]
    limit_s: float | None = LIMIT_S  #: None: no limit
    is_strict: bool = False  #: a warning counts as a failure
    started: Callable[[int], None] | None = None  #: is told the process group


class Followed(NamedTuple):
    """What became of it."""

    command: str
    seconds: float
    exit_code: int | None  #: None: it died of a signal, or could not be started
    signal: int | None = None
    timed_out: bool = False
    error: str | None = None  #: why it could not be started, or what became of it could not be written down
    output: str | None = None  #: path of what it printed

    @property
    def is_well(self) -> bool:
        return self.exit_code == 0 and not self.timed_out and self.error is None

    def in_words(self) -> str:
        """What follows `--on-finish`."""
        if self.error is not None:
            return self.error
        if self.timed_out:
            return f"was over its time limit, and was killed after {self.seconds:.1f} s"
        if self.signal is not None:
            return f"was killed by {_signal_name(self.signal)}"
        return "ended well" if self.exit_code == 0 else f"ended with exit status {self.exit_code}"


def limit_of(said: str | float | None) -> float | None:
    """A duration, or `none`. Raises ValueError."""
    return None if said in (None, "none") else seconds_of(said)


def owed(path: str) -> list[RunRecord]:
    """Runs that came to their end, and whose command was not run, or not to its end; the newest first."""
    if is_empty(path):
        return []
    with reader(path) as connection:
        found = restore.runs(lambda query, params: connection.execute(query, params).fetchall(), restore.OWED, ())
    return [record for record in found if record.options.get("on_finish")]


def is_owed(path: str, run: int) -> bool:
    return any(record.id == run for record in owed(path))


def exit_code_of(about: Mapping[str, Any], is_strict: bool) -> Exit:
    """Of a run that is over, by its row of the view `runs`."""
    is_bad = about["failed"] or about["not_run"] or (is_strict and about["warned"])
    return Exit.FAILED if is_bad else Exit.DONE


def environment(about: Mapping[str, Any], path: str, what: OnFinish) -> dict[str, str]:
    """All that it finds. What others have named is safe to be printed, and nothing holds a NUL character."""
    kept = {name: value for name, value in what.environ.items() if not name.startswith(_OURS)}
    paths = JournalPaths.of(path)
    counts = {variable: str(about[column]) for column, variable in _TOLD.items()}
    return {
        **kept,
        **counts,
        "PEXEN_RUN": str(about["id"]),
        "PEXEN_SUITE": safe(str(about["name"])),
        "PEXEN_STATE": str(about["state"]),
        "PEXEN_VERDICT": str(about["verdict"] or ""),
        "PEXEN_EXIT_CODE": str(int(exit_code_of(about, what.is_strict))),
        "PEXEN_COUNTS": " ".join(f"{column}={about[column]}" for column in _TOLD),
        "PEXEN_STARTED_AT": str(about["started_at"]),
        "PEXEN_ENDED_AT": str(about["ended_at"]),
        "PEXEN_JOURNAL": paths.db,
        "PEXEN_OUTPUT": paths.run_dir(int(about["id"])),
    }


def follow(what: OnFinish, lock: RunLock, run: int) -> Followed | None:
    """Run it, and write down what became of it. Raises nothing for what goes wrong with it. None: there was nothing."""
    path = lock.paths.db
    if not what.command:
        if is_owed(path, run):  # it was meant when the run began, and is not any more
            with suppress(JournalError):  # then the next resume will run it
                _write_down(lock, run, Followed("", 0.0, None))
        return None
    with reader(path) as connection:
        about = queries.run(connection, run)
    followed = _run(what, environment(about, path, what), lock.paths.run_dir(run))
    try:
        _write_down(lock, run, followed)
    except JournalError as error:
        return followed._replace(error=f"{followed.in_words()}, and that cannot be written down: {error}")
    return followed


def _run(what: OnFinish, environ: Mapping[str, str], directory: str) -> Followed:
    began = time.monotonic()
    output = os.path.join(directory, _LOG)
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(output, flags, 0o600), "wb") as log:
            exit_code, timed_out = _ended(what, environ, log)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Followed(what.command, time.monotonic() - began, None, error=f"could not be started: {why}")
    died_of = -exit_code if exit_code < 0 else None
    seconds = time.monotonic() - began
    return Followed(what.command, seconds, None if died_of else exit_code, died_of, timed_out, output=output)


def _ended(what: OnFinish, environ: Mapping[str, str], log: IO[bytes]) -> tuple[int, bool]:
    """(its exit status as `subprocess` has it, whether it was over its time limit)."""
    with subprocess.Popen(
        ["/bin/sh", "-c", what.command],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=what.directory,
        env=dict(environ),
        start_new_session=True,
    ) as process:
        try:
            if what.started is not None:
                what.started(process.pid)
            return process.wait(what.limit_s), False
        except subprocess.TimeoutExpired:
            return _kill(process), True
        except BaseException:
            _kill(process)
            raise


def _kill(process: subprocess.Popen[bytes]) -> int:
    """It and what it started, in its session. Returns its exit status."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def _write_down(lock: RunLock, run: int, followed: Followed) -> None:
    from pexen_state.journal.writer import Journal

    journal = Journal.open(lock, create=False)
    try:
        said = {
            "exit_code": followed.exit_code,
            "signal": followed.signal,
            "timed_out": followed.timed_out,
            "seconds": round(followed.seconds, 6),
            "error": followed.error,
        }
        journal.followed(run, said)
    finally:
        journal.close()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
