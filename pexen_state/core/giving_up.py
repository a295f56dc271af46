"""Giving a run up: so many of its tasks have ended badly that the rest is not worth its time.

Read-only, and without a mind of its own: how many are too many is said by whoever runs it, and the plan decides. What
is in flight then may end, what runs `always` is still to run, and everything else never runs.
"""

from __future__ import annotations

from collections.abc import Iterator

from pexen_state.core.standing import Standing


def reason(run: Standing) -> str:
    """The sentence that is kept with the run, and with every task that did not run for it."""
    return f"the run was given up after {run.failed} {'task' if run.failed == 1 else 'tasks'} had failed"


def left_out(run: Standing) -> Iterator[int]:
    """Tasks that never run once the run is given up."""
    for number, task in run.tasks.items():
        if not task.state.is_final and not task.state.in_flight and not task.spec.always:
            yield number
