"""A run as entries of systemd's journal: the lines that a log has, each with fields to find it by.

`PEXEN_RUN` is on all of them; those about a task have `PEXEN_TASK`, its result also `PEXEN_VERDICT`, `PEXEN_ATTEMPT`
and a priority. An entry with the end of a task's output is one entry of several lines.
"""

from __future__ import annotations

from collections.abc import Callable

from pexen_state.box.journald import ERROR, INFO, WARNING, Journald
from pexen_state.core.states import BAD_WORDS
from pexen_state.report.display import Header, Looks, Progress, Result, Sink
from pexen_state.report.display.entries import result_lines
from pexen_state.report.display.lines import Lines
from pexen_state.report.display.pace import Pace
from pexen_state.report.text import safe


class JournaldLines(Lines):
    """What the journal does not take goes to `out`, as everything would."""

    def __init__(
        self,
        journald: Journald,
        out: Sink,
        err: Sink,
        looks: Looks,
        look: Callable[[], Progress],
        pace: Pace,
        clock: Callable[[], float],
    ) -> None:
        super().__init__(out, err, looks, look, pace, clock)
        self._journald = journald
        self._fields: dict[str, str] = {}
        self._seen: set[str] = set()  # tasks that run, and whose entry says so

    def header(self, header: Header) -> None:
        self._fields = {"PEXEN_RUN": str(header.run), "PEXEN_SUITE": safe(header.suite)}
        super().header(header)

    def _show(self, result: Result) -> None:
        key = safe(result.key or "")
        self._seen.discard(key)
        priority = ERROR if result.verdict in BAD_WORDS else WARNING if result.verdict == "warn" else INFO
        lines = list(result_lines(result, self._looks, self._counter()))
        about = {"PEXEN_TASK": key, "PEXEN_VERDICT": result.verdict, "PEXEN_ATTEMPT": str(result.attempt)}
        if self._journald.write("\n".join(lines).lstrip(), {**self._fields, **about}, priority):
            self._printed_at = self._clock()
            return
        for line in lines:
            super()._print(line)

    def _look_around(self, now: float) -> None:
        """What runs for as long as a look takes has an entry that says so: it may be the last of it."""
        for running in self._look().running:
            key = safe(running.key)
            if key not in self._seen:
                self._seen.add(key)
                self._journald.write(f"runs {key}", {**self._fields, "PEXEN_TASK": key})
        super()._look_around(now)

    def _tell(self) -> None:
        while self._said:
            self._entry(safe(self._said.popleft()))

    def _print(self, line: str) -> None:
        if line:
            self._entry(line)

    def _entry(self, line: str) -> None:
        if self._journald.write(line, self._fields):
            self._printed_at = self._clock()
        else:
            super()._print(line)

    def close(self) -> None:
        super().close()
        self._journald.close()
