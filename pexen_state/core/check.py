"""Questions asked of a set of tasks before anything runs: can all of them run, at least if nothing fails?

The answer is data; whoever asks makes an error or a warning of it. Satisfaction is simulated, which is linear;
a circle is searched only when there is one, for the message.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from pexen_state.core.alternatives import alternatives, parts_of
from pexen_state.core.circles import circles
from pexen_state.core.deps import Deps, Gate
from pexen_state.core.locks import normal_name
from pexen_state.core.spec import Name, TaskSpec

#: Similar names are looked for on behalf of the first ones only: that is slow among many names.
HINTS = 10


@dataclass(frozen=True, slots=True)
class Missing:
    """A name that a task requires and no task provides."""

    name: Name
    required_by: str
    similar: Name | None  #: a provided name that looks like it
    similar_by: str | None  #: and who provides that


@dataclass(frozen=True, slots=True)
class Findings:
    remain: tuple[Name, ...]  #: every name, or glob, that stays unsatisfied even if nothing fails
    missing: tuple[Missing, ...]
    circle: tuple[str, ...]  #: keys of tasks that wait for each other, the first one again at the end


class Rehearsal:
    """Runs tasks in thought, as they become known."""

    def __init__(self) -> None:
        self.deps = Deps()
        self.ran: set[int] = set()
        self._known = 0

    def add(self, specs: Sequence[TaskSpec]) -> bool:
        """Whether all tasks would run, these and those before."""
        ready, _ = self.deps.add(self._known + 1, specs)
        self._known += len(specs)
        for task in ready:  # grows while it is walked
            if task not in self.ran:  # who ran before a provider was added is freed a second time
                self.ran.add(task)
                ready += self.deps.end(task, True, False)[0]
        return len(self.ran) == self._known


def _nobody() -> Mapping[str, str]:
    return {}


def check_dependencies(specs: Sequence[TaskSpec], beside: Callable[[], Mapping[str, str]] = _nobody) -> Findings | None:
    """Run the tasks in thought; None if all of them would run. `beside` is asked for names that others provide, and for
    their keys, should some be missing: one may look like it.
    """
    rehearsal = Rehearsal()
    if rehearsal.add(specs):
        return None
    deps = rehearsal.deps
    stuck = [task for task in range(1, len(specs) + 1) if task not in rehearsal.ran]
    shut = [(task, gate) for task in stuck for gate in _unsatisfied(deps, task)]
    missing: dict[Name, int] = {}
    for task, gate in shut:
        if not gate.providers:
            missing.setdefault(gate.label, task)
    names = dict.fromkeys(gate.label for _, gate in shut)
    if not names:  # what comes after each other makes the circle
        names = dict.fromkeys(gate.label for task in stuck for gate in deps.shut_gates(task))
    circle: tuple[str, ...] = ()
    if not missing:
        found = next(circles(deps, stuck))
        circle = tuple(specs[task - 1].key for task in (*found, found[0]))
    return Findings(tuple(names), tuple(_missing(missing, specs, beside)), circle)


def _unsatisfied(deps: Deps, task: int) -> Iterator[Gate]:
    yield from (gate for gate in deps[task].requires if not gate.kept)
    yield from (gate for gate in deps[task].requires_all if not gate.all_kept)


def _missing(
    missing: Mapping[Name, int], specs: Sequence[TaskSpec], beside: Callable[[], Mapping[str, str]]
) -> Iterator[Missing]:
    """`missing` has for each name the first task that requires it."""
    there = [spec for spec in specs if spec.key]
    providers = {name: spec.key for spec in there for name in spec.provides if isinstance(name, str)}
    if missing:
        providers |= beside()
    for count, (name, task) in enumerate(missing.items()):
        similar: list[str] = []
        if count < HINTS:
            wanted = [part for part in parts_of(name) if isinstance(part, str)]
            similar = [found for part in wanted for found in get_close_matches(part, providers, 1)]
        hint = (similar[0], providers[similar[0]]) if similar else (None, None)
        yield Missing(name, specs[task - 1].key, *hint)


def required_names(specs: Collection[TaskSpec]) -> Iterator[Name]:
    """Of alternatives the whole, and each of them."""
    for spec in specs:
        yield from spec.requires
        yield from spec.requires_all
    for whole in alternatives(specs):
        yield from parts_of(whole)


def unused_names(specs: Iterable[TaskSpec], required: Container[Name]) -> Iterator[tuple[Name, str]]:
    """(name, key of a provider) of every provided name that is not among the required ones, each once."""
    told: set[Name] = set()
    for spec in specs:
        for name in spec.provides:
            if name not in required and name not in told:
                told.add(name)
                yield name, spec.key


def both_used_and_claimed(spec: TaskSpec) -> set[Name]:
    """Lock names that a task wants to share and to have alone."""
    if not spec.uses or not spec.alone:
        return set()
    return {normal_name(name) for name in spec.uses} & {normal_name(name) for name in spec.alone}
