"""`pexen db export`: some runs as a journal of their own."""

from __future__ import annotations

import os

import click

from pexen_state.cli.app import App, verb


@click.command(short_help="Copy some runs into a journal of their own.")
@click.argument("words", metavar="RUN... FILE", nargs=-1)
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@verb
def export(app: App, words: tuple[str, ...], force: bool) -> int:
    """Copy some runs into a journal of their own, FILE, to be sent to somebody else. Also while a run goes on.

    RUN is a number, latest, latest-1, or a run's name. `pexen --journal FILE show` and all others read it. The output
    of tasks is not in it.
    """
    from pexen_state.cli import journals
    from pexen_state.cli.errors import UsageError
    from pexen_state.cli.resolve import looking
    from pexen_state.cli.verbs.db.target import check_target, size
    from pexen_state.journal import queries
    from pexen_state.journal.care.export import export as export_journal
    from pexen_state.journal.specs import sql_text
    from pexen_state.report.style import count

    if len(words) < 2:
        raise UsageError("say which runs, and the file to be made: pexen db export latest run.db")
    if words[-1] == "-":
        raise UsageError("runs are copied into a file, not to standard output. Name one; ./- is a file called -.")
    here = journals.current_directory()
    target = os.path.abspath(words[-1])
    with looking(app) as (path, connection):
        runs = sorted({queries.run_id(connection, sql_text(word)) for word in words[:-1]})
        if queries.is_run(words[-1]):
            raise UsageError(f"{words[-1]!r} is a RUN, not a file to be made. Put the file's name at the end.")
        check_target(target, path, force)
        written = export_journal(connection, runs, target)
    copied = f"{count(len(runs), 'run')} copied to {journals.shown(target, here)}, {size(written)}"
    app.console.out.line(f"{copied}; the output of tasks is not in it")
    return 0
