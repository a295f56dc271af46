"""`pexen runs`: the runs of the journal."""

from __future__ import annotations

import click

from pexen_state.cli.app import App, verb


@click.command(short_help="List the runs of the journal.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON document.")
@click.option("-n", "--last", metavar="N", type=click.IntRange(min=1), help="Only the newest N.")
@verb
def runs(app: App, as_json: bool, last: int | None) -> int:
    """List the runs of the journal, newest first, and what is being done with those that are unfinished.

    running: somebody runs it now. paused, parked, interrupted: nobody does; `pexen resume` goes on with it.
    """
    from pexen_state.cli.resolve import looking
    from pexen_state.journal import queries
    from pexen_state.report.runs import runs_table, with_doing
    from pexen_state.report.tables import document

    with looking(app) as (path, connection):
        found = with_doing(connection, path, queries.runs(connection, last or -1))
    if as_json:
        app.console.out.line(document(runs=found))
    elif not found:
        app.console.say("the journal has no run yet. `pexen run` begins one.")
    else:
        for line in runs_table(found):
            app.console.out.line(line)
    return 0
