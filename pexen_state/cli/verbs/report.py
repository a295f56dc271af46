"""`pexen report`: a run in the formats of other tools."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import click

from pexen_state.cli.app import App, verb

if TYPE_CHECKING:
    from pexen_state.report.formats.whole import Whole


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
    from pexen_state.report.formats import junit as junit_xml
    from pexen_state.report.formats import markdown
    from pexen_state.report.formats import tap as tap_14
    from pexen_state.report.formats.whole import whole

    wanted = {"junit": junit, "tap": tap, "jsonl": jsonl, "md": md}
    if not any(wanted.values()):
        raise UsageError("as what? --junit FILE, --tap FILE, --jsonl FILE or --md FILE; - is standard output")
    if sum(file == "-" for file in wanted.values()) > 1:
        raise UsageError("standard output can take one report alone")
    with looking(app) as (path, connection):
        run, key = which(connection, words, forced)
        if key is not None:
            raise UsageError("a report is about a run: `pexen report [RUN]`")
        found = whole(connection, run, path)
        events = list(_events(connection, run)) if jsonl is not None else []
    makers: dict[str, Callable[[Whole], Iterable[str]]] = {
        "junit": junit_xml.lines,
        "tap": tap_14.lines,
        "jsonl": lambda _: events,
        "md": markdown.lines,
    }
    for name, file in wanted.items():
        if file is not None:
            _write(app, file, makers[name](found))
    return 0


def _events(connection: object, run: int) -> Iterator[str]:
    import json
    import sqlite3

    from pexen_state.report.events import Lines
    from pexen_state.report.tables import SCHEMA

    assert isinstance(connection, sqlite3.Connection)
    count = 0
    for line in Lines(run).new(connection):
        count += 1
        yield f"{line}\n"
    yield json.dumps({"schema": SCHEMA, "type": "end", "run": run, "events": count}) + "\n"


def _write(app: App, file: str, lines: Iterable[str]) -> None:
    from pexen_state.cli.errors import UsageError
    from pexen_state.report.text import safe

    if file == "-":
        for line in lines:
            app.console.out.write(line)
        app.console.out.flush()
        return
    directory = os.path.dirname(os.path.abspath(file))
    try:
        with tempfile.NamedTemporaryFile(
            "w", dir=directory, prefix=".report-", encoding="utf-8", errors="backslashreplace", newline="", delete=False
        ) as new:
            try:
                new.writelines(lines)
                new.flush()
                umask = os.umask(0o077)
                os.umask(umask)
                os.fchmod(new.fileno(), 0o666 & ~umask)
                os.replace(new.name, file)
            except BaseException:
                os.unlink(new.name)
                raise
    except OSError as error:
        raise UsageError(f"{safe(file)} cannot be written: {error.strerror}") from error
