"""`pexen show`: one run and its tasks, or one task and its attempts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from pexen_state.cli.app import App, verb

if TYPE_CHECKING:
    from pexen_state.report.style import Style


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
@click.option("--all", "everything", is_flag=True, help="Every task, however many there are.")
@click.option("--only", "alone", is_flag=True, help="A rerun by itself, and not with the tasks that it did not run.")
@click.option("--tree", "as_tree", is_flag=True, help="Every task, as a tree.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON document.")
@verb
def show(
    app: App,
    words: tuple[str, ...],
    forced: str | None,
    everything: bool,
    alone: bool,
    as_tree: bool,
    as_json: bool,
) -> int:
    """Show a run and its tasks, what is wrong first; or one task, its attempts and its story.

    RUN is a number, latest, latest-1, or a run's name [latest]; TASK is a key, or any tail of one that is unique. Of a
    rerun the tasks of the run that it runs again are shown, too: of each its newest verdict.
    """
    from pexen_state.cli.resolve import looking, which
    from pexen_state.journal import queries
    from pexen_state.report.merged import merged
    from pexen_state.report.runs import again_in_words, merged_line, run_lines, task_lines, with_doing
    from pexen_state.report.tables import document

    with looking(app) as (path, connection):
        run, key = which(connection, words, forced)
        (about,) = with_doing(connection, path, [queries.run(connection, run)])
        if key is not None:
            return _show_task(app, connection, path, about, key, as_json)
        found = merged(connection, run, alone)
        tasks = found.tasks
        sessions = queries.sessions(connection, run)
        parent = about.get("parent")
        before = queries.verdicts(connection, parent) if parent is not None else {}
        own = queries.verdicts(connection, run) if parent is not None else {}
    out, style = app.console.out, app.console.style
    if as_json:
        out.line(document(run=about, sessions=sessions, runs=[one["id"] for one in found.runs], tasks=tasks))
        return 0
    again = None if parent is None else again_in_words(parent, before, own)
    lines = _tree(tasks, style) if as_tree else task_lines(tasks, style, everything, run)
    for line in (*run_lines(about, sessions, again, style), *merged_line(found), "", *lines):
        out.write(f"{line}\n")
    out.flush()
    return 0


def _tree(tasks: Sequence[dict[str, Any]], style: Style) -> Iterator[str]:
    from pexen_state.report.runs import task_line
    from pexen_state.report.style import took, verdict_words
    from pexen_state.report.text import safe
    from pexen_state.report.tree import Leaf, parts_of, tree_lines

    leaves = []
    for task in tasks:
        path = parts_of(task["task"])
        word = style.word(verdict_words(task["verdict"]) or task["state"])
        notes = task_line(task, style).partition(safe(task["task"]))[2].strip()
        leaves.append(Leaf(path, f"{word} [{took(task['seconds'])}]", notes))
    return tree_lines(leaves)


def _show_task(
    app: App, connection: Any, path: str | os.PathLike[str], about: dict[str, Any], key: str, as_json: bool
) -> int:
    from pexen_state.journal import queries
    from pexen_state.journal.paths import JournalPaths
    from pexen_state.journal.standing import standing
    from pexen_state.report.one_task import needs_of, one_task
    from pexen_state.report.suspects import suspects_of
    from pexen_state.report.tables import document
    from pexen_state.report.waiting import suspicion

    run = about["id"]
    task = queries.task(connection, run, key)
    attempts = queries.attempts(connection, run, key)
    results = queries.results(connection, run, key)
    story = queries.story(connection, run, key)
    suspects = suspects_of(connection, run) if about["state"] == "unfinished" else None
    needs = needs_of(standing(connection, run), task["number"])
    write = app.console.out.line
    if as_json:
        suspect = suspects is not None and key in suspects.left
        found = {"task": task, "suspect": suspect, "needs": needs, "attempts": attempts}
        write(document(run=about, **found, results=results, transitions=story))
        return 0
    is_running = about["doing"] == "running"
    why = suspicion(suspects, key, is_running) if suspects is not None and key in suspects.left else None
    paths = JournalPaths.of(path)

    def artifacts(attempt: int) -> str:
        return f"{os.path.relpath(paths.attempt_dir(run, key, task['number'], attempt), paths.parent)}/artifacts"

    for line in one_task(task, needs, attempts, results, story, is_running, app.console.style, artifacts, why):
        write(line)
    return 0
