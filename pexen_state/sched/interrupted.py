"""What the last session left in flight, and what became of it.

Which attempts were in flight is in the journal. What ended them follows from how that session ended: it was killed, the
box was shut down in good order, or it crashed. Only within one boot is the slot file believed, which knows what was
handed over and never began.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pexen_state.box.last_words import Words, named_in_trouble
from pexen_state.box.life import box_life
from pexen_state.core.inputs import BoxDied, Input, Lost, NewBoot, NotRebooted
from pexen_state.core.plan import Plan
from pexen_state.core.states import Cause, State
from pexen_state.journal.lives import Flight, Life, Today, blamed, flights, last_that_decided, lives, panics_before
from pexen_state.journal.paths import JournalPaths
from pexen_state.journal.records import AttemptEnd, HowEnded, SavedTask
from pexen_state.journal.restore import Fetch
from pexen_state.sched.last_words import attach, began_last, mark_of
from pexen_state.sched.pool.slots import BegunMarks
from pexen_state.sched.suspicion import Suspect, is_named, most_suspicious_first
from pexen_state.subresults.collecting import collected

#: In these the box went down in good order, whoever asked for it.
_SHUT_DOWN = frozenset({HowEnded.REBOOTED, HowEnded.SHUTDOWN})


class CutOff(NamedTuple):
    """What the last session left in flight."""

    keys: tuple[str, ...] = ()  #: of tasks that had begun, or may have; those that surely had not are not here
    is_sure: bool = True  #: all of them had begun
    named: tuple[str, ...] = ()  #: those that the kernel named when it was in trouble


@dataclass(frozen=True, slots=True)
class Interrupted:
    """How a run was interrupted.

    `lives` are its sessions, the latest first. `begun` says which (task, attempt) workers began; None
    where nobody can say, as after a new boot.
    """

    lives: Sequence[Life] = ()
    run: int = 0
    is_same_boot: bool = True
    begun: frozenset[tuple[int, int]] | None = None
    flights: Sequence[Flight] = ()
    blamed: Mapping[str, int] = field(default_factory=dict)  #: of earlier runs: how often tasks of a key crashed
    words: Sequence[Words] = ()  #: the kernel's last ones before the crash

    @property
    def how_ended(self) -> HowEnded | None:
        """The last session in which anything was decided; None if there was none."""
        last = last_that_decided(self.lives)
        return None if last is None else last.how_ended

    def cut_off(self, saved: Iterable[SavedTask]) -> CutOff:
        """Which tasks ran when the last session went away, in the order in which they were declared."""
        found: list[tuple[int, str]] = []
        is_sure = True
        pids = {flight.task: flight.pid for flight in self.flights}
        accused = named_in_trouble(self.words)
        for task in saved:
            if task.ended_seq is not None or not task.state.in_flight:
                continue
            state = task.state
            if not self._never_began(state, (task.number, task.attempt)):
                found.append((task.number, task.key))
                is_sure = is_sure and (state is State.RUNNING or self.begun is not None)
        found.sort()
        named = tuple(key for number, key in found if is_named(key, pids.get(number), accused))
        return CutOff(tuple(key for _, key in found), is_sure, named)

    def inputs(self, plan: Plan) -> list[Input]:
        """What became of all that waits for an end, for a reboot, or for a new boot."""
        return [*self._of_flights(plan), *self._of_boots(plan)]

    def _of_flights(self, plan: Plan) -> list[Input]:
        in_flight = sorted(plan.in_flight)
        if self.how_ended is HowEnded.CRASHED:
            return [BoxDied(self._by_suspicion(plan))] if in_flight else []
        cause = Cause.SHUT_DOWN if self.how_ended in _SHUT_DOWN else Cause.RUNNER_DIED
        inputs: list[Input] = []
        for number in in_flight:
            task = plan.tasks[number]
            never_began = self._never_began(task.state, (number, task.attempt))
            inputs.append(Lost(number, task.attempt, Cause.WITHDRAWN if never_began else cause))
        return inputs

    def _by_suspicion(self, plan: Plan) -> tuple[tuple[int, int], ...]:
        flights = {flight.task: flight for flight in self.flights}
        marks = {
            number: mark_of(str(self.run), plan.tasks[number].spec.key, plan.tasks[number].nth)
            for number in plan.in_flight
        }
        places = began_last(self.words, marks.values())
        suspects = []
        for number in plan.in_flight:
            task, flight = plan.tasks[number], flights.get(number)
            crashes = task.crashes + self.blamed.get(task.spec.key, 0)
            pid, since = (flight.pid, flight.since) if flight is not None else (None, 0)
            is_running = task.state is State.RUNNING
            place = places.get(marks[number], 0)
            is_running = is_running or place > 0
            suspects.append(Suspect(number, task.attempt, task.spec.key, pid, crashes, is_running, place, since))
        ranked = most_suspicious_first(suspects, named_in_trouble(self.words))
        return tuple((one.task, one.attempt) for one in ranked)

    def _of_boots(self, plan: Plan) -> list[Input]:
        if not self.is_same_boot:
            return [NewBoot()]
        if not plan.awaiting:
            return []
        boot, _, start = (plan.rebooted or "").partition("/")
        now, _, start_now = box_life().partition("/")
        if boot == now and start != start_now:
            return [NotRebooted("the box came back with the same boot id: it is a container, or a kernel like one")]
        return []

    def _never_began(self, state: State, attempt: tuple[int, int]) -> bool:
        """Whether an attempt in flight was handed over, and surely not more."""
        return self.begun is not None and state is State.SUBMITTED and attempt not in self.begun


def interruption_of(
    fetch: Fetch,
    run: int,
    marks: BegunMarks | None,
    today: Today,
    words_since: Callable[[Collection[str] | None], Sequence[Words]] = lambda _: (),
) -> Interrupted:
    """From the journal, and from a slot file of this boot, if there is one.

    `words_since` is asked after a crash alone, for the kernel's last words beside the panics that were kept already.
    """
    past = list(lives(fetch, run, today))
    last = last_that_decided(past)
    is_same_boot = last is None or last.boot_id == today.boot_id
    begun = begun_in(marks, run) if is_same_boot else None
    if last is None or last.how_ended is not HowEnded.CRASHED:
        return Interrupted(past, run, is_same_boot, begun)
    words = words_since(panics_before(fetch, last))
    return Interrupted(past, run, is_same_boot, begun, flights(fetch, run), blamed(fetch, run), words)


def begun_in(marks: BegunMarks | None, run: int) -> frozenset[tuple[int, int]] | None:
    """The attempts of this run that were begun, as a slot file of this boot says; None if there is none."""
    return marks.begun if marks is not None and marks.run == str(run) else None


def left_by(
    plan: Plan, lost: Iterable[Input], paths: JournalPaths, run: int, words: Sequence[Words] = ()
) -> dict[int, AttemptEnd]:
    """What attempts that were cut off have left, by task: what they printed until then is still to be found there.
    The kernel's last words are laid beside it.
    """
    left: dict[int, AttemptEnd] = {}
    for one in lost:
        for number in _cut_off_by(one):
            task = plan.tasks[number]
            output = paths.output(run, task.spec.key, number, task.nth)
            printed = _has_something(output)
            said = attach(words, os.path.dirname(output)) if isinstance(one, BoxDied) else None
            # Which words its results are in is not known to the journal: those that it had written down count.
            results = [*collected(os.path.dirname(output), output=output if printed else None)]
            results += [said] if said is not None else []
            if printed or results:
                left[number] = AttemptEnd(output=output if printed else None, results=results)
    return left


def _has_something(path: str) -> bool:
    try:
        return os.lstat(path).st_size > 0
    except OSError:
        return False


def _cut_off_by(told: Input) -> list[int]:
    if isinstance(told, BoxDied):
        return [task for task, _ in told.attempts]
    return [told.task] if isinstance(told, Lost) and told.cause is not Cause.WITHDRAWN else []
