"""How many tasks to have in the pool at once, so that workers do not wait for the disk.

While a turn is being flushed the workers need something to do: about as many tasks as they end during that
time. More than that only means more tasks in flight when something crashes. Where nothing may begin after a
failure that is not known yet, there are no more than the workers can begin at once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from pexen_state.sched.pool.base import Pool

#: Enough queued work to hide this many commits.
COMMITS_HIDDEN = 3
MOST = 2048

#: Weight of the newest figure in a moving average.
NEWEST = 0.2

#: A caller that holds a result for longer than this many seconds is slow.
SLOW_CALLER = 0.001


class Window:
    """Moving averages of what a commit and a task take; they set `pool.window` unless `spare` was given.

    `is_ahead`: workers find something to go on with by themselves.
    """

    def __init__(self, pool: Pool, is_ahead: bool = True) -> None:
        self._pool = pool
        self._is_ahead = is_ahead
        self._task_seconds = 0.0
        self._tasks = 0
        self._commit_seconds = 0.0
        self._last_look = time.perf_counter()
        if pool.spare is None:
            pool.window = self.size()  # it may have had another run

    @contextmanager
    def commit(self) -> Iterator[None]:
        """Time one commit, and set the window by what is known then."""
        start = time.perf_counter()
        yield
        seconds = time.perf_counter() - start
        self._commit_seconds += (seconds - self._commit_seconds) * NEWEST
        if self._pool.spare is None:
            self._pool.window = self.size()

    def task_took(self, seconds: float) -> None:
        self._tasks += 1
        self._task_seconds += (seconds - self._task_seconds) * max(NEWEST, 1 / self._tasks)

    def size(self) -> int:
        if not self._is_ahead:
            return self._pool.workers
        least = self._pool.workers + 1
        if not self._tasks:
            return least
        hidden = COMMITS_HIDDEN * self._pool.workers * self._commit_seconds / max(self._task_seconds, 1e-6)
        return min(MOST, least + int(hidden))

    def caller_is_slow(self) -> bool:
        """Whether the caller kept the last result for long. Asked between results."""
        now = time.perf_counter()
        slow = now - self._last_look > SLOW_CALLER
        self._last_look = now
        return slow
