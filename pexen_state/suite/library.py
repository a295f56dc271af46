"""What `pexen_state.suite.run` does: from whatever a program names to tasks, and through a session."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pexen_state.suite.errors import UsageError
from pexen_state.suite.on_finish import OnFinish, follow, is_owed, limit_of, owed
from pexen_state.suite.session import Ended, conduct, pool_of, workers_of
from pexen_state.util import PexenWarning
from pexen_state.words import did_you_mean, seconds_of

if TYPE_CHECKING:
    from pexen_state.sched.common import TaskRes
    from pexen_state.sched.meta import Task


class Asked(NamedTuple):
    """The arguments of `run`, where each is explained."""

    what: Any
    journal: str | os.PathLike[str]
    name: str | None
    jobs: int | str
    pool: str
    timeout: float | str | None
    retries: int
    strict: bool
    reports: Mapping[str, str | os.PathLike[str]] | None
    on_finish: str | None
    on_finish_timeout: float | str | None
    on_result: Callable[[TaskRes], None] | None


class _Tasks(NamedTuple):
    """What there is to run."""

    ordinary: tuple[Task, ...]
    name: str
    target: str | None = None  #: for people
    catalogue: tuple[Task, ...] = ()
    is_a_tree: bool = False  #: of files: the kernel is looked at, as `pexen run` does


def run_suite(asked: Asked, more: Mapping[str, Any]) -> Ended:
    from pexen_state.journal.uptodate import bring_up_to_date
    from pexen_state.sched.planner import Sched
    from pexen_state.sched.specs import Defaults

    _check(asked)
    journal = os.path.abspath(os.fsdecode(asked.journal))
    files = {name: os.path.abspath(os.fsdecode(file)) for name, file in (asked.reports or {}).items()}
    if files:
        from pexen_state.report.formats.writing import clash

        if (wrong := clash(files, journal)) is not None:
            raise UsageError(f"reports: {wrong}")
    tasks = _tasks(asked, more.get("params"))
    limit_s = limit_of(asked.on_finish_timeout)
    recorded = {
        "on_finish": asked.on_finish,
        "on_finish_timeout": asked.on_finish_timeout,
        "strict": asked.strict,
        "directory": os.getcwd(),
    }
    said: dict[str, Any] = {
        "capture": True,
        "kernel": tasks.is_a_tree,
        "catalogue": tasks.catalogue,
        "target": tasks.target,
        **more,
        "options": {**(more.get("options") or {}), **(recorded if asked.on_finish is not None else {})},
    }
    timeout = None if asked.timeout in (None, "none") else seconds_of(asked.timeout)
    os.makedirs(os.path.dirname(journal), mode=0o700, exist_ok=True)
    if os.path.lexists(journal):
        bring_up_to_date(journal)
        _make_up_for(journal, tasks.name)
    sched = Sched(
        tasks.ordinary,
        journal=journal,
        name=tasks.name,
        defaults=Defaults(timeout=timeout, retries=asked.retries),
        **said,
    )
    after = None
    if asked.on_finish is not None:
        after = OnFinish(asked.on_finish, os.getcwd(), dict(os.environ), limit_s, asked.strict)
    workers = max(1, min(workers_of(asked.jobs), len(tasks.ordinary) + len(tasks.catalogue)))
    return conduct(
        sched,
        pool_of(asked.pool, workers),
        asked.on_result or (lambda _: None),
        is_strict=asked.strict,
        at_end=(lambda run: _report(journal, run, files)) if files else None,
        after=after,
    )


def _check(asked: Asked) -> None:
    """What is wrong is said before anything is imported, or written. Raises UsageError."""
    if asked.pool not in ("process", "thread"):
        raise UsageError(f"pool is 'process' or 'thread', not {asked.pool!r}")
    if asked.jobs != "auto" and not (type(asked.jobs) is int and asked.jobs > 0):
        raise UsageError(f"jobs is a number of tasks to run at once, or 'auto', not {asked.jobs!r}")
    if type(asked.retries) is not int or asked.retries < 0:
        raise UsageError(f"retries is a number of times, 0 or more, not {asked.retries!r}")
    if asked.on_finish is not None and (not asked.on_finish.strip() or "\0" in asked.on_finish):
        raise UsageError("on_finish is a command for /bin/sh, and this is none")
    for said, what in ((asked.timeout, "timeout"), (asked.on_finish_timeout, "on_finish_timeout")):
        try:
            limit_of(said)
        except ValueError as error:
            raise UsageError(f"{what}: {error}") from None
    if asked.reports:
        from pexen_state.report.formats.writing import FORMATS

        for name in asked.reports:
            if name not in FORMATS:
                known = ", ".join(FORMATS)
                raise UsageError(f"there is no report {name!r}.{did_you_mean(str(name), FORMATS)} Known are: {known}")


def _tasks(asked: Asked, params: Mapping[str, Any] | None) -> _Tasks:
    what = asked.what
    if isinstance(what, str | os.PathLike):
        what = [what]
    elif callable(what):
        what = what()
    if not isinstance(what, Iterable):
        raise UsageError(f"what is to be run is a target, tasks or a factory, not {type(what).__name__}")
    named = list(what)
    if not named or not all(isinstance(one, str | os.PathLike) for one in named):
        return _Tasks(tuple(named), asked.name or "main")
    from pexen_state.suite import targets

    suite = targets.load(
        targets.parse([os.fsdecode(one) for one in named]), asked.name, targets.Commands(params=params)
    )
    words = " ".join(target.what for target in suite.targets)
    return _Tasks(suite.tasks, suite.name, words, suite.catalogue, not suite.is_a_list)


def _make_up_for(journal: str, name: str) -> None:
    """Run what was to follow the end of the last run of that name, if a kill came between."""
    from pexen_state.journal.lock import RunLock

    due = [record for record in owed(journal) if record.name == name and "surroundings" not in record.options]
    for record in reversed(due):
        said = record.options
        what = OnFinish(
            said["on_finish"],
            said["directory"],
            dict(os.environ),
            limit_of(said["on_finish_timeout"]),
            bool(said["strict"]),
        )
        with RunLock.acquire(journal) as lock:
            if is_owed(journal, record.id):  # nobody else was quicker
                follow(what, lock, record.id)


def _report(path: str, run: int, files: Mapping[str, str]) -> None:
    """A report that cannot be written is told, and keeps nothing else from being done."""
    from pexen_state.journal.reader import reader
    from pexen_state.report.formats.writing import lines_of, write_file

    with reader(path) as connection:
        lines = lines_of(connection, run, path, files)
    for name, file in files.items():
        try:
            write_file(file, lines[name])
        except OSError as error:
            warnings.warn(f"the report {file} cannot be written: {error.strerror}", PexenWarning, stacklevel=2)
