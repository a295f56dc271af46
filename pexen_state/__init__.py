"""Runs tasks in order, in parallel, under locks, and writes every decision to a journal before it can be seen.

Importing this package is cheap: what costs something (the scheduler, the journal) is imported when it is
first used. This file owns the short list of names that programs import from here, and the version.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from pexen_state.util import PexenError, PexenWarning

if TYPE_CHECKING:
    from pexen_state import factory, sched, suite
    from pexen_state.journal.following import Event, events
    from pexen_state.sched.common import Reboot, Skip, TaskFailError
    from pexen_state.sched.current import Current, NotInATask, Refused, current, deadline, result
    from pexen_state.sched.groups import Group
    from pexen_state.sched.meta import task
    from pexen_state.sched.planner import Sched

__version__ = "0.1.0"

__all__ = [
    "Current",
    "Event",
    "Group",
    "NotInATask",
    "PexenError",
    "PexenWarning",
    "Reboot",
    "Refused",
    "Sched",
    "Skip",
    "TaskFailError",
    "current",
    "deadline",
    "events",
    "factory",
    "result",
    "sched",
    "suite",
    "task",
]

_HOMES = {
    "Current": "pexen_state.sched.current",
    "Event": "pexen_state.journal.following",
    "Group": "pexen_state.sched.groups",
    "NotInATask": "pexen_state.sched.current",
    "Reboot": "pexen_state.sched.common",
    "Refused": "pexen_state.sched.current",
    "Sched": "pexen_state.sched.planner",
    "Skip": "pexen_state.sched.common",
    "TaskFailError": "pexen_state.sched.common",
    "current": "pexen_state.sched.current",
    "deadline": "pexen_state.sched.current",
    "events": "pexen_state.journal.following",
    "result": "pexen_state.sched.current",
    "task": "pexen_state.sched.meta",
}

# Hidden from type checkers, which would otherwise take any misspelt name for an attribute of this package.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name in ("factory", "sched", "suite"):
            return importlib.import_module(f"pexen_state.{name}")
        if name in _HOMES:
            value = getattr(importlib.import_module(_HOMES[name]), name)
            globals()[name] = value
            return value
        raise AttributeError(f"module 'pexen_state' has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
