"""What a journaled run is asked for, as plain values: `Sched` makes it, a session takes it.

So the session knows nothing of `Sched`, and what a caller may ask for stands in one place.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from pexen_state.box.facts import Fact
from pexen_state.core.plan import Plan
from pexen_state.journal.lock import RunLock
from pexen_state.sched.common import Opened, SchedulerError
from pexen_state.sched.order import DECLARED

#: What may be said anew about tasks when a run is resumed; all else is as the run recorded it.
OF_TASKS = frozenset({"timeout", "retries"})

#: What may be said anew. A new `max_fail` counts from then on, not over the whole run.
OVERRIDABLE = OF_TASKS | {"max_fail"}


@dataclass(frozen=True, slots=True)
class RunAsked:
    """One session of a run. What each field means is said at `Sched`, which has them as arguments."""

    path: str
    name: str
    resume: bool = True
    run_id: int | None = None
    parent: int | None = None
    supersedes: bool = True
    target: object = None
    options: Mapping[str, Any] = field(default_factory=dict)
    shared: Mapping[str, Any] = field(default_factory=dict)
    capture: bool = False
    max_fail: int | None = None
    run_timeout: float | None = None
    overrides: Collection[str] = ()
    rerun_changed: bool = False
    wait_for_journal: bool = False
    may_reboot: bool = False
    reboot_command: str | None = None
    max_boots: int = 100
    park: bool = False
    kernel: bool = False
    facts: Mapping[str, Fact] | None = None
    order: str = DECLARED
    usual: Mapping[str, float] = field(default_factory=dict)
    skip_passed_in: int | None = None
    announce: Callable[[Opened], None] | None = None
    pulse: Callable[[], None] | None = None
    finish: Callable[[RunLock, int], None] | None = None
    planned: Callable[[Plan], None] | None = None  #: is given the plan, before anything else is


def check_max_fail(max_fail: object) -> None:
    """Raises SchedulerError."""
    if max_fail is not None and (isinstance(max_fail, bool) or not isinstance(max_fail, int) or max_fail < 1):
        raise SchedulerError(f"max_fail is a number of failed tasks, 1 or more, not {max_fail!r}")


def check_overrides(overrides: Collection[str]) -> None:
    """Raises SchedulerError."""
    names = {overrides} if isinstance(overrides, str) else set(overrides)
    if unknown := names - OVERRIDABLE:
        raise SchedulerError(
            f"{min(unknown)!r} cannot be said anew when a run is resumed, only {', '.join(sorted(OVERRIDABLE))}"
        )


def checked_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Raises SchedulerError for what neither JSON nor a variable of the environment could hold."""
    if not all(type(key) is str for key in params):
        raise SchedulerError("a parameter's name is a string")
    for key, value in params.items():
        if not re.fullmatch(r"[A-Za-z_][\w.-]*", key, re.ASCII):
            raise SchedulerError(f"a parameter's name is made of letters, digits and _ . -, and {key!r} is not")
        if not (type(value) in (str, int, bool) or (type(value) is float and math.isfinite(value))):
            raise SchedulerError(f"the parameter {key!r} is a string, a number, True or False, not {value!r}")
    return dict(params)
