"""Writes the reports of a run while it goes on: the program of a process beside the runner, which it cannot hold up.

Its argument is JSON: `journal`, `run`, and `files`, a path for each kind. Standard input is a pipe of which the runner
has the other end. It closes when the runner ends, in whatever way; then everything is written once more, and that is
the end. Until then a report is written when something was decided, and no more than a tenth of the time is spent on it.

It reads the journal as everybody does, holds nothing open between two looks, and gives way to others. Signals are left
to the runner. What cannot be written is tried again the next time; what could not be in the end is said on standard
error, a line for each.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from collections.abc import Mapping

from pexen_state.journal import queries
from pexen_state.journal.errors import JournalError
from pexen_state.journal.reader import reader
from pexen_state.report.formats import kinds
from pexen_state.report.formats.whole import whole
from pexen_state.report.formats.writing import append_summary, is_step_summary, write_file
from pexen_state.report.text import safe

#: A run that is shorter is written once, at its end.
_FIRST_S = 0.5
_LEAST_S = 2.0
_SHARE = 10


class Reports:
    """The files of one run, and how far the journal was when they were written."""

    def __init__(self, journal: str, run: int, files: Mapping[str, str], environ: Mapping[str, str]) -> None:
        self._journal = journal
        self._run = run
        self._files = {kind: file for kind, file in files.items() if not is_step_summary(file, environ)}
        self._summaries = {kind: file for kind, file in files.items() if kind not in self._files}
        self._reached = -1
        self.troubles: dict[str, str] = {}  #: what could not be written the last time, and why

    def write(self, is_last: bool = False) -> None:
        """Write those that are not as the journal is. `is_last`: also what can be written but once."""
        try:
            with reader(self._journal) as connection:
                reached = queries.last_seq(connection)
                if reached == self._reached and not is_last:
                    return
                found = whole(connection, self._run, self._journal)
            self.troubles.clear()
            for kind, file in self._files.items():
                try:
                    write_file(file, kinds.lines(kind, found, file), durable=True)
                except OSError as error:
                    self._trouble(file, error)
            for kind, file in self._summaries.items() if is_last else ():
                try:
                    append_summary(file, kinds.lines(kind, found, file))
                except OSError as error:
                    self._trouble(file, error)
            self._reached = reached if not self.troubles else -1
        except JournalError as error:
            self.troubles = {"": f"no report was written: {error}"}

    def _trouble(self, file: str, error: OSError) -> None:
        self.troubles[file] = f"{file} cannot be written: {error.strerror}"


def main() -> int:
    asked = json.loads(sys.argv[1])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.nice(10)
    reports = Reports(asked["journal"], asked["run"], asked["files"], os.environ)
    pause = _FIRST_S
    while not _is_over(pause):
        began = time.monotonic()
        reports.write()
        pause = max(_LEAST_S, _SHARE * (time.monotonic() - began))
    reports.write(is_last=True)
    for trouble in reports.troubles.values():
        print(safe(trouble), file=sys.stderr)
    return 1 if reports.troubles else 0


def _is_over(seconds: float) -> bool:
    """Wait, or less if the runner ends meanwhile; whether it has."""
    readable, _, _ = select.select([0], [], [], seconds)
    return bool(readable) and not os.read(0, 1)
