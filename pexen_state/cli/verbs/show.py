"""`pexen show`: one run and its tasks, or one task and its attempts."""

from __future__ import annotations

import click

from pexen_state.cli.app import App, verb


def run_and_task(function: click.decorators.FC) -> click.decorators.FC:
    """`[RUN] [TASK]` and `-r RUN`."""
    for option in (
        click.option("-r", "--run", "forced", metavar="RUN", help="The run, whatever it looks like."),
        click.argument("words", metavar="[RUN] [TASK]", nargs=-1),
    ):
        function = option(function)
    return function


@click.command(short_help="Show a run, or one of its tasks.")
@run_and_task
@click.option("--json", "as_json", is_flag=True, help="As one JSON document.")
@verb
def show(app: App, words: tuple[str, ...], forced: str | None, as_json: bool) -> int:
    """Show a run and its tasks, or one task, its attempts and its story.

    RUN is a number, latest, latest-1, or a run's name [latest]; TASK is a key, or any tail of one that is unique.
    """
    from pexen_state.cli.resolve import looking, which
    from pexen_state.journal import queries
    from pexen_state.report.runs import one_task, run_lines, task_lines, with_doing
    from pexen_state.report.tables import document

    with looking(app) as (path, connection):
        run, key = which(connection, words, forced)
        (about,) = with_doing(connection, path, [queries.run(connection, run)])
        tasks = queries.tasks(connection, run)
        if key is None:
            sessions = queries.sessions(connection, run)
        else:
            (task,) = [one for one in tasks if one["task"] == key]
            attempts = queries.attempts(connection, run, key)
            story = queries.story(connection, run, key)
    write, style = app.console.out.line, app.console.style
    if key is None and as_json:
        write(document(run=about, sessions=sessions, tasks=tasks))
    elif key is None:
        for line in (*run_lines(about, sessions, style), "", *task_lines(tasks, style)):
            write(line)
    elif as_json:
        write(document(run=about, task=task, attempts=attempts, transitions=story))
    else:
        for line in one_task(task, attempts, story, style):
            write(line)
    return 0
