"""Whose a run is: of the process that began it, and of no other.

A caller may fork while it holds a result. The child has a copy of the whole run, and comes by its ends when it
leaves: it would speak to its parent's workers, write to its parent's journal and give up its parent's lock. So
whatever ends something asks here first.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from types import TracebackType

from pexen_state.sched.common import SchedulerError

#: How many times python has forked, from the first process to this one.
_forks = 0


def _has_forked() -> None:
    global _forks
    _forks += 1


os.register_at_fork(after_in_child=_has_forked)


class Owner:
    """The process that made this."""

    __slots__ = ("_forks", "pid")

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._forks = _forks

    @property
    def is_here(self) -> bool:
        return os.getpid() == self.pid

    def check(self) -> None:
        """Raises SchedulerError in a child of the owner. Asked after each result, so the kernel is not asked."""
        if self._forks != _forks:
            raise SchedulerError(
                f"this run belongs to the process {self.pid}, which forked this one: only that can go on with it"
            )


class OwnStack(ExitStack):
    """An ExitStack that nobody unwinds but its owner."""

    def __init__(self) -> None:
        super().__init__()
        self._owner = Owner()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> bool:
        if not self._owner.is_here:
            self.pop_all()
            return False
        return bool(super().__exit__(kind, error, trace))
