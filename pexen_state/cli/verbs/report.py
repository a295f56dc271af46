"""`pexen report`: a run in the formats of other tools."""

from __future__ import annotations

from collections.abc import Iterable

import click

from pexen_state.cli.app import App, verb


@click.command(short_help="Write a run in the formats of other tools.")
@click.argument("words", metavar="[RUN]", nargs=-1)
@click.option("-r", "--run", "forced", metavar="RUN", help="Which run, whatever it looks like.")
@click.option("--junit", metavar="FILE", help="As JUnit XML.")
@click.option("--tap", metavar="FILE", help="As TAP 14.")
@click.option("--jsonl", metavar="FILE", help="As JSON lines: each transition and result, and an end mark.")
@click.option("--md", metavar="FILE", help="As Markdown.")
@verb
def report(
    app: App,
    words: tuple[str, ...],
    forced: str | None,
    junit: str | None,
    tap: str | None,
    jsonl: str | None,
    md: str | None,
) -> int:
    """Write RUN, finished or not, into files for other tools; - is standard output. Several may be asked for at once.

    A file is complete or not there: it is written beside its place, and put there at the end.
    """
    from pexen_state.cli.errors import UsageError
    from pexen_state.cli.resolve import looking, which
    from pexen_state.report.formats.writing import lines_of

    wanted = {"junit": junit, "tap": tap, "jsonl": jsonl, "md": md}
    if not any(wanted.values()):
        raise UsageError("as what? --junit FILE, --tap FILE, --jsonl FILE or --md FILE; - is standard output")
    if sum(file == "-" for file in wanted.values()) > 1:
        raise UsageError("standard output can take one report alone")
    files = {name: file for name, file in wanted.items() if file is not None}
    with looking(app) as (path, connection):
        run, key = which(connection, words, forced)
        if key is not None:
            raise UsageError("a report is about a run: `pexen report [RUN]`")
        lines = lines_of(connection, run, path, files)
    for name, file in files.items():
        _write(app, file, lines[name])
    return 0


def _write(app: App, file: str, lines: Iterable[str]) -> None:
    from pexen_state.cli.errors import UsageError
    from pexen_state.report.formats.writing import write_file
    from pexen_state.report.text import safe

    if file == "-":
        for line in lines:
            app.console.out.write(line)
        app.console.out.flush()
        return
    try:
        write_file(file, lines)
    except OSError as error:
        raise UsageError(f"{safe(file)} cannot be written: {error.strerror}") from error
