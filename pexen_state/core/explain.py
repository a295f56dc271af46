"""Why a task does not run (or ran, or never will): data first, then the sentence for people.

Computed from the plan when somebody asks; nothing is kept and nothing changes. How long something has lasted is
known to the journal alone, so no sentence here speaks of time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pexen_state.core.deps import Gate
from pexen_state.core.groups import group_text
from pexen_state.core.left_behind import recoverers
from pexen_state.core.listing import listed
from pexen_state.core.lock_names import lock_text
from pexen_state.core.locks import covered
from pexen_state.core.plan import Plan, Task
from pexen_state.core.resources import PATIENCE
from pexen_state.core.spec import Name
from pexen_state.core.states import Locks, State, Verdict
from pexen_state.words import amount_text


@dataclass(frozen=True, slots=True)
class Provider:
    """A task that another one waits for."""

    key: str
    state: State
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a task waits for."""

    name: Name  #: the required name, or the glob that it comes after
    order_only: bool  #: a glob
    every: bool  #: every provider is needed, not just one
    lost: bool  #: nothing can provide it any more
    providers: tuple[Provider, ...]  #: those that have not ended; all of them, if it is lost


@dataclass(frozen=True, slots=True)
class Waits:
    """It needs what others have not done yet."""

    key: str
    needs: tuple[Need, ...]


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a lock that is in the way."""

    key: str
    lock: Name  #: what it holds: the same name, or one above or below it
    claim: bool
    has_ended: bool  #: it left the lock behind: a person can free it, or who recovers it
    is_dirty: bool = False  #: what the lock stands for may be broken
    recoverers: tuple[Provider, ...] = ()  #: who may recover it, if it was left behind


@dataclass(frozen=True, slots=True)
class Locked:
    """It needs a lock that others have."""

    key: str
    lock: Name  #: the first one that it lacks
    claim: bool
    holders: tuple[Holder, ...]
    before: int  #: how many tasks wait for the same lock and come first


@dataclass(frozen=True, slots=True)
class Short:
    """It needs more of a resource than is free, or than is left by one that was overtaken too often."""

    key: str
    name: str
    needs: int
    free: int
    total: int
    holders: tuple[tuple[str, int], ...]  #: keys, and how much each has
    turn: str | None  #: the key of the task that has the next turn, if that is another one


@dataclass(frozen=True, slots=True)
class Ready:
    """It may run as soon as the pool has room."""

    key: str
    before: int  #: how many ready tasks come first
    tried: int  #: attempts that it has made already


@dataclass(frozen=True, slots=True)
class OtherGroup:
    """Tasks of another group run, or none of it has come to the turn of its own yet."""

    key: str
    group: str | None  #: its own
    entered: str | None  #: whose tasks run
    in_flight: int  #: how many of them do


@dataclass(frozen=True, slots=True)
class InFlight:
    key: str
    state: State
    nth: int  #: which attempt it is


@dataclass(frozen=True, slots=True)
class Ended:
    key: str
    state: State
    verdict: Verdict
    reason: str | None
    still_holds: tuple[Name, ...]  #: locks that nobody freed
    is_dirty: bool = False  #: they are
    waiting: tuple[str, ...] = ()  #: unfinished tasks that want one of them
    recoverers: tuple[Provider, ...] = ()  #: who may recover one of them


Why = Waits | Locked | Short | OtherGroup | Ready | InFlight | Ended


def why(plan: Plan, number: int) -> Why:
    """What keeps the task from running, or what became of it. A lock is looked for as if it could run now."""
    task = plan.tasks[number]
    key = task.spec.key
    if task.state.is_final:
        held = [(name, write) for name, holder, write in plan.locks.kept() if holder == number]
        waiting, mend = _that_want(plan, held), dict.fromkeys(who for name, _ in held for who in mended_by(plan, name))
        dirty, names = task.locks is Locks.DIRTY, tuple(name for name, _ in held)
        return Ended(key, task.state, task.verdict, task.reason, names, dirty, waiting, tuple(mend))
    if task.state is State.WAITING:
        return Waits(key, _needs(plan, number))
    if task.state is State.READY:
        return _why_ready(plan, task)
    return InFlight(key, task.state, task.nth)


def mended_by(plan: Plan, lock: Name) -> tuple[Provider, ...]:
    """Who may recover a lock that was left behind."""
    return tuple(Provider(task.spec.key, task.state, task.verdict) for task in recoverers(plan, lock))


def _that_want(plan: Plan, held: Sequence[tuple[Name, bool]]) -> tuple[str, ...]:
    """The unfinished tasks in whose way these locks are."""
    if not held:
        return ()

    def wants(task: Task) -> bool:
        return any(
            (request.write or write) and (covered(name, [request.lock.name]) or covered(request.lock.name, [name]))
            for request in task.requests
            if not request.recovers
            for name, write in held
        )

    return tuple(task.spec.key for task in plan.tasks.values() if not task.state.is_final and wants(task))


def _needs(plan: Plan, number: int) -> tuple[Need, ...]:
    waits = plan.deps[number]
    needs = [_need(plan, gate, every=False) for gate in waits.requires if not gate.kept]
    needs += [_need(plan, gate, every=True) for gate in waits.requires_all if not gate.all_kept]
    needs += [_need(plan, gate, every=True) for gate in waits.after if gate.pending]
    return tuple(needs)


def _need(plan: Plan, gate: Gate, *, every: bool) -> Need:
    tasks = [plan.tasks[number] for number in dict.fromkeys(gate.providers)]
    awaited = [task for task in tasks if not task.state.is_final] or [task for task in tasks if not task.provided]
    providers = tuple(Provider(task.spec.key, task.state, task.verdict) for task in awaited)
    return Need(gate.label, gate.order_only, every, not gate.pending, providers)


def _why_ready(plan: Plan, task: Task) -> Why:
    if task.spec.group != plan.group:
        return OtherGroup(task.spec.key, task.spec.group, plan.group, len(plan.in_flight))
    want = None
    if not plan.locks.holds(task.number):
        want = plan.locks.wants(task.number) or next(
            (request for request in task.requests if plan.locks.holders(request)), None
        )
    if want is None and (short := _short(plan, task)) is not None:
        return short
    if want is None:
        mine = plan.order_of(task.number)
        before = sum(
            other.state is State.READY
            and other.spec.group == task.spec.group
            and plan.order_of(other.number) < mine
            and not plan.locks.is_waiting(other.number)
            for other in plan.tasks.values()
        )
        return Ready(task.spec.key, before, 0 if task.is_fresh else task.nth)
    holders = tuple(_holder(plan, plan.tasks[number], name, claim) for name, number, claim in plan.locks.holders(want))
    return Locked(task.spec.key, want.lock.name, want.write, holders, plan.locks.before(task.number))


def _short(plan: Plan, task: Task) -> Short | None:
    resources = plan.resources
    lacking = resources.lacking(task.spec.needs)
    turn = resources.next_turn if resources.next_turn != task.number else 0
    kept = [name for name, _ in task.spec.needs if turn and name in dict(plan.tasks.specs[turn].needs)]
    for name in (*lacking, *kept):
        holders = tuple((plan.tasks.specs[number].key, amount) for number, amount in resources.holders(name))
        needs, free, total = dict(task.spec.needs)[name], resources.free(name), resources.totals.get(name, 0)
        next_one = plan.tasks.specs[turn].key if turn else None
        return Short(task.spec.key, name, needs, free, total, holders, next_one)
    return None


def _holder(plan: Plan, task: Task, name: Name, claim: bool) -> Holder:
    has_ended = task.state.is_final
    mend = mended_by(plan, name) if has_ended else ()
    return Holder(task.spec.key, name, claim, has_ended, task.locks is Locks.DIRTY, mend)


# -- sentences ----------------------------------------------------------------------------------------------


def sentence(why: Why) -> str:
    """One to three plain sentences."""
    match why:
        case Waits(key, needs):
            return " ".join(_needed(key, need) for need in needs)
        case Locked():
            return _locked(why)
        case Short():
            return _short_of(why)
        case OtherGroup(key, group, entered, in_flight):
            mine, theirs = group_text(group), group_text(entered)
            runs = (
                f", and {_count(in_flight, 'task')} of them {'runs' if in_flight == 1 else 'run'}" if in_flight else ""
            )
            return f"{key} is ready and waits for the turn of the {mine}: now it is that of the {theirs}{runs}."
        case Ready(key, before, tried):
            again = f"has made {_count(tried, 'attempt')}, will be tried again and " if tried else ""
            return f"{key} {again}is ready and waits for a free worker.{_before(before)}"
        case InFlight(key, State.RUNNING, nth):
            return f"{key} is running{_nth(nth)}."
        case InFlight(key, State.SUBMITTED, nth):
            return f"{key} was handed to the pool{_nth(nth)}; no worker has begun it yet."
        case InFlight(key, state, nth):
            return f"{key} is {state.word}{_nth(nth)}."
        case Ended():
            return _ended(why)


def _needed(key: str, need: Need) -> str:
    who = listed([one.key if need.lost else f"{one.key} ({one.state.word})" for one in need.providers])
    if need.order_only:
        return f"{key} comes after {need.name}: {who} must end first."
    what = f"{key} requires {need.name!r}"
    if need.lost and not need.providers:
        return f"{what}, but no task provides it."
    if need.lost:
        return f"{what}, but nobody can provide it any more: {who} ended without."
    if len(need.providers) == 1:
        return f"{what} and waits for {who}."
    return f"{what} and waits for {'each' if need.every else 'any'} of {who}."


def _locked(why: Locked) -> str:
    names = [
        f"{'claimed' if one.claim else 'used'} by {one.key}"
        + (f" as {lock_text(one.lock)}" if one.lock != why.lock else "")
        for one in why.holders
    ]
    held = f", {listed(names)}" if names else ", which queued writers are to have first"
    text = f"{why.key} waits for the lock {lock_text(why.lock)}{held}.{_before(why.before)}"
    if left := [one for one in why.holders if one.has_ended]:
        dirty = "dirty" if any(one.is_dirty for one in left) else "held"
        who = listed(list(dict.fromkeys(one.key for one in left)))
        text += f" {who} left it {dirty}: 'pexen unlock {lock_text(left[0].lock)}' frees it."
        text += mending(left[0].recoverers)
    return text


def _short_of(why: Short) -> str:
    who = (
        f", the rest is with {listed([f'{key} ({amount_text(amount)})' for key, amount in why.holders])}"
        if why.holders
        else ""
    )
    turn = f" {why.turn} has been overtaken {PATIENCE} times, and comes first." if why.turn is not None else ""
    free = f"{amount_text(why.free)} of {amount_text(why.total)}"
    return f"{why.key} needs {amount_text(why.needs)} of {why.name}: {free} is free{who}.{turn}"


def _ended(why: Ended) -> str:
    verdict = why.verdict.word.replace("_", " ")
    text = f"{why.key} {_HOW_ENDED[why.state]}, verdict {verdict}" + (f": {why.reason}." if why.reason else ".")
    if why.still_holds:
        names = listed([lock_text(name) for name in why.still_holds])
        text += f" It still holds the {'locks' if len(why.still_holds) > 1 else 'lock'} {names}"
        text += ", left dirty." if why.is_dirty else "."
        if why.waiting:
            text += f" {listed(why.waiting)} {'waits' if len(why.waiting) == 1 else 'wait'} for that."
        text += mending(why.recoverers)
    return text


def mending(recoverers: Sequence[Provider]) -> str:
    """` fs/repair (waiting) recovers it when it passes.`, nothing if nobody does."""
    if not recoverers:
        return ""
    who = listed([f"{one.key} ({one.state.word})" for one in recoverers])
    return f" {who} recovers it when it passes." if len(recoverers) == 1 else f" {who} recover it when one passes."


_HOW_ENDED = {
    State.SUCCEEDED: "succeeded",
    State.FAILED: "failed",
    State.TIMED_OUT: "timed out",
    State.SKIPPED: "was skipped",
    State.CANCELLED: "was cancelled",
}


def _before(count: int) -> str:
    if not count:
        return ""
    return f" {_count(count, 'task')} {'is' if count == 1 else 'are'} before it."


def _nth(nth: int) -> str:
    return f", attempt {nth}" if nth > 1 else ""


def _count(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
