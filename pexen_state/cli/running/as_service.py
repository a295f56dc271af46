"""What a session says to the service manager, if one has started this command: what it is at, that it is not stuck."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from pexen_state.box.notify import ServiceManager
from pexen_state.core.states import BAD_WORDS
from pexen_state.report.display import Progress, Result
from pexen_state.report.style import count, duration
from pexen_state.report.text import safe

#: Seconds that may pass before a run begins: python is imported, a journal is brought up to date.
LOADING_S = 600.0

#: For what has no time limit; the watchdog knows none either.
NO_LIMIT_S = 1e9

#: What what ends is given to end, counted from when it was last heard of.
ENDING_S = 30.0

_LOOKS_EVERY_S = 2.0


class AsService:
    """Fed by the loop of a run. Without a service manager it does nothing."""

    def __init__(self, manager: ServiceManager, clock: Callable[[], float] = time.monotonic) -> None:
        self._manager = manager
        self._clock = clock
        self._looked_at = -math.inf
        self._what = ""
        self._bad = 0

    def opened(self, run: int, suite: str) -> None:
        self._what = f"run {run}, suite {safe(suite)}"

    def result(self, result: Result) -> None:
        self._bad += result.verdict in BAD_WORDS

    def pulse(self, look: Callable[[], Progress], is_stopping: bool) -> None:
        """The loop has come by. Cheap when there is nothing new to say."""
        if not self._manager.is_there:
            return
        self._manager.alive()
        if is_stopping:
            self._manager.extend(ENDING_S)
        now = self._clock()
        if now >= self._looked_at + _LOOKS_EVERY_S:
            self._looked_at = now
            self._manager.status(f"{self._what}: {'stopping, ' if is_stopping else ''}{self._in_words(look())}")

    def _in_words(self, progress: Progress) -> str:
        """`118 of 214 tasks, 2 failed, 4 running, storage/raid/rebuild for 1m07s`"""
        words = f"{progress.tasks - progress.unfinished} of {count(progress.tasks, 'task')}"
        if self._bad:
            words += f", {self._bad} failed"
        if progress.running:
            longest = progress.running[0]
            number = max(progress.in_flight, len(progress.running))
            words += f", {number} running, {safe(longest.key)} for {duration(longest.seconds)}"
        return words
