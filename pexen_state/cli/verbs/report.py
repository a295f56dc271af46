"""`pexen report`: a run in the formats of other tools."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click

from pexen_state.cli.app import App, verb
from pexen_state.report.formats.kinds import KINDS


def kind_options(function: click.decorators.FC) -> click.decorators.FC:
    """`--junit FILE` and the like."""
    for kind, about in reversed(KINDS.items()):
        function = click.option(f"--{kind}", metavar="FILE", help=about.help)(function)
    return function


def only_option(help_: str) -> Callable[[click.decorators.FC], click.decorators.FC]:
    return click.option("--only", "alone", is_flag=True, help=help_)


@click.command(short_help="Write a run as a page, or in the formats of other tools.")
@click.argument("words", metavar="[RUN]", nargs=-1)
@click.option("-r", "--run", "forced", metavar="RUN", help="Which run, whatever it looks like.")
@kind_options
@only_option("A rerun by itself, and not together with the run whose tasks it runs again.")
@verb
def report(app: App, words: tuple[str, ...], forced: str | None, alone: bool, **files: str | None) -> int:
    """Write RUN, finished or not, as a page or for other tools; - is standard output. Several may be asked for at once.

    A file is complete or not there: it is written beside its place, and put there at the end. A rerun is told together
    with the runs whose tasks it runs again: of each task the newest verdict.
    """
    from pexen_state.cli.errors import UsageError
    from pexen_state.cli.resolve import looking, which
    from pexen_state.report.formats.writing import clash, lines_of

    wanted = {kind: file for kind, file in files.items() if file is not None}
    if not wanted or not all(wanted.values()):
        *most, last = (f"--{kind} FILE" for kind in KINDS)
        raise UsageError(f"as what? {', '.join(most)} or {last}; - is standard output")
    if sum(file == "-" for file in wanted.values()) > 1:
        raise UsageError("standard output can take one report alone")
    with looking(app) as (path, connection):
        run, key = which(connection, words, forced)
        if key is not None:
            raise UsageError("a report is about a run: `pexen report [RUN]`")
        if (wrong := clash(wanted, path)) is not None:
            raise UsageError(wrong)
        lines = lines_of(connection, run, path, wanted, alone)
    for kind, file in wanted.items():
        _write(app, file, lines[kind])
    return 0


def _write(app: App, file: str, lines: Iterable[str]) -> None:
    from pexen_state.cli.errors import UsageError
    from pexen_state.report.formats.writing import append_summary, is_step_summary, write_file
    from pexen_state.report.text import safe

    if file == "-":
        for line in lines:
            app.console.out.write(line)
        app.console.out.flush()
        return
    write = append_summary if is_step_summary(file, app.environ) else write_file
    try:
        write(file, lines)
    except OSError as error:
        raise UsageError(f"{safe(file)} cannot be written: {error.strerror}") from error
