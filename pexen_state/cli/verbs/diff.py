"""`pexen diff`: what is different between two runs."""

from __future__ import annotations

import click

from pexen_state.cli.app import App, verb


@click.command(short_help="Compare two runs.")
@click.argument("runs", metavar="RUN RUN", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="As one JSON document.")
@verb
def diff(app: App, runs: tuple[str, ...], as_json: bool) -> int:
    """Say what is different in the second RUN, compared with the first: pexen diff latest-1 latest

    Told are tasks that failed now, did not run any more, are gone, were fixed, are new or changed their verdict in
    another way; that passed after a failed attempt; and that took twice as long, and a second more. The exit code is 1
    if one of the first three is there.
    """
    from pexen_state.cli.errors import Exit, UsageError
    from pexen_state.cli.resolve import looking, sql_text
    from pexen_state.journal import queries
    from pexen_state.journal.asking.comparing import difference
    from pexen_state.report.comparison import difference_document, difference_lines
    from pexen_state.report.tables import document

    if len(runs) != 2:
        raise UsageError(f"two runs are compared, and {len(runs)} named. Write for example: pexen diff latest-1 latest")
    with looking(app) as (_, connection):
        before, after = (queries.run_id(connection, sql_text(word)) for word in runs)
        found = difference(connection, before, after)
    if as_json:
        app.console.out.line(document(**difference_document(found)))
    else:
        app.console.out.write("".join(f"{line}\n" for line in difference_lines(found, app.console.style)))
        app.console.out.flush()
    return Exit.FAILED if found.is_worse else Exit.DONE
