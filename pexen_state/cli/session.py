"""One session of a run, from the tasks to the exit code: what `run` and `resume` have in common."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from pexen_state import __version__
from pexen_state.cli import journals
from pexen_state.cli.app import App
from pexen_state.cli.errors import Exit, Interrupted, NothingToDo, UsageError
from pexen_state.cli.output import Console
from pexen_state.cli.recorded import Options, Recorded
from pexen_state.cli.signals import Signals
from pexen_state.cli.targets import Suite
from pexen_state.core.states import Verdict
from pexen_state.report.lines import Ended, Header, LineReport
from pexen_state.report.style import count, duration
from pexen_state.report.text import safe
from pexen_state.util import PexenWarning
from pexen_state.words import seconds_of

if TYPE_CHECKING:
    from pexen_state.core.plan import Plan
    from pexen_state.sched.common import Opened
    from pexen_state.sched.planner import Sched
    from pexen_state.sched.pool.base import Pool

_HOUR = 3600.0


class Settings(NamedTuple):
    """The options with defaults in their place."""

    workers: int
    pool: str
    timeout: float | None
    retries: int

    def workers_in_words(self) -> str:
        return f"{count(self.workers, 'worker')} ({self.pool} pool)"

    def limits_in_words(self) -> str:
        if self.timeout is None:
            words = "no timeout"
        else:
            words = f"timeout {f'{self.timeout:g}s' if self.timeout < 60 else duration(self.timeout)}"
        if not self.retries:
            return words
        return f"{words}, {'1 retry' if self.retries == 1 else f'{self.retries} retries'}"


def settle(options: Options, is_a_list: bool) -> Settings:
    """Put defaults where nothing was said. Raises UsageError."""
    jobs = options.jobs or ("auto" if is_a_list else "1")
    if options.timeout is None:
        timeout = None if is_a_list else _HOUR
    elif options.timeout == "none":
        timeout = None
    else:
        try:
            timeout = seconds_of(options.timeout)
        except ValueError as error:
            raise UsageError(f"--timeout: {error}; 'none' is no limit") from None
    return Settings(_workers(jobs), options.pool, timeout, options.retries)


def _workers(jobs: str) -> int:
    if jobs == "auto":
        return len(os.sched_getaffinity(0))
    if not (jobs.isascii() and jobs.isdecimal()) or not 0 < int(jobs) <= 10_000:
        raise UsageError(f"--jobs: {safe(jobs)!r} is neither a number of tasks to run at once nor 'auto'")
    return int(jobs)


class Earlier(NamedTuple):
    """The run that a session goes on with."""

    run: int
    how_ended: str | None  #: of its last session; None: it was cut off


@dataclass
class Session:
    """Everything that is known before a session begins."""

    app: App
    suite: Suite
    journal: str
    recorded: Recorded
    settings: Settings
    here: str  #: where the command was typed, and the next one will be
    earlier: Earlier | None = None
    _report: LineReport = field(init=False)
    _opened: Opened | None = field(default=None, init=False)

    def run(self) -> Exit:
        """Run it, and say what became of it."""
        if not self.suite.tasks:
            raise NothingToDo(_why_no_tasks(self.suite))
        started = time.monotonic()
        with warnings_as_sentences(self.app.console):
            sched = self._sched()
            journals.prepare(self.journal)
            with Signals(sched, lambda: self._running(sched)) as signals:
                sched.announce = lambda opened: self._announce(opened, signals)
                try:
                    for result in sched.run(self._pool()):
                        self._report.result(result)
                except KeyboardInterrupt:
                    raise Interrupted("interrupted before anything was started") from None
        plan = sched.plan
        assert plan is not None
        assert self._opened is not None
        self._report.summary(self._opened.run_id, list(_ended(plan)), time.monotonic() - started)
        return exit_code(plan)

    def _sched(self) -> Sched:
        from pexen_state.sched.planner import Sched
        from pexen_state.sched.specs import Defaults

        return Sched(
            self.suite.tasks,
            journal=self.journal,
            name=self.suite.name,
            resume=False,
            run_id=self.earlier.run if self.earlier is not None else None,
            defaults=Defaults(timeout=self.settings.timeout, retries=self.settings.retries),
            target=_targets_in_words(self.suite),
            options=self.recorded.as_json(),
            capture=True,
        )

    def _pool(self) -> Pool:
        if self.settings.pool == "thread":
            from pexen_state.sched.pool.thread import ThreadWorkerPool

            return ThreadWorkerPool(workers=self.settings.workers)
        from pexen_state.sched.pool.process import ProcessWorkerPool

        return ProcessWorkerPool(workers=self.settings.workers)

    def _running(self, sched: Sched) -> int:
        """How many tasks run, as far as is known: more than there are workers are in the pool, but not begun."""
        plan = sched.plan
        return min(len(plan.in_flight), self.settings.workers) if plan is not None else 0

    def _announce(self, opened: Opened, signals: Signals) -> None:
        from pexen_state.journal.paths import JournalPaths

        signals.opened()
        self._opened = opened
        command = f"pexen{journals.option_for(self.journal, self.app.journal, self.here)}"
        console = self.app.console
        self._report = LineReport(console.out.line, console.style, command, is_quiet=console.quiet)
        self._report.header(
            Header(
                __version__,
                opened.run_id,
                opened.name,
                opened.tasks,
                self.settings.workers_in_words(),
                self.settings.limits_in_words(),
                journals.shown(self.journal, self.here),
                tuple(self._before(opened)),
            )
        )
        journals.link_latest(self.journal, JournalPaths.of(self.journal).run_dir(opened.run_id))

    def _before(self, opened: Opened) -> Iterator[str]:
        if opened.superseded is not None:
            yield f"run {opened.superseded} of this suite was unfinished; it is superseded, and will not be resumed."
        if self.earlier is not None:
            how = _HOW.get(self.earlier.how_ended or "", "was cut off")
            kept = f"{count(opened.finished, 'finished result')} kept, {opened.tasks - opened.finished} left"
            yield f"run {opened.run_id} {how}, and goes on: {kept}{_in_flight(opened.in_flight)}."


_HOW = {
    "paused": "was paused",
    "stopped": "was stopped",
    "parked": "was parked",
    "failed": "ended by an error",
    "shutdown": "was ended by a shutdown",
    "rebooted": "ended by a reboot that was asked for",
}


def _in_flight(keys: tuple[str, ...]) -> str:
    if not keys:
        return ""
    named = " ".join(map(safe, keys[:8])) + (" ..." if len(keys) > 8 else "")
    return f", of which {len(keys)} {'was' if len(keys) == 1 else 'were'} in flight: {named}"


def _targets_in_words(suite: Suite) -> str:
    """For people who ask the journal; what a resume needs is among the options."""
    return " ".join(safe(target.what) for target in suite.targets)


def _why_no_tasks(suite: Suite) -> str:
    named = _targets_in_words(suite)
    hints = {
        "fs": "no executable file is there (chmod +x makes one)",
        "cmds": "there is no command in it",
        "py": "no callable is marked by @pexen_state.task or func_meta",
    }
    kinds = {target.kind for target in suite.targets}
    return f"no task was found in {named}: {'; '.join(hints[kind] for kind in hints if kind in kinds)}."


def _ended(plan: Plan) -> Iterator[Ended]:
    for task in plan.tasks.values():
        is_flaky = task.verdict.is_good and task.failures + task.crashes > 0 and task.state.is_final
        yield Ended(task.spec.key, task.verdict, task.reason, is_flaky, task.state.is_final)


def exit_code(plan: Plan) -> Exit:
    """What a run that came to its end, or to a stop, means to whoever started it."""
    if not plan.is_over:
        return Exit.UNFINISHED
    verdicts = {task.verdict for task in plan.tasks.values()}
    return Exit.DONE if all(verdict.is_good for verdict in verdicts - {Verdict.NONE}) else Exit.FAILED


@contextmanager
def warnings_as_sentences(console: Console) -> Iterator[None]:
    """Warnings of the library are told as sentences; those of other code look as ever."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", PexenWarning)
        as_ever = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> Any:
            if not issubclass(category, PexenWarning):
                return as_ever(message, category, filename, lineno, file, line)
            console.err.line(f"pexen: warning: {safe(str(message))}")
            return None

        warnings.showwarning = show
        yield
