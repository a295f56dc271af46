"""Call a task as its documentation says, and turn its end, whatever that is, into a value.

A task whose first positional parameter is free gets `shared` there; its metadata's `kwargs` go by name. This
is the one file that catches BaseException: user code may raise anything, SystemExit and KeyboardInterrupt
included, and none of that is to end the worker that called it.
"""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeGuard

from pexen_state.core.inputs import Ending
from pexen_state.core.states import Cause, Verdict
from pexen_state.sched.common import ExceptionInfo, Reboot, Skip, TaskFailError
from pexen_state.sched.fields import SchedMeta
from pexen_state.sched.meta import ATTRIBUTE, get_kwargs
from pexen_state.sched.recorded import RecordedCall

PASSED = Ending(Cause.RETURNED, Verdict.PASS)


class Call(NamedTuple):
    """How a call ended, and what it left."""

    ending: Ending
    ret: Any = None
    excinfo: ExceptionInfo | None = None


RETURNED_NONE = Call(PASSED)  #: of nearly all calls; one for all


def invoke(body: Callable[..., Any], shared: dict[str, Any]) -> Call:
    """Call a task. Never raises."""
    try:
        if _says_by_its_code(body):
            # Most tasks by far; looking closer costs more than many of them do.
            ret = body(shared) if body.__code__.co_argcount else body()
        else:
            if isinstance(body, RecordedCall):
                body = body.found()
            kwargs = get_kwargs(body)
            ret = body(shared, **kwargs) if takes_shared(body, kwargs) else body(**kwargs)
    except BaseException as error:  # noqa: BLE001  # see above
        return failed(error)
    return Call(PASSED, ret) if ret is not None else RETURNED_NONE


def failed(error: BaseException) -> Call:
    """What an exception that left a task means."""
    excinfo = ExceptionInfo(type(error), error, _own_frames(error.__traceback__))
    match error:
        case TaskFailError():
            ending = Ending(Cause.FAILED, Verdict.FAIL, bool(error.deps_ok), bool(error.locks_ok), words_for(error))
        case _ if isinstance(error, _skips()):
            ending = Ending(Cause.SKIPPED, Verdict.SKIP, reason=_text(error) or None)
        case Reboot(mark=str(), timeout=None | float() | int()):
            ending = Ending(Cause.REBOOT_ASKED, Verdict.NONE)
        case _ if isinstance(error, (AssertionError, *_of("_pytest.outcomes", "Failed"))):
            ending = Ending(Cause.ASSERTED, Verdict.FAIL, reason=words_for(error))
        case SystemExit(code=None | 0):
            # A script's usual last line; it says that all went well.
            return Call(PASSED)
        case _:
            ending = Ending(Cause.RAISED, Verdict.ERROR, reason=words_for(error))
    return Call(ending, None, excinfo)


def _skips() -> tuple[type[BaseException], ...]:
    return (Skip, *_of("unittest.case", "SkipTest"), *_of("_pytest.outcomes", "Skipped"))


def _of(module: str, name: str) -> tuple[type[BaseException], ...]:
    """That exception of a test framework, which is slow to import: who raises it has done so."""
    found = getattr(sys.modules.get(module), name, None)
    return (found,) if isinstance(found, type) and issubclass(found, BaseException) else ()


def words_for(error: BaseException) -> str:
    """`ValueError: no such disk`, on one line."""
    name, text = type(error).__name__, _text(error)
    return f"{name}: {text}" if text else name


def _text(error: BaseException) -> str:
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001  # `__str__` is user code, too
        return "(its text cannot be made)"
    return " ".join(text.split())


def _own_frames(trace: types.TracebackType | None) -> types.TracebackType | None:
    """Without the frame of `invoke`, which says nothing to the task's author."""
    if trace is not None and trace.tb_frame.f_code is invoke.__code__ and trace.tb_next is not None:
        return trace.tb_next
    return trace


#: What a function has that stands for another one, or says itself how it is called.
_INSPECTED = {"__wrapped__", "__signature__"}


def _says_by_its_code(body: Callable[..., Any]) -> TypeGuard[types.FunctionType]:
    """Whether a plain function's own parameters, and nothing else, tell how it is called."""
    if type(body) is not types.FunctionType:
        return False
    said = body.__dict__
    if not said:
        return True
    meta = said.get(ATTRIBUTE)
    if meta is None:
        return said.keys().isdisjoint(_INSPECTED)
    if type(meta) is not SchedMeta or meta.__dict__.get("kwargs"):
        return False
    return len(said) == 1 or said.keys().isdisjoint(_INSPECTED)


def takes_shared(body: Callable[..., Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether a task has a positional parameter for `shared`, one that its `kwargs` do not fill.

    `*args` alone are none. A builtin that does not tell its parameters is called without.
    """
    # Plain functions are answered from their code, which is much faster than `inspect`.
    if type(body) is types.FunctionType and not body.__dict__.keys() & _INSPECTED:
        code = body.__code__
        return code.co_argcount > 0 and code.co_varnames[0] not in kwargs
    try:
        parameters = inspect.signature(body).parameters.values()
    except (ValueError, TypeError):
        return False
    first = next(iter(parameters), None)
    if first is None:
        return False
    if first.kind is first.POSITIONAL_ONLY:
        return True
    return first.kind is first.POSITIONAL_OR_KEYWORD and first.name not in kwargs
