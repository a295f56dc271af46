"""From what a worker or the keeper said about an attempt to the report that the loop gets.

Functions of their arguments alone; who is in flight is `flights`' business.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

from pexen_state.core.inputs import Ending
from pexen_state.core.states import Cause, Verdict
from pexen_state.core.worsening import worsened
from pexen_state.journal.excinfo import encode_error
from pexen_state.journal.records import SubResult
from pexen_state.sched.common import ExceptionInfo, PoolError, Reboot, Skip
from pexen_state.sched.executable import Executable, signal_name
from pexen_state.sched.invoke import PASSED, words_for
from pexen_state.sched.meta import find_meta
from pexen_state.sched.pool import evidence, results, wire
from pexen_state.sched.pool.base import Body, Context, Dropped, Ended, Job, Outcome
from pexen_state.sched.pool.limits import OVER_LIMIT
from pexen_state.sched.pool.output import has_output
from pexen_state.sched.pool.usage import Used
from pexen_state.subresults.collecting import collected
from pexen_state.words import joined

#: Most attempts leave nothing but how they ended: all fields after that are as they are by default.
_LEFT = wire.Done._fields.index("ending") + 1
_LEFT_NOTHING = tuple(wire.Done._field_defaults.values())


def clock_offset() -> float:
    """What to add to `time.monotonic()` to get seconds since 1970, now."""
    return time.time() - time.monotonic()


def of_end(job: Job, done: wire.Done, over: wire.Over | None, journaled: bool, offset: float) -> Ended | Dropped:
    """An attempt has ended by itself, unless the keeper had said before that it ends it."""
    outcome = Outcome(done.worker, done.pid, int((done.began + offset) * 1e6), done.seconds, job.shared)
    ending = wire.ending_of(done.ending)
    if over is None and done[_LEFT:] == _LEFT_NOTHING:
        return Ended(job.task, job.attempt, ending, outcome)
    outcome.exit_code, outcome.signal = done.exit_code, done.signal
    outcome.results = wire.results_of(done.results)
    outcome.output = job.output if done.has_output else None
    outcome.excinfo = results.excinfo_of(done.error) if done.error is not None else None
    if journaled:
        outcome.ret_json, outcome.shared_json, outcome.error_json = done.ret_json, done.shared_json, done.error_json
        outcome.ret = results.restored(done.ret_json)
        outcome.shared = results.after_changes(job.shared, done.shared_json)
    else:
        try:
            if done.shared is not None:
                outcome.shared = results.loaded(done.shared, "shared")
            if done.ret is not None:
                outcome.ret = results.loaded(done.ret, "the return value")
        except AttributeError as error:
            ending = _spoiled(error, outcome)
    if over is not None:
        return _overridden(job, over, None, outcome, journaled)
    return Ended(job.task, job.attempt, ending, outcome)


def of_unsendable(job: Job, error: AttributeError) -> Ended:
    """An attempt whose `shared` could not be sent to a worker."""
    outcome = Outcome(0, 0, time.time_ns() // 1000, 0.0, job.shared)
    return Ended(job.task, job.attempt, _spoiled(error, outcome), outcome)


def _spoiled(error: AttributeError, outcome: Outcome) -> Ending:
    outcome.excinfo = ExceptionInfo(type(error), error, None)
    return Ending(Cause.RAISED, Verdict.ERROR, reason=words_for(error))


def of_loss(
    job: Job,
    gone: wire.Gone,
    began: float | None,
    over: wire.Over | None,
    journaled: bool,
    reason: str | None,
    used: Used,
) -> Ended | Dropped:
    """An attempt was over with its worker. `reason` is said instead of how the worker died."""
    if began is None:
        began = gone.died
    outcome = Outcome(gone.worker, gone.pid, int((clock_offset() + began) * 1e6), gone.died - began, job.shared)
    outcome.output = job.output if job.output is not None and has_output(job.output) else None
    outcome.results = (*reported(job.body, job.context, outcome.output), *used.results)
    if gone.status is not None:
        code = os.waitstatus_to_exitcode(gone.status)
        outcome.exit_code, outcome.signal = (code, None) if code >= 0 else (None, -code)
    if over is not None:
        return _overridden(job, over, gone.survivors, outcome, journaled)
    reason = _with_survivors(joined(reason or death_in_words(gone.status), used.shortage), gone.survivors)
    add_error(outcome, f"its worker died: {reason}", journaled)
    return Dropped(job.task, job.attempt, Cause.WORKER_DIED, gone.survivors is None, reason, outcome)


def _overridden(job: Job, over: wire.Over, survivors: str | None, outcome: Outcome, journaled: bool) -> Ended | Dropped:
    """The report of an attempt that the keeper ended, whatever it made of that."""
    if over.asked is not None:
        return _as_asked(job, over.cause, over.asked, outcome)
    reason = _with_survivors(over.reason, survivors)
    outcome.results = (*outcome.results, *evidence.result(over.evidence))
    add_error(outcome, f"it was ended: {reason or over.cause.word}", journaled)
    if over.cause in OVER_LIMIT:
        return Ended(job.task, job.attempt, Ending(over.cause, Verdict.TIMEOUT, reason=reason), outcome)
    return Dropped(job.task, job.attempt, over.cause, survivors is None, reason, outcome)


def _as_asked(job: Job, cause: Cause, asked: dict[str, Any], outcome: Outcome) -> Ended:
    """It had asked for its own end."""
    if cause is Cause.REBOOT_ASKED:
        error: Exception = Reboot(asked["mark"], asked.get("timeout"))
        ending = Ending(cause, Verdict.NONE)
    else:
        error = Skip(asked["why"])
        ending = Ending(cause, Verdict.SKIP, reason=asked["why"] or None)
    outcome.exit_code = outcome.signal = outcome.error_json = None
    outcome.excinfo = ExceptionInfo(type(error), error, None)
    return Ended(job.task, job.attempt, ending, outcome)


def reported(body: Body, context: Context | None, output: str | None) -> list[SubResult]:
    """What an attempt that is over has said about its parts. `output` is where it printed, if it printed anything."""
    if context is None or context.directory is None:
        return []
    meta = find_meta(body)
    kind = meta.value("results") if meta is not None else None
    is_executable = isinstance(body, Executable)
    printed = output if is_executable or kind is not None else None
    cwd = body.cwd if isinstance(body, Executable) else None
    return collected(context.directory, output=printed, data=context.data, cwd=cwd, kind=kind)


def judged(ending: Ending, parts: Sequence[SubResult], body: Body | None) -> Ending:
    """The ending of an attempt by itself, with what it has said about its parts. The exit status of a test that is
    written with beakerlib says nothing.
    """
    meta = find_meta(body) if body is not None else None
    if meta is not None and meta.value("results") == "beakerlib" and ending.cause is Cause.EXITED:
        ending = PASSED
    return worsened(ending, parts)


def add_error(outcome: Outcome, text: str, journaled: bool) -> None:
    """Whoever looks for an exception, to know that a task did not end well, is to find one."""
    if outcome.excinfo is None:
        error = PoolError(text)
        outcome.excinfo = ExceptionInfo(PoolError, error, None)
        if journaled:
            outcome.error_json = encode_error(error)


def _with_survivors(reason: str | None, survivors: str | None) -> str | None:
    return joined(reason, f"could not be killed: {survivors}" if survivors is not None else None)


def death_in_words(status: int | None) -> str:
    """How a process died, from its status as `waitpid` has it."""
    if status is None:
        return "its worker was given up"
    code = os.waitstatus_to_exitcode(status)
    return f"killed by {signal_name(-code)}" if code < 0 else f"exited with status {code}"


def keepers_death_in_words(status: int | None) -> str:
    if status is None:
        return "the keeper died"  # and the program that we are a guest of has taken its status
    words = death_in_words(status)
    return f"the keeper was {words}" if words.startswith("killed") else f"the keeper {words}"
