"""`pexen events`: what was decided in a run, for other programs."""

from __future__ import annotations

import sqlite3

import click

from pexen_state.cli.app import App, verb

_TYPES = ("transition", "result", "event", "session")


@click.command(short_help="Print transitions and results as JSON lines.")
@click.argument("run", metavar="[RUN]", required=False)
@click.option("-r", "--run", "forced", metavar="RUN", help="The run, whatever it looks like.")
@click.option(
    "-f",
    "--follow",
    is_flag=True,
    help="Go on until the run is over, or nobody runs it any more; with --consumer until it is over.",
)
@click.option(
    "--consumer",
    metavar="NAME",
    help="Remember under that name what was printed, and go on there; several with one name share it.",
)
@click.option("--type", "types", type=click.Choice(_TYPES), multiple=True, help="Only these [all]; may be repeated.")
@click.option("--after", metavar="SEQ", type=click.IntRange(min=0), default=0, help="Only what came after that `seq`.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines, as without it.")
@verb
def events(
    app: App,
    run: str | None,
    forced: str | None,
    follow: bool,
    consumer: str | None,
    types: tuple[str, ...],
    after: int,
    as_json: bool,
) -> int:
    """Print what was decided in a run as JSON lines: transitions, results, sessions.

    RUN is a number, latest, latest-1, or a run's name [latest]. Each line has a `seq`; who stored the last one that was
    dealt with goes on with --after. With --consumer pexen does that: what was written counts as dealt with, and what
    was cut off by a kill is printed again.
    """
    from pexen_state.cli.errors import UsageError
    from pexen_state.cli.resolve import looking, which_run

    with looking(app) as (path, connection):
        found = which_run(connection, run, forced)
        if consumer is None:
            return _tell(app, path, connection, found, follow, min(after, 1 << 62), types or _TYPES)
    if after:
        raise UsageError("--after and --consumer do not go together: a consumer goes on where it was")
    return _consume(app, path, found, follow, consumer, types)


def _tell(
    app: App, path: str, connection: sqlite3.Connection, run: int, follow: bool, after: int, types: tuple[str, ...]
) -> int:
    from pexen_state.cli.following import looks
    from pexen_state.report.events import Lines

    out = app.console.out
    lines = Lines(run, after, types)

    def tell(connection: sqlite3.Connection) -> None:
        for line in lines.new(connection):
            out.write(f"{line}\n")
            if out.is_gone:
                return
        out.flush()

    if not follow:
        tell(connection)
        return 0
    connection.close()  # from now on it is opened for each look
    try:
        for _ in looks(path, run, tell, out):
            pass
    except KeyboardInterrupt:
        pass
    return 0


def _consume(app: App, path: str, run: int, follow: bool, consumer: str, types: tuple[str, ...]) -> int:
    from pexen_state.cli.following import wait
    from pexen_state.journal.following import Follower
    from pexen_state.report.events import line

    out = app.console.out
    try:
        with Follower(
            path,
            run,
            consumer=consumer,
            follow=follow,
            types=types or None,
            wait=lambda seconds: wait(out, seconds),
        ) as follower:
            for batch in follower.batches():
                for event in batch:
                    out.write(f"{line(event.said)}\n")
                out.flush()
                if out.is_gone:
                    break  # nobody knows how much of it was read: somebody else is given all of it
                follower.acknowledge(batch)
    except KeyboardInterrupt:
        pass
    return 0
