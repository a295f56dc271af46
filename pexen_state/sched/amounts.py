"""How much of each resource there is: what the box has, and what somebody says that it has. And whether tasks fit."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from pexen_state.core.spec import TaskSpec
from pexen_state.sched.common import SchedulerError
from pexen_state.sched.taking import TAKES, MetaError
from pexen_state.words import amount_text, did_you_mean

#: What is counted without being named, of the facts about the box.
OF_THE_BOX = ("cpus", "memory")


def checked(said: Mapping[str, Any]) -> dict[str, int]:
    """`{"gpu": 2, "memory": "4G"}` as numbers. Raises SchedulerError."""
    try:
        amounts: Any = TAKES["needs"]("resources", said)
        return dict(amounts)
    except MetaError as error:
        raise SchedulerError(str(error)) from None


def totals(
    said: Mapping[str, int] | None, specs: Iterable[TaskSpec], known: Mapping[str, Any] | None = None
) -> dict[str, int]:
    """How much there is of each resource. `known` are the facts about the box, if somebody has them.

    Raises SchedulerError for a task that can never have what it needs.
    """
    box = _of_the_box() if known is None else known
    there = {name: int(box[name]) for name in OF_THE_BOX if name in box} | dict(said or {})
    check(specs, there)
    return there


def _of_the_box() -> dict[str, int]:
    """As `box.facts` has them, at once."""
    return {"cpus": len(os.sched_getaffinity(0)), "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")}


def check(specs: Iterable[TaskSpec], there: Mapping[str, int]) -> None:
    """Raises SchedulerError."""
    for spec in specs:
        for name, amount in spec.needs:
            if name not in there:
                raise SchedulerError(
                    f"{spec.key} needs {amount_text(amount)} of {name!r}, and nobody said how much of that there is."
                    f"{did_you_mean(name, there)} `--resource {name}=N` says it, or Sched(resources={{{name!r}: N}})."
                )
            if amount > there[name]:
                raise SchedulerError(
                    f"{spec.key} needs {amount_text(amount)} of {name!r}, and there is no more than "
                    f"{amount_text(there[name])}: it could never run. Let it need less, or say with "
                    f"`--resource {name}={amount}` that there is as much."
                )
