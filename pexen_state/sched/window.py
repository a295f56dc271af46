"""How many tasks to have in the pool at once, and for how many of their ends to wait before a turn is taken.

A turn takes its time, however many tasks it moves: the plan decides, the disk is waited for. Meanwhile the workers
need something to do: about as many tasks as they end during that time. More than that only means more tasks in
flight when something crashes. And while they have enough to do, a turn can be held back until more of them have
ended: many small turns cost more than one large one. Where nothing may begin after a failure that is not known yet,
there are no more tasks than the workers can begin at once.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from pexen_state.sched.pool.base import Pool

#: Enough queued work to hide this many turns.
TURNS_HIDDEN = 3
MOST = 2048

#: A turn is not held back for longer than this many turns take: a task that takes its time is not waited for.
TURNS_HELD = 4

#: All that is there is waited for until so many times what it should take: one of the tasks may be a long one.
STRAGGLERS = 2

#: And in no case for longer than this many seconds: what has ended is neither durable nor shown meanwhile, and one
#: turn for which the disk stood still is no reason for the next ones to be held.
MOST_HELD = 0.1

#: Weight of the newest figure in a moving average.
NEWEST = 0.2

#: A caller that holds a result for longer than this many seconds is slow.
SLOW_CALLER = 0.001


class Hold(NamedTuple):
    """Wait for so many more ends of tasks, but no longer than that."""

    ends: int
    seconds: float


class Window:
    """Moving averages of what a turn and a task take; they set `pool.window` unless `spare` was given.

    `is_ahead`: workers find something to go on with by themselves.
    """

    def __init__(self, pool: Pool, is_ahead: bool = True) -> None:
        self._pool = pool
        self._is_ahead = is_ahead
        self._task_seconds = 0.0
        self._tasks = 0
        self._turn_seconds = 0.0
        self._turns = 0
        self._round = 0  # how many tasks the pool had after the last turn
        self._is_short = False  # it would have taken more than there were
        self._last_look = time.perf_counter()
        if pool.spare is None:
            pool.window = self.size()  # it may have had another run

    def turn_took(self, seconds: float, in_pool: int) -> None:
        """The time in which workers that have nothing left get nothing new. The caller's own is not in it."""
        if self._tasks:  # the first turn may have had to settle what an earlier session left
            self._turns += 1
            self._turn_seconds += (seconds - self._turn_seconds) * max(NEWEST, 1 / self._turns)
        self._round = in_pool
        self._is_short = in_pool < self._pool.limit
        if self._pool.spare is None:
            self._pool.window = self.size()

    def tasks_took(self, seconds: float, tasks: int) -> None:
        """So many that ended at about the same time, all together."""
        self._tasks += tasks
        self._task_seconds += (seconds / tasks - self._task_seconds) * max(NEWEST, tasks / self._tasks)

    def size(self) -> int:
        if not self._is_ahead:
            return self._pool.workers
        least = self._pool.workers + 1
        if not self._tasks:
            return least
        hidden = TURNS_HIDDEN * self._pool.workers * self._turn_seconds / max(self._task_seconds, 1e-6)
        return min(MOST, least + int(hidden))

    def hold(self, in_pool: int) -> Hold | None:
        """Whether the next turn is worth waiting for, with so many tasks in the pool that have not ended.

        Not if a worker might have nothing to do, or half of what was there after the last turn is done. But if there
        was nothing more to run, for locks or for order, and all of it ends sooner than a turn takes, then two turns
        that share it take longer than one with all of it.
        """
        workers = self._pool.workers
        all_seconds = -(-in_pool // workers) * self._task_seconds
        if self._is_short and 0 < all_seconds < self._turn_seconds:
            return Hold(in_pool, min(MOST_HELD, STRAGGLERS * all_seconds))
        ends = in_pool - max(workers, self._round // 2)
        seconds = min(MOST_HELD, TURNS_HELD * self._turn_seconds)
        if ends <= 0 or ends * self._task_seconds / workers >= seconds:
            return None
        return Hold(ends, seconds)

    def caller_is_next(self) -> None:
        """It is given the results of a turn from now on: what went before was no time of its own."""
        self._last_look = time.perf_counter()

    def caller_is_slow(self) -> bool:
        """Whether the caller kept the last result for long. Asked between results."""
        now = time.perf_counter()
        slow = now - self._last_look > SLOW_CALLER
        self._last_look = now
        return slow
