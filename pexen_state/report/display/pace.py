"""How a run gets on: counts by verdict, how long the rest may take, which tasks are slower than usual.

By what is known of earlier runs of the same tasks. No clock and no output of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from pexen_state.report.display import Progress, Result, Running

#: The order in which counts are said.
COUNTED = ("pass", "info", "fail", "error", "timeout", "crash", "warn", "skip", "not_run")

_SLOW = 2.0  # times its usual time
_SLOW_SECONDS = 10.0  # below that nobody waits for it


class Pace:
    """`typical` are usual seconds by key; `keys` are those of all tasks of the run, ended ones included."""

    def __init__(self, typical: Mapping[str, float], keys: Iterable[str], workers: int) -> None:
        self.counts: Counter[str] = Counter()
        self.done = 0
        self._typical = typical
        self._workers = max(workers, 1)
        self._left = {key: typical[key] for key in keys if key in typical} if typical else {}
        self._seconds = sum(self._left.values())
        self._longest = sorted(self._left, key=self._left.__getitem__)  # the end is the longest
        self._named: set[str] = set()

    def ended(self, result: Result) -> None:
        self.done += 1
        self.counts[result.verdict] += 1
        if self._left and result.key is not None:
            self._seconds -= self._left.pop(result.key, 0.0)

    def in_words(self) -> str:
        """`111 pass 2 fail 1 warn`"""
        return " ".join(f"{self.counts[word]} {word.replace('_', ' ')}" for word in COUNTED if self.counts[word])

    def seconds_left(self, progress: Progress) -> float | None:
        """About how long it will take; None where less than half of what is left has a past.

        Tasks without a past are taken to be like the others. It is never less than the longest task needs.
        """
        known = len(self._left)
        if not progress.unfinished or not known or 2 * known < progress.unfinished:
            return None
        spent = sum(min(one.seconds, self._left.get(one.key, 0.0)) for one in progress.running)
        total = max(self._seconds - spent, 0.0) * progress.unfinished / known
        return max(total / self._workers, self._longest_left(progress))

    def _longest_left(self, progress: Progress) -> float:
        while self._longest and self._longest[-1] not in self._left:
            self._longest.pop()
        running = {one.key: one.seconds for one in progress.running}
        longest = max((self._left.get(key, 0.0) - seconds for key, seconds in running.items()), default=0.0)
        for key in reversed(self._longest):
            if key in self._left and key not in running:
                return max(longest, self._left[key])
        return max(longest, 0.0)

    def slow(self, progress: Progress) -> Iterator[tuple[Running, float]]:
        """Tasks that are over twice their usual time, each told once; with that usual time."""
        for one in progress.running:
            usual = self._typical.get(one.key)
            if usual is None or one.key in self._named:
                continue
            if one.seconds >= max(_SLOW * usual, _SLOW_SECONDS):
                self._named.add(one.key)
                yield one, usual

    def usual(self, key: str) -> float | None:
        """How long a task usually takes; None if nobody knows."""
        return self._typical.get(key)
