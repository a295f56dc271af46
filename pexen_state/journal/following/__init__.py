"""Results while a run goes on: any number of programs follow what is decided, each at its own pace.

They only read the journal (`source`, `stream`), so none of them can slow the run. How far a named consumer got is kept
in a small database beside it (`cursors`). The standard library's sqlite3 alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from pexen_state.journal.following.cursors import ConsumerError
from pexen_state.journal.following.event import Event
from pexen_state.journal.following.follower import LEASE_S, BadConsumer, Follower
from pexen_state.journal.following.source import RunGone

__all__ = ["BadConsumer", "ConsumerError", "Event", "Follower", "RunGone", "events"]


def events(
    journal: str | os.PathLike[str],
    run: int | str = "latest",
    *,
    consumer: str | None = None,
    follow: bool = True,
    types: Iterable[str] | None = None,
    after: int = 0,
    ack: bool = True,
    lease: float | None = LEASE_S,
) -> Follower:
    """What is decided in a run, in the order of the journal: `Event`s, at least once for each consumer.

    `run` is a number, `latest`, `latest-1` or a suite's name. With `follow` it goes on until the run is over, however
    often its runner is killed and resumed meanwhile; without, to where the journal ends now.

    `consumer` is a name under which it is remembered how far this got. Any number of processes and threads on this
    box may call this with the same name: each event is given to one of them. An event counts as dealt with when the
    next one is asked for; with `ack=False` when its `ack()` is called, by whatever thread. What a worker had in hand is
    given to another one when the worker dies, leaves, or has had it for `lease` seconds (None: for ever).

    `types` are those of `transition`, `result`, `event` and `session` that are wanted [all], `after` a `seq` to begin
    behind, for whoever has no name. Raises JournalMissing, NotFound, BadConsumer, ConsumerError, other JournalErrors.
    """
    return Follower(journal, run, consumer=consumer, follow=follow, types=types, after=after, ack=ack, lease=lease)
