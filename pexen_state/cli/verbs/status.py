"""`pexen status`: how far a run is, once or as long as it goes on."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import click

from pexen_state.cli.app import App, verb

if TYPE_CHECKING:
    from pexen_state.cli.output import Stream

_FRAME_S = 1.0
_LOOK_S = 0.5


@click.command(short_help="Show how far a run is.")
@click.argument("run", metavar="[RUN]", required=False)
@click.option("-r", "--run", "forced", metavar="RUN", help="The run, whatever it looks like.")
@click.option(
    "-w", "--watch", is_flag=True, help="Until nobody runs it any more; Ctrl-C ends the watching, not the run."
)
@click.option("--json", "as_json", is_flag=True, help="As one JSON document.")
@verb
def status(app: App, run: str | None, forced: str | None, watch: bool, as_json: bool) -> int:
    """Show how far a run is: counts, what runs, what failed, what waits for a lock, and what to type next.

    RUN is a number, latest, latest-1, or a run's name [latest].
    """
    from pexen_state.cli import journals
    from pexen_state.cli.errors import UsageError
    from pexen_state.cli.resolve import looking, which_run
    from pexen_state.report.status import gather, now, status_lines
    from pexen_state.report.tables import document

    if watch and as_json:
        raise UsageError("--watch and --json do not go together: `pexen events -f` tells other programs what happens")
    with looking(app) as (path, connection):
        found = which_run(connection, run, forced)
        gathered = gather(connection, path, found, now())
    command = f"pexen{journals.option_for(path, app.journal, journals.current_directory())}"
    out, style = app.console.out, app.console.style
    if as_json:
        out.line(document(**gathered, next=_next(gathered, command)))
    elif not watch:
        for line in status_lines(gathered, style, command):
            out.line(line)
    else:
        try:
            _watch(app, path, found, gathered, command)
        except KeyboardInterrupt:
            if out.is_terminal:
                out.line()
    return 0


def _next(gathered: dict[str, Any], command: str) -> str:
    from pexen_state.report.status import next_command

    return next_command(gathered, command)


def _watch(app: App, path: str, run: int, gathered: dict[str, Any], command: str) -> None:
    from pexen_state.cli.following import wait
    from pexen_state.journal.reader import reader
    from pexen_state.report.status import change_line, gather, now, status_lines

    out, style = app.console.out, app.console.style
    on_terminal = out.is_terminal and os.environ.get("TERM", "dumb") != "dumb"
    told = ""
    while True:
        if on_terminal:
            _draw(out, list(status_lines(gathered, style, command)))
        elif (line := change_line(gathered)) != told:
            told = line
            out.line(line)
        if gathered["run"]["doing"] != "running":
            return
        if not wait(out, _FRAME_S if on_terminal else _LOOK_S):
            return
        with reader(path) as connection:  # fetched and closed: nobody who watches holds the journal up
            gathered = gather(connection, path, run, now())


def _draw(out: Stream, lines: list[str]) -> None:
    """Over what was drawn before, line by line: nothing is blank in between, and nothing has to be restored."""
    width, height = shutil.get_terminal_size()
    shown = lines if len(lines) < height else [*lines[: height - 3], "  ...", lines[-1]]
    frame = "".join(f"{_fit(line, width)}\x1b[K\n" for line in shown)
    out.write(f"\x1b[H{frame}\x1b[J")
    out.flush()


def _fit(line: str, width: int) -> str:
    """Cut to the width. A line that holds a colour is left alone: it is short."""
    return line if "\x1b" in line else line[: max(width - 1, 1)]
