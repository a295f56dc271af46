"""What is decided about a run and is no task's state: the integers by which it stands in the journal.

Light, for whoever only looks.
"""

from __future__ import annotations

from pexen_state.core.states import Word


class EventKind(Word):
    """What a `run_event` is. Its data is JSON: the fields of the decision, by name."""

    ADDED = 1  #: {"first": n, "count": n, "by": who, "calls": [...]}, the last two if it was while the run went on
    PAUSED = 2
    UNLOCKED = 3
    CANCELLED = 4
    GIVEN_UP = 5
    SUSPECTED = 6
    REBOOTING = 7
    EXTENDED = 8
    RECOVERED = 9
    CLEARED = 10
    ENTERED = 12  #: tasks of that group run from then on, and no others
    CONDITIONS = 13  #: of so many tasks it is decided whether they apply here
    FOLLOWED = 17  #: what was to follow the run's end was done (`--on-finish`); no decision of the plan
