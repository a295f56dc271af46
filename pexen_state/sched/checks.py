"""Checks of the tasks before a run, as the errors and warnings that the caller sees."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence

from pexen_state.core.check import Findings, both_used_and_claimed, check_dependencies, unused_names
from pexen_state.core.spec import Name, TaskSpec
from pexen_state.sched.common import DepcheckError, MutexError
from pexen_state.sched.pool.base import Body
from pexen_state.util import PexenWarning


def check_locks(tasks: Iterable[Body], specs: Sequence[TaskSpec]) -> None:
    """Raises MutexError for a task that wants to share a lock and to have it alone."""
    for task, spec in zip(tasks, specs, strict=True):
        if spec.uses and spec.alone and (both := both_used_and_claimed(spec)):
            raise MutexError(f"Task {spec.key} has {both} in both claims and uses.", task)


def check_names(specs: Sequence[TaskSpec], beside: Callable[[], Mapping[str, str]] = dict) -> None:
    """Raises DepcheckError if there are tasks that could not run even if nothing failed. `beside`: names that others
    provide, for the message.
    """
    findings = check_dependencies(specs, beside)
    if findings is not None:
        raise DepcheckError(_sentence(findings), list(findings.remain))


def _sentence(findings: Findings) -> str:
    lines = [f"Unsatisfied requires remain: {list(findings.remain)}"]
    for missing in findings.missing:
        lines.append(f"  {missing.required_by} requires {missing.name!r}, but no task provides it.")
        if missing.similar is not None:
            lines.append(f"  Did you mean {missing.similar!r}, provided by {missing.similar_by}?")
    if findings.circle:
        lines.append(f"  These wait for each other: {' -> '.join(findings.circle)}")
    return "\n".join(lines)


def warn_of_unused_names(specs: Sequence[TaskSpec], required: set[Name], told: set[Name]) -> None:
    """One PexenWarning for each name that is provided and never required, once for each name in `told`."""
    for name, key in unused_names(specs, required):
        if name not in told:
            told.add(name)
            warnings.warn(f"Dep {name!r} provided by {key}, but not required by any task", PexenWarning, stacklevel=4)
