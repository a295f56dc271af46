"""What verbs have in common that follow a run: they look at the journal now and then, and stop in time.

Nothing is held open between two looks: neither a transaction, which would let the write-ahead log grow, nor the file,
which may be replaced.
"""

from __future__ import annotations

import select
import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from pexen_state.cli.output import Stream

LOOK_S = 0.2

T = TypeVar("T")


def wait(stream: Stream, seconds: float) -> bool:
    """Wait until it is time for the next look. False: nobody reads the stream any more, or at once if it is gone."""
    if stream.is_gone:
        return False
    poll = select.poll()
    poll.register(stream.fileno(), 0)  # nothing is asked for: errors and hang-ups are told anyway
    try:
        found = poll.poll(seconds * 1000)
    except OSError:
        found = []
    if not found:
        return True
    if any(event & (select.POLLERR | select.POLLHUP) for _, event in found):
        return False
    time.sleep(seconds)  # a stream that cannot be watched
    return True


def looks(path: str, run: int, look: Callable[[sqlite3.Connection], T], stream: Stream) -> Iterator[tuple[T, bool]]:
    """(what was seen, whether somebody runs the run), until it has been seen that nobody does. Ends then, and when
    nobody reads the stream any more.

    Whether it is run is asked first: what was written until then is seen.
    """
    from pexen_state.journal import queries
    from pexen_state.journal.reader import reader
    from pexen_state.report.runs import with_doing

    while True:
        with reader(path) as connection:
            (about,) = with_doing(connection, path, [queries.run(connection, run)])
            is_running = about["doing"] == "running"
            seen = look(connection)
        yield seen, is_running
        if not is_running or not wait(stream, LOOK_S):
            return
