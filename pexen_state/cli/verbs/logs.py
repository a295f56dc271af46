"""`pexen logs`: what tasks printed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from pexen_state.cli.app import App, verb
from pexen_state.cli.verbs.show import run_and_task
from pexen_state.core.states import BAD_WORDS

if TYPE_CHECKING:
    from pexen_state.cli.tailing import Follower

_CHUNK = 1 << 20


class Wanted(NamedTuple):
    """Which outputs are asked for."""

    attempt: int | None
    failed: bool
    everything: bool


@click.command(short_help="Show what tasks printed.")
@run_and_task
@click.option(
    "-f",
    "--follow",
    is_flag=True,
    help="What is printed from now on by TASK, or by all that run, until they have ended.",
)
@click.option("--attempt", metavar="N", type=click.IntRange(min=1), help="That attempt of TASK [the latest one].")
@click.option("--failed", is_flag=True, help="Of every task that failed; without TASK and --all this is what is shown.")
@click.option("--all", "everything", is_flag=True, help="Of every task; with TASK of each of its attempts.")
@click.option("--path", "as_path", is_flag=True, help="Only the paths of the files.")
@click.option("--raw", is_flag=True, help="The bytes as they are, escape sequences included.")
@click.option("--json", "as_json", is_flag=True, help="Which files there are, as one JSON document.")
@verb
def logs(
    app: App,
    words: tuple[str, ...],
    forced: str | None,
    follow: bool,
    attempt: int | None,
    failed: bool,
    everything: bool,
    as_path: bool,
    raw: bool,
    as_json: bool,
) -> int:
    """Show what tasks printed.

    RUN is a number, latest, latest-1, or a run's name [latest]; TASK is a key, or any tail of one that is unique.
    """
    from pexen_state.cli.errors import UsageError
    from pexen_state.cli.resolve import looking, which
    from pexen_state.journal import queries
    from pexen_state.journal.ids import ids_of
    from pexen_state.report.tables import document

    if follow:
        _refuse_with_follow(attempt=attempt is not None, failed=failed, all=everything, path=as_path, json=as_json)
    with looking(app) as (path, connection):
        connection.execute("BEGIN")  # one look: what has not ended in it is followed from there
        run, key = which(connection, words, forced)
        if attempt is not None and key is None:
            raise UsageError("--attempt is one of a TASK; name it, too")
        tasks = queries.tasks(connection, run)
        attempts = queries.attempts(connection, run, key)
        in_flight = queries.rows(connection, queries.IN_FLIGHT_FILES, *ids_of(run))
        seq = queries.last_seq(connection)
    is_over = key is not None and any(task["task"] == key and task["verdict"] is not None for task in tasks)
    if follow and not is_over:
        from pexen_state.cli.tailing import Follower

        return _follow(Follower(app.console, path, run, key, raw, seq, in_flight))
    chosen = _choose(tasks, attempts, key, Wanted(attempt, failed, everything))
    for one in chosen:
        one["output"] = one["output"] and os.path.join(os.path.dirname(path), one["output"])
    _add_files_in_flight(path, run, chosen, in_flight)
    if as_json:
        app.console.out.line(document(run=run, outputs=chosen))
        return 0
    if not chosen:
        app.console.say(_nothing(run, key, attempt, everything))
        return 0
    for number, one in enumerate(chosen):
        if as_path:
            _write_path(app, one)
        elif raw:
            _write_bytes(app, one)
        else:
            _write_lines(app, one, f"{'' if number == 0 else chr(10)}", key is None or len(chosen) > 1)
    app.console.out.flush()
    return 0


def _refuse_with_follow(**said: bool) -> None:
    from pexen_state.cli.errors import UsageError

    for name in [name for name, is_said in said.items() if is_said]:
        raise UsageError(f"-f and --{name} do not go together: what runs now is followed")


def _follow(follower: Follower) -> int:
    try:
        follower.follow()
    except KeyboardInterrupt:
        follower.console.out.flush()
    return 0


def _add_files_in_flight(path: str, run: int, chosen: list[dict[str, Any]], in_flight: list[dict[str, Any]]) -> None:
    """The journal learns of a file when its attempt has ended; what runs has one already."""
    rows = {(row["task"], row["attempt"]): row for row in in_flight}
    for one in chosen:
        row = rows.get((one["task"], one["attempt"]))
        if one["output"] is None and row is not None:
            from pexen_state.cli.tailing import file_of

            file = file_of(path, run, row)
            one["output"] = file if os.path.lexists(file) else None


def _choose(
    tasks: list[dict[str, Any]], attempts: list[dict[str, Any]], key: str | None, wanted: Wanted
) -> list[dict[str, Any]]:
    """The attempts whose output is asked for, in the order of the tasks."""
    by_task: dict[str, list[dict[str, Any]]] = {}
    for attempt in attempts:
        by_task.setdefault(attempt["task"], []).append(attempt)
    chosen: list[dict[str, Any]] = []
    for task in tasks:
        found = by_task.get(task["task"], [])
        if key is None:
            if wanted.everything or task["verdict"] in BAD_WORDS:
                chosen += found[-1:]
        elif wanted.attempt is not None:
            chosen += [one for one in found if one["attempt"] == wanted.attempt]
        elif wanted.everything:
            chosen += found
        elif not wanted.failed or task["verdict"] in BAD_WORDS:
            chosen += found[-1:]
    return chosen


def _nothing(run: int, key: str | None, attempt: int | None, everything: bool) -> str:
    from pexen_state.report.text import safe

    if attempt is not None:
        return f"{safe(key or '')} has no attempt {attempt} in run {run}: `pexen show {run}` tells how many it has"
    if key is not None:
        return f"{safe(key)} has not been started in run {run}"
    return (
        f"nothing was started in run {run}" if everything else f"nothing failed in run {run}; --all shows every output"
    )


def _write_path(app: App, attempt: dict[str, Any]) -> None:
    if attempt["output"]:
        app.console.out.write_bytes(os.fsencode(attempt["output"]) + b"\n")
    else:
        _say_nothing(app, attempt)


def _say_nothing(app: App, attempt: dict[str, Any]) -> None:
    from pexen_state.report.text import safe

    app.console.say(f"{safe(attempt['task'])} printed nothing in attempt {attempt['attempt']}")


def _write_bytes(app: App, attempt: dict[str, Any]) -> None:
    if attempt["output"] is None:
        _say_nothing(app, attempt)
        return
    try:
        with open(attempt["output"], "rb") as file:
            while chunk := file.read(_CHUNK):
                app.console.out.write_bytes(chunk)
    except OSError as error:
        _say_gone(app, attempt, error)


def _write_lines(app: App, attempt: dict[str, Any], before: str, with_title: bool) -> None:
    from pexen_state.report.text import safe, safe_lines

    out = app.console.out
    if with_title:
        title = f"== {safe(attempt['task'])}, attempt {attempt['attempt']}: {attempt['state']} =="
        out.write(f"{before}{app.console.style.strong(title)}\n")
    if attempt["output"] is None:
        _say_nothing(app, attempt)
        return
    try:
        with open(attempt["output"], "rb") as file:
            for line in file:  # by lines, so that a file of a gibibyte is not in memory at once
                for part in safe_lines(line):
                    out.write(f"{part}\n")
    except OSError as error:
        _say_gone(app, attempt, error)


def _say_gone(app: App, attempt: dict[str, Any], error: OSError) -> None:
    from pexen_state.report.text import safe

    app.console.err.line(f"pexen: the output of {safe(attempt['task'])} cannot be read: {error.strerror}")
