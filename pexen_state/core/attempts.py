"""How attempts begin and end, and what their endings make of their tasks.

An attempt that came to an end of its own is a failure to try again, or the end of its task. One that was lost with its
worker, its runner or its box goes back, while a budget lasts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pexen_state.core.commands import Command, Kill, Yield
from pexen_state.core.deciding import Deciding, left
from pexen_state.core.decisions import Recovered, Transition
from pexen_state.core.inputs import Ending, Finished, Lost, Started
from pexen_state.core.left_behind import has_passed, mended_by
from pexen_state.core.promises import promises_after
from pexen_state.core.standing import FREED, SUBMITTED
from pexen_state.core.states import ATTEMPT_STATE, CRASHES, FAILURES, Cause, Locks, State, Verdict
from pexen_state.core.tasks import Task


def holding(task: Task, *, dirty: bool) -> Locks:
    """Of a task that has its locks for an attempt, or keeps them for the next one."""
    if not task.requests:
        return Locks.FREED
    return Locks.DIRTY if dirty else Locks.HELD


def is_dirty(task: Task) -> bool:
    """Whether an attempt before left its locks dirty; the one in flight has not come to an end."""
    return task.locks is Locks.DIRTY


#: What an ending makes of a task that is not tried again.
_END_STATE = {**ATTEMPT_STATE, **dict.fromkeys(CRASHES | {Cause.NO_REBOOT}, State.FAILED)}

# Made for every task: positional, and without the python function that a NamedTuple has for a constructor.
_new = tuple.__new__
_RETURNED = Cause.RETURNED


class Attempts(Deciding):
    """A run whose attempts end. Results of tasks are given in the order in which the attempts ended."""

    def __init__(self, *, max_fail: int | None = None, record: bool = False) -> None:
        super().__init__(max_fail=max_fail, record=record)
        self._commands: list[Command] = []
        self._given = 0  # results of this turn
        self._follows: dict[int, int] = {}  # task -> how many of them it follows from

    def _on_started(self, started: Started) -> None:
        task = self._current(started.task, started.attempt)
        if task is not None and task.state is SUBMITTED:
            self._decide(
                Transition(task.number, task.attempt, State.SUBMITTED, State.RUNNING, Cause.STARTED, locks=task.locks)
            )

    def _current(self, number: int, attempt: int) -> Task | None:
        """The task, if this is its attempt in flight. Whatever is said about an older one comes too late."""
        if number not in self.in_flight or self.tasks.attempts[number] != attempt:
            return None
        return self.tasks[number]

    def _on_finished(self, finished: Finished) -> None:
        number, attempt, ending = finished
        tasks = self.tasks
        if number not in self.in_flight or tasks.attempts[number] != attempt:
            return  # too late
        if ending.cause in FAILURES and self._may_be_retried(number, ending.cause):
            dirty = promises_after(tasks.specs[number], ending)[1] is Locks.DIRTY
            self._decide(
                Transition(
                    number,
                    attempt,
                    tasks.states[number],
                    State.READY,
                    ending.cause,
                    locks=holding(tasks[number], dirty=dirty),
                    reason=ending.reason,
                )
            )
        elif ending.cause is Cause.REBOOT_ASKED:
            self._wait_for_reboot(tasks[number])
        elif ending.cause is Cause.TIMED_OUT and ending.reason is None:  # with the run
            self._end(number, ending._replace(reason=self.given_up))
        else:
            self._end(number, ending)

    def _may_be_retried(self, number: int, cause: Cause) -> bool:
        task = self.tasks[number]
        return task.failures < task.spec.retries and cause in task.spec.retry_on and self._may_go_on(task)

    def _end(self, number: int, ending: Ending) -> None:
        """The attempt's ending is the task's ending: the caller is given its result."""
        tasks = self.tasks
        cause, verdict, _, _, reason = ending
        provided, locks = True, FREED
        if cause is not _RETURNED:
            provided, locks = promises_after(tasks.specs[number], ending)
            if not tasks.requests[number]:
                locks = FREED
        attempt, state = tasks.attempts[number], tasks.states[number]
        end = (number, attempt, state, _END_STATE[cause], cause, verdict, provided, locks, reason)
        self._give(_new(Transition, end))
        if self.recoverers and tasks.specs[number].recovers and has_passed(tasks[number]):
            for lock in mended_by(self, tasks[number]):
                self._decide(Recovered(lock, number))

    def _give(self, transition: Transition) -> None:
        self._given += 1
        self.apply(transition)
        self._decisions.append(transition)
        self._commands.append(_new(Yield, transition[:2]))  # (task, attempt)

    def _wait_for_reboot(self, task: Task) -> None:
        if task.number in self._cancelled:
            self._give_cancelled(task)
            return
        locks = holding(task, dirty=is_dirty(task))
        end = (task.number, task.attempt, task.state, State.REBOOTING, Cause.REBOOT_ASKED)
        self._decide(Transition(*end, locks=locks))
        self._skip_if_given_up(task)

    # -- attempts that are lost

    def _on_lost(self, lost: Lost) -> None:
        task = self._current(lost.task, lost.attempt)
        if task is None:
            return
        if lost.cause is Cause.WITHDRAWN:
            self._withdraw(task)
        elif lost.cause is Cause.CANCELLED or task.number in self._cancelled:
            self._give_cancelled(task, lost.surely_dead, lost.reason)  # whatever came first, a person said stop
        elif lost.cause is Cause.TIMED_OUT:
            self._end(task.number, Ending(Cause.TIMED_OUT, Verdict.TIMEOUT, reason=lost.reason or self.given_up))
        else:
            self._lose(task, lost.cause, lost.surely_dead, lost.reason)

    def _withdraw(self, task: Task) -> None:
        # Locks that it kept from an attempt before are kept on.
        locks = holding(task, dirty=is_dirty(task)) if task.nth > 1 else Locks.FREED
        self._decide(Transition(task.number, task.attempt, task.state, State.READY, Cause.WITHDRAWN, locks=locks))
        if task.number in self._cancelled:
            self._cancel(task)
        else:
            self._skip_if_given_up(task)

    def _lose(self, task: Task, cause: Cause, surely_dead: bool = True, reason: str | None = None) -> None:
        number, attempt = task.number, task.attempt
        ending = Ending(cause, Verdict.CRASH, reason=reason)
        is_crash = cause in CRASHES
        dirty = is_dirty(task) or not surely_dead
        if is_crash:
            dirty = dirty or promises_after(task.spec, ending)[1] is Locks.DIRTY
        locks = holding(task, dirty=dirty)
        self._decide(Transition(number, attempt, task.state, State.LOST, cause, locks=locks, reason=reason))
        budget = task.spec.max_crashes
        too_often = budget is not None and task.crashes > budget
        if is_crash and (too_often or not self._may_go_on(task)):
            self._end(number, ending)
        elif not self._skip_if_given_up(task):
            self._decide(Transition(number, attempt, State.LOST, State.READY, Cause.RETRY, locks=locks))

    # -- a person ends them

    def _cancel(self, task: Task) -> None:
        """A person ends a task that is not in flight. What ran before has a result, if none to be proud of."""
        why = self._who_cancelled()
        if task.nth and not task.is_fresh:
            self._give(
                Transition(
                    task.number,
                    task.attempt,
                    task.state,
                    State.CANCELLED,
                    Cause.CANCELLED,
                    Verdict.ERROR,
                    locks=left(task),
                    reason=why,
                )
            )
        else:
            self._never_runs(task, Cause.CANCELLED, why)

    def _who_cancelled(self) -> str:
        return f"a person cancelled {'the run' if self.is_cancelled else 'it'}"

    def _give_cancelled(self, task: Task, surely_dead: bool = True, reason: str | None = None) -> None:
        """An attempt is over that a person had ended."""
        locks = holding(task, dirty=True) if is_dirty(task) or not surely_dead else Locks.FREED
        why = self._who_cancelled() + (f"; {reason}" if reason else "")
        end = (task.number, task.attempt, task.state, State.CANCELLED, Cause.CANCELLED, Verdict.ERROR)
        self._give(Transition(*end, locks=locks, reason=why))

    def _kill(self, numbers: Iterable[int], cause: Cause) -> None:
        for number in numbers:
            self._commands.append(Kill(number, self.tasks[number].attempt, cause))

    def _woken(self, numbers: Sequence[int]) -> None:
        if self._given:
            for number in numbers:
                self._follows[number] = self._given
