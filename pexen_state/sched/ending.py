"""How a session, and with it perhaps the run, is written down as ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pexen_state.core.plan import Plan
from pexen_state.core.states import Verdict
from pexen_state.journal.records import HowEnded, RunState

if TYPE_CHECKING:
    from pexen_state.journal.writer import Journal


def end_session(journal: Journal, plan: Plan, how: HowEnded) -> None:
    """The session ends: with the run, if that is over, else in this way."""
    if plan.is_over:
        journal.end_run(end_state(plan), worst_verdict(plan))
        how = HowEnded.FINISHED
    journal.end_session(how)


def end_state(plan: Plan) -> RunState:
    """Of a run that is over: whether all of it was let run."""
    return RunState.CANCELLED if plan.is_cancelled or plan.given_up is not None else RunState.FINISHED


def worst_verdict(plan: Plan) -> Verdict:
    """The run's verdict. A task that could not run is as bad as one that failed."""
    verdicts = set(plan.tasks.verdicts[1:])
    not_run = Verdict.NOT_RUN in verdicts
    worst = max(verdicts - {Verdict.NOT_RUN}, default=Verdict.NONE)
    return max(worst, Verdict.FAIL) if not_run else worst
