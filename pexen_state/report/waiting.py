"""Why a task is where it is, in whole sentences: what the plan knows, with the times that the journal knows.

The plan is the one that `journal.standing` restored. Who waits for locks is no part of the journal, so those that are
ready queue here as they would in a run. Nothing is decided.
"""

from __future__ import annotations

import shlex
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pexen_state.core import explain
from pexen_state.core.lock_names import lock_text
from pexen_state.core.plan import Plan
from pexen_state.core.standstill import listed
from pexen_state.core.states import State
from pexen_state.journal import queries
from pexen_state.journal.asking.durations import typical_seconds
from pexen_state.journal.standing import standing
from pexen_state.report.endings import attempt_in_words, cause_in_words
from pexen_state.report.runs import with_doing
from pexen_state.report.style import count, duration, verdict_words
from pexen_state.report.text import safe

Found = dict[str, Any]

_CHAIN = 8  # tasks behind a task that are told
_NAMED = 3

_HELD_SINCE = """
SELECT k.key, e.at_us / 1e6 FROM task k JOIN transition e ON e.seq = k.ended
WHERE k.id BETWEEN ? AND ? AND k.locks <> 0
"""


@dataclass(frozen=True)
class Situation:
    """A run as it stands, and what is known of times. `command` is what a person types for pexen and its journal."""

    run: Found
    plan: Plan
    since: Mapping[str, float]  #: seconds that a task has been running, or has left locks behind
    typical: Mapping[str, float]
    command: str
    superseded_by: int | None

    @property
    def is_running(self) -> bool:
        return bool(self.run["doing"] == "running")

    @property
    def id(self) -> int:
        return int(self.run["id"])


def situation(connection: sqlite3.Connection, path: str, run_id: int, now: float, command: str) -> Situation:
    """Everything that is asked of the journal, at once. `now`: seconds since 1970."""
    (run,) = with_doing(connection, path, [queries.run(connection, run_id)])
    plan = standing(connection, run_id)
    _queue_up(plan)
    since = {one["task"]: now - one["began_us"] / 1e6 for one in queries.in_flight(connection, run_id)}
    left = connection.execute(_HELD_SINCE, queries.ids_of(run_id)).fetchall()
    since |= {key: now - at for key, at in left}
    superseded_by = queries.newest_named(connection, run["name"]) if run["state"] == "superseded" else None
    return Situation(run, plan, since, typical_seconds(connection, run["name"]), command, superseded_by)


def _queue_up(plan: Plan) -> None:
    """Let everybody who is ready try its locks, best first, as a run does."""
    ready = [task for task in plan.tasks.values() if task.state is State.READY and task.requests]
    for task in sorted(ready, key=lambda task: (task.spec.priority, task.number)):
        if not plan.locks.holds(task.number):
            plan.locks.may_take(task.number, task.requests, task.spec.priority)


# -- sentences


def sentences(about: Situation, number: int, cause: str | None, last: Found | None) -> Iterator[str]:
    """`cause` is that of the task's newest transition, `last` its newest attempt as the views have it."""
    task = about.plan.tasks[number]
    why = explain.why(about.plan, number)
    if not task.state.is_final and about.superseded_by is not None:
        yield (
            f"{task.spec.key} will not run in run {about.id}: it is superseded by run {about.superseded_by} of the "
            "same suite."
        )
        return
    match why:
        case explain.Ended():
            yield from _ended(about, number, cause, last)
        case explain.InFlight():
            yield _in_flight(about, why)
        case explain.Locked():
            yield _locked(about, why)
            yield from _way_out(about, [holder for holder in why.holders if holder.has_ended])
        case explain.Waits():
            yield from _waits(about, number, why)
        case explain.Ready():
            yield from _ready(about, why)
    if not about.is_running and not task.state.is_final:
        yield _nobody_runs(about)


def _ready(about: Situation, why: explain.Ready) -> Iterator[str]:
    if about.is_running:
        yield explain.sentence(why)
    elif why.tried:
        yield f"{why.key} has made {count(why.tried, 'attempt')}, and will be tried again."
    else:
        yield f"{why.key} is ready."


def _nobody_runs(about: Situation) -> str:
    doing = about.run["doing"]
    how = {"paused": "is paused", "parked": "is parked"}.get(doing, "is interrupted")
    return f"Nobody runs run {about.id} now, it {how}: `{about.command} resume {about.id}` goes on with it."


def _in_flight(about: Situation, why: explain.InFlight) -> str:
    nth = f", attempt {why.nth}," if why.nth > 1 else ""
    if not about.is_running:
        return f"{why.key} was in flight{nth} when run {about.id} was cut off; it runs again when the run goes on."
    if why.state is State.RUNNING:
        return f"{why.key} is running{nth}{_for(about, why.key)}."
    return explain.sentence(why)


def _for(about: Situation, key: str) -> str:
    """` for 1m07s (usually 21s)`"""
    seconds, usual = about.since.get(_shown(key)), about.typical.get(_shown(key))
    if seconds is None:
        return ""
    said = f" ({_usually(usual)})" if usual is not None else ""
    return f" for {duration(max(seconds, 0.0))}{said}"


def _usually(seconds: float) -> str:
    return f"usually {duration(seconds)}"


def _shown(key: str) -> str:
    """As the columns have it, where times were found."""
    return key if key.isascii() else key.encode("utf-8", "backslashreplace").decode()


def _locked(about: Situation, why: explain.Locked) -> str:
    held = [_holder(about, why, holder) for holder in why.holders[:_NAMED]]
    if len(why.holders) > _NAMED:
        held.append(f"{len(why.holders) - _NAMED} more")
    by = f", {listed(held)}" if held else ", which tasks that asked before are to have first"
    are = "is" if why.before == 1 else "are"
    before = f" {count(why.before, 'task')} {are} before it." if why.before else ""
    return f"{why.key} waits for the lock {lock_text(why.lock)}{by}.{before}"


def _holder(about: Situation, why: explain.Locked, holder: explain.Holder) -> str:
    mode = "claimed" if holder.claim else "used"
    also = f" as {lock_text(holder.lock)}" if holder.lock != why.lock else ""
    if holder.has_ended:
        task = next(task for task in about.plan.tasks.values() if task.spec.key == holder.key)
        verdict = verdict_words(task.verdict.word)
        return f"left held by {holder.key} ({verdict}){also}{_for_alone(about, holder.key)}"
    if not about.is_running:
        return f"{mode} by {holder.key}{also}, which was cut off"
    return f"{mode} by {holder.key}{also}{_for(about, holder.key)}"


def _for_alone(about: Situation, key: str) -> str:
    seconds = about.since.get(_shown(key))
    return f" for {duration(max(seconds, 0.0))}" if seconds is not None else ""


def _way_out(about: Situation, left: list[explain.Holder]) -> Iterator[str]:
    for name in dict.fromkeys(lock_text(holder.lock) for holder in left):
        yield f"When {name} is clean: {unlock_command(about, name)}"


def unlock_command(about: Situation, lock: str) -> str:
    return f"{about.command} unlock -r {about.id} {shlex.quote(safe(lock))}"


def _waits(about: Situation, number: int, why: explain.Waits) -> Iterator[str]:
    """What it waits for, and what that waits for in its turn."""
    yield explain.sentence(why)
    told = {number}
    at: explain.Why = why
    while isinstance(at, explain.Waits) and len(told) < _CHAIN:
        open_needs = [need for need in at.needs if not need.lost]
        keys = [one.key for need in open_needs for one in need.providers]
        if not keys:
            yield from _lost(about, number)
            return
        behind = next((task.number for task in about.plan.tasks.values() if task.spec.key == keys[0]), None)
        if behind is None or behind in told:
            return
        told.add(behind)
        at = explain.why(about.plan, behind)
        match at:
            case explain.Locked():
                yield _locked(about, at)
                yield from _way_out(about, [holder for holder in at.holders if holder.has_ended])
            case explain.InFlight():
                yield _in_flight(about, at)
            case explain.Ended():
                return
            case _:
                yield explain.sentence(at)


def _lost(about: Situation, number: int) -> Iterator[str]:
    """Behind a task that waits in vain, or never ran for that: the failure that began it."""
    told = {number}
    at = number
    while len(told) < _CHAIN:
        gates = about.plan.deps.lost_gates(at)
        behind = [one for gate in gates for one in gate.providers if not about.plan.tasks[one].provided]
        found = next((one for one in behind if one not in told), None)
        if found is None:
            return
        told.add(found)
        at = found
        task = about.plan.tasks[at]
        if not task.state.is_final:
            return
        verdict = verdict_words(task.verdict.word)
        because = f": {task.reason}" if task.reason else ""
        yield f"{task.spec.key} {_HOW.get(task.state, task.state.word)}, verdict {verdict}{because}."


_HOW = {
    State.SUCCEEDED: "succeeded",
    State.FAILED: "failed",
    State.TIMED_OUT: "timed out",
    State.SKIPPED: "was skipped",
    State.CANCELLED: "was cancelled",
}


def _ended(about: Situation, number: int, cause: str | None, last: Found | None) -> Iterator[str]:
    task = about.plan.tasks[number]
    key, verdict = task.spec.key, verdict_words(task.verdict.word)
    if last is None or cause in ("unmet", "locked", "gone", "given_up", "does_not_apply"):
        why = task.reason or cause_in_words(cause)
        yield f"{key} did not run, verdict {verdict}: {why}."
        if cause == "locked":
            yield from _left_behind(about, number)
        else:
            yield from _lost(about, number)
        return
    how = attempt_in_words(last)
    reason = f" ({task.reason})" if task.reason and task.reason != how else ""
    nth = f" in attempt {last['attempt']}" if last["attempt"] > 1 else ""
    took = f" after {duration(last['seconds'])}" if last["seconds"] is not None and " after " not in how else ""
    yield f"{key} {_HOW[task.state]}{nth}, verdict {verdict}: {how}{took}{reason}."
    held = [name for name, holder, _ in about.plan.locks.kept() if holder == number]
    for name in held:
        yield f"It still holds the lock {lock_text(name)}.{'' if about.run['state'] == 'unfinished' else _AFRESH}"
    if about.run["state"] == "unfinished":
        for name in held:
            yield f"When {lock_text(name)} is clean: {unlock_command(about, lock_text(name))}"


_AFRESH = " A new run begins with all locks free."


def _left_behind(about: Situation, number: int) -> Iterator[str]:
    """Who left the locks that kept a task from running, and the way out."""
    task = about.plan.tasks[number]
    for request in task.requests:
        for name, holder, _ in about.plan.locks.holders(request):
            left = about.plan.tasks[holder]
            if left.state.is_final:
                verdict = verdict_words(left.verdict.word)
                lock = lock_text(name)
                yield f"{left.spec.key} {_HOW[left.state]}, verdict {verdict}, and left the lock {lock} held."
                if about.run["state"] == "unfinished":
                    yield f"When {lock} is clean: {unlock_command(about, lock)}"
                else:
                    yield f"When {lock} is clean: {about.command} rerun {about.id} --not-run"
                return


# -- locks


def held_locks(about: Situation) -> list[Found]:
    """Every lock that is held, by its name: who has it, for how long, and who waits for it, in their order."""
    plan = about.plan
    waiters: dict[tuple[object, int], list[str]] = {}
    holders: dict[Any, list[tuple[Any, int, bool]]] = {}
    for number in sorted(plan.locks.waiting(), key=lambda one: (plan.tasks[one].spec.priority, one)):
        want = plan.locks.wants(number)
        assert want is not None, f"task {number} waits for nothing"
        if want not in holders:
            holders[want] = plan.locks.holders(want)
        for name, holder, _ in holders[want]:
            waiters.setdefault((name, holder), []).append(plan.tasks[number].spec.key)
    found = []
    for name, number, claim in plan.locks.held():
        task = plan.tasks[number]
        left = task.state.is_final
        found.append(
            {
                "lock": lock_text(name),
                "mode": "claimed" if claim else "used",
                "task": _shown(task.spec.key),
                "left": left,
                "verdict": task.verdict.word if left else None,
                "seconds": about.since.get(_shown(task.spec.key)) if left or about.is_running else None,
                "waiting": [_shown(key) for key in waiters.get((name, number), [])],
            }
        )
    return sorted(found, key=lambda one: str(one["lock"]))
