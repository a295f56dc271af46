"""One session of a run, from the tasks to the exit code: what `run`, `resume` and `rerun` have in common.

What it says at its begin is in `introduction`, what its end means in `ending`.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from pexen_state.box.cgroups import move_into_leaf
from pexen_state.cli import journals
from pexen_state.cli.app import App
from pexen_state.cli.errors import Exit, Interrupted, NothingToDo, UsageError
from pexen_state.cli.output import Console
from pexen_state.cli.running import following_up, introduction, permission
from pexen_state.cli.running.as_service import LOADING_S, NO_LIMIT_S, AsService
from pexen_state.cli.running.recorded import Recorded
from pexen_state.cli.running.reporter import Reporter
from pexen_state.cli.running.signals import Signals
from pexen_state.cli.running.watching import Watch
from pexen_state.cli.suite.left import HowLeft
from pexen_state.cli.suite.selection import Selection, told_why
from pexen_state.report import display
from pexen_state.report.text import safe
from pexen_state.suite.on_finish import OnFinish
from pexen_state.suite.session import conduct, pool_of
from pexen_state.suite.targets import Suite, told_where
from pexen_state.util import PexenWarning

if TYPE_CHECKING:
    from pexen_state.cli.running.options import Terms
    from pexen_state.sched.common import Opened, TaskRes
    from pexen_state.sched.planner import Sched


@dataclass(frozen=True, slots=True)
class Goal:
    """Which run the session is of: a new one, unless `run` says which one goes on."""

    run: int | None = None
    how_left: HowLeft | None = None  #: how its last session ended
    overrides: Collection[str] = ()  #: what is said anew about its tasks
    rerun_changed: bool = False
    parent: int | None = None  #: of a new run: whose tasks it runs again
    is_aside: bool = False  #: of a new run: unfinished ones stay, even if it has all tasks of the suite


NEW_RUN = Goal()


@dataclass
class Session:
    """Everything that is known before a session begins. The suite's tasks are those of the selection."""

    app: App
    suite: Suite
    selection: Selection
    journal: str
    recorded: Recorded
    terms: Terms
    here: str  #: where the command was typed, and the next one will be
    goal: Goal = NEW_RUN
    settings_file: str | None = None
    waits: bool = False  #: for a journal that somebody else holds
    _display: display.Display | None = field(default=None, init=False)
    _reporter: Reporter | None = field(default=None, init=False)
    _typical: Mapping[str, float] | None = field(default=None, init=False)  # seconds by key, once they are known
    _troubles: list[str] = field(default_factory=list, init=False)  # of reports
    _service: AsService = field(init=False)

    def __post_init__(self) -> None:
        self._service = AsService(self.app.manager)

    def run(self) -> Exit:
        """Run it, and say what became of it."""
        self._check(is_of_a_service=False)
        move_into_leaf()
        is_part = not self.selection.is_whole
        self.app.manager.ready()
        self.app.manager.busy(LOADING_S)
        with (
            warnings_as_sentences(self.app.console, self._say, is_part),
            told_where(self.selection.tasks),
            told_why(self.selection),
            permission.held(self.recorded.options),
        ):
            sched = self._sched()
            journals.prepare(self.journal)
            if self.waits:
                introduction.say_who_is_waited_for(self.journal, self.app.console)
            watch = Watch(sched)
            with Signals(sched, lambda: min(watch.in_flight, self.terms.workers)) as signals:
                sched.announce = lambda opened: self._announce(opened, signals, watch)
                sched.pulse = lambda: self._pulse(signals, watch)
                workers = min(self.terms.workers, len(self.selection.tasks))  # each of them costs a process
                try:
                    ended = conduct(
                        sched,
                        pool_of(self.terms.pool, workers),
                        self._take,
                        is_strict=self.terms.is_strict,
                        at_end=lambda _: self._finish_reports(),
                        after=self._after(signals),
                    )
                except KeyboardInterrupt:
                    raise Interrupted("interrupted before anything was started") from None
                finally:
                    if self._display is not None:
                        self._display.close()
        plan = sched.plan
        assert plan is not None
        assert self._display is not None
        self._display.summary(display.Summary(ended.run, list(ended.tasks), ended.seconds, ended.given_up))
        self._display.close()
        if (waiting := introduction.who_awaits_a_reboot(plan)) is not None:
            self.app.console.say(f"pexen: {waiting}")
        for trouble in self._troubles:
            self.app.console.err.line(f"pexen: warning: {trouble}")
        if ended.followed is not None:
            following_up.tell(self.app, ended.followed, self.here)
        return ended.code

    def record(self, ready: Callable[[], object]) -> int:
        """Write the run to the journal, run nothing of it, and return its number. `ready`: it will be written now."""
        self._check(is_of_a_service=True)
        with (
            warnings_as_sentences(self.app.console, is_part=not self.selection.is_whole),
            told_where(self.selection.tasks),
            told_why(self.selection),
        ):
            sched = self._sched()
            ready()
            journals.prepare(self.journal)
            return sched.record()

    def _check(self, *, is_of_a_service: bool) -> None:
        """Raises NothingToDo, and UsageError for what could not go well, before anything is written."""
        if not self.selection.tasks:
            raise NothingToDo(introduction.why_no_tasks(self.suite))
        options = self.recorded.options
        permission.check(options, self.journal, self.app.environ, is_of_a_service=is_of_a_service)
        if options.allow_reboot and self.goal.run is None:
            from pexen_state.cli.running import reboot_risks

            reboot_risks.tell(self.app)
        if options.reports is not None:
            from pexen_state.report.formats.writing import clash

            if (wrong := clash(options.reports, self.journal)) is not None:
                raise UsageError(wrong)

    def _take(self, result: TaskRes) -> None:
        assert self._display is not None
        self._service.result(result)
        self._display.result(result)

    def _after(self, signals: Signals) -> OnFinish | None:
        """What follows the end of the run, if anything does."""

        def started(group: int) -> None:
            signals.following(group)
            self.app.manager.busy(after_s)
            assert self._display is not None
            self._display.say(f"pexen: --on-finish: {safe(self.recorded.options.on_finish or '')}")

        after = following_up.of_options(self.recorded.options, os.getcwd(), dict(os.environ))
        if after is None:
            return None
        after_s = after.limit_s + LOADING_S if after.limit_s is not None else NO_LIMIT_S
        return after._replace(started=started)

    def _usual(self) -> Mapping[str, float]:
        """Seconds by key, if anybody wants to know."""
        from pexen_state.sched.identity import key_of

        if self.terms.order != "longest" or not os.path.exists(self.journal):
            return {}
        self._typical = introduction.typical_of(self.journal, self.suite.name)
        return introduction.with_rounds(self._typical or {}, map(key_of, self.selection.tasks))

    def _sched(self) -> Sched:
        from pexen_state.sched.groups import Group
        from pexen_state.sched.planner import Sched
        from pexen_state.sched.specs import Defaults

        options = self.recorded.options
        selection = self.selection
        return Sched(
            selection.ordinary,
            journal=self.journal,
            name=self.suite.name,
            resume=False,
            run_id=self.goal.run,
            defaults=Defaults(timeout=self.terms.timeout, retries=self.terms.retries),
            target=introduction.targets_in_words(self.suite),
            options=self.recorded.as_json(),
            capture=True,
            max_fail=self.terms.max_fail,
            run_timeout=self.terms.run_timeout,
            order=self.terms.order,
            usual=self._usual(),
            parent=self.goal.parent,
            supersedes=self.selection.is_whole and not self.goal.is_aside,
            overrides=self.goal.overrides,
            rerun_changed=self.goal.rerun_changed,
            wait_for_journal=self.waits,
            may_reboot=bool(options.allow_reboot),
            reboot_command=options.reboot_command,
            max_boots=options.max_boots or 0,
            park=True,
            kernel=not self.suite.is_a_list,
            catalogue=selection.taken,
            chosen=selection.chosen,
            no_deps=selection.no_deps,
            skip_passed_in=options.skip_if_passed_in,
            groups=[Group(name, **said) for name, said in (options.groups or {}).items()],
        )

    def _announce(self, opened: Opened, signals: Signals, watch: Watch) -> None:
        from pexen_state.journal.paths import JournalPaths

        console = self.app.console
        passed_in = self.recorded.options.skip_if_passed_in
        command = f"pexen{journals.option_for(self.journal, self.app.journal, self.here, self.app.environ)}"
        looks = display.Looks(
            console.style, command, self.terms.show_output, console.quiet, is_verbose=self.app.common.verbose
        )
        if self._typical is None:  # nobody has asked yet, or the journal had to be brought up to date first
            self._typical = introduction.typical_of(self.journal, self.suite.name)
        past = introduction.past_of(self._typical, watch.keys(), self.terms.workers)
        self._display = display.make(console.out, console.err, looks, watch.look, past=past)
        signals.opened(self._display)
        self._service.opened(opened.run_id, self.suite.name)
        self._display.header(
            introduction.header(
                opened,
                self.terms,
                journals.shown(self.journal, self.here),
                (
                    *introduction.before(
                        opened, self.goal.how_left, self.selection, self.settings_file, self.here, passed_in
                    ),
                    *introduction.beside(opened, self.journal, command),
                ),
            )
        )
        if (files := self.recorded.options.reports) is not None:
            self._reporter = Reporter(self.journal, opened.run_id, files)
        journals.link_latest(self.journal, JournalPaths.of(self.journal).run_dir(opened.run_id))

    def _finish_reports(self) -> None:
        """What cannot be written is no fault of the run, and does not change what it ended with."""
        self.app.manager.busy(LOADING_S)
        self._troubles += self._reporter.finish() if self._reporter is not None else ()

    def _pulse(self, signals: Signals, watch: Watch) -> None:
        self._service.pulse(watch.look, signals.is_stopping)
        if self._display is not None:
            if (news := watch.news()) is not None:
                self._display.say(news)
            self._display.pulse()

    def _say(self, text: str) -> bool:
        """Above the bar, if there is one."""
        if self._display is None:
            return False
        self._display.say(text)
        return True


@contextmanager
def warnings_as_sentences(console: Console, say: Any = None, is_part: bool = False) -> Iterator[None]:
    """Warnings of the library are told as sentences; those of other code look as ever.

    `say` takes a sentence, and returns whether it will be shown. `is_part`: names that nobody requires are no surprise
    where only a part of a suite runs.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("always", PexenWarning)
        if is_part:
            warnings.filterwarnings("ignore", message="Dep .* provided by .*, but not required", category=PexenWarning)
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
            sentence = f"pexen: warning: {safe(str(message))}"
            if say is None or not say(sentence):
                console.err.line(sentence)
            return None

        warnings.showwarning = show
        yield
