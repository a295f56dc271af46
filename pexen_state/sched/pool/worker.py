"""A worker process: takes orders, runs one attempt at a time, sends back what each one left.

It is a subreaper, so an attempt is over when it has no child left. It enforces no time limit, it only writes
into its slot when an attempt began; the keeper reads that, and ends whoever is over.

A python task runs in the worker's own process. What it changes of that is put back after each attempt, as far as
it can be (`afresh` says what cannot: a thread that it leaves running, for one, runs beside the attempts that follow).
"""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
import time
import traceback
from collections.abc import Sequence
from typing import Any

from pexen_state.box import kernel_log
from pexen_state.box.cgroups import Delegated
from pexen_state.core.inputs import Ending
from pexen_state.core.states import Cause, Verdict
from pexen_state.journal.records import SubResult
from pexen_state.sched.current import running
from pexen_state.sched.executable import Executable
from pexen_state.sched.invoke import PASSED, Call, failed, invoke
from pexen_state.sched.last_words import mark_of
from pexen_state.sched.meta import find_meta
from pexen_state.sched.pool import places, reporting, results, tree, variables
from pexen_state.sched.pool.afresh import Afresh
from pexen_state.sched.pool.answers import Answering
from pexen_state.sched.pool.base import Body, Context
from pexen_state.sched.pool.bodies import Reference, found
from pexen_state.sched.pool.frames import Channel
from pexen_state.sched.pool.leftovers import end_leftovers, with_warning
from pexen_state.sched.pool.output import Private, Redirected, flush, open_output
from pexen_state.sched.pool.shortage import NotWithThis, Supply
from pexen_state.sched.pool.slots import Slots
from pexen_state.sched.pool.spawn import Surroundings, run_executable
from pexen_state.sched.pool.usage import Usage, Used, with_shortage
from pexen_state.sched.pool.wire import Done, NotBegun, Order, plain, plain_results
from pexen_state.subresults.lines import Line, standing


class Worker:
    def __init__(
        self,
        index: int,
        orders: Channel,
        answers: Answering,
        slots: Slots,
        bodies: Sequence[Body],
        journaled: bool,
        desk: str,
        delegated: Delegated | None,
    ) -> None:
        self._index = index
        self._orders = orders
        self._answers = answers
        self._slots = slots
        self._bodies = bodies
        self._journaled = journaled
        self._desk = desk  #: path of the socket where attempts ask
        self._delegated = delegated
        self._pid = os.getpid()
        self._supply = Supply()

    def serve(self) -> None:
        """Until the runner closes its end."""
        tree.become_subreaper()
        for name in variables.left_by_an_outer_run(os.environ):
            del os.environ[name]  # an outer run's words are about another task
        os.environ["PEXEN_SOCKET"] = self._desk
        os.environ["PEXEN_PYTHON"] = sys.executable
        self._afresh = Afresh()
        try:
            while (chunk := self._orders.receive()) is not None:
                for fields in pickle.loads(chunk):
                    if not self._run(Order._make(fields)):
                        return
        except BrokenPipeError:
            return  # the runner is dead, and the keeper about to end us

    def _run(self, order: Order) -> bool:
        """Run an attempt and send what it left. False if this worker is not fit for another one."""
        self._supply.is_short = False
        if order.serial <= self._slots.withdrawn:
            self._answers.send(pickle.dumps(tuple(NotBegun(self._index, order.mark))))
            return True
        began = time.monotonic()
        timeout, idle_timeout, grace, total = order.limits
        self._slots.begin(self._index, order.mark, began, timeout, idle_timeout, grace, total)
        context = Context._make(order.context) if order.context is not None else None
        mark = mark_of(context.run, context.key, context.nth) if context is not None and context.is_marked else None
        if mark is not None:
            kernel_log.mark(f"{mark} begins")
        attempt = _Attempt(order, self._slots, self._index, self._journaled, self._afresh, self._desk, self._supply)
        is_fit = True
        body: Body | None = None
        usage: Usage | None = None
        try:
            body = self._body(order.body)
            usage = Usage(self._delegated, context, body)
            shared = results.loaded(order.shared, "shared") if order.shared is not None else {}
        except Exception as error:  # noqa: BLE001 - importing it runs foreign code
            done = attempt.left(failed(error), {})
            is_fit = self._afresh.again()
        else:
            try:
                done = attempt.run(body, shared, usage)
            except NotWithThis:
                usage.end()
                if mark is not None:
                    kernel_log.mark(f"{mark} ends: {Cause.WITHDRAWN.word}")
                attempt.close(is_fine=False)
                self._slots.end(self._index)
                self._answers.send(pickle.dumps(tuple(NotBegun(self._index, order.mark))))
                return False
            if not isinstance(body, Executable):  # that has a process of its own
                is_fit = self._afresh.again()
        left, survivors = end_leftovers(grace)
        parts = attempt.reported(body)
        used = usage.end() if usage is not None else Used()
        ending = with_shortage(Ending._make(done.ending), used.shortage)
        if parts:
            ending = reporting.judged(ending, parts, body)
        if parts or used.results:  # what it used says nothing about how it ended
            done = done._replace(results=plain_results((*parts, *used.results)))
        if mark is not None:
            kernel_log.mark(f"{mark} ends: {ending.cause.word}")
        has_output = attempt.close(is_fine=ending == PASSED and not left)
        if left:
            ending = with_warning(ending, left, survivors)
        message = done._replace(
            worker=self._index,
            pid=self._pid,
            began=began,
            has_output=has_output,
            seconds=time.monotonic() - began,
            ending=plain(ending),
        )
        # Only now: what could not be brought over is this attempt's, and so is the time that it took.
        self._slots.end(self._index)
        self._answers.send(pickle.dumps(tuple(message), pickle.HIGHEST_PROTOCOL))
        self._supply.used()
        return is_fit and not survivors and not self._supply.is_short  # the keeper deals with what cannot be killed

    def _body(self, reference: Reference) -> Body:
        if isinstance(reference, int):
            return self._bodies[reference]
        try:
            return found(reference)
        finally:
            self._afresh.keep_path()


class _Attempt:
    """One attempt at an order, from its output file to what it leaves."""

    def __init__(
        self, order: Order, slots: Slots, worker: int, journaled: bool, afresh: Afresh, desk: str, supply: Supply
    ) -> None:
        self._order = order
        self._slots = slots
        self._worker = worker
        self._journaled = journaled
        self._afresh = afresh
        self._desk = desk
        self._supply = supply
        self._before: dict[str, str | None] = {}
        self._output: int | None = None
        self._used_shared = True
        self._is_executable = False
        self._said: list[Line] = []  #: about its parts, where no file is to be had

    def run(self, body: Body, shared: dict[str, Any], usage: Usage) -> Done:
        if self._journaled and shared:
            self._before = results.texts_of(shared)
        try:
            with Private():
                if isinstance(body, Executable) and self._order.context is not None:
                    places.take(Context._make(self._order.context))
                if (path := self._order.output) is not None:
                    self._output = self._supply.get(lambda: open_output(path))
        except OSError as error:
            reason = f"its files cannot be made: {error.strerror}: {error.filename}"
            return self.left(Call(Ending(Cause.RAISED, Verdict.ERROR, reason=reason)), shared)
        usage.begin()
        if isinstance(body, Executable):
            self._is_executable = True
            return self._run_executable(body, shared, usage)
        with usage.inside():
            return self._run_python(body, shared, self._output)

    def reported(self, body: Body | None) -> list[SubResult]:
        """After the end of all that it started: what was said about its parts."""
        if body is None or self._order.context is None:
            return []
        has_output = self._output is not None and os.fstat(self._output).st_size > 0
        context = Context._make(self._order.context)
        found = reporting.reported(body, context, self._order.output if has_output else None)
        return found or standing(self._said)

    def close(self, is_fine: bool) -> bool:
        """After the end of all that it started: whether something was printed. `is_fine`: nobody will look closer."""
        if self._output is None:
            return False
        has_output = os.fstat(self._output).st_size > 0
        os.close(self._output)
        if self._order.context is not None:
            assert self._order.output is not None
            context = Context._make(self._order.context)
            if self._is_executable and is_fine and not self._used_shared:
                places.leave(context, self._order.output, has_output)
            elif not self._is_executable and not has_output:
                places.leave_silent(context, self._order.output)
        return has_output

    def _run_python(self, body: Body, shared: dict[str, Any], output: int | None) -> Done:
        if self._order.context is None:
            return self._invoke(body, shared, output)
        context = Context._make(self._order.context)
        meta = find_meta(body)
        self._afresh.wear(_cookie(context), meta.value("env") if meta is not None else None)
        with running(context, self._desk) as current:
            try:
                return self._invoke(body, shared, output)
            finally:
                self._said = current.said

    def _invoke(self, body: Body, shared: dict[str, Any], output: int | None) -> Done:
        if output is None:
            call = invoke(body, shared)
            flush((sys.stdout, sys.stderr))  # a worker that is killed later loses what it buffers
            return self.left(call, shared)
        self._slots.has_output(self._worker, output)
        with Redirected(output):
            call = invoke(body, shared)
            _print_traceback(call)
        return self.left(call, shared)

    def _run_executable(self, body: Executable, shared: dict[str, Any], usage: Usage) -> Done:
        if self._output is not None:
            self._slots.has_output(self._worker, self._output)
        context = self._order.context
        around = Surroundings(
            shared,
            Context._make(context) if context is not None else None,
            self._order.limits[0],
            self._output,
            self._order.output,
            lambda pid: self._slots.has_child(self._worker, pid),
            self._afresh.variables,
            self._afresh.directory,
            self._supply,
            usage.inside,
        )
        ran = run_executable(body, around)
        self._used_shared = ran.used_shared or context is None
        return self.left(ran.call, shared)._replace(exit_code=ran.exit_code, signal=ran.signal)

    def left(self, call: Call, shared: dict[str, Any]) -> Done:
        """What goes to the runner, but for what only the worker knows."""
        mark = self._order.mark
        if self._journaled:
            kept = results.keep(call, self._before, shared)
            excinfo = kept.call.excinfo
            return Done(
                0,
                0,
                mark,
                0.0,
                0.0,
                kept.call.ending,
                error=results.error_parts(excinfo) if excinfo is not None else None,
                ret_json=kept.ret_json,
                shared_json=kept.shared_json,
                error_json=kept.error_json,
            )
        left = results.pickled(call, self._order.shared, shared)
        return Done(0, 0, mark, 0.0, 0.0, left.ending, ret=left.ret, shared=left.shared, error=left.error)


def _print_traceback(call: Call) -> None:
    """At the end of what the task printed, where people look for what went wrong."""
    if call.excinfo is not None and call.ending.cause in (Cause.RAISED, Cause.ASSERTED):
        with contextlib.suppress(Exception):  # the task may have closed its streams; its exception, be anything
            traceback.print_exception(*call.excinfo)


def _cookie(context: Context) -> dict[str, str]:
    """So that what the task executes can be told from others' processes, and knows whose it is."""
    return {
        "PEXEN_RUN": context.run,
        "PEXEN_TASK": context.key,
        "PEXEN_ATTEMPT": str(context.nth),
        "PEXEN_REBOOT_COUNT": str(context.reboots),
        "PEXEN_REBOOT_MARK": context.mark,
        tree.COOKIE: context.attempt_id,
    }
