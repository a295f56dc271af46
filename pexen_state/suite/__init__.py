"""A suite as a library: factory, scheduler, journal and reports in one call.

`run` is what `pexen run` does, for programs that are runners of their own. Nothing is shown, no setting is read from a
file, no signal is handled: all that is the caller's. Its parts are `targets` (what was named, and its tasks),
`session` (one life of a run) and `on_finish` (the command that follows a run's end). Importing this is cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os

    from pexen_state.sched.common import TaskRes
    from pexen_state.suite.session import Ended

__all__ = ["run"]


def run(
    what: str | os.PathLike[str] | Iterable[Any] | Callable[[], Iterable[Any]],
    *,
    journal: str | os.PathLike[str],
    name: str | None = None,
    jobs: int | str = 1,
    pool: str = "process",
    timeout: float | str | None = None,
    retries: int = 0,
    strict: bool = False,
    reports: Mapping[str, str | os.PathLike[str]] | None = None,
    on_finish: str | None = None,
    on_finish_timeout: float | str | None = "10m",
    on_result: Callable[[TaskRes], None] | None = None,
    **more: Any,
) -> Ended:
    """Run a suite, or go on with its unfinished run, and return what became of it.

    what        a target as `pexen run` takes it ("tests", "py:package.module"), several of them, tasks, or a factory:
                a callable that gives tasks
    journal     path of the journal; it is made if it is not there
    name        what the suite is called: an unfinished run of that name goes on. By default as `pexen run` calls it,
                or "main" for tasks
    jobs        how many tasks at once; "auto" for the processors that there are
    pool        "process" or "thread"
    timeout     time limit of one attempt: seconds, or "5m"; None for none
    retries     how often a task is tried again after a failure
    strict      a warning counts as a failure for the exit code
    reports     files by format: {"junit": "report.xml"}; also tap, jsonl, md, html and trace
    on_finish   a command for /bin/sh that follows the end of the run; what it finds in its environment is documented
    on_result   is given each result, as `Sched.run` yields it; those of earlier sessions again (`replayed`)
    more        anything else that `Sched` takes: params, max_fail, skip_passed_in, may_reboot, ...

    The same call goes on with what was cut off. Raises NothingToDo if there is no task, JournalBusy if somebody else
    runs the journal, other PexenErrors for what cannot be run; KeyboardInterrupt leaves a run that can be resumed.
    """
    from pexen_state.suite.library import Asked, run_suite

    asked = Asked(
        what, journal, name, jobs, pool, timeout, retries, strict, reports, on_finish, on_finish_timeout, on_result
    )
    return run_suite(asked, more)
