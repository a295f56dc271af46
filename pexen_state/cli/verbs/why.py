"""`pexen why`: what a task waits for, or how it ended."""

from __future__ import annotations

import click

from pexen_state.cli.app import App, verb
from pexen_state.cli.verbs.show import run_and_task
from pexen_state.core.states import BAD_WORDS


@click.command(short_help="Explain why a task is where it is.")
@run_and_task
@click.option("--json", "as_json", is_flag=True, help="As one JSON document.")
@verb
def why(app: App, words: tuple[str, ...], forced: str | None, as_json: bool) -> int:
    """Explain why a task does not run yet, how it ended, or why it never ran.

    RUN is a number, latest, latest-1, or a run's name [latest]; TASK is a key, or any tail of one that is unique.
    """
    import os

    from pexen_state.cli import journals
    from pexen_state.cli.errors import UsageError
    from pexen_state.cli.resolve import looking, which
    from pexen_state.journal import queries
    from pexen_state.report.display.entries import quoted
    from pexen_state.report.situation import situation
    from pexen_state.report.status import now
    from pexen_state.report.tables import document
    from pexen_state.report.text import safe, tail_of_file
    from pexen_state.report.waiting import sentences

    with looking(app) as (path, connection):
        run, key = which(connection, words, forced)
        if key is None:
            raise UsageError("which TASK? `pexen why TASK` explains one; `pexen show` lists them.")
        command = f"pexen{journals.option_for(path, app.journal, journals.current_directory())}"
        about = situation(connection, path, run, now(), command)
        task = queries.task(connection, run, key)
        story = queries.story(connection, run, key)
        attempts = queries.attempts(connection, run, key)
    last = attempts[-1] if attempts else None
    cause = story[-1]["cause"] if story else None
    said = list(sentences(about, task["number"], cause, last))
    output = os.path.join(os.path.dirname(path), last["output"]) if last is not None and last["output"] else None
    if as_json:
        app.console.out.line(document(run=about.run, task=task, cause=cause, attempt=last, sentences=said))
        return 0
    for sentence in said:
        app.console.out.line(safe(sentence))
    if task["verdict"] in BAD_WORDS and output is not None:
        for line in tail_of_file(output):
            app.console.out.line(f"  | {line}")
        app.console.out.line(f"All of it: {command} logs {run} {quoted(safe(key))}")
    return 0
