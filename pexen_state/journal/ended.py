"""The tasks of a run that have ended, with what the attempts that ended them left, in the order in which they did.

They come in pages: of nearly all of them few small numbers are to be said, and those are read as plain rows. What else
there is to say of some is read in a second question, and only of these.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from pexen_state.core.decisions import AllRestored, Restored
from pexen_state.core.states import ATTEMPT_STATE, CRASHES, Cause
from pexen_state.journal.records import ENDINGS, EndedTask, TaskEnding
from pexen_state.journal.restore import Fetch

# Who never ran has no result, and neither has a task that ran, was to be tried again, and then could not: all that
# is left of it is a reason. Small numbers are put together (`ENDINGS` knows how), since each column of a million rows
# costs as much as a step of the replay.
_BY_AN_ATTEMPT = {*CRASHES, Cause.NO_REBOOT, *(cause for cause, state in ATTEMPT_STATE.items() if state.is_final)}
_ALL_UP_TO = int(Cause.WORKER_DIED)
_OTHERS = ", ".join(str(int(one)) for one in sorted(_BY_AN_ATTEMPT - {Cause.CANCELLED}) if one > _ALL_UP_TO)
_STANDING = f"""
  k.state | (k.verdict << 8) | (k.provided << 16) | (k.locks << 17) | ((k.submitted IS NULL) << 20)
    | ((e.cause <= {_ALL_UP_TO} OR e.cause IN ({_OTHERS})
      OR (e.cause = {int(Cause.CANCELLED)} AND k.submitted IS NOT NULL AND k.attempt > k.withdrawn)) << 21)
    | ((k.withdrawn > 0 OR k.failures > 0 OR k.crashes > 0 OR k.reboots > 0 OR k.reason IS NOT NULL) << 22)
    | (k.attempt << 24)
"""
_LEFT = "(a.ret IS NOT NULL OR a.shared IS NOT NULL OR a.error IS NOT NULL OR a.output IS NOT NULL)"
_WHICH = """
FROM transition e JOIN task k ON k.id = e.task AND k.ended = e.seq
LEFT JOIN attempt a ON a.id = k.submitted
WHERE e.seq > ? AND e.seq <= ? AND e.new >= 6
"""

_ENDED = f"SELECT e.seq, e.task - ?, {_STANDING}, {_LEFT}, a.took_us {_WHICH} ORDER BY e.seq LIMIT ?"
_MORE = f"""
SELECT e.task - ?, k.withdrawn, k.failures, k.crashes, k.reboots, k.reason, a.ret, a.shared, a.error, a.output {_WHICH}
  AND (k.withdrawn > 0 OR k.failures > 0 OR k.crashes > 0 OR k.reboots > 0 OR k.reason IS NOT NULL OR {_LEFT})
"""

EndedRow = tuple[int, int, int, int, int | None]  #: (seq, number, standing, whether it left something, microseconds)
_standing_of = itemgetter(2)


class More(NamedTuple):
    """What is to be said of few."""

    withdrawn: int = 0
    failures: int = 0
    crashes: int = 0
    reboots: int = 0
    reason: str | None = None
    ret: str | None = None  #: JSON, as the two that follow
    shared: str | None = None
    error: str | None = None
    output: str | None = None


NO_MORE = More()


class EndedPage:
    """Tasks that ended one after the other. Iterating over it gives each in full."""

    def __init__(self, rows: list[EndedRow], more: Mapping[int, More]) -> None:
        self.rows = rows
        self.more = more  #: by number; of whom nothing is here there is nothing to say
        self.ended_seq = rows[-1][0]  #: `seq` of the last transition

    def __iter__(self) -> Iterator[EndedTask]:
        return map(self.task, self.rows)

    def task(self, row: EndedRow) -> EndedTask:
        seq, number, standing, _, took_us = row
        return EndedTask(
            number,
            ENDINGS[standing & 0xFFFFFF],
            standing >> 24,
            seq,
            None if took_us is None else took_us / 1e6,
            *self.more.get(number, NO_MORE),
        )

    @cached_property
    def stretches(self) -> list[tuple[TaskEnding, int, list[EndedRow]]]:
        """(how they ended, in which attempt, who) of those side by side that do not differ in that."""
        return [
            (ENDINGS[standing & 0xFFFFFF], standing >> 24, list(rows))
            for standing, rows in groupby(self.rows, _standing_of)
        ]

    def restored(self) -> Iterator[Restored | AllRestored]:
        """Where they stood."""
        for ending, attempt, rows in self.stretches:
            if ending.has_more or ending.locks.kept:
                for row in rows:
                    yield self.task(row).restored
            else:
                numbers = [row[1] for row in rows]
                yield AllRestored(numbers, ending.state, attempt, ending.verdict, ending.provided, ending.is_fresh)


def read_page(fetch: Fetch, base: int, after: int, last: int, size: int, directory: str) -> EndedPage | None:
    """The first tasks that ended after one `seq`, and not after another. None: there are none.

    Raises LookupError for numbers that stand for no word. Outputs lie in `directory`.
    """
    rows: list[EndedRow] = fetch(_ENDED, (base, after, last, size))
    if not rows:
        return None
    more: dict[int, More] = {}
    _, _, standings, left, _ = zip(*rows, strict=True)
    endings = [ENDINGS[standing & 0xFFFFFF] for standing in set(standings)]
    if any(left) or any(ending.has_more for ending in endings):
        for number, *said, output in fetch(_MORE, (base, after, rows[-1][0])):
            more[number] = More._make([*said, None if output is None else os.path.join(directory, output)])
    return EndedPage(rows, more)
