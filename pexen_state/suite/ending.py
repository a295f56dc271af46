"""How a session ends: what became of the tasks, as the summary needs it, and the exit code."""

from __future__ import annotations

from collections.abc import Iterator

from pexen_state.core.plan import Plan
from pexen_state.core.states import Verdict
from pexen_state.report.display import Ended
from pexen_state.suite.exits import Exit


def ended_tasks(plan: Plan) -> Iterator[Ended]:
    """Every task of the run, those that ended in earlier sessions included."""
    for task in plan.tasks.values():
        is_flaky = task.verdict.is_good and task.failures + task.crashes > 0 and task.state.is_final
        yield Ended(task.spec.key, task.verdict, task.reason, is_flaky, task.state.is_final)


def exit_code(plan: Plan, is_strict: bool = False) -> Exit:
    """What a run that came to its end, or to a stop, means to whoever started it."""
    if not plan.is_over:
        return Exit.UNFINISHED
    verdicts = {task.verdict for task in plan.tasks.values()} - {Verdict.NONE}
    if is_strict and Verdict.WARN in verdicts:
        return Exit.FAILED
    return Exit.DONE if all(verdict.is_good for verdict in verdicts) else Exit.FAILED
