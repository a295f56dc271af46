"""The catalogue in words: which tasks were taken from it, for which name, and why not the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pexen_state.core.candidates import Choice
from pexen_state.core.listing import listed
from pexen_state.core.lock_names import lock_text
from pexen_state.report.style import Style
from pexen_state.report.text import cut, safe

_LISTED = 40


def as_fields(choice: Choice) -> dict[str, Any]:
    return {
        "name": lock_text(choice.name),
        "required_by": list(choice.required_by),
        "candidates": [
            {"key": one.key, "cost": one.cost, "chosen": one.is_chosen, "why": one.why} for one in choice.candidates
        ],
    }


def candidate_lines(choices: Iterable[Choice], everything: bool) -> Iterator[str]:
    """For each name its candidates, and of each what speaks for or against it."""
    for choice in choices:
        some = choice.candidates if everything else choice.candidates[:_LISTED]
        yield f"{_name(choice)} can be taken from the catalogue:"
        for one in some:
            mark = "chosen:" if one.is_chosen else "not chosen:"
            yield f"  {mark:<12}{_key(one.key)} {cut(safe(one.why), 500)}"
        if len(choice.candidates) > len(some):
            yield f"  ... and {len(choice.candidates) - len(some)} more; --all lists them"


def taken_lines(choices: Iterable[Choice], style: Style, everything: bool) -> Iterator[str]:
    """`web/nginx  for httpd | nginx, required by login: it is the only one that could`"""
    lines = [
        f"  {_key(one.key)}  for {_name(choice)}, required by {listed([_key(key) for key in choice.required_by])}: "
        f"it {cut(safe(one.why), 500)}"
        for choice in choices
        for one in choice.candidates
        if one.is_chosen
    ]
    if lines:
        yield ""
        yield style.strong("taken from the catalogue")
        yield from lines if everything else lines[:_LISTED]
        if len(lines) > _LISTED and not everything:
            yield f"  ... and {len(lines) - _LISTED} more; --all lists them"


def _name(choice: Choice) -> str:
    return cut(safe(lock_text(choice.name)), 200)


def _key(key: str) -> str:
    return cut(safe(key), 200)
