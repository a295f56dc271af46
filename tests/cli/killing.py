"""Runs that are cut off, for whoever goes on with them."""

from __future__ import annotations

import signal

from tests.cli.box import Box

#: Begins a run of its own, and leaves it.
PROGRAM = """
import pexen_state
from pexen_state import Sched
@pexen_state.task(provides=["one"])
def one(): pass
@pexen_state.task(requires=["one"])
def two(): pass
for result in Sched([one, two], journal="j.db").run():
    break
"""


def kill_in_the_middle(box: Box, *words: str, stdin: bytes = b"", shown: str = "PASS", **options: object) -> None:
    """Start a run that has a task that waits at the gate; kill it there, when a line with `shown` was shown, too."""
    gate = box.gate()
    with box.started(*words, stdin=stdin, **options) as run:
        gate.reached()
        run.until(shown)
        run.signal(signal.SIGKILL)
        run.process.wait()
    gate.path.unlink()  # and not opened: what the keeper has not killed yet must not go on
