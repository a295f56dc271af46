"""Which rows belong to which run: a task's row id is made of the run's id and the task's number.

It imports nothing: what is asked once a second, or at each press of the tab key, needs no more than this of it.
"""

from __future__ import annotations

#: A task's row id is the run's id, shifted by so many bits, plus the task's number. More tasks do not fit in a run.
TASK_BITS = 24


def task_base(run: int) -> int:
    """What to add to a task's number for the id of its row."""
    return run << TASK_BITS


def ids_of(run: int) -> tuple[int, int]:
    """The first and the last row id that a task of the run may have."""
    return task_base(run), task_base(run + 1) - 1
