"""Steering from outside: what other processes ask through the journal's control socket, as inputs.

A request is answered when what it asked for is durable, or at once if it cannot be done. A question changes nothing,
so it is no input: it is answered at once, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pexen_state.core.inputs import CancelAsked, Input, PauseAsked, StopAsked, UnlockAsked
from pexen_state.core.listing import listed
from pexen_state.core.lock_names import lock_of, lock_text
from pexen_state.core.locks import normal_name
from pexen_state.core.plan import Plan
from pexen_state.core.spec import Name
from pexen_state.journal.control import ControlServer, Request
from pexen_state.journal.paths import JournalPaths
from pexen_state.journal.values import from_json
from pexen_state.sched.pool.base import Pool


class Control:
    """One source of inputs for the loop.

    Requests are JSON objects; what they may be is said at `input_of`. One that says "run": id is for that run alone:
    whoever means run 3 must not hit run 4, which began meanwhile. The answer is {"ok": true, "run": id, "in_flight":
    how many attempts are handed over}, or {"ok": false, "run": id, "error": a sentence}.

    {"do": "status"} asks what the runner alone knows. Its answer has "window", too: how many may be handed over at
    once, and so how many at most run again if the runner is killed. There may be more while the window shrinks.
    """

    def __init__(self, server: ControlServer, run: int, plan: Plan, pool: Pool) -> None:
        self._server = server
        self._run = run
        self._plan = plan
        self._pool = pool
        self._taken: list[Request] = []

    @classmethod
    @contextmanager
    def open(cls, path: str, run: int, plan: Plan, pool: Pool) -> Iterator[Control]:
        server = ControlServer(JournalPaths.of(path))
        try:
            yield cls(server, run, plan, pool)
        finally:
            server.close()

    def fileno(self) -> int:
        return self._server.fileno()

    def take(self) -> list[Input]:
        inputs: list[Input] = []
        for request in self._server.receive():
            try:
                if request.body.get("run", self._run) != self._run:
                    raise ValueError(f"run {self._run} is being run, not run {request.body['run']}")
                if request.body.get("do") == "status":
                    self._done(request, window=self._pool.limit)
                    continue
                inputs.append(input_of(self._plan, request.body))
            except Exception as error:  # noqa: BLE001 - whatever is wrong with a request, it does not end the run
                why = str(error) if isinstance(error, ValueError) else f"it makes no sense: {type(error).__name__}"
                self._server.reply(request, {"ok": False, "run": self._run, "error": why})
            else:
                self._taken.append(request)
        return inputs

    def committed(self) -> None:
        taken, self._taken = self._taken, []
        for request in taken:
            self._done(request)

    def _done(self, request: Request, **more: int) -> None:
        in_flight = len(self._plan.in_flight)
        self._server.reply(request, {"ok": True, "run": self._run, "in_flight": in_flight, **more})


def input_of(plan: Plan, body: dict[str, Any]) -> Input:
    """{"do": "pause" | "stop", "by": who}, {"do": "cancel", "task": key or nothing}, or {"do": "unlock"} with a "lock",
    a name as the journal keeps it, or its "text" as people write it.

    Raises ValueError, whose message says why it cannot be done.
    """
    match body:
        case {"do": "pause"}:
            return PauseAsked(str(body.get("by", "pause")))
        case {"do": "stop"}:
            return StopAsked(str(body.get("by", "stop")))
        case {"do": "cancel", "task": str(key)}:
            return CancelAsked(_unfinished_task(plan, key))
        case {"do": "cancel", "task": key}:
            raise ValueError(f"the key of a task is text, not {key!r}")
        case {"do": "cancel"}:
            return CancelAsked()
        case {"do": "unlock", "text": str(text)}:
            return UnlockAsked(_kept_by_text(plan, text))
        case {"do": "unlock", "lock": lock}:
            return UnlockAsked(_kept(plan, lock))
        case _:
            raise ValueError(f"nobody here knows what to do with {body!r}")


def _unfinished_task(plan: Plan, key: str) -> int:
    for number, task in list(plan.tasks.items()):
        if task.spec.key == key:
            if task.state.is_final:
                raise ValueError(f"{key} has ended already: {task.state.word.replace('_', ' ')}")
            return number
    raise ValueError(f"no task of this run is called {key!r}")


def _kept(plan: Plan, lock: object) -> Name:
    with suppress(ValueError, LookupError, TypeError):  # names of locks are values as the journal keeps them
        name = normal_name(from_json(lock))
        if any(name == held for held, _ in plan.still_held()):
            return name
    raise ValueError(f"the lock {lock!r} is not held by a task that has ended")


def _kept_by_text(plan: Plan, text: str) -> Name:
    kept = list(dict.fromkeys(name for name, _ in plan.still_held()))
    name = lock_of(text, kept)
    if name is not None:
        return name
    holders = [plan.tasks[number] for held, number, _ in plan.locks.held() if lock_of(text, [held]) is not None]
    if holders:
        raise ValueError(
            f"the lock {text} is held by {listed([task.spec.key for task in holders])}, which has not ended: it is "
            "freed when that has"
        )
    others = f"; held by tasks that have ended are: {', '.join(sorted(map(lock_text, kept)))}" if kept else ""
    raise ValueError(f"the lock {text} is not held{others}")
