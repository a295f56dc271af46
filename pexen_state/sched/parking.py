"""When a run is parked: session after session was killed or crashed, and no task came to its end.

Then whatever it is that ends the sessions is not found by going on, and a service would go on for ever. A person looks,
and resumes by hand.
"""

from __future__ import annotations

from collections.abc import Iterable

from pexen_state.journal.lives import Life
from pexen_state.journal.records import HowEnded

#: So many such sessions in a row.
MOST = 3

_VIOLENT = {HowEnded.KILLED: "killed", HowEnded.CRASHED: "crashed with the box"}


def why_parked(lives: Iterable[Life]) -> str | None:
    """A sentence, if the run is to be parked; `lives` are the run's sessions, the latest first."""
    row: list[HowEnded] = []
    for life in lives:
        if life.how_ended not in _VIOLENT or life.ended_tasks:
            break
        row.append(life.how_ended)
        if len(row) == MOST:
            how = " or ".join(words for one, words in _VIOLENT.items() if one in row)
            return f"{MOST} sessions in a row were {how}, without one task coming to its end"
    return None
