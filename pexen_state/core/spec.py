"""What the plan knows about a task before it runs: plain, frozen data, the same for every kind of task.

How a task is run (the callable, its arguments, its environment) is no business of the core.
"""

from __future__ import annotations

from collections.abc import Hashable
from enum import IntEnum
from typing import NamedTuple

from pexen_state.core.states import RETRIED, Cause

Name = Hashable
NO_NAMES: tuple[Name, ...] = ()


class Declared(IntEnum):
    """How a task was declared; it decides which promises survive a failure (`core.promises`)."""

    CALLABLE = 0  #: a plain callable, or one made by a factory in python: as the original
    TASK = 1  #: by the decorator `pexen_state.task`
    EXECUTABLE = 2  #: an executable of a tree, or a line of a task list


class TaskSpec(NamedTuple):
    """One task. `key` names it for people; within a plan a task is known by its number, 1, 2, ...

    Names are any hashable values. `timeout` and `idle_timeout` are seconds for one attempt, `total_timeout` for all of
    them, None for no limit; the plan does not enforce them (it reads no clock), it only carries them.
    """

    key: str
    requires: tuple[Name, ...] = NO_NAMES  #: any one provider of each
    requires_all: tuple[Name, ...] = NO_NAMES  #: every provider of each
    provides: tuple[Name, ...] = NO_NAMES
    after: tuple[str, ...] = ()  #: globs of keys: order only, whatever the verdict
    uses: tuple[Name, ...] = NO_NAMES  #: locks to share
    claims: tuple[Name, ...] = NO_NAMES  #: locks to have alone
    priority: float = 0  #: lower first
    always: bool = False  #: runs even if what it requires was lost
    retries: int = 0  #: failures that are tried again
    retry_on: frozenset[Cause] = RETRIED
    max_crashes: int | None = 1  #: deaths of its worker that are tried again; None: without limit
    timeout: float | None = None
    idle_timeout: float | None = None
    declared: Declared = Declared.CALLABLE
    on_fail_locks: str | None = None  #: "free" or "hold": instead of the table of promises
    on_fail_deps: str | None = None  #: "break" or "keep"
    survives_reboot: bool = False  #: nobody need wait for its end before the box is rebooted
    total_timeout: float | None = None
    recovers: tuple[Name, ...] = NO_NAMES  #: locks that it claims even when they are dirty, and frees when it passes
    cleared_by_reboot: bool = False  #: locks that it left dirty are clean after a new boot
    kernel: str = "warn"  #: of trouble that the kernel tells of while it runs: "warn", "fail" or "ignore"
    needs: tuple[tuple[str, int], ...] = ()  #: how much of which resource it takes while it runs, by name
    group: str | None = None  #: it runs with no task of another group
    weight: float | None = None  #: how long it takes, beside others
    when: str | None = None  #: a condition on the box; it does not apply where that is false
    tags: tuple[str, ...] = ()  #: for people
    summary: str | None = None  #: for people

    @property
    def alone(self) -> tuple[Name, ...]:
        """Locks to have alone: what it claims, and what it recovers."""
        return tuple(dict.fromkeys((*self.claims, *self.recovers))) if self.recovers else self.claims


#: Has the place 0 where lists are indexed by the numbers of tasks, which begin at 1.
NOBODY = TaskSpec("")
