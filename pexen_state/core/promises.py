"""Which promises survive an ending: does what the task provides count, and are its locks free?

Each row of the table has a test in `tests/core/test_promises.py`.
"""

from __future__ import annotations

from pexen_state.core.inputs import Ending
from pexen_state.core.spec import Declared, TaskSpec
from pexen_state.core.states import CRASHES, Cause, Locks

#: Endings in which nobody can say what became of the things that the task had locked.
OUT_OF_CONTROL = CRASHES | {Cause.TIMED_OUT, Cause.IDLE, Cause.OUT_OF_TIME, Cause.NO_REBOOT}


def promises_after(spec: TaskSpec, ending: Ending) -> tuple[bool, Locks]:
    """(whether its `provides` are kept, what becomes of its locks)."""
    if ending.cause is Cause.RETURNED:
        return True, Locks.FREED
    provided, locks = _by_table(spec.declared, ending)
    if spec.on_fail_deps is not None:
        provided = spec.on_fail_deps == "keep"
    if spec.on_fail_locks is not None:
        free = spec.on_fail_locks == "free"
        locks = Locks.FREED if free else locks if locks.kept else Locks.HELD
    return provided, locks


def _by_table(declared: Declared, ending: Ending) -> tuple[bool, Locks]:
    cause = ending.cause
    if cause is Cause.FAILED:  # TaskFailError: the task says what it left in order
        return ending.deps_ok, Locks.FREED if ending.locks_ok else Locks.HELD
    if cause in (Cause.SKIPPED, Cause.KERNEL, Cause.PART_FAILED):  # it came to its own end, in order
        return False, Locks.FREED
    if cause in OUT_OF_CONTROL:
        return False, Locks.DIRTY
    match declared:
        case Declared.EXECUTABLE:
            return False, Locks.DIRTY if cause is Cause.SIGNALLED else Locks.FREED
        case Declared.TASK:
            return False, Locks.FREED if cause is Cause.ASSERTED else Locks.DIRTY
        case Declared.CALLABLE:
            return False, Locks.HELD
