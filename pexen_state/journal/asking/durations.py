"""How long tasks usually take, by the newest runs of their suite. By the standard library's sqlite3 alone."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Sequence

from pexen_state.core.states import Verdict
from pexen_state.journal.ids import ids_of

NEWEST = "SELECT id FROM run WHERE name = ? ORDER BY id DESC LIMIT ?"

# The tasks of a run lie side by side, and an attempt is found by its id: no view, which would look at times and words.
TOOK = f"""
SELECT k.key, k.verdict, a.took_us
FROM task k JOIN attempt a ON a.id = k.submitted
WHERE k.id BETWEEN ? AND ? AND k.ended IS NOT NULL AND k.verdict <> {int(Verdict.NOT_RUN)} AND a.took_us IS NOT NULL
"""

#: So many results are read and no more: a run looks at them before it begins, and 50,000 take a quarter of a second.
MOST = 50_000

_PASSED = frozenset({int(Verdict.INFO), int(Verdict.PASS), int(Verdict.WARN)})


def typical_seconds(
    connection: sqlite3.Connection, suite: str, runs: int = 10, most: int | None = MOST
) -> dict[str, float]:
    """Per key the median of the seconds that the task took when it passed, in the newest runs of that suite.

    Of a task that passed in none of them, the median of all attempts that ended it. A task that never came to an end
    is not there. Of large suites fewer runs are looked at, so that no more than `most` results are read (None: all); of
    a run that has more than these, its first tasks.
    """
    passed: dict[str, list[int]] = {}
    ended: dict[str, list[int]] = {}
    # All ids first: nothing is read while something else is still being fetched.
    newest = [run for (run,) in connection.execute(NEWEST, (suite, runs)).fetchall()]
    left = most if most is not None else sys.maxsize
    for run in newest:
        first, last = ids_of(run)
        # Their numbers begin with 1. A limit of rows would still look at every task that has not ended.
        found = connection.execute(TOOK, (first, min(last, first + left))).fetchall()
        for key, verdict, took_us in found:
            (passed if verdict in _PASSED else ended).setdefault(key, []).append(took_us)
        left -= len(found)
        if left <= 0:
            break
    return {key: _median(took) / 1e6 for key, took in {**ended, **passed}.items()}


def _median(values: Sequence[int]) -> float:
    # Not `statistics`: it brings decimals, fractions and random numbers along.
    if len(values) == 1:
        return values[0]  # as ever in the largest suites
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
