"""What the threads of a pool are to do: jobs come many at once, go one at a time, and can be taken back.

A thread that finds nothing sleeps. Only as many are woken as there is something new for: on most machines that
costs more than a small task, so a thread which still has work is never rung for.
"""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Sequence

from pexen_state.sched.pool.base import Job


class Todo:
    """A queue of jobs. Every method may be called from any thread; each job goes to one caller."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()
        self._beds: deque[None] = deque()  # one for each thread that sleeps, or is about to
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._is_closed = False

    def put(self, jobs: Sequence[Job]) -> None:
        self._jobs.extend(jobs)
        self._wake(len(jobs))

    def put_back(self, job: Job) -> None:
        """Somebody has taken it who cannot do it: it is the next one."""
        self._jobs.appendleft(job)
        self._wake(1)

    def take(self) -> Job | None:
        """The next one; wait for it. None: there are no more to come."""
        jobs = self._jobs
        while not self._is_closed:
            try:
                return jobs.popleft()
            except IndexError:
                self._sleep()
        return None

    def take_back(self) -> list[Job]:
        """All that nobody has taken."""
        found: list[Job] = []
        try:
            while True:
                found.append(self._jobs.popleft())
        except IndexError:
            return found

    def take_out(self, job: Job) -> bool:
        """One of them. False if somebody has taken it."""
        # Not `deque.remove`, which compares: jobs may hold values whose comparison is user code.
        rest = self.take_back()
        found = [one for one in rest if one is job]
        self.put([one for one in rest if one is not job])
        return bool(found)

    def close(self) -> None:
        """Send everybody home."""
        self._is_closed = True
        self._wake(len(self._beds))

    def _sleep(self) -> None:
        self._beds.append(None)
        # Whoever has put something there before that line has not seen that we sleep.
        if (self._jobs or self._is_closed) and self._left_bed():
            return
        self._bell.get()

    def _wake(self, count: int) -> None:
        while count and self._left_bed():
            self._bell.put(None)  # each bed that was left by another one is rung for once
            count -= 1

    def _left_bed(self) -> bool:
        try:
            self._beds.pop()
        except IndexError:
            return False
        return True
