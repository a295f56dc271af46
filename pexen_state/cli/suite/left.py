"""How the last session of an unfinished run ended, in the sentence that everything about the run begins with.

What a session did not say itself is found out as `journal.lives` does. Reads only.
"""

from __future__ import annotations

import time
from itertools import islice
from typing import NamedTuple

from pexen_state.core.listing import listed
from pexen_state.core.states import State
from pexen_state.journal.event_kinds import EventKind
from pexen_state.journal.identity import ProcessIdentity
from pexen_state.journal.ids import ids_of
from pexen_state.journal.lives import LAST_SEQ, REBOOTS, Today, how_it_ended, lives
from pexen_state.journal.lock import holder_of
from pexen_state.journal.records import HowEnded
from pexen_state.journal.restore import Fetch
from pexen_state.sched.parking import why_parked

# Who only steered says nothing of how the run was left. One that was cut off lived at least until its last decision;
# if it decided nothing, the run is as the one before it has left it.
_LAST_SESSION = f"""
SELECT s.how_ended, s.pid, s.start, s.boot_id, coalesce(
    s.ended_us,
    (SELECT t.at_us FROM transition t WHERE t.seq >= s.first_seq ORDER BY t.seq DESC LIMIT 1),
    s.began_us),
  {REBOOTS},
  (SELECT e.data LIKE '%"interrupt"%' FROM run_event e
    WHERE e.run = s.run AND e.kind = {int(EventKind.PAUSED)} AND e.seq >= s.first_seq ORDER BY e.seq DESC LIMIT 1)
FROM session s WHERE s.run = ? AND s.how_ended IS NOT {int(HowEnded.STEERED)}
ORDER BY ? AND coalesce(s.how_ended, {int(HowEnded.KILLED)}) IN ({int(HowEnded.KILLED)}, {int(HowEnded.CRASHED)})
  AND NOT EXISTS (SELECT 1 FROM transition t WHERE t.seq BETWEEN s.first_seq AND {LAST_SEQ})
  AND NOT EXISTS (SELECT 1 FROM run_event e WHERE e.seq BETWEEN s.first_seq AND {LAST_SEQ}), s.id DESC LIMIT 1
"""
_NEWEST_RUN = "SELECT run FROM session ORDER BY id DESC LIMIT 1"
_ASKED = f"""
SELECT k.key, a.mark FROM task k LEFT JOIN attempt a ON a.id = k.submitted
WHERE k.id BETWEEN ? AND ? AND k.state = {int(State.REBOOTING)} ORDER BY k.id
"""


class HowLeft(NamedTuple):
    """How the last session of an unfinished run ended."""

    sentence: str  #: `run 12 was cut off at 10:22:41: the runner was killed.`
    left_alone: str | None  #: why `resume --all` does not go on with it; None: it does
    ended: HowEnded | None = None  #: None: it was never begun, or it is being run
    is_new_boot: bool = False  #: the box was booted since


def how_left(fetch: Fetch, run: int, path: str) -> HowLeft:
    """Of an unfinished run of the journal at `path`."""
    rows = fetch(_LAST_SESSION, (run, False))
    if not rows:
        return HowLeft(f"run {run} was never begun.", None)
    today = Today.of(path)
    how, _, _, boot, *_ = rows[0]
    if how is None and boot == today.boot_id and (holder := holder_of(path)) and fetch(_NEWEST_RUN, ()) == [(run,)]:
        return HowLeft(f"run {run} is being run by the process {holder.runner.pid}.", None)
    ((how, pid, start, boot, at_us, rebooted, by_interrupt),) = fetch(_LAST_SESSION, (run, True))
    is_same_boot = boot == today.boot_id
    ended = how_it_ended(how, ProcessIdentity(pid, start, boot), bool(rebooted), today)
    asked = [f"{key} (mark {mark})" if mark else key for key, mark in fetch(_ASKED, ids_of(run))]
    at = _time_of_day(at_us)
    if by_interrupt and ended is HowEnded.KILLED:  # by the third one
        left = f"left at {at}, by Ctrl-C"
    else:
        left = _in_words(ended, at, asked, is_same_boot)
    if ended is HowEnded.PARKED and (why := why_parked(islice(lives(fetch, run, today), 1, None))) is not None:
        left = f"{left}: {why}"
    sentence = f"run {run} was {left}."
    if asked and ended is not HowEnded.REBOOTED:
        who = f"{listed(asked)} {'asks' if len(asked) == 1 else 'ask'} for a reboot"
        sentence += f" {who}{'' if is_same_boot else ', which the box has had since'}."
    return HowLeft(sentence, _why_left_alone(ended, by_interrupt), ended, not is_same_boot)


def _in_words(ended: HowEnded, at: str, asked: list[str], is_same_boot: bool) -> str:
    """What follows `run 12 was`. `asked` are tasks that wait for a reboot."""
    match ended:
        case HowEnded.KILLED:
            since = "" if is_same_boot else ", and the box was rebooted since"
            return f"cut off at {at}: the runner was killed{since}"
        case HowEnded.CRASHED:
            return f"cut off at {at}: the box crashed or lost power (new boot, no shutdown recorded)"
        case HowEnded.REBOOTED:
            who = f"for {listed(asked)}" if asked else "as a task had asked"
            if is_same_boot:
                return f"left at {at}: the box was to be rebooted {who}, and has not gone down since"
            return f"left at {at}: the box was rebooted {who}"
        case HowEnded.SHUTDOWN:
            return f"ended at {at}: the box was shut down or rebooted, by somebody else"
        case HowEnded.FAILED:
            return f"ended at {at} by an error"
        case _:
            return f"{ended.word} at {at}"


def _why_left_alone(ended: HowEnded, by_interrupt: int | None) -> str | None:
    if by_interrupt:
        return "it was ended by Ctrl-C"
    if ended is HowEnded.PARKED:
        return "it is parked"
    return "it is paused" if ended is HowEnded.PAUSED or by_interrupt is not None else None


def _time_of_day(at_us: int) -> str:
    """For people, in their own time zone: with the day, unless that is today."""
    then, now = time.localtime(at_us / 1e6), time.localtime()
    is_today = then[:3] == now[:3]
    return time.strftime("%H:%M:%S" if is_today else "%Y-%m-%d %H:%M:%S", then)
