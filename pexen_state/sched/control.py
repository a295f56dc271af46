"""Steering from outside: what other processes ask through the journal's control socket, as inputs.

A request is answered when what it asked for is durable, or at once if it cannot be done.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pexen_state.core.inputs import CancelAsked, Input, PauseAsked, StopAsked, UnlockAsked
from pexen_state.core.locks import normal_name
from pexen_state.core.plan import Plan
from pexen_state.core.spec import Name
from pexen_state.journal.control import ControlServer, Request
from pexen_state.journal.paths import JournalPaths
from pexen_state.journal.values import from_json


class Control:
    """One source of inputs for the loop.

    Requests are JSON objects: {"do": "pause" | "stop" | "cancel" | "unlock", "task": key, "lock": name}.
    """

    def __init__(self, server: ControlServer, plan: Plan) -> None:
        self._server = server
        self._plan = plan
        self._taken: list[Request] = []

    @classmethod
    @contextmanager
    def open(cls, path: str, plan: Plan) -> Iterator[Control]:
        server = ControlServer(JournalPaths.of(path))
        try:
            yield cls(server, plan)
        finally:
            server.close()

    def fileno(self) -> int:
        return self._server.fileno()

    def take(self) -> list[Input]:
        inputs: list[Input] = []
        for request in self._server.receive():
            try:
                inputs.append(self._input_of(request.body))
            except ValueError as error:
                self._server.reply(request, {"ok": False, "error": str(error)})
            else:
                self._taken.append(request)
        return inputs

    def committed(self) -> None:
        taken, self._taken = self._taken, []
        for request in taken:
            self._server.reply(request, {"ok": True})

    def _input_of(self, body: dict[str, Any]) -> Input:
        match body:
            case {"do": "pause"}:
                return PauseAsked(str(body.get("by", "pause")))
            case {"do": "stop"}:
                return StopAsked(str(body.get("by", "stop")))
            case {"do": "cancel", "task": str(key)}:
                return CancelAsked(self._number_of(key))
            case {"do": "cancel"}:
                return CancelAsked()
            case {"do": "unlock", "lock": lock}:
                return UnlockAsked(self._kept(lock))
            case _:
                raise ValueError(f"nobody here knows what to do with {body!r}")

    def _kept(self, lock: object) -> Name:
        with suppress(ValueError, LookupError, TypeError):  # names of locks are values as the journal keeps them
            name = normal_name(from_json(lock))
            if any(name == held for held, _ in self._plan.still_held()):
                return name
        raise ValueError(f"the lock {lock!r} is not held by a task that has ended")

    def _number_of(self, key: str) -> int:
        for number, task in self._plan.tasks.items():
            if task.spec.key == key:
                return number
        raise ValueError(f"no task of this run is called {key!r}")
