"""What the shell is to do, once the decisions that led to it are on disk."""

from __future__ import annotations

from typing import NamedTuple

from pexen_state.core.states import Cause


class Submit(NamedTuple):
    """Hand an attempt to the pool."""

    task: int
    attempt: int  #: its number: never used twice for this task
    nth: int  #: which attempt it is for the task and for people, who do not count withdrawn ones
    parents: tuple[int, ...]  #: whose `shared` it gets, in the order in which they ended
    follows: int  #: how many results of this turn the caller must have been given first


class Yield(NamedTuple):
    """Give the task's result to the caller."""

    task: int
    attempt: int


class Kill(NamedTuple):
    """End a running attempt: TERM, grace, KILL. The pool answers with Lost(cause), or with its end."""

    task: int
    attempt: int
    cause: Cause


class Reboot(NamedTuple):
    """Reboot the box. Nothing is in flight but what survives that, or need not."""


class Enter(NamedTuple):
    """Nothing is in flight: have the workers that the group's tasks run on. They may have room for another number."""

    group: str | None


Command = Submit | Yield | Kill | Reboot | Enter
