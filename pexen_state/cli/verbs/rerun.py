"""`pexen rerun`: a new run of the tasks of an earlier one."""

from __future__ import annotations

from typing import Any

import click

from pexen_state.cli.app import App, verb
from pexen_state.cli.headings import Grouped
from pexen_state.cli.running.run_options import headings, options_of, session_options


@click.command(
    short_help="Run the tasks of an earlier run again.",
    cls=Grouped,
    headings=headings(Which_tasks=("failed", "not_run")),
)
@click.argument("run", metavar="[RUN]", required=False)
@click.option("--failed", is_flag=True, help="Only those that failed there.")
@click.option("--not-run", is_flag=True, help="Only those that did not run there, or were cut off.")
@session_options(is_new=False)
@verb
def rerun(app: App, run: str | None, failed: bool, not_run: bool, wait: bool, **typed: Any) -> int:
    """Begin a new run of RUN's tasks, or of the newest run's, and of what they require.

    It has RUN's name, targets and options, unless others are typed, and runs in RUN's directory with its PATH, locale,
    umask and limits. The journal links both. An unfinished run of the suite is superseded; `pexen resume` goes on with
    it instead. It stays as it is if only a part of the suite runs again, or RUN is older than it.
    """
    from pexen_state.cli import journals
    from pexen_state.cli.errors import NothingToDo
    from pexen_state.cli.running import going_on
    from pexen_state.cli.suite import earlier
    from pexen_state.journal.uptodate import bring_up_to_date

    options = options_of(typed)
    found = journals.find(app.journal)
    if found is None or not earlier.is_there(found):
        raise NothingToDo("nothing to run again: there is no journal here. Another one is named with --journal.")
    bring_up_to_date(found.path)
    record = earlier.run_named(found.path, run)
    return going_on.run_again(app, found.path, record, going_on.Anew(options, wait), failed, not_run)
