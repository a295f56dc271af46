"""Which tasks a run has: the wanted ones, what they require, and of what is there on demand just what is missing.

A required name that an ordinary task provides brings every task that does. A name that none of them provides is filled
from the catalogue, by one task: preferred by who requires it, then the cheapest, then the one whose name stands first
among alternatives, then by key. What that one requires is filled likewise. A task whose `when` is false fills nothing,
nor does one that could never run. Whoever provides a name only after himself does not provide it. The same tasks give
the same answer, in whatever order they come.

Nothing runs here and nothing is read. `core.candidates` says why, in sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from heapq import heappop, heappush
from typing import NamedTuple

from pexen_state.core.alternatives import parts_of
from pexen_state.core.deps import Deps
from pexen_state.core.spec import NO_NAMES, Name, TaskSpec

#: (whether the task applies here, and if not, why not)
Applies = Callable[[TaskSpec], tuple[bool, str]]


class Entry(NamedTuple):
    """A task that the run has, or may have."""

    spec: TaskSpec
    on_demand: bool = False  #: only if somebody requires what it provides
    cost: float = 0  #: of several that could fill a name, lower first
    prefers: tuple[str, ...] = ()  #: keys, globs of keys, or names that are provided: who is to fill what it requires


def everything_applies(_: TaskSpec) -> tuple[bool, str]:
    return True, ""


class Completion(NamedTuple):
    """`places` are those of all tasks of the run among the entries, ascending."""

    places: tuple[int, ...]
    filled: tuple[int, ...]  #: of these, those that were taken from the catalogue
    brought: tuple[int, ...]  #: of these, ordinary ones that were not wanted, but are required


def complete(
    entries: Sequence[Entry], wanted: Iterable[int] | None = None, applies: Applies = everything_applies
) -> Completion:
    """Close the wanted entries (None: all that are not on demand) over what they require.

    Who is on demand and wanted is in the run, whether anybody requires it or not. What nobody can provide stays
    missing: whoever checks the tasks says so.
    """
    places = [place for place, entry in enumerate(entries) if not entry.on_demand] if wanted is None else list(wanted)
    world = World(entries, applies)
    while True:
        completing = _Completing(world)
        completion = completing.complete(places)
        if not (not_needed := completing.not_needed(set(places))):
            return completion
        world.leave_out(not_needed)  # and begin anew: nor is what they require


def without_missing(specs: Sequence[TaskSpec]) -> list[TaskSpec]:
    """The same tasks, requiring nothing that none of them provides: it is taken as provided."""
    provided = {name for spec in specs for name in spec.provides}

    def there(names: tuple[Name, ...]) -> tuple[Name, ...]:
        return tuple([name for name in names if name in provided or not provided.isdisjoint(parts_of(name))])

    return [
        spec._replace(requires=there(spec.requires), requires_all=there(spec.requires_all))
        if spec.requires or spec.requires_all
        else spec
        for spec in specs
    ]


class World:
    """Everybody who is there, or could be: who provides what, and who could run."""

    def __init__(self, entries: Sequence[Entry], applies: Applies) -> None:
        self.entries = entries
        self._applies = applies
        self._known: dict[int, str | None] = {}
        self.ordinary: dict[Name, list[int]] = {}  #: name -> places of those that provide it
        self.on_demand: dict[Name, list[int]] = {}
        for place, entry in enumerate(entries):
            providers = self.on_demand if entry.on_demand else self.ordinary
            for name in entry.spec.provides:
                providers.setdefault(name, []).append(place)
        self._left_out: set[int] = set()
        self._ranks: dict[int, int] | None = None

    def leave_out(self, places: Iterable[int]) -> None:
        """As if they were not there."""
        self._left_out.update(places)
        self._ranks = None

    def key(self, place: int) -> tuple[str, int]:
        """Sorts entries, however they came; only those of one key by their places."""
        return self.entries[place].spec.key, place

    def why_not(self, place: int) -> str | None:
        """Why it does not apply here; None: it does."""
        if place not in self._known:
            spec = self.entries[place].spec
            does, reason = (True, "") if spec.when is None else self._applies(spec)
            self._known[place] = None if does else reason
        return self._known[place]

    @property
    def ranks(self) -> dict[int, int]:
        """Of those that could run if everybody were there: in which order. Who is not in it never can."""
        if self._ranks is None:
            everybody = [place for place in range(len(self.entries)) if place not in self._left_out]
            here = [place for place in everybody if self.why_not(place) is None]
            here.sort(key=self.key)
            self._ranks = {place: rank for rank, place in enumerate(self.run(here))}
        return self._ranks

    def run(self, places: Sequence[int]) -> Iterator[int]:
        """Those that would run if nobody else were there and none failed, in that order.

        Any provider of a name is enough here, and order alone holds nobody up.
        """
        deps = Deps()
        specs = [self.entries[place].spec for place in places]
        plain = [
            TaskSpec(
                spec.key,
                requires=tuple(dict.fromkeys((*spec.requires, *spec.requires_all))),
                provides=spec.provides,
                always=spec.always,
            )
            for spec in specs
        ]
        ready, _ = deps.add(1, plain)
        for task in ready:  # grows while it is walked
            yield places[task - 1]
            ready += deps.end(task, True, False)[0]

    def candidates(self, name: Name) -> list[int]:
        """Who could fill a name, or one of the alternatives, if he could run; by key."""
        found = {place for part in (name, *parts_of(name)) for place in self.on_demand.get(part, ())}
        return sorted(found, key=self.key)

    def order(self, name: Name, place: int, prefers: Sequence[str]) -> tuple[int, float, int, str, int]:
        """By which a candidate for a name is taken, the least first."""
        entry = self.entries[place]
        provides = entry.spec.provides
        parts = parts_of(name)
        return (
            next((at for at, word in enumerate(prefers) if is_meant(word, entry.spec)), len(prefers)),
            entry.cost,
            next((at for at, part in enumerate(parts) if part in provides), len(parts)),
            *self.key(place),
        )


def is_meant(word: str, spec: TaskSpec) -> bool:
    """Whether a word of `prefers` means the task."""
    return word == spec.key or word in spec.provides or fnmatchcase(spec.key, word)


class _Completing:
    def __init__(self, world: World) -> None:
        self._world = world
        self._entries = world.entries
        self._there: dict[int, None] = {}  # places of who is in the run, in the order in which they came
        self._names: set[Name] = set()  # that a task from the catalogue which is there provides
        self._brought: dict[Name, bool] = {}  # whose ordinary providers are there; whether one of them applies here
        # Names without alternatives first, and those who prefer somebody before those who do not care: what they
        # bring may do for the others.
        self._wishes: list[tuple[bool, bool, str, str, int, Name, int]] = []

    def complete(self, wanted: Sequence[int]) -> Completion:
        asked = set(wanted)
        for place in sorted(asked):
            self._join(place)
        self._grant()
        if self._world.on_demand:
            self._open_circles()
        places = tuple(sorted(self._there))
        more = [place for place in places if place not in asked]
        return Completion(
            places,
            tuple([place for place in places if self._entries[place].on_demand]),
            tuple([place for place in more if not self._entries[place].on_demand]),
        )

    def _join(self, place: int) -> None:
        if place in self._there:
            return
        self._there[place] = None
        entry = self._entries[place]
        spec = entry.spec
        if entry.on_demand:
            self._names.update(spec.provides)
        for name in (*spec.requires, *spec.requires_all):
            parts = parts_of(name)
            careless = not entry.prefers
            wish = (len(parts) > 1, careless, spec.key, repr(name), len(self._wishes), name, place)
            heappush(self._wishes, wish)

    def _grant(self) -> None:
        """Bring whoever is required, until nobody is missing who can be had."""
        while self._wishes:
            *_, name, place = heappop(self._wishes)
            if self._bring_ordinary(name) or not self._names.isdisjoint((name, *parts_of(name))):
                continue
            best = self._best(name, self._entries[place].prefers, self._world.candidates(name))
            if best is not None:
                self._join(best)

    def _bring_ordinary(self, name: Name) -> bool:
        """Whether one of these applies here."""
        names = (name, *parts_of(name))
        for part in names:
            if part not in self._brought:
                providers = self._world.ordinary.get(part, ())
                self._brought[part] = any(self._world.why_not(place) is None for place in providers)
                for place in providers:
                    self._join(place)
        return any(self._brought[part] for part in names)

    def _best(self, name: Name, prefers: Sequence[str], candidates: Iterable[int], before: int = -1) -> int | None:
        """Of those that can run; those of a rank below `before` can without anybody of that rank or above."""
        ranks = self._world.ranks
        able = [place for place in candidates if place in ranks and (before < 0 or ranks[place] < before)]
        return min(able, key=lambda place: self._world.order(name, place, prefers), default=None)

    def _open_circles(self) -> None:
        """Each choice was the best, but together they may wait for each other: then add who ran without them."""
        ranks = self._world.ranks
        while True:
            runs = set(self._world.run(sorted(self._there, key=self._world.key)))
            stuck = [place for place in self._there if place not in runs and place in ranks]
            if not stuck:
                return
            # Of the first one, everything that it requires is provided by somebody before it: by one who runs, or who
            # is not there.
            first = min(stuck, key=ranks.__getitem__)
            spec, prefers = self._entries[first].spec, self._entries[first].prefers
            names = {name for place in runs for name in self._entries[place].spec.provides}
            for name in (*spec.requires, *spec.requires_all):
                if names.isdisjoint((name, *parts_of(name))):
                    best = self._best(name, prefers, self._world.candidates(name), ranks[first])
                    assert best is not None, f"{spec.key} runs without anybody who provides {name!r}"
                    self._join(best)
            self._grant()

    def not_needed(self, asked: Collection[int]) -> set[int]:
        """Who was taken for a name that another one, taken since, does for, too. Of those the dearest."""
        filled = [place for place in self._there if self._entries[place].on_demand]
        wanted = self._wanted_by_parts()
        counts: dict[Name, int] = {}  # required name -> how many are there that fill it
        for place in self._there:
            if self._world.why_not(place) is not None:
                continue
            for whole in self._fills(place, wanted):
                counts[whole] = counts.get(whole, 0) + 1
        there, left_out = dict(self._there), set()
        order = [place for place in filled if place not in asked]
        order.sort(key=lambda place: (-self._entries[place].cost, self._world.key(place)))
        for place in order:
            fills = self._fills(place, wanted)
            if any(counts[whole] < 2 for whole in fills):
                continue
            others = [other for other in there if other != place]
            if self._how_many_run(others) == self._how_many_run(there) - 1:
                del there[place]
                left_out.add(place)
                for whole in fills:
                    counts[whole] -= 1
        return left_out

    def _how_many_run(self, places: Iterable[int]) -> int:
        return sum(1 for _ in self._world.run(sorted(places, key=self._world.key)))

    def _wanted_by_parts(self) -> dict[Name, list[Name]]:
        wanted: dict[Name, dict[Name, None]] = {}
        for place in self._there:
            spec = self._entries[place].spec
            for name in (*spec.requires, *spec.requires_all):
                for part in (name, *parts_of(name)):
                    wanted.setdefault(part, {})[name] = None
        return {part: list(wholes) for part, wholes in wanted.items()}

    def _fills(self, place: int, wanted: dict[Name, list[Name]]) -> set[Name]:
        return {whole for name in self._entries[place].spec.provides for whole in wanted.get(name, NO_NAMES)}
