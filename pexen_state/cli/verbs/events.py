"""`pexen events`: what was decided in a run, for other programs."""

from __future__ import annotations

import sqlite3

import click

from pexen_state.cli.app import App, verb


@click.command(short_help="Print transitions and results as JSON lines.")
@click.argument("run", metavar="[RUN]", required=False)
@click.option("-r", "--run", "forced", metavar="RUN", help="The run, whatever it looks like.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run is over, or nobody runs it any more.")
@click.option("--after", metavar="SEQ", type=click.IntRange(min=0), default=0, help="Only what came after that `seq`.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines, as without it.")
@verb
def events(app: App, run: str | None, forced: str | None, follow: bool, after: int, as_json: bool) -> int:
    """Print what was decided in a run as JSON lines: transitions, results, sessions.

    RUN is a number, latest, latest-1, or a run's name [latest]. Each line has a `seq`; who stored the last one that was
    dealt with goes on with --after.
    """
    from pexen_state.cli.following import looks
    from pexen_state.cli.resolve import looking, which_run
    from pexen_state.report.events import Events

    out = app.console.out

    def tell(connection: sqlite3.Connection) -> None:
        for line in told.new(connection):
            out.write(f"{line}\n")
            if out.is_gone:
                return
        out.flush()

    with looking(app) as (path, connection):
        found = which_run(connection, run, forced)
        told = Events(found, min(after, 1 << 62))
        if not follow:
            tell(connection)
    if follow:
        try:
            for _ in looks(path, found, tell, out):
                pass
        except KeyboardInterrupt:
            pass
    return 0
