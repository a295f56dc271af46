"""Pools run attempts: in threads of this process, or in processes under a keeper.

`base` is what the loop and a pool say to each other. Nothing is imported before it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pexen_state.sched.common import PoolError
    from pexen_state.sched.pool.process import ProcessWorkerPool
    from pexen_state.sched.pool.thread import ThreadWorkerPool

__all__ = ["PoolError", "ProcessWorkerPool", "ThreadWorkerPool"]

_HOME_OF = {
    "PoolError": "pexen_state.sched.common",
    "ProcessWorkerPool": "pexen_state.sched.pool.process",
    "ThreadWorkerPool": "pexen_state.sched.pool.thread",
}

# Hidden from type checkers, which would otherwise take any misspelt name for an attribute of this package.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name in _HOME_OF:
            value = getattr(importlib.import_module(_HOME_OF[name]), name)
            globals()[name] = value
            return value
        raise AttributeError(f"module 'pexen_state.sched.pool' has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
