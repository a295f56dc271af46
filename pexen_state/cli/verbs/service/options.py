"""What `service install` and `service print` have in common: the options, and the service that they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from pexen_state.cli.app import App
from pexen_state.cli.headings import Grouped

if TYPE_CHECKING:
    from pexen_state.service.installed import Installed
    from pexen_state.service.names import Scope
    from pexen_state.service.values import Service, Starts

scope_option = click.option(
    "--user/--system", "is_user", default=None, help="One of your own, or one of the box [as root: --system]."
)

_OPTIONS = {
    "Which service": (scope_option,),
    "What it may": (
        click.option(
            "--allow-reboot", is_flag=True, help="All its runs may reboot the box [those that were begun so]."
        ),
        click.option(
            "--boot-grace",
            metavar="D",
            help="After a boot, wait before a run that may reboot goes on; or none [30s].",
        ),
        click.option("--harden", is_flag=True, help="Take from it all that a suite without rights does not need."),
    ),
    "How it stands": (
        click.option(
            "--failures-fail-unit", is_flag=True, help="Failed tasks make it a failed unit [only exit code 1]."
        ),
        click.option("--after", metavar="UNIT", multiple=True, help="Start it after UNIT, which is started, too."),
    ),
    "New runs": (
        click.option(
            "--on-calendar", metavar="C", help="Begin a run of TARGET then, such as 'Mon..Fri 02:00' (systemd.time)."
        ),
        click.option(
            "--if-unfinished",
            type=click.Choice(("resume", "new", "skip")),
            help="If the last one is unfinished then: go on with it, begin another, or do nothing [resume].",
        ),
        click.option("--on-finish", metavar="CMD", help="Run CMD by /bin/sh when a run has come to its end."),
    ),
}
_NAMES = {
    "Which service": ("is_user", "journal"),
    "What it may": ("allow_reboot", "boot_grace", "harden"),
    "How it stands": ("failures_fail_unit", "after"),
    "New runs": ("on_calendar", "if_unfinished", "on_finish"),
}


def service_command(name: str, short_help: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Makes a verb of a function that takes NAME, TARGET... and these options."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        for group in reversed(_OPTIONS.values()):
            for option in reversed(group):
                function = option(function)
        function = click.argument("targets", metavar="[TARGET...]", nargs=-1)(function)
        function = click.argument("service", metavar="NAME")(function)
        return click.command(name, short_help=short_help, cls=Grouped, headings=_NAMES)(function)

    return decorate


def wanted(app: App, name: str, targets: tuple[str, ...], typed: Mapping[str, Any]) -> tuple[Service, Scope]:
    """The service that was asked for. Raises UsageError and UnitError."""
    from pexen_state.cli import services
    from pexen_state.service import names
    from pexen_state.service.installed import in_scope
    from pexen_state.service.values import Service

    names.checked_name(name)
    scope = scope_of(app, typed["is_user"])
    before = next((one for one in in_scope(scope) if one.service.name == name), None)
    starts = _starts(app, targets, typed)
    journal, is_in_state = _journal(app, name, scope, before, targets)
    return Service(
        name=name,
        journal=journal,
        python=services.python_words(),
        is_user=scope.is_user,
        has_state_directory=is_in_state and not scope.is_user,
        harden=typed["harden"],
        allow_reboot=typed["allow_reboot"],
        boot_grace=_grace(typed["boot_grace"]),
        failures_fail_unit=typed["failures_fail_unit"],
        after=tuple(typed["after"]),
        starts=starts,
    ), scope


def scope_of(app: App, is_user: bool | None) -> Scope:
    from pexen_state.service import names

    if is_user is None:
        return names.own_scope(app.environ)
    return names.user_scope(app.environ) if is_user else names.SYSTEM


def _journal(app: App, name: str, scope: Scope, before: Installed | None, targets: tuple[str, ...]) -> tuple[str, bool]:
    """Its path, and whether it is in the state directory of the service."""
    from pexen_state.cli import journals, services, settings
    from pexen_state.cli.running.session import warnings_as_sentences
    from pexen_state.suite import targets as loading

    state = services.state_journal(name, scope, app.environ)
    if app.journal or app.environ.get("PEXEN_JOURNAL"):
        found = journals.find(app.journal, environ=app.environ)
        assert found is not None
        return found.path, found.path == state
    if before is not None:
        return before.service.journal, before.service.journal == state
    if targets:
        with warnings_as_sentences(app.console):
            parsed = loading.parse(targets)
            said = settings.of_roots(map(loading.root_of, parsed), loading.owners_of(parsed))
            return journals.for_run(None, loading.common_root(parsed), said.journal), False
    there = journals.find(None, environ=app.environ)
    return (there.path, False) if there is not None else (state, True)


def _starts(app: App, targets: tuple[str, ...], typed: Mapping[str, Any]) -> Starts | None:
    from pexen_state.cli.errors import UsageError
    from pexen_state.cli.running.recorded import surroundings
    from pexen_state.report.text import safe
    from pexen_state.service.values import Starts

    calendar = typed["on_calendar"]
    if calendar is None:
        for option in ("if_unfinished", "on_finish"):
            if typed[option] is not None:
                raise UsageError(
                    f"--{option.replace('_', '-')} is about new runs: say when they begin, --on-calendar C"
                )
        if targets:
            raise UsageError(f"when is {safe(targets[0])} to be run? Say --on-calendar C, such as 'Mon..Fri 02:00'")
        return None
    if not targets:
        raise UsageError("--on-calendar: say what is to be run then: pexen service install NAME TARGET --on-calendar C")
    if any(target in ("-", "cmds:-") for target in targets):
        raise UsageError("standard input cannot be read again at each run: name a file that ends in .jobs or .jsonl")
    _check_calendar(calendar)
    around = surroundings()
    return Starts(
        calendar,
        targets,
        around["directory"],
        {key: value for key, value in around["environment"].items() if key != "PYTHONPATH"},
        typed["if_unfinished"] or "resume",
        typed["on_finish"],
    )


def _check_calendar(calendar: str) -> None:
    """Raises UsageError for what systemd does not understand; says nothing if it cannot be asked."""
    import subprocess

    from pexen_state.cli.errors import UsageError
    from pexen_state.report.text import safe
    from pexen_state.service.names import checked_text

    checked_text(calendar, "--on-calendar")
    try:
        done = subprocess.run(
            ["systemd-analyze", "calendar", "--", calendar],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )
    except OSError:
        return
    if done.returncode:
        raise UsageError(f"--on-calendar: {safe(calendar)!r} is no time of systemd.time(7), such as 'Mon..Fri 02:00'")


def _grace(said: str | None) -> str | None:
    from pexen_state.cli.errors import UsageError
    from pexen_state.words import seconds_of

    if said is None or said in ("0", "none"):
        return said
    try:
        seconds_of(said)
    except ValueError as error:
        raise UsageError(f"--boot-grace: {error}") from error
    return said
