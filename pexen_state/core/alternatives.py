"""Alternatives: who requires `"httpd | nginx"` waits until one of these names is provided, whichever it is.

The whole text is the name that is waited for. Who provides a part of it provides the whole, too; so the gates of
`core.deps` count as ever, and nothing else in the plan knows that there are alternatives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pexen_state.core.spec import Name, TaskSpec

SEPARATOR = " | "


def parts_of(name: Name) -> tuple[Name, ...]:
    """The names of which one is enough, in the order in which they are written; of any other name itself."""
    if type(name) is not str or SEPARATOR not in name:
        return (name,)
    return tuple(dict.fromkeys([part.strip() for part in name.split(SEPARATOR) if part.strip()])) or (name,)


def alternatives(specs: Iterable[TaskSpec]) -> Iterator[str]:
    """What these tasks require that has alternatives, as often as they do."""
    for spec in specs:
        for name in spec.requires:
            if type(name) is str and SEPARATOR in name:
                yield name
        for name in spec.requires_all:
            if type(name) is str and SEPARATOR in name:
                yield name


def providing_wholes(specs: Sequence[TaskSpec], wholes: Mapping[Name, Sequence[str]]) -> Sequence[TaskSpec]:
    """The same tasks, providing the whole of each part that they provide. `wholes`: by part."""
    if not wholes:
        return specs
    return [
        with_wholes(spec, [whole for name in spec.provides for whole in wholes.get(name, ())])
        if spec.provides
        else spec
        for spec in specs
    ]


def with_wholes(spec: TaskSpec, wholes: Sequence[str]) -> TaskSpec:
    return spec._replace(provides=tuple(dict.fromkeys((*spec.provides, *wholes)))) if wholes else spec
