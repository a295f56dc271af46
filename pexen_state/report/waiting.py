"""Why a task is where it is, in whole sentences: what the plan knows, with the times that the journal knows.

What is known is in a `Situation`. Nothing is asked of the journal here, and nothing is decided.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pexen_state.core import explain
from pexen_state.core.listing import listed
from pexen_state.core.lock_names import lock_text
from pexen_state.core.states import State
from pexen_state.report.endings import attempt_in_words, cause_in_words
from pexen_state.report.situation import Situation, shown, unlock_command
from pexen_state.report.style import count, duration, verdict_words
from pexen_state.report.suspects import Suspects

Found = dict[str, Any]

_CHAIN = 8  # tasks behind a task that are told
_NAMED = 3


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
        case explain.Short() | explain.OtherGroup():
            yield explain.sentence(why)
        case explain.Waits():
            yield from _waits(about, number, why)
        case explain.Ready():
            yield from _ready(about, why)
    if not task.state.is_final:
        yield from _of_the_box(about, task.spec.key, task.state)
    if not about.is_running and not task.state.is_final:
        yield _nobody_runs(about)


def _ready(about: Situation, why: explain.Ready) -> Iterator[str]:
    if about.is_running:
        yield explain.sentence(why)
    elif why.tried:
        yield f"{why.key} has made {count(why.tried, 'attempt')}, and will be tried again."
    else:
        yield f"{why.key} is ready."


def _of_the_box(about: Situation, key: str, state: State) -> Iterator[str]:
    """That the box is being tried, or is to be rebooted first."""
    suspects, name = about.suspects, shown(key)
    if suspects is not None and state in (State.READY, State.WAITING, State.SUBMITTED, State.RUNNING):
        yield suspicion(suspects, name, about.is_running)
    others = [one for one in about.awaiting if one != name]
    if others and state is State.READY:
        ask = "asks" if len(others) == 1 else "ask"
        yield f"{listed(others)} {ask} for a reboot: a session that may reboot the box starts nothing new before that."


def suspicion(suspects: Suspects, key: str, is_running: bool) -> str:
    """What a crash of the box means to a task: it is a suspect, or waits until all of them have been tried."""
    if key not in suspects.left:
        left = len(suspects.left)
        names = listed(list(suspects.left))
        who = f"{count(left, 'suspect')} {'has' if left == 1 else 'have'} been tried: {names}"
        return f"The box crashed or lost power, and it waits until {who}."
    said = f"{key} is a suspect: it was in flight when the box crashed or lost power."
    at = suspects.left.index(key)
    if not at:
        return f"{said} It is {'tried now' if is_running else 'tried first'}, alone."
    before = listed(list(suspects.left[:at]))
    return f"{said} Suspects are tried alone, one at a time: {before} before it."


def _nobody_runs(about: Situation) -> str:
    doing = about.run["doing"]
    if doing == "awaits_reboot":
        return (
            f"Nobody runs run {about.id} now, it waits for a reboot. Reboot the box, then `{about.command} resume "
            f"{about.id}`; or let it be done: `{about.command} resume {about.id} --allow-reboot --resume-by-hand`."
        )
    how = {"paused": "is paused", "parked": "is parked"}.get(doing, "is interrupted")
    return f"Nobody runs run {about.id} now, it {how}: `{about.command} resume {about.id}` goes on with it."


def _in_flight(about: Situation, why: explain.InFlight) -> str:
    nth = f", attempt {why.nth}," if why.nth > 1 else ""
    if why.state is State.REBOOTING:
        mark = about.awaiting.get(shown(why.key), {}).get("mark")
        return f"{why.key} asked for a reboot{f', with the mark {mark},' if mark else ''} and waits for it."
    if not about.is_running:
        return f"{why.key} was in flight{nth} when run {about.id} was cut off; it runs again when the run goes on."
    if why.state is State.RUNNING:
        return f"{why.key} is running{nth}{_for(about, why.key)}."
    return explain.sentence(why)


def _for(about: Situation, key: str) -> str:
    """` for 1m07s (usually 21s)`"""
    seconds, usual = about.since.get(shown(key)), about.typical.get(shown(key))
    if seconds is None:
        return ""
    said = f" ({_usually(usual)})" if usual is not None else ""
    return f" for {duration(max(seconds, 0.0))}{said}"


def _usually(seconds: float) -> str:
    return f"usually {duration(seconds)}"


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
        how = "dirty" if holder.is_dirty else "held"
        return f"left {how} by {holder.key} ({verdict}){also}{_for_alone(about, holder.key)}"
    if not about.is_running:
        return f"{mode} by {holder.key}{also}, which was cut off"
    return f"{mode} by {holder.key}{also}{_for(about, holder.key)}"


def _for_alone(about: Situation, key: str) -> str:
    seconds = about.since.get(shown(key))
    return f" for {duration(max(seconds, 0.0))}" if seconds is not None else ""


def _way_out(about: Situation, left: list[explain.Holder]) -> Iterator[str]:
    for name in dict.fromkeys(lock_text(holder.lock) for holder in left):
        yield f"When {name} is clean: {unlock_command(about, name)}"
    for recoverers in dict.fromkeys(holder.recoverers for holder in left if holder.recoverers):
        yield explain.mending(recoverers).lstrip()


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
    if cause == "cancelled" and task.reason:
        how = task.reason  # it tells more
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
            if recoverers := explain.mended_by(about.plan, name):
                yield explain.mending(recoverers).lstrip()


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
