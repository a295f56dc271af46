"""`pexen flaky`: tasks that pass and fail by turns."""

from __future__ import annotations

import click

from pexen_state.cli.app import App, verb


@click.command(short_help="List tasks that pass and fail by turns.")
@click.option("--suite", metavar="NAME", help="Only in runs of this suite.")
@click.option("--last", metavar="N", type=click.IntRange(min=1), default=50, help="Look at the newest N runs [50].")
@click.option("-n", "--top", metavar="N", type=click.IntRange(min=1), default=20, help="List at most N tasks [20].")
@click.option("--json", "as_json", is_flag=True, help="As one JSON document.")
@verb
def flaky(app: App, suite: str | None, last: int, top: int, as_json: bool) -> int:
    """List tasks that passed after a failed attempt, or passed in one run and failed in another although the task
    itself did not change. The worst come first.

    What is tested may have changed meanwhile: a task that failed once and was mended has a low score.
    """
    from pexen_state.cli.resolve import looking, sql_text
    from pexen_state.cli.width import width_of
    from pexen_state.journal.asking import past
    from pexen_state.report.past import unsteady_lines
    from pexen_state.report.style import count
    from pexen_state.report.tables import document

    with looking(app) as (_, connection):
        suite = None if suite is None else sql_text(suite)
        past.check_suite(connection, suite)
        found = past.unsteady(connection, suite, last)
    out = app.console.out
    if as_json:
        out.line(document(tasks=[one._asdict() for one in found[:top]], all=len(found)))
    elif not found:
        app.console.say(f"no task passed and failed by turns in the newest {count(last, 'run')}")
    else:
        out.write("".join(f"{line}\n" for line in unsteady_lines(found[:top], width_of(out))))
        out.flush()
        if len(found) > top:
            app.console.say(f"{len(found) - top} more; -n says how many are listed")
    return 0
