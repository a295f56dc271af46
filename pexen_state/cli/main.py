"""The command `pexen`: its verbs by group, each loaded when it is asked for, and how every ending becomes an exit code.

Nothing of weight is imported here: `pexen --help` and shell completion have to be quick.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn

import click

from pexen_state import __version__
from pexen_state.box.scarcity import in_words
from pexen_state.cli.app import Common, common_options
from pexen_state.cli.errors import Exit, exit_code_of
from pexen_state.cli.output import finish, note, take_trouble
from pexen_state.util import PexenError


class Verb(NamedTuple):
    group: str
    help: str
    place: str  #: module:function


#: All verbs there are, in the order of `--help`.
VERBS = {
    "run": Verb("Run", "Run a suite: a directory of executables, one of them, python, or a task list.", "run:run"),
    "resume": Verb("Run", "Go on with what is unfinished.", "resume:resume"),
    "rerun": Verb("Run", "Run the tasks of an earlier run again.", "rerun:rerun"),
    "list": Verb("Look", "List the tasks of a suite as a tree.", "list:list_tasks"),
    "plan": Verb("Look", "Show in which order a suite would run, and how long that would take.", "plan:plan"),
    "runs": Verb("Look", "List the runs of the journal.", "runs:runs"),
    "status": Verb("Look", "Show how far a run is.", "status:status"),
    "show": Verb("Look", "Show a run and its tasks, or one task and its attempts.", "show:show"),
    "why": Verb("Look", "Explain why a task is where it is.", "why:why"),
    "locks": Verb("Look", "Show who holds which lock, and who waits for it.", "locks:locks"),
    "logs": Verb("Look", "Show what tasks printed.", "logs:logs"),
    "events": Verb("Look", "Print transitions and results as JSON lines.", "events:events"),
    "sql": Verb("Look", "Ask the journal a question in SQL.", "sql:sql"),
    "report": Verb("Look", "Write a run in the formats of other tools.", "report:report"),
    "diff": Verb("Look", "Compare two runs.", "diff:diff"),
    "history": Verb("Look", "Show one task through all runs.", "history:history"),
    "flaky": Verb("Look", "List tasks that pass and fail by turns.", "flaky:flaky"),
    "slowest": Verb("Look", "List the tasks that take longest.", "slowest:slowest"),
    "facts": Verb("Look", "Show the facts about the box that conditions may ask for.", "facts:facts"),
    "pause": Verb("Steer", "Start nothing new; `pexen resume` goes on.", "pause:pause"),
    "cancel": Verb("Steer", "End a run, or one of its tasks.", "cancel:cancel"),
    "unlock": Verb("Steer", "Free a lock that a failed task left held.", "unlock:unlock"),
    "db": Verb("Journal", "Look after the journal file.", "db:db"),
    "service": Verb("Journal", "Run suites as services of systemd.", "service:service"),
    "doctor": Verb(
        "Journal", "Examine the box and the journal: what would hurt a run, and what mends it.", "doctor:doctor"
    ),
    "completion": Verb("Journal", "Print the completion script of a shell.", "completion:completion"),
}

#: What these do is in the journal. They go on when standard output cannot be written to.
_RUNNING = ("run", "resume", "rerun")


class Verbs(click.Group):
    """The verbs, loaded lazily and listed by group."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        found = VERBS.get(name)
        if found is None:
            return None
        module, _, function = found.place.partition(":")
        command = getattr(importlib.import_module(f"pexen_state.cli.verbs.{module}"), function)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from pexen_state.report.text import safe
            from pexen_state.words import did_you_mean

            ctx.fail(f"there is no command {safe(args[0])!r}.{did_you_mean(args[0], VERBS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for name, verb in VERBS.items():
            groups.setdefault(verb.group, []).append((name, verb.help))
        for group, rows in groups.items():
            with formatter.section(group):
                formatter.write_dl(rows)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pexen", message="%(prog)s %(version)s")
@common_options
@click.pass_context
def pexen(context: click.Context, journal: str | None, colour: str | None, verbose: bool, quiet: bool) -> None:
    """Run tasks in order, in parallel, under locks. Kill it, reboot the box: `pexen resume` goes on."""
    context.obj = Common(journal, colour, verbose, quiet)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The entry point. Ends the process with a documented exit code, without a traceback for a user's mistake."""
    open_standard_descriptors()
    if asked := os.environ.get("_PEXEN_COMPLETE"):  # by the script of `pexen completion`
        from pexen_state.cli.completing import complete

        sys.exit(complete(asked))
    code = execute(list(sys.argv[1:] if arguments is None else arguments))
    finish(sys.stderr, 2)  # python would complain about it at its end, with an exit code of its own
    _spare_a_last_look()
    sys.exit(code)


def _spare_a_last_look() -> None:
    """At its end python looks through all that is loaded for circles, which takes a sixth of a short run's time. Only
    what tasks in threads of this process have left open may be written by that.
    """
    if "pexen_state.sched.pool.thread" not in sys.modules:
        gc.freeze()


def open_standard_descriptors() -> None:
    """Whoever started us may have closed some. The next file that is opened, the journal, must not take their place."""
    for descriptor, mode in ((0, "r"), (1, "w"), (2, "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if mode == "r" else os.O_WRONLY)  # takes the lowest that is free
            name = ("stdin", "stdout", "stderr")[descriptor]
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - for good


@dataclass
class _Asked:
    """What is known of the command, also when it fails."""

    common: Common = field(default_factory=Common)
    verb: str | None = None


def execute(arguments: list[str]) -> int:
    """Run the command, write what it still buffers, and return its exit code."""
    asked = _Asked()
    code = _execute(arguments, asked)
    finish(sys.stdout, 1)
    trouble = take_trouble()
    if trouble is None:
        return code
    _tell(f"standard output cannot be written to: {trouble.strerror}", False)
    return code if asked.verb in _RUNNING else Exit.BROKEN


def _execute(arguments: list[str], asked: _Asked) -> int:
    try:
        with pexen.make_context("pexen", arguments) as context:
            try:
                code = pexen.invoke(context)
            finally:
                asked.common = context.obj if isinstance(context.obj, Common) else asked.common
                asked.verb = context.invoked_subcommand
        return int(code or Exit.DONE)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return Exit.USAGE
    except click.ClickException as error:
        return _misused(error)
    except PexenError as error:
        _tell(str(error), asked.common.verbose)
        return exit_code_of(error)
    except (KeyboardInterrupt, click.Abort):
        _tell("interrupted", asked.common.verbose)
        return Exit.UNFINISHED
    except BrokenPipeError:
        return Exit.DONE  # whoever read had enough
    except Exception as error:  # noqa: BLE001 - the last place where a fault of pexen itself can be told
        if _is_of_click(error):
            return Exit.BROKEN if note(error, 1) else Exit.DONE  # `execute` tells why
        if isinstance(error, OSError) and (words := in_words(error)) is not None:
            _tell(words, asked.common.verbose)
            return Exit.BROKEN
        if (damage := _damage(asked.common)) is not None:
            _tell(damage, asked.common.verbose)
            return Exit.BROKEN
        _tell(
            f"pexen itself failed: {type(error).__name__}: {error}. This is a fault of pexen, please report it.", True
        )
        return Exit.BROKEN


def _damage(common: Common) -> str | None:
    """What is wrong with the journal, if it is that: SQLite gives whatever a damaged file holds, such as a number for
    a name, and no verb looks at each value that it is given.
    """
    from pexen_state.cli import journals
    from pexen_state.journal.care.check import check
    from pexen_state.journal.errors import JournalError, corrupt
    from pexen_state.journal.lock import is_held

    try:
        found = journals.find(common.journal)
        if found is None or is_held(found.path):  # what is being written may look odd
            return None
        wrong = check(found.path)
        return str(corrupt(found.path, wrong[0].what)) if wrong else None
    except JournalError as error:
        return str(error)
    except Exception:  # noqa: BLE001 - then the first fault is told
        return None


def _is_of_click(error: Exception) -> bool:
    """Whether click could not write its help or the version. It writes past our streams."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return isinstance(error, OSError) and at is not None and at.tb_frame.f_globals.get("__name__") == "click.utils"


def _misused(error: click.ClickException) -> int:
    from pexen_state.report.text import safe

    hint = ""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        hint = f"\nTry: {error.ctx.command_path} --help"
    _write(f"pexen: {safe(error.format_message())}{hint}")
    return Exit.USAGE


def _tell(message: str, with_traceback: bool) -> None:
    """An error as a sentence; its own line breaks are kept, what is in them is made safe."""
    from pexen_state.report.text import safe

    lines = [safe(line) for line in message.split("\n")]
    if with_traceback:
        lines += [safe(line) for line in traceback.format_exc().rstrip().split("\n")]
    _write("\n".join([f"pexen: {lines[0]}", *lines[1:]]))


def _write(text: str) -> None:
    from pexen_state.cli.output import Stream

    Stream(sys.stderr, 2).line(text)
