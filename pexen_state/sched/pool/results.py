"""What a task leaves (its return value, `shared`, its exception) made fit to leave the place where it ran.

Under a journal: as the JSON that the journal keeps, so that children get the same whether or not the run is
interrupted in between. Without one, from a process: as pickles that were proved to load. What cannot be
brought over becomes a documented value or fails the task; it never breaks the worker.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any, NamedTuple

from pexen_state.core.inputs import Ending
from pexen_state.core.states import Cause, Verdict
from pexen_state.journal import codec
from pexen_state.journal.excinfo import encode_error
from pexen_state.sched.common import ExceptionInfo
from pexen_state.sched.invoke import Call, failed, words_for
from pexen_state.sched.pool.wire import ErrorParts
from pexen_state.util import PexenError

Shared = dict[str, Any]

#: Types whose pickles need no proof.
_SAFE = frozenset({type(None), bool, int, float, str, bytes})


class Kept(NamedTuple):
    """What the journal keeps of an attempt, in its own words."""

    call: Call
    ret_json: str | None
    shared_json: str | None
    error_json: str | None


def texts_of(shared: Shared) -> dict[str, str | None]:
    """Each value before the task, as text: what it is compared to afterwards. None: it cannot be encoded."""
    return {key: _encode_or_none(value) for key, value in shared.items()}


def keep(call: Call, before: Mapping[str, str | None], shared: Shared) -> Kept:
    """Encode what a task left. A value in `shared` that cannot be encoded fails the task."""
    shared_json = None
    if shared or before:
        try:
            shared_json = _changes(before, shared)
        except codec.NotEncodable as error:
            call = failed(PexenError(str(error)))  # a class that can go everywhere
    ret_json = codec.encode_or_text(call.ret) if call.ret is not None else None
    raised = call.excinfo.val if call.excinfo is not None else None
    return Kept(call, ret_json, shared_json, encode_error(raised) if raised is not None else None)


def _changes(before: Mapping[str, str | None], shared: Shared) -> str | None:
    """The keys that the task set or deleted, as JSON; None if there are none."""
    changed = {}
    for key, value in shared.items():
        text = codec.encode(value, f"shared[{key!r}]")
        # Compared as text: 1, 1.0 and True are equal, but not the same to a task that gets them.
        if before.get(key) != text:
            changed[key] = value
    deleted = [key for key in before if key not in shared]
    if not changed and not deleted:
        return None
    return codec.encode({"set": changed, "del": deleted}, "shared")


def after_changes(shared: Shared, shared_json: str | None) -> Shared:
    """What children see: what the task got, with its changes as the journal gives them back."""
    if shared_json is None:
        return shared
    changes = codec.decode(shared_json)
    deleted = set(changes["del"])
    return {**{key: value for key, value in shared.items() if key not in deleted}, **changes["set"]}


def as_decoded(shared: Shared, before: Mapping[str, str | None], kept: Kept) -> Shared:
    """What children see, where the task had the live objects: with its changes as the journal gives them back."""
    if kept.shared_json is not None:
        return {**shared, **codec.decode(kept.shared_json)["set"]}
    # Either nothing was changed, or what was changed cannot be kept: then it is as it was before the task.
    changed = shared.keys() != before.keys() or any(_encode_or_none(shared[key]) != before[key] for key in before)
    return {key: codec.decode(text) for key, text in before.items() if text is not None} if changed else shared


def restored(ret_json: str | None) -> Any:
    """A return value as the journal gives it back, for a caller whose task ran in another process."""
    if ret_json is None:
        return None
    try:
        return codec.decode(ret_json)
    except codec.NotDecodable as error:
        return codec.Unrestorable(str(error))


def _encode_or_none(value: Any) -> str | None:
    try:
        return codec.encode(value)
    except codec.NotEncodable:
        return None


# -- without a journal, from a process


class Pickled(NamedTuple):
    """What an attempt left, each part by itself. `shared` is None if it is as it was."""

    ending: Ending
    ret: bytes | None
    shared: bytes | None
    error: ErrorParts | None


def pickled(call: Call, before: bytes | None, shared: Shared) -> Pickled:
    """Pickle what a task left; a return value or `shared` that cannot be pickled fails the task."""
    ending, ret, excinfo = call
    ret_blob = shared_blob = None
    try:
        if shared or before is not None:
            shared_blob = proved(shared, "shared")
            if shared_blob == before:
                shared_blob = None
        if ret is not None:
            ret_blob = proved(ret, "the return value")
    except AttributeError as error:
        if excinfo is None:
            ending = Ending(Cause.RAISED, Verdict.ERROR, reason=words_for(error))
            excinfo = ExceptionInfo(type(error), error, None)
        ret_blob = None
    return Pickled(ending, ret_blob, shared_blob, error_parts(excinfo) if excinfo is not None else None)


def proved(value: Any, what: str) -> bytes:
    """A pickle that loads. Raises AttributeError, "Can't pickle ...", as the original pexen's users know it."""
    try:
        blob = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        if type(value) not in _SAFE:
            pickle.loads(blob)
    except Exception as error:  # noqa: BLE001 - pickling calls foreign code, which may raise anything
        raise AttributeError(f"Can't pickle {what}: {words_for(error)}") from None
    return blob


def error_parts(excinfo: ExceptionInfo) -> ErrorParts:
    """An exception's parts, as far as they survive pickling. Many exceptions can be dumped but not loaded."""
    return ErrorParts(_proved_or_none(excinfo.type), _proved_or_none(excinfo.val))


def excinfo_of(parts: ErrorParts) -> ExceptionInfo:
    """The reverse, in the runner, where a class may be unknown that the worker has imported."""
    return ExceptionInfo(_loaded_or_none(parts.type), _loaded_or_none(parts.val), None)


def loaded(blob: bytes, what: str) -> Any:
    """Raises AttributeError for what does not load here."""
    try:
        return pickle.loads(blob)
    except Exception as error:  # noqa: BLE001 - unpickling calls foreign code, which may raise anything
        raise AttributeError(f"Can't unpickle {what}: {words_for(error)}") from None


def _proved_or_none(value: Any) -> bytes | None:
    try:
        return proved(value, "")
    except AttributeError:
        return None


def _loaded_or_none(blob: bytes | None) -> Any:
    if blob is None:
        return None
    try:
        return loaded(blob, "")
    except AttributeError:
        return None
