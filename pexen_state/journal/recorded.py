"""Who the tasks of a run are, as the journal recorded it: in pages, of which each is compared before it is read.

Nearly always the tasks of a resume are those that were recorded, one by one. That is found out by text that SQLite has
joined, in a fraction of the time that a row for each would take; rows are read of a page that differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

from pexen_state.core.spec import TaskSpec
from pexen_state.journal.ids import ids_of, task_base
from pexen_state.journal.records import RecordedTask
from pexen_state.journal.restore import Fetch, with_exact_keys
from pexen_state.journal.specs import specs_to_json

_WHICH = "FROM task WHERE id BETWEEN ? AND ?"
_LAST = f"SELECT max(id) {_WHICH}"
_ROWS = f"SELECT id - ?, key, fingerprint, state, reason, spec {_WHICH} ORDER BY id"
_SKIPPED = f"SELECT id - ? {_WHICH} AND state = 9"
# Rows are walked by id. If they were not, what is joined would differ from the caller's, and be read one by one.
_JOINED = f"""
SELECT count(*), sum(state >= 6), sum(state = 9), count(fingerprint), min(fingerprint), max(fingerprint),
  group_concat(key, '\n'), group_concat(coalesce(spec, ''), '\n') {_WHICH}
"""
_FINGERPRINTS = f"SELECT group_concat(hex(fingerprint), '\n') {_WHICH}"

Sense = Callable[[], AbstractContextManager[None]]


class RecordedPage:
    """Some of the tasks, side by side, by number. Iterating over it reads them one by one."""

    def __init__(self, fetch: Fetch, sense: Sense, base: int, ids: tuple[int, int]) -> None:
        self._fetch = fetch
        self._sense = sense
        self._base = base
        self._ids = ids
        self._count: int
        self.finished: int  #: how many have ended
        ((self._count, self.finished, self._skipped, *self._joined),) = fetch(_JOINED, ids)

    def __len__(self) -> int:
        return self._count

    def is_of(self, specs: Sequence[TaskSpec], fingerprints: Sequence[bytes]) -> bool:
        """Whether it is exactly these tasks that were recorded."""
        count, least, most, recorded_keys, recorded_specs = self._joined
        keys = "\n".join([spec.key for spec in specs])
        return (
            len(specs) == self._count == count
            and keys == recorded_keys
            and keys.count("\n") == count - 1  # no key has lines of its own, which could be another's
            and "\n".join(specs_to_json(specs)) == recorded_specs
            and (set(fingerprints) == {least} if least == most else self._has(fingerprints))
        )

    def _has(self, fingerprints: Sequence[bytes]) -> bool:
        ((joined,),) = self._fetch(_FINGERPRINTS, self._ids)
        return bool("\n".join([one.hex() for one in fingerprints]).upper() == joined)

    def __iter__(self) -> Iterator[RecordedTask]:
        with self._sense():
            return iter(with_exact_keys(map(RecordedTask._make, self._fetch(_ROWS, (self._base, *self._ids)))))

    def skipped(self) -> set[int]:
        """Those that ended without having run, or that did not apply."""
        return {number for (number,) in self._fetch(_SKIPPED, (self._base, *self._ids))} if self._skipped else set()


def recorded_pages(fetch: Fetch, sense: Sense, run: int, size: int) -> Iterator[RecordedPage]:
    """Every task of the run, by number: numbers have no gaps."""
    base, ids = task_base(run), ids_of(run)
    ((last,),) = fetch(_LAST, ids)
    if last is None:
        return
    for first in range(base + 1, last + 1, size):
        with sense():
            page = RecordedPage(fetch, sense, base, (first, min(first + size - 1, last)))
        yield page
