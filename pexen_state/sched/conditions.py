"""Which tasks apply here: their conditions, decided on the facts about the box and the parameters of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from pexen_state.box.facts import Fact, facts
from pexen_state.core.inputs import DoesNotApply
from pexen_state.core.spec import TaskSpec
from pexen_state.core.when import Decided, decide, parse

#: How every reason begins that a condition gave.
WHEN = "when: "


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

    def inputs(self, tasks: Iterable[tuple[int, TaskSpec]]) -> Iterator[DoesNotApply]:
        """Of tasks, by their numbers, those that are not to run."""
        for number, spec in tasks:
            if spec.when is not None:
                holds, why = self.applies(spec)
                if not holds:
                    yield DoesNotApply(number, why)
