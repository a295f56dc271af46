"""Where tasks in threads ask for something: the thread pool's own end of `sched.current`.

What executables ask the keeper at its desk, these ask the pool, in whose process they are. What is to be durable goes
to whoever waits for the pool, and the asking thread waits for the answer.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from pexen_state.sched.current import Current
from pexen_state.sched.pool.base import Asks, Extended, Job
from pexen_state.subresults.lines import Line

Answer = Mapping[str, Any]

_FORKED: Answer = {"ok": False, "error": "a forked child of the program cannot ask: let the thread ask that forked it"}
_NOT_RUNNING: Answer = {"ok": False, "error": "this attempt is not running"}


class Speaker:
    """A thread that is at an attempt: it says which one, and asks in its name."""

    __slots__ = ("_began", "_counter", "_job", "said", "was_asked")

    def __init__(self, counter: Counter, job: Job, began: float) -> None:
        self._counter, self._job, self._began = counter, job, began
        self.was_asked = False  #: the task has looked at itself, and may have said something about its parts
        self.said: list[Line] = []  #: that, where no file is to be had

    def current(self) -> Current:
        assert self._job.context is not None
        self.was_asked = True
        return Current(self._job.context, lambda body: self._counter.ask(self._job, self._began, body), self.said)


class Counter:
    """`tell` hands what was asked to whoever waits for the pool, and wakes him; any thread may call it.
    `is_running` says whether an attempt is still at work.
    """

    def __init__(self, tell: Callable[[Asks | Extended], None], is_running: Callable[[Job], bool]) -> None:
        self._tell = tell
        self._is_running = is_running
        self._lock = threading.Lock()
        self._waiting: dict[int, tuple[Job, queue.SimpleQueue[Answer]]] = {}  # by client
        self._until: dict[int, float] = {}  # by task: `time.monotonic()` of limits that were extended
        self._last = 0
        self._is_closed = False
        self._pid = os.getpid()

    def ask(self, job: Job, began: float, body: dict[str, Any]) -> Answer:
        """From the thread that is at this job, or one that speaks for it. Blocks until it is answered."""
        if os.getpid() != self._pid:  # its lock may have been taken when it was forked
            return _FORKED
        answer: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        with self._lock:
            if self._is_closed or not self._is_running(job):
                return _NOT_RUNNING
            match body["do"]:
                case "deadline":
                    until = self._extend(job, began, body["seconds"], body["is_more"])
                case "heartbeat":
                    return {"ok": True}
                case _:
                    # Those of the keeper count upwards.
                    self._last -= 1
                    client = self._last
                    self._waiting[client] = job, answer
        if body["do"] != "deadline":
            self._tell(Asks(client, job.task, job.attempt, body))
            return answer.get()
        if until is not None:
            self._tell(Extended(job.task, job.attempt, int(until * 1e6)))
        return {"ok": True, "deadline": until}

    def _extend(self, job: Job, began: float, seconds: float, is_more: bool) -> float | None:
        """Until when the attempt may go on now, in seconds since 1970; None: there is no limit to extend."""
        now = time.monotonic()
        had = self.deadline(job, began)
        if is_more and had is None:
            return None
        until = (had if is_more and had is not None else now) + seconds
        if job.limits.total is not None:
            until = min(until, began + job.limits.total)
        self._until[job.task] = until
        return time.time() + until - now

    def deadline(self, job: Job, began: float) -> float | None:
        """When the time of an attempt is over, by `time.monotonic()`; None for never."""
        until = self._until.get(job.task)
        if until is None and job.limits.timeout is not None:
            until = began + job.limits.timeout
        return until

    def answer(self, client: int, body: Answer) -> bool:
        """False if it is nobody of ours who has asked."""
        if client >= 0:
            return False
        with self._lock:
            found = self._waiting.pop(client, None)
        if found is not None:  # else its attempt is over meanwhile
            found[1].put(body)
        return True

    def is_over(self, job: Job) -> None:
        """An attempt is: whoever still waits for it waits no longer."""
        self._until.pop(job.task, None)
        if self._waiting:
            self._dismiss(lambda waiting: waiting is job)

    def close(self) -> None:
        self._is_closed = True
        self._dismiss(lambda _: True)

    def _dismiss(self, is_one: Callable[[Job], bool]) -> None:
        with self._lock:
            gone = [client for client, (job, _) in self._waiting.items() if is_one(job)]
            answers = [self._waiting.pop(client)[1] for client in gone]
        for answer in answers:
            answer.put(_NOT_RUNNING)
