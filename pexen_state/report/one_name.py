"""One name of a suite: who provides and requires it, and who uses and claims it as a lock. Nothing is forecast."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pexen_state.core.lock_names import lock_text
from pexen_state.core.locks import is_above, normal_name
from pexen_state.core.spec import TaskSpec
from pexen_state.report.text import cut, safe

_LISTED = 40  # tasks, names


def about_name(name: str, specs: Sequence[TaskSpec]) -> dict[str, Any]:
    """Who provides, requires, uses and claims a name, whole or above or below it if it is a lock's."""
    wanted = normal_name(name)

    def having(field: str) -> list[str]:
        return [spec.key for spec in specs if any(lock_text(one) == name for one in getattr(spec, field))]

    def locking(field: str) -> list[str]:
        return [
            spec.key for spec in specs if any(lock_text(normal_name(one)) == wanted for one in getattr(spec, field))
        ]

    return {
        "name": name,
        "provided_by": having("provides"),
        "required_by": having("requires"),
        "all_required_by": having("requires_all"),
        "used_by": locking("uses"),
        "claimed_by": locking("alone"),
        "recovered_by": locking("recovers"),
        "also": sorted(
            {
                lock_text(other)
                for spec in specs
                for one in (*spec.uses, *spec.alone)
                if _is_near(wanted, other := normal_name(one))
            }
        ),
    }


def _is_near(name: object, other: object) -> bool:
    return is_above(name, other) or is_above(other, name)


_SIDES = (
    ("provided_by", "is provided by"),
    ("required_by", "is required by"),
    ("all_required_by", "is required of all its providers by"),
    ("used_by", "is a lock used by"),
    ("claimed_by", "is a lock claimed by"),
    ("recovered_by", "is a lock recovered by"),
)


def name_lines(about: Mapping[str, Any], everything: bool) -> Iterator[str]:
    name = safe(about["name"])
    for field, words in _SIDES:
        keys = about[field]
        if keys:
            some = keys if everything else keys[:_LISTED]
            more = f" and {len(keys) - len(some)} more" if len(keys) > len(some) else ""
            yield f"{name} {words} {', '.join(cut(safe(key), 200) for key in some)}{more}"
    wanted = about["required_by"] or about["all_required_by"]
    if wanted and not about["provided_by"]:
        yield f"{name} is provided by no task"
    if about["provided_by"] and not wanted:
        yield f"{name} is required by no task"
    if about["also"]:
        near = ", ".join(map(safe, about["also"][:_LISTED]))
        yield f"as a lock it also keeps out, and is kept out by, those above and below it: {near}"
