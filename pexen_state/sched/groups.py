"""Groups of exclusivity, as they are declared: tasks of one run with nothing of another.

How they take turns is the plan's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pexen_state.util import PexenError
from pexen_state.words import did_you_mean

POOLS = ("process", "thread")
_MOST_WORKERS = 10_000


class GroupError(PexenError):
    """What is said of a group makes no sense. `key` is what it is about, "" if it is about all of it."""

    def __init__(self, message: str, key: str = "") -> None:
        super().__init__(message)
        self.key = key


class Group(NamedTuple):
    """One group. `pool` and `workers` are those of the run, where None."""

    name: str
    pool: str | None = None  #: one of POOLS
    workers: int | None = None

    @classmethod
    def said(cls, name: str, table: object) -> Group:
        """From a table such as {"pool": "process", "workers": 5}. Raises GroupError."""
        if not isinstance(table, Mapping):
            raise GroupError(f'the group {name!r} is to be a table, such as {{ pool = "process", workers = 5 }}')
        found: dict[str, Any] = {}
        for key, value in table.items():
            if key == "pool":
                if value not in POOLS:
                    raise GroupError(f"pool can be {' or '.join(map(repr, POOLS))}, and {value!r} is neither", key)
            elif key == "workers":
                if type(value) is not int or not 0 < value <= _MOST_WORKERS:
                    raise GroupError(f"workers is to be a number of tasks to run at once, not {value!r}", key)
            else:
                raise GroupError(f"a group has no key {key!r}.{did_you_mean(key, ('pool', 'workers'))}", key)
            found[key] = value
        return cls(name, **found)
