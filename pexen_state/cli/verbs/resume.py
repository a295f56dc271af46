"""`pexen resume`: go on with what is unfinished, as it was started."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from pexen_state.cli.app import App, verb
from pexen_state.cli.verbs.run import session_options

if TYPE_CHECKING:
    from pexen_state.journal.records import RunRecord


@click.command(short_help="Go on with what is unfinished.")
@click.argument("run", metavar="[RUN]", required=False)
@session_options
@verb
def resume(app: App, run: str | None, jobs: str | None, pool: str | None) -> int:
    """Go on with an unfinished run: with RUN, or with the newest one.

    It goes on in its own directory, with its own options, PATH, locale, umask and limits; finished results are
    kept. RUN is a number, latest, latest-1, or the name of a suite.
    """
    from pexen_state.cli import journals, targets
    from pexen_state.cli.errors import NothingToDo
    from pexen_state.cli.recorded import Recorded, restore
    from pexen_state.cli.session import Earlier, Session, settle, warnings_as_sentences

    found = journals.find(app.journal)
    if found is None or not (found.is_named or os.path.lexists(found.path)):
        raise NothingToDo("nothing to resume: there is no journal here. Another one is named with --journal.")
    record = _unfinished(found.path, run)
    recorded = Recorded.from_json(record.options, record.id)
    options = replace(recorded.options, jobs=jobs or recorded.options.jobs, pool=pool or recorded.options.pool)
    here = journals.current_directory()  # before it changes
    with warnings_as_sentences(app.console):
        restore(recorded.surroundings)
        suite = targets.load(recorded.targets, record.name)
    how = record.how_ended.word if record.how_ended is not None else None
    settings = settle(options, suite.is_a_list)
    return Session(app, suite, found.path, recorded, settings, here, Earlier(record.id, how)).run()


def _unfinished(path: str, which: str | None) -> RunRecord:
    """The run to go on with. Raises NothingToDo, or what says that there is no such run."""
    from pexen_state.cli.errors import NothingToDo
    from pexen_state.journal import queries, restore
    from pexen_state.journal.reader import reader
    from pexen_state.journal.records import RunState

    with reader(path) as connection:

        def fetch(query: str, parameters: restore.Row) -> list[restore.Row]:
            return connection.execute(query, parameters).fetchall()

        unfinished = restore.runs(fetch, "state = 0", ())
        if which is None:
            if not unfinished:
                raise NothingToDo("nothing to resume: every run of this journal is over. `pexen run` begins another.")
            return unfinished[0]
        named = [record for record in unfinished if record.name == which]
        if named and not queries.is_run(which):
            return named[0]
        (record,) = restore.runs(fetch, "id = ?", (queries.run_id(connection, which),))
    if record.state is not RunState.UNFINISHED:
        raise NothingToDo(f"nothing to resume: run {record.id} is {record.state.word}. `pexen run` begins another.")
    return record
