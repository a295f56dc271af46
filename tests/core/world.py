"""A pool and its misfortunes, driven by a tape of numbers: one tape is one run, cut off and resumed at will.

`Run` does to a plan whatever a shell may do, tells every decision to the shadow, and checks after each turn
what must be true then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pexen_state.core.commands import Command, Enter, Kill, Reboot, Submit, Yield
from pexen_state.core.decisions import Decision, Transition
from pexen_state.core.inputs import (
    BoxDied,
    CancelAsked,
    ConditionsKnown,
    DeadlineMoved,
    Ending,
    Finished,
    Input,
    Lost,
    NewBoot,
    NotRebooted,
    PassedBefore,
    PauseAsked,
    PoolHasRoom,
    RunOpened,
    RunTimedOut,
    Started,
    StopAsked,
    TaskChanged,
    TaskGone,
    TasksAdded,
    UnlockAsked,
)
from pexen_state.core.plan import Mood, Turn
from pexen_state.core.spec import TaskSpec
from pexen_state.core.states import Cause, Locks, State
from tests.core.shadow import Shadow, conflict, together
from tests.stories import VERDICT, Plan

LOCKS = ("/", "/a", "/a/b", "/a/c", "flat", 7)


def condition(spec: TaskSpec, known: int) -> tuple[bool, str]:
    """Conditions are as `n >= 1`."""
    return known >= int((spec.when or "0").split()[-1]), f"when: {spec.when}"


class Tape:
    """Numbers that decide what happens; when it has run out, everything goes well."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers = iter(numbers)
        self.is_over = False

    def below(self, count: int) -> int:
        number = next(self._numbers, None)
        if number is None:
            self.is_over = True
            return 0
        return number % count

    def pick(self, things: Sequence[int]) -> int:
        return things[self.below(len(things))]


class Run:
    def __init__(
        self,
        specs: Sequence[TaskSpec],
        later: Sequence[TaskSpec],
        tape: Tape,
        workers: int,
        max_fail: int | None = None,
    ) -> None:
        self.specs = list(specs)
        self.later = list(later)
        self.tape = tape
        self.workers = workers
        self.max_fail = max_fail
        self.plan = Plan(specs, max_fail=max_fail)
        self.shadow = Shadow(specs)
        self.decided: list[Decision] = []
        self.given: dict[int, int] = {}  # task -> attempt of its result
        self.began: set[tuple[int, int]] = set()  # attempts of which a worker said so
        self.turns = 0
        self.queued_since: dict[int, int] = {}  # task -> the turn from which on it waits for a lock
        self.is_opened = False
        self.boots = 0

    # -- the whole story ---------------------------------------------------------------------------------

    def play(self) -> None:
        while not self.tape.is_over:
            self.turn(list(self._what_happens()))
        self.let_go_to_its_end()

    def let_go_to_its_end(self) -> None:
        for _ in range(1000):
            if self.plan.is_over:
                break
            if not self.is_opened:
                self.turn([RunOpened(), PoolHasRoom(self.workers)])
            elif self.plan.awaits_reboot or self.plan.is_rebooting:
                self.cut_off(new_boot=True)
            elif self.plan.mood is Mood.DRAINING and not self.plan.in_flight:
                self.cut_off()
            else:
                ends = [self._ends(number, Cause.RETURNED) for number in sorted(self.plan.in_flight)]
                self.turn([*ends, PoolHasRoom(self.workers)])
        for number, task in enumerate(self.shadow.tasks, 1):
            assert task.ended_at is not None, f"{task.spec.key} never ended: {self.plan.story(task.spec.key)}"
            ran = task.ran and not task.fresh
            if self._ended_by(number) is Cause.GIVEN_UP:
                assert not task.has_failed or self.shadow.at_once, f"{task.spec.key} failed, and has no result"
            elif self._ended_by(number) is not Cause.GONE:
                assert (number in self.given) == ran, f"{task.spec.key} ran: {ran}, given: {number in self.given}"

    def _ended_by(self, number: int) -> Cause:
        return next(d.cause for d in reversed(self.decided) if type(d) is Transition and d.task == number)

    # -- what happens ------------------------------------------------------------------------------------

    def _what_happens(self) -> Iterator[Input]:
        if not self.is_opened and self.tape.below(4):
            yield RunOpened(f"boot {self.boots}", bool(self.tape.below(2)))
        for _ in range(1 + self.tape.below(3)):
            yield from self._one_thing()
        room = self.workers - len(self.plan.in_flight)
        if self.tape.below(8):  # else the pool says nothing, or is full
            yield PoolHasRoom(max(0, room))

    def _conditions_are_known(self) -> None:
        """In a turn of its own, before anything begins; what is known may be another thing than in the last session."""
        known = self.shadow.known = self.tape.below(3)
        self.shadow.again = self.tape.below(4) == 3
        self.turn([ConditionsKnown(lambda spec: condition(spec, known), self.shadow.again)])
        self.shadow.again = False
        if not self.tape.below(3):
            passed = {number: "passed in run 7" for number in range(1, len(self.specs) + 1) if self.tape.below(4) == 3}
            self.turn([PassedBefore(passed)])

    def _one_thing(self) -> Iterator[Input]:
        running = sorted(self.plan.in_flight)
        what = self.tape.below(24)
        if what < 12:
            if running:
                cause = list(VERDICT)[self.tape.below(len(VERDICT))] if what < 6 else Cause.RETURNED
                yield self._ends(self.tape.pick(running), cause)
        elif what < 14:
            if running:
                task = self.tape.pick(running)
                self.began.add((task, self.plan.tasks[task].attempt))
                yield Started(task, self.plan.tasks[task].attempt)
                if not self.tape.below(4):
                    yield DeadlineMoved(task, self.plan.tasks[task].attempt, self.tape.below(9))
        elif what < 17:
            if running:
                yield self._is_lost(self.tape.pick(running))
        elif what == 17:
            yield from self._comes_too_late()
        elif what == 18:
            if self.later:
                count = 1 + self.tape.below(len(self.later))
                added, self.later = self.later[:count], self.later[count:]
                yield TasksAdded(tuple(added))
        elif what == 19:
            yield UnlockAsked(LOCKS[self.tape.below(len(LOCKS))])
        elif what == 20:
            number = 1 + self.tape.below(len(self.plan.tasks))
            if self.tape.below(3):
                self.turn([TaskChanged(number)])  # in a turn of its own: it is known before anything happens
            else:
                yield TaskGone(number)
        elif what == 21:
            yield CancelAsked(1 + self.tape.below(len(self.plan.tasks)))
        elif what == 22:
            yield (PauseAsked("pause"), StopAsked("stop"), CancelAsked(), RunTimedOut("too long"))[self.tape.below(4)]
        elif self.plan.is_rebooting and not self.tape.below(3):
            yield NotRebooted("nothing happened")
        else:
            self.cut_off(new_boot=bool(self.tape.below(2)))

    def _ends(self, task: int, cause: Cause) -> Input:
        flags = self.tape.below(4) if cause is Cause.FAILED else 3
        return Finished(
            task, self.plan.tasks[task].attempt, Ending(cause, VERDICT[cause], bool(flags & 1), bool(flags & 2))
        )

    def _is_lost(self, task: int) -> Input:
        cause = (Cause.WORKER_DIED, Cause.STOPPED, Cause.WITHDRAWN, Cause.CANCELLED)[self.tape.below(4)]
        if cause is Cause.WITHDRAWN and (task, self.plan.tasks[task].attempt) in self.began:
            cause = Cause.WORKER_DIED
        return Lost(task, self.plan.tasks[task].attempt, cause, surely_dead=bool(self.tape.below(2)))

    def _comes_too_late(self) -> Iterator[Input]:
        """Words about attempts that are over; nothing follows from them."""
        task = self.plan.tasks[1 + self.tape.below(len(self.plan.tasks))]
        attempt = task.attempt - 1 if task.state.in_flight else task.attempt
        before = self.plan.decided.copy()
        for late in (
            Started(task.number, attempt),
            Finished(task.number, attempt, Ending(Cause.RAISED, VERDICT[Cause.RAISED])),
            Lost(task.number, attempt, Cause.WORKER_DIED),
            Lost(task.number, attempt, Cause.WITHDRAWN),
            DeadlineMoved(task.number, attempt, 5),
        ):
            self.turn([late])
            assert self.plan.decided == before, f"{late} came too late, but changed something"
            yield late

    # -- a turn ------------------------------------------------------------------------------------------

    def turn(self, inputs: Sequence[Input]) -> None:
        if self.plan.applies is None and any(type(one) is RunOpened for one in inputs):
            self._conditions_are_known()
        turn = self.plan.handle(*inputs)
        self.turns += 1
        self.is_opened = self.is_opened or any(type(one) is RunOpened for one in inputs)
        if any(type(one) is NotRebooted for one in inputs):
            self.shadow.is_rebooting = False
        self._nobody_passes_a_writer(turn)
        needed = self._tell(turn)
        for command in turn.commands:
            self._check(command, needed)
        self._nothing_waits_without_need()
        self._nothing_goes_on_when_it_was_given_up()
        again = self.plan.handle()
        assert not again.decisions, f"nothing happened, and yet: {again.decisions}"

    def _tell(self, turn: Turn) -> dict[int, int]:
        """Tell the shadow; return for each submitted task how many results it follows from at least."""
        submitted = [c.task for c in turn.commands if type(c) is Submit]
        could = {task: task <= len(self.shadow.tasks) and self.shadow.could_run(task) for task in submitted}
        yielded = {c.task for c in turn.commands if type(c) is Yield}
        needed = dict.fromkeys(submitted, 0)
        given = 0
        for decision in turn.decisions:
            ends = type(decision) is Transition and decision.new.is_final and decision.task in yielded
            given += ends
            if type(decision) is Transition and decision.new is State.SUBMITTED:
                could.pop(decision.task)
            self.shadow.tell(decision)
            if type(decision) is Transition and decision.new is State.WAITING:
                self.given.pop(decision.task, None)
            for task in could:
                now = task <= len(self.shadow.tasks) and self.shadow.could_run(task)
                if now and not could[task]:
                    needed[task] = given
                could[task] = now
        self.shadow.check_mended()
        self.decided.extend(turn.decisions)
        return needed

    def _check(self, command: Command, needed: dict[int, int]) -> None:
        if isinstance(command, Reboot):
            asked = [task for task in self.shadow.tasks if task.state.in_flight]
            assert all(task.spec.survives_reboot for task in asked), "others are in flight"
            return
        if isinstance(command, Enter):
            assert command.group == self.plan.group
            return
        task = self.plan.tasks[command.task]
        match command:
            case Submit(number, attempt, nth, _, follows):
                assert attempt == task.attempt
                assert nth == task.nth
                assert follows >= needed[number], f"{task.spec.key} follows from {needed[number]}, not from {follows}"
            case Yield(number, attempt):
                assert number not in self.given, f"{task.spec.key} was given twice"
                assert task.nth, f"{task.spec.key} was given, but never ran"
                self.given[number] = attempt
            case Kill(_, attempt, _):
                assert attempt == task.attempt

    def _nothing_goes_on_when_it_was_given_up(self) -> None:
        enough = self.max_fail is not None and self.shadow.failed >= self.max_fail
        for task in self.shadow.tasks:
            is_tried_again = task.has_failed and not self.shadow.at_once
            may_go_on = task.ended_at is not None or task.spec.always or is_tried_again
            may_end = may_go_on or task.state.in_flight
            assert may_end or not (enough or self.shadow.given_up), f"{task.spec.key} is {task.state.word} still"
            is_sure = may_go_on or task.state is State.RUNNING
            assert is_sure or not enough or self.shadow.given_up, f"{task.spec.key} may not begin"

    def _nobody_passes_a_writer(self, turn: Turn) -> None:
        """Who came later and is no more urgent does not take what a queued writer waits for."""
        tasks = self.plan.tasks
        stuck = set(self.plan.locks.stuck())
        here = {n for n, task in tasks.items() if task.spec.group == self.plan.group}
        waits = {n for n in here if tasks[n].state is State.READY and (tasks[n].is_fresh or not tasks[n].nth)}
        since = self.queued_since
        for submitted in (c.task for c in turn.commands if type(c) is Submit):
            arrived = since.pop(submitted, self.turns)
            mine = tasks[submitted].spec
            if submitted <= len(self.shadow.tasks) and self.shadow.task(submitted).holds:
                continue  # it had its locks already, for another attempt
            for writer in (number for number in since if since[number] < arrived):
                if writer in stuck or tasks[writer].state.is_final or tasks[writer].state is State.WAITING:
                    continue  # it waits for what nobody may free, or left the queue
                spec = tasks[writer].spec
                if len(spec.claims) == 1 and not spec.uses and not spec.recovers and spec.priority <= mine.priority:
                    wants = [(name, True) for name in mine.alone] + [(name, False) for name in mine.uses]
                    passed = any(conflict((spec.claims[0], True), want) for want in wants)
                    assert not passed, f"{mine.key} passed {spec.key}"
        if self.plan.mood is Mood.RUNNING and self.plan._room > 0 and not self._holds_back():
            self.queued_since = {number: since.get(number, self.turns) for number in waits}
        else:
            self.queued_since = {number: since[number] for number in since if number in waits}

    def _holds_back(self) -> bool:
        """Before a reboot nothing begins, and while there are suspects nothing else does: nobody tries for a lock."""
        plan = self.plan
        return plan.is_rebooting or (bool(plan.awaiting) and plan.may_reboot) or bool(plan.suspects)

    def _nothing_waits_without_need(self) -> None:
        """If there is room, whoever does not run lacks a lock, or would pass a writer that queues."""
        plan = self.plan
        if plan.mood is not Mood.RUNNING or plan._room <= 0:
            return
        if self._holds_back():
            only_suspects = plan.suspects and not (plan.is_rebooting or plan.awaiting)
            assert plan.in_flight or not only_suspects, "there are suspects, there is room, and none of them runs"
            return
        waiters = plan.locks._waiters
        for number, task in plan.tasks.items():
            if task.state is not State.READY:
                assert task.state is not State.WAITING or not self.shadow.is_satisfied(number), task.spec.key
                continue
            if task.spec.group != plan.group and plan.in_flight:
                continue
            assert task.requests, f"{task.spec.key} needs no lock, there is room, and it does not run"
            assert task.locks is Locks.FREED, f"{task.spec.key} holds its locks, there is room, and it does not run"
            if self.shadow.has_conflict(number):
                continue
            mine = waiters[number]
            first = [
                other
                for other in waiters.values()
                if other.order < mine.order
                and other.want.write
                and not other.stuck
                and any(conflict(want, (other.want.lock.name, True)) for want in self.shadow.task(number).wants)
            ]
            assert first, f"nothing is in the way of {task.spec.key}, there is room, and it does not run"

    # -- cut off and resumed -----------------------------------------------------------------------------

    def cut_off(self, new_boot: bool = False) -> None:
        """The runner dies, or its box does; whoever resumes has the journal alone."""
        live = self.plan
        known = [task.spec for task in live.tasks.values()]
        replayed = Plan(self.specs)
        for decision in self.decided:
            replayed.apply(decision)
        assert replayed == live
        if self.max_fail is not None and not self.tape.below(4):
            self.max_fail = None  # who resumes need not want a limit; what was given up stays so
        restored = Plan.restored(known, self.shadow.projection(), max_fail=self.max_fail)
        restored.validate()
        assert restored == live
        assert Plan.restored(known, together(self.shadow.projection()), max_fail=self.max_fail) == live
        assert isinstance(restored, Plan)
        restored.decided = live.decided
        self.plan, self.is_opened, self.queued_since = restored, False, {}
        self.shadow.is_rebooting = False
        self.turn(self._after_a_boot() if new_boot else list(self._after_a_death()))
        if new_boot:
            dirty = [task.spec.key for task in self.shadow.tasks if task.is_to_be_cleared]
            assert not dirty, f"the locks of {dirty} are dirty after a new boot"

    def _after_a_boot(self) -> list[Input]:
        """By a crash, or in good order: then what was in flight need not have been the last to go."""
        self.boots += 1
        plan = self.plan
        if self.tape.below(3):
            attempts = [(number, plan.tasks[number].attempt) for number in plan.in_flight]
            attempts.sort(key=lambda _: self.tape.below(256))
            return [BoxDied(tuple(attempts)), NewBoot()]
        causes = (Cause.SHUT_DOWN, Cause.STOPPED)
        ends = [Lost(number, plan.tasks[number].attempt, causes[self.tape.below(2)]) for number in plan.in_flight]
        return [*ends, NewBoot()]

    def _after_a_death(self) -> Iterator[Input]:
        for number in sorted(self.plan.in_flight):
            task = self.plan.tasks[number]
            never_began = (number, task.attempt) not in self.began and self.tape.below(2)
            yield Lost(number, task.attempt, Cause.WITHDRAWN if never_began else Cause.RUNNER_DIED)
