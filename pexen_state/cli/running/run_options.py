"""The options of `run`, `resume` and `rerun` as they are typed, and what is made of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click

from pexen_state.cli.errors import UsageError
from pexen_state.cli.running.options import EXIT_CODES, POOLS, SHOW_OUTPUT, Options, check, shell_of
from pexen_state.report.formats.kinds import KINDS

_MOST = 10**9


class _Count(click.ParamType):  # type: ignore[type-arg]  # generic only in newer versions
    """A number, 0 or more. click's own range would stand in the help."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        if not (text.isascii() and text.isdecimal()) or len(text) > 10 or int(text) > _MOST:
            self.fail(f"{text!r} is not a number, 0 or more", param, ctx)
        return int(text)


_COUNT = _Count()

#: What describes how a run goes, under the headings of the help, in the order of the help.
_OPTIONS: dict[str, dict[str, Callable[[Any], Any]]] = {
    "How": {
        "jobs": click.option(
            "-j",
            "--jobs",
            metavar="N|auto",
            help="Tasks at once [1; for task lists auto: the processors that may be used].",
        ),
        "order": click.option(
            "--order",
            metavar="ORDER",
            help="Of one priority first: declared, longest (path to the end), or random[:SEED] "
            "[longest; declared for one task at once].",
        ),
        "pool": click.option("--pool", type=click.Choice(POOLS), help="Where python tasks run [process]."),
        "retries": click.option(
            "--retries", metavar="N", type=_COUNT, help="Try a task that failed again, so often [0]."
        ),
        "exit_codes": click.option(
            "--exit-codes",
            type=click.Choice(EXIT_CODES),
            help="What exit statuses mean [automake for trees, plain for task lists].",
        ),
        "shell": click.option("--shell", metavar="SH", help="The shell of task lists [/bin/sh]."),
    },
    "Limits": {
        "timeout": click.option(
            "--timeout",
            metavar="D",
            help="Time limit of one attempt, such as 90, 5m, 1h30m or none [1h; none for task lists].",
        ),
        "run_timeout": click.option(
            "--run-timeout", metavar="D", help="Time limit of the run, all its sessions together, or none [none]."
        ),
        "fail_fast": click.option("-x", "--fail-fast", is_flag=True, help="Give up at the first failure."),
        "max_fail": click.option(
            "--max-fail", metavar="N", type=_COUNT, help="Give up when N tasks have failed [0: never]."
        ),
        "strict": click.option(
            "--strict/--no-strict", default=None, help="A warning counts as a failure for the exit code [no]."
        ),
    },
    "Reboots": {
        "allow_reboot": click.option(
            "--allow-reboot/--no-reboot", default=None, help="Tasks may have the box rebooted [no]."
        ),
        "resume_by_hand": click.option(
            "--resume-by-hand/--no-resume-by-hand",
            default=None,
            help="Nothing need go on with the run after a reboot: you do, by `pexen resume` [no].",
        ),
        "reboot_command": click.option(
            "--reboot-command", metavar="CMD", help="What reboots the box [systemctl reboot, or reboot]."
        ),
        "max_boots": click.option("--max-boots", metavar="N", type=_COUNT, help="Boots that the run may have [100]."),
    },
    "At the end": {
        "on_finish": click.option(
            "--on-finish",
            metavar="CMD",
            help="Run CMD by /bin/sh when the run has come to its end; PEXEN_EXIT_CODE and others tell it how.",
        ),
        "on_finish_timeout": click.option(
            "--on-finish-timeout", metavar="D", help="Time limit of that, or none [10m]."
        ),
    },
    "Environment": {
        "params": click.option(
            "-P",
            "--param",
            "params",
            metavar="KEY=VALUE",
            multiple=True,
            help="Set a parameter of the run, which tasks can read: PEXEN_PARAM_KEY. It is kept in the journal.",
        ),
        "resources": click.option(
            "--resource",
            "resources",
            metavar="NAME=N",
            multiple=True,
            help="How much of a resource there is, for tasks that need some (2, or 4G) [cpus and memory of the box].",
        ),
        "params_file": click.option(
            "--params",
            "params_file",
            metavar="FILE",
            help="Set those of a file of TOML, or of JSON (.json); -P comes before it. They are kept in the journal.",
        ),
        "env": click.option(
            "-e",
            "--env",
            metavar="NAME=VALUE",
            multiple=True,
            help="Set a variable for the tasks; NAME alone keeps the value of now. It is kept in the journal.",
        ),
        "env_file": click.option(
            "--env-file",
            metavar="FILE",
            help="Set those of a file of NAME=VALUE lines, read anew at each resume and kept nowhere: for secrets.",
        ),
    },
    "What is shown": {
        "show_output": click.option(
            "--show-output",
            type=click.Choice(SHOW_OUTPUT),
            help="Whose output is shown, too [failed].",
        ),
    },
    "Reports, while it runs": {
        kind: click.option(f"--{kind}", metavar="FILE", help=about.help) for kind, about in KINDS.items()
    },
    "Journal": {
        "wait": click.option("--wait", is_flag=True, help="Wait for a journal that another process holds."),
    },
}

_COMMON = {"What is shown": ("colour", "verbose", "quiet"), "Journal": ("journal",)}

#: What cannot be said anew of a run that goes on: it is in what its tasks are.
_OF_NEW_RUNS = ("exit_codes", "shell")


def headings(**more: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """For `Grouped`. `more` are names of options that only one verb has, by heading, with `_` for a space."""
    extra = {heading.replace("_", " "): names for heading, names in more.items()}
    order = [*(heading for heading in extra if heading not in _OPTIONS), *_OPTIONS]
    return {
        heading: (*_OPTIONS.get(heading, {}), *extra.get(heading, ()), *_COMMON.get(heading, ())) for heading in order
    }


def session_options(is_new: bool) -> Callable[[click.decorators.FC], click.decorators.FC]:
    """What `run` takes, and what `resume` and `rerun` may say anew."""

    def decorate(function: click.decorators.FC) -> click.decorators.FC:
        for group in reversed(_OPTIONS.values()):
            for name, option in reversed(group.items()):
                if is_new or name not in _OF_NEW_RUNS:
                    function = option(function)
        return function

    return decorate


def options_of(typed: Mapping[str, Any]) -> Options:
    """What was typed, understood as far as that is possible without looking at the suite. Raises UsageError."""
    from pexen_state.cli.running import environment

    max_fail = typed["max_fail"]
    if typed["fail_fast"]:
        if max_fail is not None:
            raise UsageError("-x is --max-fail 1: say one of them")
        max_fail = 1
    shell, env_file = typed.get("shell"), typed["env_file"]
    options = Options(
        jobs=typed["jobs"],
        order=order_of(typed["order"]),
        pool=typed["pool"],
        timeout=typed["timeout"],
        run_timeout=typed["run_timeout"],
        retries=typed["retries"],
        max_fail=max_fail,
        show_output=typed["show_output"],
        reports=reports_of(typed) or None,
        strict=typed["strict"],
        exit_codes=typed.get("exit_codes"),
        shell=_shell(shell) if shell is not None else None,
        allow_reboot=typed["allow_reboot"],
        resume_by_hand=typed["resume_by_hand"],
        reboot_command=typed["reboot_command"],
        max_boots=typed["max_boots"],
        on_finish=typed["on_finish"],
        on_finish_timeout=typed["on_finish_timeout"],
        params=params_of(typed),
        resources=amounts_of(typed.get("resources") or ()) or None,
        env=environment.typed(typed["env"]) or None,
        env_file=os.path.abspath(env_file) if env_file is not None else None,
    )
    check(options)
    return options


def order_option(function: click.decorators.FC) -> click.decorators.FC:
    """What comes first, for who only looks."""
    return _with(function, "How", "order")


def param_options(function: click.decorators.FC) -> click.decorators.FC:
    """Those that set parameters, for who only looks."""
    return _with(function, "Environment", "params", "params_file")


def _with(function: click.decorators.FC, heading: str, *names: str) -> click.decorators.FC:
    for name in reversed(names):
        function = _OPTIONS[heading][name](function)
    return function


def params_of(typed: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """None if there is none. Raises UsageError."""
    from pexen_state.cli.running import parameters

    file = typed["params_file"]
    params = {**(parameters.of_file(file) if file is not None else {}), **parameters.typed(typed["params"])}
    parameters.check_variables(params)
    return params or None


def reports_of(typed: Mapping[str, Any]) -> dict[str, str]:
    """By kind, the absolute path of a file. Raises UsageError."""
    from pexen_state.cli.journals import current_directory

    found = {kind: typed[kind] for kind in KINDS if typed[kind] is not None}
    for kind, file in found.items():
        if file in ("", "-"):
            raise UsageError(f"--{kind}: a run writes into a file. `pexen report --{kind} -` prints it afterwards.")
    return {kind: os.path.join(current_directory(), file) for kind, file in found.items()}


def _shell(said: str) -> str:
    from pexen_state.cli.journals import current_directory

    try:
        return shell_of(said, current_directory())
    except UsageError as error:
        raise UsageError(f"--shell: {error}") from None


def order_of(said: str | None) -> str | None:
    """A random one has its seed. Raises UsageError."""
    if said is None:
        return None
    from pexen_state.sched.common import SchedulerError
    from pexen_state.sched.order import checked_order

    try:
        return checked_order(said)
    except SchedulerError as error:
        raise UsageError(f"--order: {error}") from None


def amounts_of(words: Iterable[str]) -> dict[str, int]:
    """`gpu=2`, `memory=4G`. Raises UsageError."""
    from pexen_state.report.text import safe
    from pexen_state.words import bytes_of

    found: dict[str, int] = {}
    for word in words:
        name, _, amount = word.partition("=")
        try:
            found[name] = bytes_of(int(amount) if amount.isdecimal() else amount)
        except ValueError:
            found[name] = 0
        if not name or not found[name]:
            raise UsageError(
                f"--resource {safe(word)}: say how much there is, --resource NAME=N (such as gpu=2, memory=4G)"
            )
    return found
