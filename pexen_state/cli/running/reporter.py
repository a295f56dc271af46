"""Has the reports of a run written while it goes on, by a process of its own (`report.formats.beside`).

A process, not a thread: the runner forks, and nothing that is slow may be in it. It is told of the end by a pipe that
closes with the runner, whatever ends that; so a killed run has a complete report, too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping

import pexen_state

# The directory of the run, or its environment, may hold modules that are called like ours, or like those of the
# standard library. So python looks at neither of them, and for us first where this one was found.
_PROGRAM = """
import sys
sys.path.append(sys.argv.pop())
import site
site.main()
from pexen_state.report.formats.beside import main
sys.exit(main())
"""
_PLACE = os.path.dirname(os.path.dirname(os.path.abspath(pexen_state.__file__)))


class Reporter:
    """`files`: an absolute path for each kind of report."""

    def __init__(self, journal: str, run: int, files: Mapping[str, str]) -> None:
        asked = json.dumps({"journal": os.path.abspath(journal), "run": run, "files": dict(files)})
        self._process: subprocess.Popen[bytes] | None = None
        self._trouble = ""
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-IS", "-c", _PROGRAM, asked, _PLACE],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the runner
            )
        except OSError as error:  # no more processes, for example: no reason to end a run
            self._trouble = f"no report is written: {error.strerror}. `pexen report` writes them afterwards."

    def finish(self) -> list[str]:
        """Wait until the reports are written; returns sentences about those that could not be."""
        if self._process is None:
            return [self._trouble]
        _, said = self._process.communicate()
        if not self._process.returncode:
            return []
        lines = said.decode("utf-8", "backslashreplace").splitlines()
        if self._process.returncode == 1 and lines and not lines[0].startswith("Traceback"):
            return lines
        return [f"the reports may not be complete: {lines[-1] if lines else 'who wrote them was killed'}"]
