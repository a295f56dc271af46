"""Tasks with a condition: which of them were skipped for it, and of which it would be decided otherwise now.

Read-only: the plan decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pexen_state.core.catalogue import Applies
from pexen_state.core.spec import TaskSpec
from pexen_state.core.states import State, Verdict

if TYPE_CHECKING:
    from pexen_state.core.standing import Standing
    from pexen_state.core.tasks import Task

#: How every reason begins that a condition gave.
WHEN = "when: "


def skipped_for_its_condition(task: Task) -> bool:
    """Whether it did not run for its own `when`, and not for what it requires, or for what it said itself."""
    is_skip = task.verdict is Verdict.SKIP and has_not_begun(task)
    return is_skip and says_its_condition(task.state, task.spec, task.reason)


def says_its_condition(state: State, spec: TaskSpec, reason: str | None) -> bool:
    """Whether that is the reason of a task that was skipped."""
    return state is State.SKIPPED and spec.when is not None and (reason or "").startswith(WHEN)


def has_not_begun(task: Task) -> bool:
    """Or not since it was sent back. What was handed over, and withdrawn, has not either."""
    return task.is_fresh or not task.nth


def decided_otherwise(run: Standing, applies: Applies) -> Iterator[Task]:
    """Tasks that have not begun, and of which it was decided otherwise whether they apply here."""
    for number, spec in enumerate(run.tasks.specs[1 : run.conditioned + 1], 1):
        if spec.when is None:
            continue
        task = run.tasks[number]
        was_skipped = skipped_for_its_condition(task)
        may_change = was_skipped or (has_not_begun(task) and not task.state.is_final)
        if may_change and applies(spec)[0] is was_skipped:
            yield task
