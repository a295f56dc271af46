"""A run as lines: a header, one line a result, failures with the end of their output, a summary.

For logs, pipes and dumb terminals: no line depends on another one, nothing is written over, and there is no control
character. When nothing happens for a minute, a line says that the run is alive and what it is at.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from pexen_state.core.states import BAD_WORDS
from pexen_state.report.display import Header, Looks, Progress, Result, Sink, Summary
from pexen_state.report.display.entries import header_lines, result_lines, slow_line
from pexen_state.report.display.pace import Pace
from pexen_state.report.display.summary import summary_lines
from pexen_state.report.style import count, duration
from pexen_state.report.text import safe

HEARTBEAT_SECONDS = 60.0
_FLUSH_SECONDS = 0.1
_LOOK_SECONDS = 1.0


class Lines:
    """Results go to `out` in few writes: what was written is flushed ten times a second. What is said goes to `err`."""

    restore = b""

    def __init__(
        self,
        out: Sink,
        err: Sink,
        looks: Looks,
        look: Callable[[], Progress],
        pace: Pace,
        clock: Callable[[], float],
    ) -> None:
        self._out = out
        self._err = err
        self._looks = looks
        self._look = look
        self._pace = pace
        self._clock = clock
        self._tasks = 0
        self._said: deque[str] = deque()
        self._is_dirty = False
        self._flushed_at = clock()
        self._printed_at = clock()
        self._looked_at = clock()

    def header(self, header: Header) -> None:
        self._tasks = header.tasks
        if not self._looks.is_quiet:
            for line in header_lines(header, self._looks.style):
                self._print(line)
        self._flush()

    def result(self, result: Result) -> None:
        self._pace.ended(result)
        if self._said:
            self._tell()
        if not result.replayed and (not self._looks.is_quiet or result.verdict in BAD_WORDS):
            self._show(result)
        now = self._clock()
        if self._is_dirty and now >= self._flushed_at + _FLUSH_SECONDS:
            self._flush()

    def _show(self, result: Result) -> None:
        for line in result_lines(result, self._looks, self._counter()):
            self._print(line)

    def _counter(self) -> str:
        tasks = max(self._tasks, self._pace.done)  # some may have joined since somebody looked
        return f"{self._pace.done:>{len(str(tasks))}}/{tasks} "

    def pulse(self) -> None:
        if self._said:
            self._tell()
        now = self._clock()
        if self._is_dirty and now >= self._flushed_at + _FLUSH_SECONDS:
            self._flush()
        if now >= self._looked_at + _LOOK_SECONDS and not self._looks.is_quiet:
            self._looked_at = now
            self._look_around(now)

    def _look_around(self, now: float) -> None:
        # Every time, for whoever looks learns by that since when a task runs.
        progress = self._look()
        self._tasks = max(self._tasks, progress.tasks)
        is_silent = now >= self._printed_at + HEARTBEAT_SECONDS
        for running, usual in self._pace.slow(progress):
            self._print(slow_line(running, usual, self._looks.style))
        if is_silent:
            self._print(self._heartbeat(progress))
        if self._is_dirty:
            self._flush()

    def _heartbeat(self, progress: Progress) -> str:
        """`  ...     118/214  111 pass 2 fail  4 running, storage/raid/rebuild for 1m07s`"""
        done = max(self._tasks - progress.unfinished, 0)
        parts = [f"  {'...':<7} {done}/{self._tasks}"]
        if counted := self._pace.in_words():
            parts.append(counted)
        if progress.running:
            longest = progress.running[0]
            number = max(progress.in_flight, len(progress.running))
            parts.append(f"{number} running, {safe(longest.key)} for {duration(longest.seconds)}")
        else:
            parts.append(f"nothing runs, {count(progress.unfinished, 'task')} left")
        left = self._pace.seconds_left(progress)
        if left is not None:
            parts.append(f"about {duration(left)} left")
        return "  ".join(parts)

    def say(self, text: str) -> None:
        self._said.append(text)

    def _tell(self) -> None:
        if not self._said:
            return
        self._flush()  # so that both stay in order, where they lead to the same place
        while self._said:
            self._err.write(f"{safe(self._said.popleft())}\n")
        self._err.flush()
        self._printed_at = self._clock()

    def summary(self, summary: Summary) -> None:
        self._tell()
        self._print("")
        for line in summary_lines(summary, self._looks.command, self._looks.style):
            self._print(line)
        self._flush()

    def close(self) -> None:
        self._tell()
        self._flush()

    def _print(self, line: str) -> None:
        self._out.write(f"{line}\n")
        self._is_dirty = True
        self._printed_at = self._clock()

    def _flush(self) -> None:
        self._out.flush()
        self._is_dirty = False
        self._flushed_at = self._clock()
