"""What every verb has: the journal that was named, the console, and the options that stand before or after the verb."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import click

from pexen_state.box.notify import ServiceManager
from pexen_state.cli.output import Console

COLOURS = ("auto", "always", "never")


@dataclass(frozen=True, slots=True)
class Common:
    """The options that are common to all verbs, as typed."""

    journal: str | None = None
    colour: str | None = None
    verbose: bool = False
    quiet: bool = False

    def overridden_by(self, other: Common) -> Common:
        """Those after the verb win over those before it."""
        return replace(
            self,
            journal=other.journal if other.journal is not None else self.journal,
            colour=other.colour or self.colour,
            verbose=other.verbose or self.verbose,
            quiet=other.quiet or self.quiet,
        )


@dataclass(frozen=True, slots=True)
class App:
    """Handed to every verb."""

    common: Common
    console: Console
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))  #: as it was typed in
    manager: ServiceManager = field(default_factory=lambda: ServiceManager.of(os.environ))

    @property
    def journal(self) -> str | None:
        return self.common.journal


_OPTIONS = (
    click.option(
        "--journal",
        metavar="PATH",
        help="The journal, or @NAME of a service; $PEXEN_JOURNAL, or the nearest .pexen/journal.db.",
    ),
    click.option("--color", "colour", type=click.Choice(COLOURS), help="Colours; auto: on a terminal."),
    click.option("-v", "--verbose", is_flag=True, help="Show the traceback of an error."),
    click.option("-q", "--quiet", is_flag=True, help="Say only what is wrong, and the summary."),
)


def common_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options, without doing anything with them."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def verb(function: Callable[..., int]) -> Callable[..., Any]:
    """Makes a function the body of a verb: it is given an App first, and returns the exit code."""

    @functools.wraps(function)
    def body(
        journal: str | None,
        colour: str | None,
        verbose: bool,
        quiet: bool,
        **arguments: Any,
    ) -> int:
        root = click.get_current_context().find_root()
        before = root.obj if isinstance(root.obj, Common) else Common()
        common = before.overridden_by(Common(journal, colour, verbose, quiet))
        root.obj = common
        return function(App(common, Console(common.colour or "auto", common.quiet)), **arguments)

    return common_options(body)
