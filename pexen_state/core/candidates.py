"""Why a name is filled by this task of the catalogue and by no other one: a sentence for each candidate.

Only looks: what `core.catalogue` decided is taken as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from pexen_state.core.alternatives import parts_of
from pexen_state.core.catalogue import Applies, Entry, World, everything_applies, is_meant
from pexen_state.core.circles import circles
from pexen_state.core.deps import Deps
from pexen_state.core.listing import listed
from pexen_state.core.lock_names import lock_text
from pexen_state.core.spec import Name


class Candidate(NamedTuple):
    """Somebody who could fill a name."""

    key: str
    cost: float
    is_chosen: bool
    why: str  #: a sentence without its subject: "is the cheapest", "does not apply here: ..."


class Choice(NamedTuple):
    """A name that tasks of the run require, and who could fill it."""

    name: Name
    required_by: tuple[str, ...]
    candidates: tuple[Candidate, ...]  #: the chosen ones first, then by key


class Explaining:
    """Answers for one completion. `there` are the places of the tasks that the run has."""

    def __init__(self, entries: Sequence[Entry], there: Collection[int], applies: Applies = everything_applies) -> None:
        self._world = World(entries, applies)
        self._entries = entries
        self._there = frozenset(there)
        self._wanted: dict[Name, list[int]] = {}  # whole name -> places of those that require it
        for place in sorted(self._there, key=self._world.key):
            spec = entries[place].spec
            for name in (*spec.requires, *spec.requires_all):
                self._wanted.setdefault(name, []).append(place)
        self._in_circles: dict[int, list[int]] | None = None

    def about(self, text: str) -> list[Choice]:
        """Of every required name that is that text, or has it among its alternatives, and has candidates."""
        meant = [
            name
            for name in sorted(self._wanted, key=repr)
            if text in [lock_text(name), *map(lock_text, parts_of(name))]
        ]
        return [choice for name in meant if (choice := self.choice(name)).candidates]

    def choice(self, name: Name) -> Choice:
        wanted = self._wanted.get(name, [])
        places = sorted(
            self._world.candidates(name), key=lambda place: (place not in self._there, self._world.key(place))
        )
        required_by = tuple([self._key(place) for place in wanted])
        return Choice(name, required_by, tuple([self._candidate(name, place, places) for place in places]))

    def choices(self) -> Iterator[Choice]:
        """Every name that somebody of the catalogue was taken for."""
        for name in sorted(self._wanted, key=repr):
            if any(place in self._there for place in self._world.candidates(name)):
                yield self.choice(name)

    def why_nobody(self, name: Name) -> list[str]:
        """Sentences about a name that is missing: why no candidate fills it."""
        choice = self.choice(name)
        return [f"{one.key} {one.why}" for one in choice.candidates]

    # -- one candidate

    def _candidate(self, name: Name, place: int, places: Sequence[int]) -> Candidate:
        entry = self._entries[place]
        chosen = place in self._there
        return Candidate(entry.spec.key, entry.cost, chosen, self._why(name, place, places))

    def _why(self, name: Name, place: int, places: Sequence[int]) -> str:
        there = [other for other in places if other in self._there]
        if (reason := self._world.why_not(place)) is not None:
            return f"does not apply here: {reason}" if reason else "does not apply here"
        if place in self._there:
            return self._why_chosen(name, place, places)
        if place not in self._world.ranks:
            return self._why_never(place)
        ordinary = self._ordinary(name)
        if ordinary:
            return f"is not needed: {listed([self._key(other) for other in ordinary])} of the suite provides it"
        if not there:
            return "is not needed: no task of the run requires it"
        best = min(there, key=lambda other: self._order(name, other))
        if self._order(name, place) < self._order(name, best):
            return f"is not needed: {self._key(best)} is there for something else, and provides it, too"
        return self._why_not_as_good(name, place, best)

    def _why_chosen(self, name: Name, place: int, places: Sequence[int]) -> str:
        if self._ordinary(name):
            return "is there for something else"
        able = [other for other in places if other in self._world.ranks]
        others = [other for other in able if other != place]
        if not others:
            return "is the only one that could"
        best = min(others, key=lambda other: self._order(name, other))
        mine, its = self._order(name, place), self._order(name, best)
        if mine > its:
            return "is there for something else, and provides it, too"
        if mine[0] != its[0]:
            return f"is preferred by {self._fond_of(name, place)}"
        if mine[1] != its[1]:
            return f"costs least: {mine[1]:g}"
        if mine[2] != its[2]:
            return f"provides {parts_of(name)[mine[2]]!r}, which is named first"
        return "comes first by its key"

    def _why_not_as_good(self, name: Name, place: int, best: int) -> str:
        mine, its = self._order(name, place), self._order(name, best)
        if mine[0] != its[0]:
            return f"is not preferred: {self._fond_of(name, best)} prefers {self._key(best)}"
        if mine[1] != its[1]:
            return f"costs {mine[1]:g}, and {self._key(best)} {its[1]:g}"
        if mine[2] != its[2]:
            return f"provides {parts_of(name)[mine[2]]!r}, and {parts_of(name)[its[2]]!r} is named before that"
        return f"comes after {self._key(best)} by its key"

    def _order(self, name: Name, place: int) -> tuple[int, float, int, str, int]:
        return self._world.order(name, place, self._prefers(name))

    def _prefers(self, name: Name) -> Sequence[str]:
        """Of the first one who requires it and cares."""
        return next(
            (self._entries[one].prefers for one in self._wanted.get(name, ()) if self._entries[one].prefers), ()
        )

    def _fond_of(self, name: Name, place: int) -> str:
        spec = self._entries[place].spec
        fond = (
            self._key(one)
            for one in self._wanted.get(name, ())
            if any(is_meant(word, spec) for word in self._entries[one].prefers)
        )
        return next(fond, "whoever requires it")

    def _ordinary(self, name: Name) -> list[int]:
        """Ordinary tasks of the run that provide it and apply here."""
        found = {place for part in (name, *parts_of(name)) for place in self._world.ordinary.get(part, ())}
        here = [place for place in found & self._there if self._world.why_not(place) is None]
        return sorted(here, key=self._world.key)

    def _why_never(self, place: int) -> str:
        ranks = self._world.ranks
        names = {name for other in ranks for name in self._entries[other].spec.provides}
        spec = self._entries[place].spec
        for name in (*spec.requires, *spec.requires_all):
            if names.isdisjoint((name, *parts_of(name))):
                if circle := self._circle(place):
                    return f"waits for itself: {' -> '.join(map(self._key, [*circle, circle[0]]))}"
                providers = {one for part in parts_of(name) for one in self._world.on_demand.get(part, ())}
                providers |= {one for part in parts_of(name) for one in self._world.ordinary.get(part, ())}
                if not providers:
                    return f"requires {name!r}, which nobody provides"
                keys = [self._key(one) for one in sorted(providers, key=self._world.key)]
                return f"requires {name!r}, which {listed(keys)} cannot provide here"
        return "can never run"

    def _circle(self, place: int) -> list[int] | None:
        """The circle that a task which can never run is in, beginning with itself."""
        if self._in_circles is None:
            ranks = self._world.ranks
            never = [one for one in range(len(self._entries)) if one not in ranks and self._world.why_not(one) is None]
            never.sort(key=self._world.key)
            deps = Deps()
            deps.add(1, [self._entries[one].spec for one in never])
            found = circles(deps, range(1, len(never) + 1))
            self._in_circles = {
                never[task - 1]: [never[one - 1] for one in circle[at:] + circle[:at]]
                for circle in found
                for at, task in enumerate(circle)
            }
        return self._in_circles.get(place)

    def _key(self, place: int) -> str:
        return self._entries[place].spec.key
