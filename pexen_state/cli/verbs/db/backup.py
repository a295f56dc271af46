"""`pexen db backup`: a copy of the journal, also while a run goes on."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import click

from pexen_state.cli.app import App, verb

if TYPE_CHECKING:
    import sqlite3


@click.command(short_help="Copy the journal, also while a run goes on.")
@click.argument("target", metavar="[FILE|-]", required=False)
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@verb
def backup(app: App, target: str | None, force: bool) -> int:
    """Copy the journal, also while a run goes on.

    FILE is a file to be made [beside the journal, with the date in its name]; - is standard output. The output of
    tasks is not in it.
    """
    from pexen_state.cli import journals
    from pexen_state.cli.resolve import looking
    from pexen_state.cli.verbs.db.target import check_target, size
    from pexen_state.journal.care.copies import copy

    here = journals.current_directory()
    with looking(app) as (path, connection):
        if target == "-":
            return _to_standard_output(app, path, connection)
        at = os.path.abspath(target) if target is not None else f"{path}.backup-{time.strftime('%Y-%m-%d-%H%M%S')}"
        check_target(at, path, force)
        copy(connection, at)
    app.console.out.line(
        f"{journals.shown(path, here)}: copied to {journals.shown(at, here)}, {size(os.stat(at).st_size)}"
    )
    return 0


def _to_standard_output(app: App, path: str, connection: sqlite3.Connection) -> int:
    from pexen_state.cli.errors import Exit, UsageError
    from pexen_state.journal.care.copies import nameless

    out = app.console.out
    if out.is_terminal:
        raise UsageError("a journal is no text for a terminal: name a file, or send standard output to one")
    beside = os.path.dirname(path)
    with nameless(connection, beside if os.access(beside, os.W_OK) else None) as file:
        while not out.is_gone and (chunk := file.read(1 << 20)):
            out.write_bytes(chunk)
    out.flush()
    if not out.is_gone:
        return 0
    if not out.has_trouble:  # that is told where the command ends
        app.console.err.line("pexen: the reader of standard output left before the copy was whole")
    return Exit.BROKEN
