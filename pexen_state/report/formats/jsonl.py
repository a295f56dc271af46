"""JSON lines: what `pexen events` prints of a run, and an end mark, by which a reader knows that nothing is missing.

The lines of runs that are merged follow each other, the oldest run first; of each task the newest result counts.
`docs/report-lines.schema.json` says what is in them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from pexen_state.journal.reader import reader
from pexen_state.report.events import Lines
from pexen_state.report.formats.whole import Whole
from pexen_state.report.tables import SCHEMA


def lines(whole: Whole) -> Iterator[str]:
    count = 0
    ids = [run["id"] for run in whole.runs]
    for run in ids:
        told = Lines(run)
        with reader(whole.journal) as connection:
            for line in told.new(connection):
                count += 1
                yield f"{line}\n"
    verdicts = Counter(task.verdict or "unfinished" for task in whole.tasks)
    end = {
        "schema": SCHEMA,
        "type": "end",
        "run": ids[-1],
        "runs": ids,
        "events": count,
        "tasks": len(whole.tasks),
        "verdicts": dict(sorted(verdicts.items())),
    }
    yield f"{json.dumps(end)}\n"
