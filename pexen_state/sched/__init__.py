"""The scheduler's public names, those of the original pexen among them.

Nothing is imported before it is used: `sched.meta` alone, which is all that a file of tasks needs, loads
neither the loop nor a pool nor the journal.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pexen_state.sched import common, executable, meta, pool
    from pexen_state.sched.common import (
        DepcheckError,
        ExceptionInfo,
        MutexError,
        PoolError,
        SchedulerError,
        Skip,
        TaskFailError,
        TaskRes,
        task_fail_wrap,
    )
    from pexen_state.sched.groups import Group
    from pexen_state.sched.meta import SchedMeta, assign_meta, assign_val, func_meta, task
    from pexen_state.sched.planner import Sched

__all__ = [
    "DepcheckError",
    "ExceptionInfo",
    "Group",
    "MutexError",
    "PoolError",
    "Sched",
    "SchedMeta",
    "SchedulerError",
    "Skip",
    "TaskFailError",
    "TaskRes",
    "assign_meta",
    "assign_val",
    "common",
    "executable",
    "func_meta",
    "meta",
    "pool",
    "task",
    "task_fail_wrap",
]

_MODULES = {"common", "executable", "meta", "planner", "pool"}
_HOMES = {
    "groups": ["Group"],
    "meta": ["SchedMeta", "assign_meta", "assign_val", "func_meta", "task"],
    "planner": ["Sched"],
    "common": [
        "DepcheckError",
        "ExceptionInfo",
        "MutexError",
        "PoolError",
        "SchedulerError",
        "Skip",
        "TaskFailError",
        "TaskRes",
        "task_fail_wrap",
    ],
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

# Hidden from type checkers, which would otherwise take any misspelt name for an attribute of this package.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name in _MODULES:
            return importlib.import_module(f"pexen_state.sched.{name}")
        if name in _HOME_OF:
            value = getattr(importlib.import_module(f"pexen_state.sched.{_HOME_OF[name]}"), name)
            globals()[name] = value
            return value
        raise AttributeError(f"module 'pexen_state.sched' has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
