"""A run that is written to the journal and not run: whoever resumes it runs it."""

from __future__ import annotations

from contextlib import closing

from pexen_state.journal.writer import Journal
from pexen_state.sched.asked import RunAsked
from pexen_state.sched.journaled import begin_or_match, locked
from pexen_state.sched.match import check_keys
from pexen_state.sched.specs import Callables


def record_run(asked: RunAsked, callables: Callables) -> int:
    """Returns its number. No session is begun, so nobody has run it, and nothing of it was ever in flight."""
    check_keys(callables.specs)
    with locked(asked) as lock, closing(Journal.open(lock)) as journal:
        run, _, _ = begin_or_match(asked, journal, callables, None)
    return run.id
