"""A worker process: takes orders, runs one attempt at a time, sends back what each one left.

It is a subreaper, so an attempt is over when it has no child left. It enforces no time limit, it only writes
into its slot when an attempt began; the keeper reads that, and ends whoever is over.
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

from pexen_state.core.inputs import Ending
from pexen_state.core.states import Cause, Verdict
from pexen_state.sched.executable import Executable
from pexen_state.sched.invoke import Call, failed, invoke
from pexen_state.sched.pool import results, tree
from pexen_state.sched.pool.base import Body, Context
from pexen_state.sched.pool.bodies import imported
from pexen_state.sched.pool.frames import Channel
from pexen_state.sched.pool.leftovers import end_leftovers, with_warning
from pexen_state.sched.pool.output import Redirected, flush, open_output
from pexen_state.sched.pool.slots import Slots
from pexen_state.sched.pool.spawn import OURS, Surroundings, run_executable
from pexen_state.sched.pool.wire import Done, NotBegun, Order


class Worker:
    def __init__(
        self,
        index: int,
        orders: Channel,
        results: Channel,
        slots: Slots,
        bodies: Sequence[Body],
        journaled: bool,
    ) -> None:
        self._index = index
        self._orders = orders
        self._results = results
        self._slots = slots
        self._bodies = bodies
        self._journaled = journaled
        self._pid = os.getpid()

    def serve(self) -> None:
        """Until the runner closes its end."""
        tree.become_subreaper()
        for name in OURS:
            os.environ.pop(name, None)  # an outer run's words are about another task
        try:
            while (chunk := self._orders.receive()) is not None:
                for fields in pickle.loads(chunk):
                    if not self._run(Order._make(fields)):
                        return
        except BrokenPipeError:
            return  # the runner is dead, and the keeper about to end us

    def _run(self, order: Order) -> bool:
        """Run an attempt and send what it left. False if this worker is not fit for another one."""
        if order.serial <= self._slots.withdrawn:
            self._results.send(pickle.dumps(tuple(NotBegun(self._index, order.mark))))
            return True
        began = time.monotonic()
        timeout, idle_timeout, grace = order.limits
        self._slots.begin(self._index, order.mark, began, timeout, idle_timeout, grace)
        attempt = _Attempt(order, self._slots, self._index, self._journaled)
        try:
            body = self._bodies[order.body] if isinstance(order.body, int) else imported(order.body)
            shared = results.loaded(order.shared, "shared") if order.shared is not None else {}
        except Exception as error:  # noqa: BLE001 - importing it runs foreign code
            done = attempt.left(failed(error), {})
        else:
            done = attempt.run(body, shared)
        left, survivors = end_leftovers(grace)
        ending = Ending._make(done.ending)
        if left:
            ending = with_warning(ending, left, survivors)
        message = done._replace(
            worker=self._index,
            pid=self._pid,
            began=began,
            seconds=time.monotonic() - began,
            ending=(int(ending.cause), int(ending.verdict), *ending[2:]),
        )
        # Only now: what could not be brought over is this attempt's, and so is the time that it took.
        self._slots.end(self._index)
        self._results.send(pickle.dumps(tuple(message), pickle.HIGHEST_PROTOCOL))
        return not survivors  # the keeper deals with what cannot be killed


class _Attempt:
    """One attempt at an order, from its output file to what it leaves."""

    def __init__(self, order: Order, slots: Slots, worker: int, journaled: bool) -> None:
        self._order = order
        self._slots = slots
        self._worker = worker
        self._journaled = journaled
        self._before: dict[str, str | None] = {}

    def run(self, body: Body, shared: dict[str, Any]) -> Done:
        if self._journaled and shared:
            self._before = results.texts_of(shared)
        output = None
        if self._order.output is not None:
            try:
                output = open_output(self._order.output)
            except OSError as error:
                reason = f"its output file cannot be made: {error.strerror}: {self._order.output}"
                return self.left(Call(Ending(Cause.RAISED, Verdict.ERROR, reason=reason)), shared)
        try:
            if isinstance(body, Executable):
                done = self._run_executable(body, shared, output)
            else:
                done = self._run_python(body, shared, output)
            if output is not None and os.fstat(output).st_size:
                done = done._replace(has_output=True)
            return done
        finally:
            if output is not None:
                os.close(output)

    def _run_python(self, body: Body, shared: dict[str, Any], output: int | None) -> Done:
        if self._order.context is not None:
            _wear_cookie(Context._make(self._order.context))
        if output is None:
            call = invoke(body, shared)
            flush((sys.stdout, sys.stderr))  # a worker that is killed later loses what it buffers
            return self.left(call, shared)
        self._slots.has_output(self._worker, output)
        with Redirected(output):
            call = invoke(body, shared)
            _print_traceback(call)
        return self.left(call, shared)

    def _run_executable(self, body: Executable, shared: dict[str, Any], output: int | None) -> Done:
        if output is not None:
            self._slots.has_output(self._worker, output)
        context = self._order.context
        around = Surroundings(
            shared,
            Context._make(context) if context is not None else None,
            self._order.limits[0],
            output,
            lambda pid: self._slots.has_child(self._worker, pid),
        )
        ran = run_executable(body, around)
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


def _wear_cookie(context: Context) -> None:
    """So that what the task executes can be told from others' processes, and knows whose it is."""
    os.environ["PEXEN_RUN"] = context.run
    os.environ["PEXEN_TASK"] = context.key
    os.environ["PEXEN_ATTEMPT"] = str(context.nth)
    os.environ[tree.COOKIE] = context.attempt_id
