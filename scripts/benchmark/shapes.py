"""The graphs that every peer runs: which task needs which, and which lock it takes. The same for everybody, always."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

SHAPES = ("independent", "layered", "chain", "locks")

LAYER_WIDTH = 100
LOCKS = 10


class Shape(NamedTuple):
    """Tasks are the numbers from 0; a task needs only tasks before it."""

    parents: Sequence[tuple[int, ...]]
    locks: Sequence[int | None]  #: which lock a task has to hold alone


def shape_of(name: str, n: int) -> Shape:
    none = [None] * n
    match name:
        case "independent":
            return Shape([()] * n, none)
        case "layered":
            return Shape([_two_of_the_layer_above(number) for number in range(n)], none)
        case "chain":
            return Shape([(number - 1,) if number else () for number in range(n)], none)
        case "locks":
            return Shape([()] * n, [number % LOCKS for number in range(n)])
    raise ValueError(f"there is no shape {name!r}; there are: {', '.join(SHAPES)}")


def _two_of_the_layer_above(number: int) -> tuple[int, ...]:
    layer, column = divmod(number, LAYER_WIDTH)
    if not layer:
        return ()
    above = (layer - 1) * LAYER_WIDTH
    one = (column * 37 + layer * 11) % LAYER_WIDTH
    other = (one + 1 + (column * 53 + layer * 29) % (LAYER_WIDTH - 1)) % LAYER_WIDTH
    return (above + one, above + other)
