"""Parts of a suite that may run on different boxes: what depends on each other stays together.

Tasks depend on each other if one requires a name that the other provides. Order alone (`after`) and locks keep nobody
together: they hold within one run. The parts are the same on every box, in whatever order the tasks come: nothing but
what the tasks say themselves decides, no past durations.
"""

from __future__ import annotations

from collections.abc import Sequence

from pexen_state.core.alternatives import parts_of
from pexen_state.core.spec import Name, TaskSpec


def components(specs: Sequence[TaskSpec]) -> list[list[int]]:
    """Places of the tasks that depend on each other, directly or not. Each task is in one of them."""
    above = list(range(len(specs)))

    def top(place: int) -> int:
        while above[place] != place:
            above[place] = above[above[place]]
            place = above[place]
        return place

    providers: dict[Name, int] = {}  # name -> the first of those that provide it; the others are with that one
    required = {
        part for spec in specs for name in (*spec.requires, *spec.requires_all) for part in (name, *parts_of(name))
    }
    for place, spec in enumerate(specs):
        for name in spec.provides:
            if name in required:
                above[top(place)] = top(providers.setdefault(name, place))
    for place, spec in enumerate(specs):
        for name in (*spec.requires, *spec.requires_all):
            for part in (name, *parts_of(name)):
                if part in providers:
                    above[top(place)] = top(providers[part])
    found: dict[int, list[int]] = {}
    for place in range(len(specs)):
        found.setdefault(top(place), []).append(place)
    return list(found.values())


def shards(specs: Sequence[TaskSpec], count: int) -> list[list[int]]:
    """So many parts, each as places, ascending. Each is about as heavy as the others: by `weight`, 1 if not said.

    The heaviest first, each to the part that is the lightest so far.
    """

    def weight(places: Sequence[int]) -> float:
        return sum(1.0 if (said := specs[place].weight) is None else said for place in sorted(places, key=key))

    def key(place: int) -> tuple[str, int]:
        return specs[place].key, place

    weighed = [(-weight(places), min(map(key, places)), places) for places in components(specs)]
    weighed.sort(key=lambda one: one[:2])
    parts: list[list[int]] = [[] for _ in range(count)]
    heavy = [0.0] * count
    for less, _, places in weighed:
        lightest = min(range(count), key=lambda part: (heavy[part], part))
        parts[lightest] += places
        heavy[lightest] -= less
    return [sorted(part) for part in parts]
