"""A run as lines: a header, one line a result, failures with the end of their output, a summary.

For logs, pipes and continuous integration; no line depends on another one, and nothing is written over. Results are
given as they come; what the summary needs to know of tasks without a result is handed to it.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from pexen_state.core.states import Verdict
from pexen_state.report.style import Style, count, duration, took, verdict_words
from pexen_state.report.text import safe, tail_of_file

_LISTED = 20  # tasks that the summary names; there may be thousands
_BAD = ("fail", "error", "timeout", "crash")
_COUNTED = ("pass", "info", "warn", "skip", "fail", "error", "timeout", "crash", "not_run")


class Result(Protocol):
    """What is read of a task's result."""

    key: str | None
    verdict: str
    attempt: int
    reason: str | None
    seconds: float | None
    output: str | None
    replayed: bool


class Header(NamedTuple):
    """A session that begins."""

    version: str
    run: int
    suite: str
    tasks: int
    workers: str
    limits: str
    journal: str
    before: tuple[str, ...] = ()  #: sentences about what was before: a superseded run, kept results


class Ended(NamedTuple):
    """A task at the end of the session, as the summary needs it."""

    key: str
    verdict: Verdict
    reason: str | None
    is_flaky: bool
    is_final: bool


@dataclass
class LineReport:
    """Writes by `write`, which takes a line. `command` is what a person types for pexen and its journal."""

    write: Callable[[str], None]
    style: Style
    command: str
    is_quiet: bool = False
    tasks: int = 0
    done: int = field(default=0, init=False)
    shown: int = field(default=0, init=False)

    def header(self, header: Header) -> None:
        self.tasks = header.tasks
        if self.is_quiet:
            return
        facts = [
            f"run {header.run}",
            f"suite {safe(header.suite)}",
            count(header.tasks, "task"),
            header.workers,
            header.limits,
            f"journal {header.journal}",
        ]
        self.write("  ".join([self.style.strong(f"pexen {header.version}"), *facts]))
        for sentence in header.before:
            self.write(sentence)

    def result(self, result: Result) -> None:
        """One task has ended. What an earlier session has shown already is only counted."""
        self.done += 1
        if result.replayed:
            return
        self.shown += 1
        is_bad = result.verdict in _BAD
        if self.is_quiet and not is_bad:
            return
        width = len(str(self.tasks))
        key = safe(result.key or "")
        parts = [
            f"  {self.style.word(result.verdict)} [{took(result.seconds)}] {self.done:>{width}}/{self.tasks} {key}"
        ]
        if result.attempt > 1:
            parts.append(f"attempt {result.attempt}")
        if result.reason:
            parts.append(safe(result.reason))
        tail = tail_of_file(result.output) if is_bad and result.output else []
        if tail:
            parts.append(f"{self.command} logs {quoted(key)}")
        self.write("  ".join(parts))
        for line in tail:
            self.write(f"         | {line}")

    def summary(self, run: int, ended: Sequence[Ended], seconds: float) -> None:
        """What became of all tasks of the run, those of earlier sessions included, and what to type next."""
        final = [task for task in ended if task.is_final]
        left = len(ended) - len(final)
        counts = {verdict: sum(task.verdict.word == verdict for task in final) for verdict in _COUNTED}
        said = [f"{number} {verdict_words(verdict)}" for verdict, number in counts.items() if number]
        flaky = [task for task in final if task.is_flaky]
        if flaky:
            said.append(f"{len(flaky)} flaky")
        if left:
            said.append(f"{left} left")
        self.write("")
        self.write(f"run {run}: {count(len(ended), 'task')}: {', '.join(said) or 'nothing'}; in {duration(seconds)}")
        self._named([task for task in final if task.verdict.word in _BAD])
        self._named(flaky, word="flaky")
        self._named([task for task in final if task.verdict is Verdict.NOT_RUN])
        self._next(run, left, any(task.verdict.word in _BAD for task in final))

    def _named(self, tasks: Sequence[Ended], word: str = "") -> None:
        for task in tasks[:_LISTED]:
            verdict = word or verdict_words(task.verdict.word)
            reason = f"  {safe(task.reason)}" if task.reason else ""
            self.write(f"  {self.style.word(verdict)} {safe(task.key)}{reason}")
        if len(tasks) > _LISTED:
            self.write(f"  ... and {len(tasks) - _LISTED} more")

    def _next(self, run: int, left: int, failed: bool) -> None:
        if left:
            self.write(f"Go on with: {self.command} resume {run}")
        elif failed:
            self.write(f"See what failed: {self.command} logs {run} --failed")
        else:
            self.write(f"See all of it: {self.command} show {run}")


def quoted(text: str) -> str:
    """As one word of a command line. `text` is safe already."""
    return shlex.quote(text)
