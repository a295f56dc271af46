"""Which tasks apply here: their conditions, decided on the facts about the box and the parameters of the run."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from pexen_state.box.facts import MEANING, Fact, facts
from pexen_state.core.conditional import WHEN, decided_otherwise
from pexen_state.core.plan import Plan
from pexen_state.core.spec import TaskSpec
from pexen_state.core.when import Decided, WhenError, decide, parse
from pexen_state.sched.common import SchedulerError
from pexen_state.sched.match import some
from pexen_state.util import PexenWarning
from pexen_state.words import did_you_mean


class Conditions:
    """`known` gives the facts when the first condition asks for them; `params` are those of the run."""

    def __init__(
        self, params: Mapping[str, Any] | None = None, known: Callable[[], Mapping[str, Fact]] = facts
    ) -> None:
        self._params = params or {}
        self._known = known
        self._decided: dict[str, Decided] = {}

    @cached_property
    def _facts(self) -> dict[str, Any]:
        return {**self._known(), **{f"param.{name}": value for name, value in self._params.items()}}

    def decide(self, text: str) -> Decided:
        found = self._decided.get(text)
        if found is None:
            found = self._decided[text] = decide(parse(text), self._facts)
        return found

    def applies(self, spec: TaskSpec) -> tuple[bool, str]:
        """(whether it does, the sentence that says why not)."""
        if spec.when is None:
            return True, ""
        decided = self.decide(spec.when)
        return decided.holds, f"{WHEN}{decided.because}"


def checked_facts(facts: Mapping[str, Fact]) -> dict[str, Fact]:
    """Raises SchedulerError for what no box has, and for what is no value of a fact."""
    for name, value in facts.items():
        if name not in MEANING:
            raise SchedulerError(f"there is no fact {name!r}.{did_you_mean(str(name), MEANING)}")
        is_list = isinstance(value, list) and all(isinstance(one, str) for one in value)
        if not is_list and type(value) not in (str, int, bool):
            raise SchedulerError(f"the fact {name!r} is text, a number, a truth or a list of texts, not {value!r}")
    return dict(facts)


def check_recorded(specs: Sequence[TaskSpec]) -> None:
    """Raises SchedulerError for a condition that another version may have understood, and this one does not."""
    for text, key in {spec.when: spec.key for spec in specs if spec.when is not None}.items():
        try:
            parse(text)
        except WhenError as error:
            raise SchedulerError(f"the condition of {key}, {text[:200]!r}, is not understood, {error}") from None


def tell_of_other_decisions(plan: Plan, conditions: Conditions, again: bool) -> None:
    """On a resume: whose condition says something else on the box as it is now."""
    keys = [task.spec.key for task in decided_otherwise(plan, conditions.applies)]
    if not keys:
        return
    number = "1 task" if len(keys) == 1 else f"{len(keys)} tasks"
    if again:
        told = f"of {number} it is decided anew whether they apply here: {some(keys)}"
    else:
        told = (
            f"the conditions of {number} would be decided otherwise on the box as it is now, and what was decided "
            f"holds: {some(keys)}. With --rerun-changed (rerun_changed=True) it is decided anew"
        )
    warnings.warn(told, PexenWarning, stacklevel=2)


def tell_of_other_params(ours: Mapping[str, Any] | None, recorded: Mapping[str, Any] | None) -> None:
    """On a resume: results of a run are results under its parameters."""
    before = recorded or {}
    told = [
        f"{name} is {before[name]!r}, not {value!r}" if name in before else f"{name} is not set, not {value!r}"
        for name, value in sorted((ours or {}).items())
        if name not in before or (type(before[name]), before[name]) != (type(value), value)
    ]
    if told:
        number = "1 parameter stays" if len(told) == 1 else f"{len(told)} parameters stay"
        warnings.warn(f"{number} as when the run began: {some(told)}", PexenWarning, stacklevel=2)
