"""What the earlier sessions of a run left, for a resume: who its tasks are, where they stand, their results.

All of it is read in pages and dropped again, so that what a resume needs does not grow with what is in the journal, and
no cursor stays open over a write.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

from pexen_state.core.decisions import Intervention
from pexen_state.journal.ended import EndedPage, read_page
from pexen_state.journal.event_kinds import EventKind
from pexen_state.journal.ids import ids_of, task_base
from pexen_state.journal.recorded import RecordedPage, recorded_pages
from pexen_state.journal.records import SavedTask
from pexen_state.journal.restore import RANGES, TASKS, Fetch, saved_from

_PAGE = 5000

_UNDER_WAY = f"{TASKS} AND ended IS NULL AND (attempt > 0 OR state > 1 OR reason IS NOT NULL) ORDER BY id"
_CHANGES = "SELECT a.shared FROM task k JOIN attempt a ON a.id = k.submitted WHERE k.id = ?"
_LATE = f"SELECT data FROM run_event WHERE run = ? AND kind = {int(EventKind.ADDED)} ORDER BY seq"


class Late(NamedTuple):
    """Tasks that were added while the run went on."""

    by_caller: frozenset[int]  #: by number; the caller is to add them again
    calls: dict[int, str]  #: of those that tasks have added: how they are made again
    adders: dict[int, int]  #: the tasks that have added them

    def first_adder(self, number: int) -> int:
        """Who is to run again, so that this one is added again; the task itself if nobody has added it."""
        while number in self.adders:
            number = self.adders[number]
        return number


NOBODY_LATE = Late(frozenset(), {}, {})


def late(fetch: Fetch, run: int) -> Late:
    by_caller: set[int] = set()
    calls: dict[int, str] = {}
    adders: dict[int, int] = {}
    for (data,) in fetch(_LATE, (run,)):
        said = json.loads(data)
        numbers = range(said["first"], said["first"] + said["count"])
        if said.get("by") == 0:
            by_caller.update(numbers)
        elif said.get("by") is not None:
            adders.update(dict.fromkeys(numbers, said["by"]))
        # Whoever was taken from the catalogue for a task that joined comes after it, and has no record.
        calls.update(zip(numbers, said.get("calls", ()), strict=False))
    return Late(frozenset(by_caller), calls, adders)


class Resuming:
    """The tasks of one run. `sense` tells of rows that make none; outputs lie in `directory`."""

    def __init__(
        self, fetch: Fetch, run: int, directory: str, sense: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._fetch = fetch
        self._run = run
        self._directory = directory
        self._sense = sense

    def recorded(self) -> Iterator[RecordedPage]:
        """Every task, by number, in pages."""
        return recorded_pages(self._fetch, self._sense, self._run, _PAGE)

    def under_way(self) -> list[SavedTask]:
        """What has not ended, and of which more is to be said than that: by number."""
        with self._sense():
            return saved_from(self._fetch(_UNDER_WAY, (task_base(self._run), *ids_of(self._run))))

    def late(self) -> Late:
        """Who was added while an earlier session went on."""
        return late(self._fetch, self._run)

    def changes_of(self, task: int) -> str | None:
        """What the attempt that ended the task changed in its `shared`, as JSON; None for nothing."""
        found = self._fetch(_CHANGES, (task_base(self._run) + task,))
        return found[0][0] if found else None

    def ended(self, interventions: Sequence[tuple[int, Intervention]] = ()) -> Iterator[EndedPage]:
        """What has ended, with its result, in the order in which it did. A page ends where one of these was decided."""
        base = task_base(self._run)
        cuts = [seq for seq, _ in interventions]
        for first, last in self._fetch(RANGES, (self._run,)):
            at = first
            for until in (*(cut for cut in cuts if first < cut < last), last):
                while True:
                    with self._sense():
                        page = read_page(self._fetch, base, at, until, _PAGE, self._directory)
                    if page is None:
                        break
                    at = page.ended_seq
                    yield page
