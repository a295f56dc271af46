"""How the sessions of a run ended: told by themselves, or found out by whoever comes after them.

Read only, on any connection.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from typing import NamedTuple

from pexen_state.box.life import boot_id
from pexen_state.core.states import Cause, State, Verdict
from pexen_state.journal.event_kinds import EventKind
from pexen_state.journal.identity import ProcessIdentity
from pexen_state.journal.ids import ids_of, task_base
from pexen_state.journal.lock import outlived
from pexen_state.journal.records import HowEnded, SavedTask
from pexen_state.journal.restore import Fetch

#: A session that never said how it ended had the box rebooted, if that was the last that was heard of it: if the box
#: stayed up, the task that had asked has failed, or others were begun.
REBOOTS = f"""EXISTS (
  SELECT 1 FROM run_event e WHERE e.seq >= s.first_seq AND e.kind = {int(EventKind.REBOOTING)} AND NOT EXISTS (
    SELECT 1 FROM transition t
    WHERE t.seq > e.seq AND (t.new = {int(State.SUBMITTED)} OR t.cause = {int(Cause.NO_REBOOT)})))"""

#: Of a session `s`: the last `seq` that may be its own.
LAST_SEQ = "coalesce(s.last_seq, 9223372036854775807)"

_LIVES = f"""
SELECT s.how_ended, s.pid, s.start, s.boot_id, s.id, s.first_seq, {LAST_SEQ},
  s.how_ended IS NULL AND {REBOOTS}
FROM session s WHERE s.run = ? AND s.how_ended IS NOT {int(HowEnded.STEERED)} ORDER BY s.id DESC
"""
_PANICS = "SELECT panics FROM session WHERE id = ?"
_ENDED_TASKS = "SELECT EXISTS (SELECT 1 FROM transition WHERE seq BETWEEN ? AND ? AND new >= 6)"
_DECIDED = """
SELECT EXISTS (SELECT 1 FROM transition WHERE seq BETWEEN ? AND ?)
  OR EXISTS (SELECT 1 FROM run_event WHERE seq BETWEEN ? AND ?)
"""

_FLIGHTS = f"""
SELECT k.id - ?, coalesce((
    SELECT t.seq FROM transition t
    WHERE t.seq > k.submitted AND t.task = k.id AND t.new = {int(State.RUNNING)} LIMIT 1), k.submitted), a.pid
FROM task k LEFT JOIN attempt a ON a.id = k.submitted
WHERE k.id BETWEEN ? AND ? AND k.state IN (2, 3)
"""
_BLAMED = f"SELECT key, count(*) FROM task WHERE verdict = {int(Verdict.CRASH)} AND id < ? GROUP BY key"

#: What the task `k` wanted to be told after the last reboot that it asked for. Of attempts since then that
#: were cut off nothing may have been written.
MARK = """(
  SELECT a.mark FROM transition t JOIN attempt a ON a.id = t.seq
  WHERE t.seq <= k.submitted AND t.task = k.id AND a.mark IS NOT NULL ORDER BY t.seq DESC LIMIT 1)"""
_MARK_OF = f"SELECT {MARK} FROM task k WHERE k.id = ?"


#: The last sign of life of a session `s`: what it said of its end, or what it wrote last.
_LAST_SIGN = f"""
coalesce(s.ended_us, (SELECT max(x.at_us) FROM transition x
  WHERE x.seq BETWEEN s.first_seq AND {LAST_SEQ}), s.began_us)
"""
_TIME_WORKED = f"""
SELECT coalesce(sum(max(0, {_LAST_SIGN} - s.began_us - s.set_by_us)), 0)
FROM session s WHERE s.run = ? AND s.how_ended IS NOT {int(HowEnded.STEERED)}
"""
_TIME_SPENT = f"""
SELECT coalesce(sum(coalesce(a.took_us, max(0, {_LAST_SIGN} - t.at_us - a.wait_us))), 0)
FROM session s JOIN transition t ON t.seq BETWEEN s.first_seq AND {LAST_SEQ}
  JOIN attempt a ON a.id = t.seq
WHERE s.run = ? AND t.task = ? AND a.wait_us IS NOT NULL
"""


class Flight(NamedTuple):
    """An attempt that the journal knows to be in flight."""

    task: int
    since: int  #: `seq` of its beginning, or of its submission, if no more is known
    pid: int | None  #: of its worker


class Today(NamedTuple):
    """What is known now of sessions that did not say how they ended."""

    boot_id: str
    outlived: ProcessIdentity | None  #: the last runner that is known to have died before its box went down

    @classmethod
    def of(cls, path: str | PathLike[str]) -> Today:
        """For the sessions of the journal at `path`."""
        return cls(boot_id(), outlived(path))


class Life(NamedTuple):
    """A session that is over, of somebody who ran tasks."""

    how_ended: HowEnded
    boot_id: str
    ended_tasks: bool  #: a task came to its end in it; so does a culprit that was given up
    decided: bool = True  #: anything was decided in it: else it went away before it could say what it had found
    session: int = 0


def lives(fetch: Fetch, run: int, today: Today) -> Iterator[Life]:
    """The sessions of a run, the latest first."""
    for how, pid, start, boot, session, first, last, rebooted in fetch(_LIVES, (run,)):
        ended_tasks = bool(fetch(_ENDED_TASKS, (first, last))[0][0])
        decided = bool(fetch(_DECIDED, (first, last, first, last))[0][0])
        runner = ProcessIdentity(pid, start, boot)
        yield Life(how_it_ended(how, runner, bool(rebooted), today), boot, ended_tasks, decided, session)


def last_that_decided(past: Sequence[Life]) -> Life | None:
    """The session that left the run as it is. What was in flight then is so still, and what became of it follows from
    how that session ended, and from the boot that it was in.
    """
    return next((life for life in past if life.decided), past[0] if past else None)


def how_it_ended(said: int | None, runner: ProcessIdentity, rebooted: bool, today: Today) -> HowEnded:
    """What a session said; else what follows from the boot that it was in. `rebooted`: it had begun to reboot."""
    if said is not None:
        return HowEnded(said)
    if runner.boot_id == today.boot_id:
        return HowEnded.KILLED
    if rebooted:
        return HowEnded.REBOOTED
    return HowEnded.KILLED if runner == today.outlived else HowEnded.CRASHED


def panics_before(fetch: Fetch, life: Life) -> frozenset[str] | None:
    """Those that the box had kept when that session began; None: nobody looked."""
    ((known,),) = fetch(_PANICS, (life.session,))
    return None if known is None else frozenset(json.loads(known))


def flights(fetch: Fetch, run: int) -> list[Flight]:
    """What is in flight, as far as was written."""
    return [Flight(*row) for row in fetch(_FLIGHTS, (task_base(run), *ids_of(run)))]


def blamed(fetch: Fetch, run: int) -> dict[str, int]:
    """How often tasks of that key crashed in earlier runs, of any suite."""
    return dict(fetch(_BLAMED, (task_base(run),)))


def marks_of(fetch: Fetch, run: int, under_way: Iterable[SavedTask]) -> dict[int, str]:
    """What those of the tasks that asked for a reboot wanted to be told after it, by number."""
    found: dict[int, str] = {}
    for task in under_way:
        if task.reboots:
            ((mark,),) = fetch(_MARK_OF, (task_base(run) + task.number,))
            found[task.number] = mark or ""
    return found


def time_worked(fetch: Fetch, run: int) -> float:
    """Seconds in which sessions of the run were at work: each until the last sign of life that it has left."""
    return float(fetch(_TIME_WORKED, (run,))[0][0]) / 1e6


def time_spent(fetch: Fetch, run: int, tasks: Iterable[int]) -> dict[int, float]:
    """Seconds that the attempts of each of these tasks took together, those that were cut off included."""
    return {task: float(fetch(_TIME_SPENT, (run, task_base(run) + task))[0][0]) / 1e6 for task in tasks}
