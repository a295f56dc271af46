"""`pexen slowest`: the tasks that take longest."""

from __future__ import annotations

import click

from pexen_state.cli.app import App, verb


@click.command(short_help="List the tasks that take longest.")
@click.argument("run", metavar="[RUN]", required=False)
@click.option("--suite", metavar="NAME", help="Of this suite; left out, that of the newest run.")
@click.option("--last", metavar="N", type=click.IntRange(min=1), default=10, help="Look at the newest N runs [10].")
@click.option("-n", "--top", metavar="N", type=click.IntRange(min=1), default=20, help="List at most N tasks [20].")
@click.option("--json", "as_json", is_flag=True, help="As one JSON document.")
@verb
def slowest(app: App, run: str | None, suite: str | None, last: int, top: int, as_json: bool) -> int:
    """List the tasks that take longest, and their share of the time that all tasks take.

    Without RUN, what they usually take: the median of the newest runs in which they passed. With RUN, what all of
    their attempts took in that run.
    """
    from pexen_state.cli.errors import UsageError
    from pexen_state.cli.resolve import looking, sql_text
    from pexen_state.cli.width import width_of
    from pexen_state.journal import queries
    from pexen_state.journal.asking import past
    from pexen_state.report.past import slow_lines
    from pexen_state.report.tables import document

    if run is not None and suite is not None:
        raise UsageError("RUN says which suite is meant; leave --suite out")
    with looking(app) as (_, connection):
        which = queries.run_id(connection, "latest" if run is None else sql_text(run))
        if run is not None:
            suite = str(queries.run(connection, which)["name"])
            found = past.slowest_in(connection, which)
        else:
            suite = str(queries.run(connection, which)["name"]) if suite is None else sql_text(suite)
            past.check_suite(connection, suite)
            found = past.slowest(connection, suite, last)
    out = app.console.out
    if as_json:
        run_fields = {} if run is None else {"run": which}
        out.line(document(**run_fields, suite=suite, tasks=[one._asdict() for one in found[:top]], all=len(found)))
    elif not found:
        app.console.say("no task has come to its end yet")
    else:
        out.write("".join(f"{line}\n" for line in slow_lines(found[:top], width_of(out))))
        out.flush()
    return 0
