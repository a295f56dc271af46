"""Consumers of runs that are to be deleted: who has not seen all of them, and how they are forgotten."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from typing import NamedTuple

from pexen_state.journal.following.cursors import Cursors
from pexen_state.journal.following.stream import TYPES, Position, page
from pexen_state.journal.paths import JournalPaths

_PAGE = 200


class Consumer(NamedTuple):
    number: int
    name: str
    run: int
    has_seen_all: bool


def consumers_of(connection: sqlite3.Connection, paths: JournalPaths, runs: Collection[int]) -> list[Consumer]:
    """Raises ConsumerError."""
    return list(_consumers_of(connection, Cursors(paths), runs))


def _consumers_of(connection: sqlite3.Connection, cursors: Cursors, runs: Collection[int]) -> Iterator[Consumer]:
    for run in sorted(runs):
        found = connection.execute("SELECT uuid FROM run WHERE id = ?", (run,)).fetchone()
        for name, types, number in cursors.of_run(run, found[0]) if found is not None else ():
            standing = cursors.standing(number)
            wanted = TYPES if types == "everything" else types.split()
            in_hand = standing.free or standing.others
            yield Consumer(number, name, run, not in_hand and not _has(connection, run, standing.frontier, wanted))


def _has(connection: sqlite3.Connection, run: int, after: Position, types: Collection[str]) -> bool:
    """Whether there is anything of these types behind that."""
    is_last = False
    while not is_last:
        found = page(connection, run, after, _PAGE)
        if any(item.said["type"] in types for item in found.items):
            return True
        after, is_last = found.reached, found.is_last
    return False


def forget(paths: JournalPaths, consumers: Collection[Consumer]) -> None:
    """Raises ConsumerError."""
    if consumers:
        Cursors(paths).forget([consumer.number for consumer in consumers])
