"""What an attempt leaves running is ended with it: an attempt is over when its worker has no child left."""

from __future__ import annotations

import os
import time

from pexen_state.core.inputs import Ending
from pexen_state.core.states import Verdict
from pexen_state.sched.pool import tree
from pexen_state.words import joined


def end_leftovers(patience: float) -> tuple[list[tree.Process], list[tree.Process]]:
    """Kill every descendant. Returns (what there was, what did not die in time)."""
    if not _has_children():
        return [], []
    seen: dict[int, tree.Process] = {}

    def find() -> list[tree.Process]:
        for _ in range(100):
            if not _has_children():
                return []
            if found := tree.descendants(os.getpid()):
                seen.update((process.pid, process) for process in found)
                return found
            time.sleep(0.001)  # it is on its way from dying to being dead
        return []

    survivors = tree.kill_all(find, patience)
    return list(seen.values()), survivors


def _has_children() -> bool:
    """Whether any is left, after reaping what has ended. Costs one system call where there is none."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return False
    return True


def with_warning(ending: Ending, left: list[tree.Process], survivors: list[tree.Process]) -> Ending:
    """The ending, worsened to `warn` if it was better, and saying what was left."""
    if not left:
        return ending
    sentence = f"left running, and killed: {tree.names(left)}"
    if survivors:
        sentence = f"left running, and could not be killed: {tree.names(survivors)}"
    verdict = Verdict.WARN if ending.verdict in (Verdict.INFO, Verdict.PASS) else ending.verdict
    return ending._replace(verdict=verdict, reason=joined(ending.reason, sentence))
