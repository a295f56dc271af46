"""How fast attempts end, and what follows from that: how many a worker takes at once, and when to look for ends."""

from __future__ import annotations

#: Tiny tasks travel in chunks of about this many seconds of work.
_CHUNK_SECONDS = 0.002
_MAX_CHUNK = 32

#: Who waits for several answers looks for them no sooner than after this many seconds.
_NAP = 0.001


class Pace:
    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._seconds: float | None = None  # a moving average

    def took(self, seconds: float) -> None:
        """An attempt has ended."""
        self._seconds = seconds if self._seconds is None else 0.9 * self._seconds + 0.1 * seconds

    def chunk(self, attempts: int) -> int:
        """In chunks of how many to send so many: one by one, unless they are tiny; and each worker is to get some."""
        if self._seconds is None:
            return 1
        fair = -(-attempts // (2 * self._workers))
        return max(1, min(_MAX_CHUNK, fair, int(_CHUNK_SECONDS / max(self._seconds, 1e-6))))

    def nap(self, attempts: int) -> float:
        """For how many seconds nobody need look, who waits for the ends of so many."""
        return max(_NAP, attempts * (self._seconds or 0.0) / self._workers)
