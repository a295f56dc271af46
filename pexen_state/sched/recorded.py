"""Tasks that are written down: `module:function` with its arguments and metadata, in JSON.

A task that runs may add others (`current().add_task`). Where it runs, nobody but itself has the callable; and when the
run is resumed, it may have ended long before. So what it adds is a record, out of which the same task is made again, in
whatever process it is to run. Only there anything is imported.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, NamedTuple

from pexen_state.core.spec import Declared
from pexen_state.journal import codec
from pexen_state.journal.values import from_json, to_json
from pexen_state.sched.common import SchedulerError
from pexen_state.sched.fields import SchedMeta
from pexen_state.sched.identity import key_of
from pexen_state.sched.meta import ATTRIBUTE, DECLARED, assign_meta, declared_of, describe, read_meta
from pexen_state.sched.taking import MetaError

Body = Callable[..., Any]

#: Of its JSON: so much fits into what an attempt may ask for at once.
MOST_BYTES = 1_000_000


class Record(NamedTuple):
    """`kwargs` are JSON as the codec writes it; only who runs the task reads them. `meta` is JSON that was read."""

    call: str  #: module:qualname
    declared: int
    kwargs: str | None
    meta: Mapping[str, Any]

    @classmethod
    def of(cls, task: Body | str, fields: Mapping[str, Any]) -> Record:
        """Of a callable, or of the place where it can be imported, with metadata beside its own.

        Raises SchedulerError for what cannot be written down, and MetaError.
        """
        place, body = _found(task)
        meta = read_meta(body).copy()
        meta.update(fields)
        if not meta.says("name") or meta.name is None:
            meta.name = key_of(body)
        said = dict(vars(meta))
        kwargs = said.pop("kwargs", None)
        try:
            text = codec.encode(dict(kwargs), f"kwargs of {meta.name}") if kwargs else None
            plain = {field: _plain(field, value, str(meta.name)) for field, value in said.items()}
        except codec.NotEncodable as error:
            raise SchedulerError(str(error)) from None
        record = cls(place, int(declared_of(body)), text, plain)
        if (size := len(json.dumps(record.plain()))) > MOST_BYTES:
            raise SchedulerError(
                f"{meta.name} and its arguments are {size} bytes of JSON, and {MOST_BYTES} are the most: "
                "write them to a file, and add the task with its path"
            )
        return record

    @classmethod
    def from_json(cls, text: str) -> Record:
        return cls.from_plain(json.loads(text))

    @classmethod
    def from_plain(cls, said: Mapping[str, Any]) -> Record:
        """Raises ValueError if it is none."""
        match said:
            case {"call": str(call), "declared": int(declared), "meta": dict(meta)} if _is_place(call):
                kwargs = said.get("kwargs")
                if declared in (Declared.CALLABLE, Declared.TASK) and (kwargs is None or isinstance(kwargs, str)):
                    return cls(call, declared, kwargs, meta)
        raise ValueError("a task to be added has a call (module:function), how it was declared, and its metadata")

    def plain(self) -> dict[str, Any]:
        return self._asdict()

    def to_json(self) -> str:
        return json.dumps(self.plain(), separators=(",", ":"))


class RecordedCall:
    """A task that is made of its record. Calling it imports the callable, and calls that."""

    def __init__(self, record: Record) -> None:
        """Raises MetaError, or ValueError, for metadata that nobody could have written down."""
        self.record = record
        fields = {field: _read(field, value) for field, value in record.meta.items()}
        setattr(self, ATTRIBUTE, SchedMeta(**fields))
        setattr(self, DECLARED, Declared(record.declared))

    def __call__(self, *args: Any, **more: Any) -> Any:
        found = self.found()
        return found(*args, **{**read_meta(found).value("kwargs"), **more})

    def __repr__(self) -> str:
        return f"<task {self.record.call}>"

    def found(self) -> Body:
        """The callable itself, with this metadata. Raises what importing raises, or AttributeError."""
        body = functools.partial(imported(self.record.call))
        meta = read_meta(self).copy()
        if self.record.kwargs is not None:
            meta.kwargs = codec.decode(self.record.kwargs)
        assign_meta(body, meta)
        return body


def imported(place: str) -> Body:
    """What is at `module:qualname`. Raises what importing raises, or AttributeError."""
    module, _, qualname = place.partition(":")
    found: Any = import_module(module)
    for name in qualname.split("."):
        found = getattr(found, name, None)
    if not callable(found):
        raise AttributeError(f"there is no callable at {place} any more")
    body: Body = found
    return body


def _found(task: Body | str) -> tuple[str, Body]:
    if isinstance(task, str):
        if not _is_place(task):
            raise SchedulerError(f"{task!r} is no place of a callable: write module:function")
        try:
            return task, imported(task)
        except (ImportError, AttributeError, ValueError) as error:
            raise SchedulerError(f"{task} cannot be imported: {error}") from None
    module, qualname = getattr(task, "__module__", None), getattr(task, "__qualname__", None)
    place = f"{module}:{qualname}"
    if isinstance(module, str) and isinstance(qualname, str) and _is_place(place):
        try:
            if imported(place) is task:
                return place, task
        except (ImportError, AttributeError):
            pass
    raise SchedulerError(
        f"{describe(task)} cannot be imported by name, and that is how it would be found when the run is resumed: "
        "move it to the top of a module, and hand over what it needs as kwargs={...}"
    )


def _is_place(text: str) -> bool:
    module, colon, qualname = text.partition(":")
    names = [*module.split("."), *qualname.split(".")]
    return bool(colon) and all(name.isidentifier() for name in names)


def _plain(field: str, value: object, key: str) -> Any:
    where = f"{field} of {key}"
    if isinstance(value, set | frozenset):
        return [to_json(one, where) for one in sorted(value, key=repr)]
    return to_json(list(value) if isinstance(value, tuple) else value, where)


def _read(field: str, value: Any) -> Any:
    try:
        return from_json(value)
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MetaError(f"{field} cannot be read: {error}") from None
