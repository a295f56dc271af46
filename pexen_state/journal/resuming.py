"""What the earlier sessions of a run left, for a resume: who its tasks are, where they stand, their results.

All of it is read in pages and dropped again, so that what a resume needs does not grow with what is in the journal, and
no cursor stays open over a write.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from pexen_state.journal.ids import ids_of, task_base
from pexen_state.journal.records import ENDINGS, EndedTask, RecordedTask, SavedTask
from pexen_state.journal.restore import RANGES, TASKS, Fetch, saved_from
from pexen_state.journal.specs import exact_key

_PAGE = 5000

_RECORDED = """
SELECT id - ?, key, fingerprint, state, reason, spec FROM task WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?
"""

_UNDER_WAY = f"{TASKS} AND ended IS NULL AND (attempt > 0 OR state > 1 OR reason IS NOT NULL) ORDER BY id"

# Who never ran has no result, and neither has a task that ran, was to be tried again, and then could not: all that
# is left of it is a reason. Small numbers are put together (`ENDINGS` knows how), since each column of a million rows
# costs as much as a step of the replay.
_ENDED = """
SELECT e.task - ?,
  k.state | (k.verdict << 8) | (k.provided << 16) | (k.locks << 17) | ((k.submitted IS NULL) << 20)
    | ((e.cause <= 20 OR (e.cause = 23 AND k.submitted IS NOT NULL AND k.attempt > k.withdrawn)) << 21),
  k.attempt, k.withdrawn, k.failures | (k.crashes << 31), k.reason, e.seq,
  a.ret, a.shared, a.error, a.took_us / 1e6, a.output
FROM transition e JOIN task k ON k.id = e.task AND k.ended = e.seq
LEFT JOIN attempt a ON a.id = k.submitted
WHERE e.seq > ? AND e.seq <= ? AND e.new >= 6
ORDER BY e.seq LIMIT ?
"""


class Resuming:
    """The tasks of one run. `sense` tells of rows that make none; outputs lie in `directory`."""

    def __init__(
        self, fetch: Fetch, run: int, directory: str, sense: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._fetch = fetch
        self._run = run
        self._directory = directory
        self._sense = sense

    def recorded(self) -> Iterator[list[RecordedTask]]:
        """Every task, by number, in pages."""
        base, (first, last) = task_base(self._run), ids_of(self._run)
        while True:
            with self._sense():
                page = list(map(RecordedTask._make, self._fetch(_RECORDED, (base, first, last, _PAGE))))
                for at, task in enumerate(page):
                    if task.spec_json is not None and (key := exact_key(task.key, task.spec_json)) is not task.key:
                        page[at] = task._replace(key=key)
            if not page:
                return
            first = base + page[-1].number + 1
            yield page

    def under_way(self) -> list[SavedTask]:
        """What has not ended, and of which more is to be said than that: by number."""
        with self._sense():
            return saved_from(self._fetch(_UNDER_WAY, (task_base(self._run), *ids_of(self._run))))

    def ended(self) -> Iterator[EndedTask]:
        """What has ended, with its result, in the order in which it did. Streamed."""
        base = task_base(self._run)
        for at, last in self._fetch(RANGES, (self._run,)):
            while True:
                with self._sense():
                    page = list(map(EndedTask._make, self._fetch(_ENDED, (base, at, last, _PAGE))))
                    for ending in {one.ending_number for one in page}:
                        ENDINGS[ending]  # raises for what stands for no word
                if not page:
                    break
                at = page[-1].ended_seq
                for one in page:
                    yield one if one.output is None else self._found(one, one.output)

    def _found(self, one: EndedTask, output: str) -> EndedTask:
        return one._replace(output=os.path.join(self._directory, output))
