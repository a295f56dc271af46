"""What a person sees of a run while it goes on: the values that are shown, the protocol, and the choice of a display.

Four displays tell the same: `lines` for logs and pipes, `ci` for a CI system that folds and annotates, `journald` for
the journal of systemd, `live` for a terminal. None of them decides anything, knows of scheduling, or starts a thread:
the runner forks. All text that comes from tasks is made safe by them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from pexen_state.box.journald import Journald
from pexen_state.core.states import Verdict
from pexen_state.report.style import Style

SHOW_OUTPUT = ("failed", "all", "none")

#: Verdicts that make a run fail, as words.


class Result(Protocol):
    """What is read of a task's result."""

    key: str | None
    verdict: str
    attempt: int
    reason: str | None
    seconds: float | None
    output: str | None
    replayed: bool


class Running(NamedTuple):
    """A task that runs now."""

    key: str
    seconds: float  #: since it began


class Progress(NamedTuple):
    """Where the run stands at one instant."""

    unfinished: int  #: tasks that have not ended
    running: tuple[Running, ...] = ()  #: the longest first, at most 8
    in_flight: int = 0  #: those that run, and those that were handed over and wait for a worker
    tasks: int = 0  #: all that the run has by now; 0: as many as it had when it began


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


class Summary(NamedTuple):
    """What became of all tasks of a run, those of earlier sessions included."""

    run: int
    ended: Sequence[Ended]
    seconds: float  #: of this session, or of the whole run: whatever the caller means to say
    given_up: str | None = None  #: the sentence why the run was given up


class Sink(Protocol):
    """Where a display writes to."""

    @property
    def is_terminal(self) -> bool: ...

    @property
    def encoding(self) -> str:
        """Which characters of our own may be used."""

    @property
    def is_gone(self) -> bool:
        """Nobody reads any more: it takes everything, and does nothing."""

    def fileno(self) -> int: ...

    def write(self, text: str) -> None: ...

    def flush(self) -> None: ...


class Looks(NamedTuple):
    """What all displays are told of how it is to look."""

    style: Style
    command: str  #: what a person types for pexen and its journal
    show_output: str = "failed"  #: one of SHOW_OUTPUT
    is_quiet: bool = False  #: only what is wrong, and the summary
    is_verbose: bool = False  #: on a terminal: what passed, too


class Display(Protocol):
    """Told what happens, in the run's own thread. Between `header` and `close` nobody else writes to its sinks.

    `restore` is what a signal handler has to write to standard output before it ends the process at once.
    """

    restore: bytes

    def header(self, header: Header) -> None: ...

    def result(self, result: Result) -> None:
        """One task has ended. What an earlier session has shown already (`replayed`) is only counted."""

    def pulse(self) -> None:
        """Something was committed, or some time went by. Cheap when it is too early for a frame."""

    def say(self, text: str) -> None:
        """Show a sentence with the next pulse or result. May be called by a signal handler."""

    def summary(self, summary: Summary) -> None: ...

    def close(self) -> None:
        """Leave the terminal as it was. May be called more than once, and at any time."""


class Past(NamedTuple):
    """What is known of the time that tasks take: the usual seconds by key, the keys of all tasks of the run."""

    typical: Mapping[str, float] = {}
    keys: Iterable[str] = ()
    workers: int = 1


def make(
    out: Sink,
    err: Sink,
    looks: Looks,
    look: Callable[[], Progress],
    *,
    past: Past = Past(),  # noqa: B008  # a value
    environ: Mapping[str, str] = os.environ,
    clock: Callable[[], float] = time.monotonic,
) -> Display:
    """The display for these streams. `look` is called when a frame is drawn, never more than ten times a second.

    Results go to `out`, what is said goes to `err`, but for a terminal, where both stand above one bar.
    """
    from pexen_state.report.display.pace import Pace

    pace = Pace(past.typical, past.keys, past.workers)
    if environ.get("GITHUB_ACTIONS") == "true":
        from pexen_state.report.display.ci import GithubLines

        return GithubLines(out, err, looks, look, pace, clock)
    if out.is_terminal and not looks.is_quiet and environ.get("TERM", "dumb") != "dumb" and not _is_ci(environ):
        from pexen_state.report.display.live import Live

        return Live(out, err, looks, look, pace, clock)
    if (journald := Journald.behind(out.fileno(), environ)) is not None:
        from pexen_state.report.display.journald import JournaldLines

        return JournaldLines(journald, out, err, looks, look, pace, clock)
    from pexen_state.report.display.lines import Lines

    return Lines(out, err, looks, look, pace, clock)


def _is_ci(environ: Mapping[str, str]) -> bool:
    return environ.get("CI", "").lower() not in ("", "0", "false", "no")
