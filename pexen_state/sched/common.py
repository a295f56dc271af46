"""The words that a task, a scheduler and its caller share: errors, `TaskFailError`, `Skip`, `Reboot`, `TaskRes`.

Nothing here knows how a task is run.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, TypeVar, overload

from pexen_state.journal.records import SubResult
from pexen_state.util import PexenError
from pexen_state.words import is_plain

F = TypeVar("F", bound=Callable[..., Any])


class SchedulerError(PexenError):
    """The tasks, or the way they are used, make no run."""


class PoolError(SchedulerError):
    """A pool cannot do what it was asked for."""


class RunOver(SchedulerError):
    """The run that was to be resumed has come to its end, or was superseded, meanwhile."""


class RunParked(SchedulerError):
    """The run gets nowhere: it is left to a person, who looks and resumes it."""


class DepcheckError(SchedulerError):
    """Required names that no task provides. `remain` lists them."""

    def __init__(self, message: str, remain: Any = ()) -> None:
        super().__init__(message)
        self.remain = remain


class MutexError(SchedulerError):
    """A task that asks for the same lock in two ways. `task` is that task."""

    def __init__(self, message: str, task: Any = None) -> None:
        super().__init__(message)
        self.task = task


class TaskFailError(Exception):
    """Raised by a task to say that it failed in a controlled manner, and cleaned up.

    `deps_ok`: what it provides is there all the same. `locks_ok`: what it locked may be used by others.
    """

    def __init__(self, *args: object, deps_ok: bool = True, locks_ok: bool = True) -> None:
        super().__init__(*args)
        self.deps_ok = deps_ok
        self.locks_ok = locks_ok


class Skip(Exception):
    """Raised by a task to say that it does not apply here. `reason` is a sentence."""

    @property
    def reason(self) -> str | None:
        return str(self) or None


class Reboot(Exception):
    """Raised by a task that wants the box to be rebooted, and to be called again after that.

    `mark` is what it is told then. `timeout` is how many seconds the box may take to go down; None is 300.
    Raises ValueError if the mark is no text that the environment and the journal can hold.
    """

    def __init__(self, mark: str = "", timeout: float | None = None) -> None:
        if not is_plain(mark):
            raise ValueError(f"a mark is text of UTF-8 and without NUL, not {mark!r}")
        super().__init__(mark, timeout)
        self.mark = mark
        self.timeout = timeout


class ExceptionInfo(NamedTuple):
    """What `sys.exc_info()` said inside of the task. A field that could not be brought over is None."""

    type: type[BaseException] | None = None
    val: BaseException | None = None
    tb: TracebackType | None = None


class _Result(NamedTuple):
    task: Callable[..., Any] | None
    shared: dict[str, Any] = {}
    ret: Any = None
    excinfo: ExceptionInfo | None = None


class TaskRes(_Result):
    """The result of one task. Equal to another one if the four fields are; the attributes only inform.

    key         the task's name in the run
    attempt     which attempt ended it, counted from 1
    state       "succeeded", "failed", "timed_out", "skipped" or "cancelled"
    verdict     "pass", "fail", ...
    reason      a sentence, where the verdict does not say all
    seconds     how long that attempt took, None if nobody knows
    output      path of its output file, None if there is none
    replayed    it ended in an earlier session; it comes from the journal
    results     what that attempt has reported about its parts: (name, verdict, note, metrics, files) each
    """

    # A tuple subclass cannot have non-empty slots, so the attributes live in the instance's dict; these are
    # what `_make` and `_replace`, which know of the four fields only, leave in place.
    key: str | None = None
    attempt: int = 1
    state: str = "succeeded"
    verdict: str = "pass"
    reason: str | None = None
    seconds: float | None = None
    output: str | None = None
    replayed: bool = False
    results: tuple[SubResult, ...] = ()

    def __new__(
        cls,
        task: Callable[..., Any] | None,
        shared: dict[str, Any] | None = None,
        ret: Any = None,
        excinfo: ExceptionInfo | None = None,
        **attributes: Any,
    ) -> TaskRes:
        self = super().__new__(cls, task, {} if shared is None else shared, ret, excinfo)
        if attributes:
            unknown = attributes.keys() - _ATTRIBUTES
            if unknown:
                raise TypeError(f"TaskRes has no attribute {min(unknown)!r}")
            self.__dict__.update(attributes)
        return self


def task_result(
    task: Callable[..., Any] | None,
    shared: dict[str, Any],
    ret: Any,
    excinfo: ExceptionInfo | None,
    attributes: dict[str, Any],
) -> TaskRes:
    """As the constructor makes it, in a third of the time: a run makes one of every task."""
    self: TaskRes = tuple.__new__(TaskRes, (task, shared, ret, excinfo))
    self.__dict__ = attributes
    return self


_ATTRIBUTES = frozenset({"key", "attempt", "state", "verdict", "reason", "seconds", "output", "replayed", "results"})


class Opened(NamedTuple):
    """A journaled session that is about to run something."""

    run_id: int
    name: str
    resumed: bool
    tasks: int  #: all that the run has
    finished: int  #: ended in earlier sessions
    in_flight: tuple[str, ...]  #: keys of those that had begun when the last session went away
    superseded: int | None  #: the unfinished run that this new one takes the place of
    had_begun: bool = True  #: False: nobody can say of all `in_flight` that they had begun, only that they may have
    named: tuple[str, ...] = ()  #: those that the kernel named in its last words before the box crashed
    changed_facts: tuple[tuple[str, Any, Any], ...] = ()  #: (name, what it was when the run began, what it is)


@overload
def task_fail_wrap(func: F, /) -> F: ...
@overload
def task_fail_wrap(
    func: None = None, /, *, reraise: type[TaskFailError] = ..., deps_ok: bool = ..., locks_ok: bool = ...
) -> Callable[[F], F]: ...
def task_fail_wrap(
    func: F | None = None,
    /,
    *,
    reraise: type[TaskFailError] = TaskFailError,
    deps_ok: bool = True,
    locks_ok: bool = True,
) -> F | Callable[[F], F]:
    """Decorate a task so that any exception of it is a controlled failure.

    `reraise` is raised with the text of what was caught, which stays its `__cause__`. A TaskFailError of the
    task's own, and Skip, pass as they are. The wrapped task keeps its parameters and its metadata.
    """

    def decorate(wrapped: F) -> F:
        @functools.wraps(wrapped)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            try:
                return wrapped(*args, **kwargs)
            except (TaskFailError, Skip):
                raise
            except Exception as error:
                failure = reraise(f"{type(error).__name__}: {error}")
                # Set afterwards: a subclass may have a constructor of its own that does not know them.
                failure.deps_ok, failure.locks_ok = deps_ok, locks_ok
                raise failure from error

        return wrapper  # type: ignore[return-value]  # a wrapper is called as what it wraps

    return decorate if func is None else decorate(func)
