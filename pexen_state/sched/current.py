"""What a task knows of itself while it runs, and what it may say: `pexen_state.current()`.

The same object wherever the task is: in a worker's process, where all of its threads and the children that it forks
have it; in a thread of the caller's program; in an executable that is python itself, and in what that starts. Who
answers differs: the keeper at its socket, or the pool whose thread it is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Protocol, Unpack

from pexen_state.box.facts import facts
from pexen_state.in_task import client, reports
from pexen_state.journal import codec
from pexen_state.sched.common import SchedulerError
from pexen_state.sched.fields import Fields
from pexen_state.sched.pool.base import Context
from pexen_state.sched.pool.output import Private, make_directory
from pexen_state.sched.recorded import Record
from pexen_state.subresults import attachments, lines
from pexen_state.subresults.collecting import ARTIFACTS, FILE
from pexen_state.subresults.lines import Line
from pexen_state.util import PexenError
from pexen_state.words import seconds_of

#: Takes what is asked (`pool.desk` says how), returns the answer: {"ok": true, ...} or {"ok": false, "error": text}.
Ask = Callable[[dict[str, Any]], Mapping[str, Any]]

_NOTHING: Any = object()

#: What is called otherwise than it is asked for.
_CALLED = {"add": "add_task"}


class NotInATask(PexenError, RuntimeError):
    """Nobody here is a task that runs."""


class Refused(PexenError):
    """What a task asked for was not done. The message says why."""


class Current:
    """An attempt, as its own task sees it.

    key         of the task
    attempt     1, 2, ...: which attempt of the task this is
    run         number of the run; "" without a journal
    reboots     how many reboots the task has asked for, and had, since it last began from its beginning
    mark        what it wanted to be told after the last of them; ""
    params      parameters of the run, by name
    """

    def __init__(self, context: Context, ask: Ask, said: list[Line] | None = None) -> None:
        self._context = context
        self._ask = ask
        self.said: list[Line] = [] if said is None else said  #: what it has reported where no file is to be had
        self.key = context.key
        self.attempt = context.nth
        self.run = context.run
        self.reboots = context.reboots
        self.mark = context.mark
        self.params: dict[str, Any] = dict(context.params or {})

    def __repr__(self) -> str:
        return f"<attempt {self.attempt} of {self.key}>"

    @property
    def facts(self) -> dict[str, Any]:
        """About the box, as they are now."""
        return facts()

    @property
    def data(self) -> Path | None:
        """A directory that is kept over attempts and reboots; None without a journal."""
        return _made(self._context.data)

    @property
    def artifacts(self) -> Path | None:
        """A directory that is kept with this attempt; None without a journal."""
        directory = self._context.directory
        return _made(f"{directory}/artifacts" if directory is not None else None)

    def checkpoint(self, key: str, value: Any = _NOTHING) -> Any:
        """Keep a value under a key, over crashes and reboots; or, without one, return what was kept last, else None.

        It is durable when this returns. A value may be all that a journal can hold exactly (what `shared` may be, too).
        Raises Refused for another one, and if it could not be kept.
        """
        if not isinstance(key, str):
            raise TypeError(f"a checkpoint's key is a string, not {key!r}")
        body: dict[str, Any] = {"do": "checkpoint", "key": key}
        if value is not _NOTHING:
            try:
                body["value"] = json.loads(codec.encode(value, f"checkpoint {key!r}"))
            except codec.NotEncodable as error:
                raise Refused(str(error)) from None
        return codec.decode(json.dumps(self._answer(body)["value"]))

    def add_task(self, task: Callable[..., Any] | str, /, **metadata: Unpack[Fields]) -> str:
        """Add a task to the run, and return its key. It is in the journal when this returns.

        `task` is a function at the top of a module, or where it is found: "module:function". `metadata` is what
        `func_meta` takes, beside what the function says itself; `kwargs={...}` are its arguments, which a journal
        has to be able to hold exactly. It may require what anybody provides, tasks that have ended included.

        Adding the same task again, as an attempt does that is tried again, adds nothing. Raises Refused, and adds
        nothing, if its key belongs to another task, if it could never run, and for what cannot be written down.
        """
        try:
            record = Record.of(task, metadata)
        except SchedulerError as error:
            raise Refused(f"add_task: {error}") from None
        key: str = self._answer({"do": "add", "task": record.plain()})["key"]
        return key

    def deadline(self, how_long: str | float) -> float | None:
        """Say how long this attempt may take: "10m" (or a number of seconds) from now on, "+5m" longer than until now.

        Returns when that is, in seconds since 1970; None if there is no limit, and "more" was asked for.
        """
        is_more = isinstance(how_long, str) and how_long.startswith("+")
        try:
            seconds = seconds_of(how_long[1:] if isinstance(how_long, str) and is_more else how_long)
        except ValueError as error:
            raise ValueError(f"deadline: {error}") from None
        until: float | None = self._answer({"do": "deadline", "seconds": seconds, "is_more": is_more})["deadline"]
        return until

    def heartbeat(self) -> None:
        """Say that the task lives, though it prints nothing: its idle_timeout begins anew."""
        self._answer({"do": "heartbeat"})

    def result(
        self,
        name: str,
        verdict: str = "pass",
        *,
        note: str | None = None,
        files: Iterable[str | os.PathLike[str]] = (),
        metrics: Mapping[str, float] | None = None,
        partial: bool = False,
    ) -> None:
        """Report about a part of the task. It stands, whatever becomes of the task; it may make the task's own verdict
        worse, and never makes it better.

        A name may repeat. A `partial` result stands until there is another one of its name. Files are copied, when this
        is called, to the artifacts of the attempt. Raises ValueError for what is no result, Refused for a file that
        cannot be had.
        """
        directory = self._context.directory
        names = [os.fspath(one) for one in files]
        said: dict[str, object] = {"name": name, "verdict": verdict, "note": note, "partial": partial}
        if metrics:
            said["metrics"] = dict(metrics)
        line = lines.parsed(json.dumps(said, default=repr))
        if names:
            if directory is None:
                raise Refused("result: files are kept with a journal alone")
            try:
                said["files"] = [attachments.taken(one, _artifacts_of(directory), os.getcwd()) for one in names]
            except attachments.NotTaken as error:
                raise Refused(f"result: {error}") from None
        if directory is None:
            self.said.append(line)
            return
        with Private():
            make_directory(directory)
            reports.append(f"{directory}/{FILE}", said)

    def _answer(self, body: dict[str, Any]) -> Mapping[str, Any]:
        answer = self._ask(body)
        if not answer["ok"]:
            raise Refused(f"{_CALLED.get(body['do'], body['do'])}: {answer['error']}")
        return answer


def _artifacts_of(directory: str) -> str:
    with Private():
        make_directory(directory)
        make_directory(f"{directory}/{ARTIFACTS}")
    return f"{directory}/{ARTIFACTS}"


def _made(directory: str | None) -> Path | None:
    if directory is None:
        return None
    with Private():
        os.makedirs(os.path.dirname(directory), exist_ok=True)
        make_directory(directory)
    return Path(directory)


class Speaker(Protocol):
    """Whoever runs tasks in threads, and knows which one a thread is at."""

    def current(self) -> Current: ...


#: Of a thread of the caller's program that runs a task. Who copies its context, as asyncio does, has it, too.
speaker: ContextVar[Speaker] = ContextVar("pexen_current")

_of_process: Current | None = None


class running:
    """While this lasts, the process is at that attempt. One at a time: workers have it so."""

    def __init__(self, context: Context, socket: str | None) -> None:
        self._context = context
        self._socket = socket

    def __enter__(self) -> Current:
        global _of_process
        _of_process = Current(self._context, _at_socket(self._socket, self._context.attempt_id))
        return _of_process

    def __exit__(self, *_error: object) -> None:
        global _of_process
        _of_process = None


def current() -> Current:
    """The attempt that the caller is. Raises NotInATask.

    In the thread pool, a thread that a task starts is not known to be its: hand the object over, or run the thread's
    function in a copy of the task's context (`contextvars.copy_context().run`).
    """
    thread = speaker.get(None)
    found = thread.current() if thread is not None else _of_process or _of_environment()
    if found is None:
        raise NotInATask(
            "current() is for tasks while they run, and this is none. A thread that a task started in a thread pool "
            "is to be given what current() returned to the task."
        )
    return found


def result(
    name: str,
    verdict: str = "pass",
    *,
    note: str | None = None,
    files: Iterable[str | os.PathLike[str]] = (),
    metrics: Mapping[str, float] | None = None,
    partial: bool = False,
) -> None:
    """`current().result(...)`."""
    current().result(name, verdict, note=note, files=files, metrics=metrics, partial=partial)


def deadline(how_long: str | float) -> float | None:
    """`current().deadline(how_long)`."""
    return current().deadline(how_long)


def _of_environment() -> Current | None:
    """Of an executable, or of what it started."""
    try:
        attempt_id, key, nth = (os.environ[f"PEXEN_{one}"] for one in ("ATTEMPT_ID", "TASK", "ATTEMPT"))
        reboots = int(os.environ.get("PEXEN_REBOOT_COUNT") or 0)
        params = json.loads(os.environ.get("PEXEN_PARAMS") or "{}")
        artifacts = os.environ.get("PEXEN_ARTIFACTS")
        context = Context(
            os.environ.get("PEXEN_RUN", ""),
            key,
            attempt_id,
            int(nth),
            os.path.dirname(artifacts) if artifacts else None,
            os.environ.get("PEXEN_DATA"),
            reboots,
            os.environ.get("PEXEN_REBOOT_MARK", ""),
            params,
        )
    except (KeyError, ValueError):
        return None
    return Current(context, _at_socket(os.environ.get("PEXEN_SOCKET"), attempt_id))


def _at_socket(path: str | None, attempt_id: str) -> Ask:
    def ask(body: dict[str, Any]) -> Mapping[str, Any]:
        try:
            return client.ask(body, path, attempt_id)
        except client.Wrong as wrong:
            raise Refused(f"{body['do']}: {wrong}") from None

    return ask
