"""The options of a run as values: what was said, in which order sayings hold, and what holds when nobody says.

Command line, then settings, then defaults. What comes out is recorded with the run. Nothing is read from files here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, NamedTuple

from pexen_state.cli.errors import UsageError
from pexen_state.report.style import count, duration
from pexen_state.report.text import safe
from pexen_state.words import seconds_of

POOLS = ("process", "thread")
SHOW_OUTPUT = ("failed", "all", "none")
EXIT_CODES = ("automake", "plain", "kselftest", "ltp")  # tables of sched.executable, which is too heavy for a --help

_MOST_JOBS = 10_000


@dataclass(frozen=True, slots=True)
class Options:
    """None: nobody said. What picks the tasks of one run is here, too, so that it is recorded."""

    jobs: str | None = None  #: a number, or `auto`
    pool: str | None = None
    timeout: str | None = None  #: a duration, or `none`
    run_timeout: str | None = None  #: a duration, or `none`
    retries: int | None = None
    max_fail: int | None = None  #: 0: no limit
    show_output: str | None = None
    reports: Mapping[str, str] | None = None  #: by kind, the absolute path of a file
    strict: bool | None = None
    exit_codes: str | None = None  #: name of a table; None: as the kind of target has it
    shell: str | None = None  #: absolute path, of task lists
    order: str | None = None  #: `declared`, `longest`, `random:SEED`; None: as there are workers
    params: Mapping[str, Any] | None = None
    resources: Mapping[str, int] | None = None
    groups: Mapping[str, Mapping[str, Any]] | None = None  #: name -> what `sched.groups.Group` takes
    env: Mapping[str, str] | None = None
    env_file: str | None = None  #: absolute path
    allow_reboot: bool | None = None
    resume_by_hand: bool | None = None
    reboot_command: str | None = None
    max_boots: int | None = None
    on_finish: str | None = None  #: a command for /bin/sh; empty: none, whatever the settings say
    on_finish_timeout: str | None = None  #: a duration, or `none`
    keyword: str | None = None
    tags: Sequence[str] | None = None  #: expressions
    no_deps: bool | None = None
    shard: str | None = None  #: I/N
    repeat: int | None = None
    catalogue: Sequence[str] | None = None  #: targets
    skip_if_passed_in: int | None = None  #: a run: what passed there is skipped
    of_run: int | None = None  #: its tasks are some of that run's: no other task joins it later

    def over(self, other: Options) -> Options:
        """These, and the other's where nobody said. What has names is joined, one by one."""
        unsaid = {one.name: getattr(other, one.name) for one in fields(self) if getattr(self, one.name) is None}
        params = {**(other.params or {}), **self._params_beside(other)}
        env = {**(other.env or {}), **(self.env or {})}
        resources = {**(other.resources or {}), **(self.resources or {})}
        reports = {**(other.reports or {}), **(self.reports or {})}
        joined = {"params": params, "env": env, "resources": resources, "reports": reports}
        return replace(self, **{**unsaid, **{name: value or None for name, value in joined.items()}})

    def _params_beside(self, other: Options) -> Mapping[str, Any]:
        """Of the types of the other's, where those have them. Raises UsageError."""
        if not self.params:
            return {}
        from pexen_state.cli.running import parameters  # seldom needed

        return parameters.understood(self.params, other.params or {})

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Options:
        return cls(**{one.name: said[one.name] for one in fields(cls) if one.name in said})

    def said(self) -> set[str]:
        """Names of those that somebody said."""
        return {one.name for one in fields(self) if getattr(self, one.name) is not None}


def with_defaults(options: Options, is_a_list: bool) -> Options:
    """`is_a_list`: nothing but task lists."""
    return options.over(
        Options(
            jobs="auto" if is_a_list else "1",
            pool="process",
            timeout="none" if is_a_list else "1h",
            run_timeout="none",
            retries=0,
            max_fail=0,
            show_output="failed",
            strict=False,
            allow_reboot=False,
            resume_by_hand=False,
            max_boots=100,
            on_finish_timeout="10m",
        )
    )


class Terms(NamedTuple):
    """What a session is held to: options that were understood."""

    workers: int
    pool: str
    timeout: float | None
    retries: int
    max_fail: int | None
    show_output: str
    is_strict: bool
    run_timeout: float | None = None
    order: str = "declared"
    counts_from_now: bool = False  #: only what fails in this session counts for `max_fail`

    def workers_in_words(self) -> str:
        return f"{count(self.workers, 'worker')} ({self.pool} pool)"

    def limits_in_words(self) -> str:
        if self.timeout is None:
            words = ["no timeout"]
        else:
            words = [f"timeout {_duration(self.timeout)}"]
        words.append({0: "no retries", 1: "1 retry"}.get(self.retries, f"{self.retries} retries"))
        if self.run_timeout is not None:
            words.append(f"the run within {_duration(self.run_timeout)}")
        if self.order.startswith("random"):
            words.append(f"order {safe(self.order)}")
        if self.max_fail is not None:
            failures = count(self.max_fail, "more failure" if self.counts_from_now else "failure")
            words.append(f"given up after {failures}")
        return ", ".join(words)


def _duration(seconds: float) -> str:
    return f"{seconds:g}s" if seconds < 60 else duration(seconds)


def terms_of(options: Options) -> Terms:
    """Raises UsageError for what makes no sense. Everything has to be said (`with_defaults`)."""
    assert options.jobs is not None
    assert options.timeout is not None
    return Terms(
        workers_of(options.jobs),
        options.pool or "process",
        timeout_of(options.timeout),
        options.retries or 0,
        options.max_fail or None,
        options.show_output or "failed",
        bool(options.strict),
        timeout_of(options.run_timeout or "none", "--run-timeout"),
        # Who has one worker sees the order, and has written it down.
        options.order or ("longest" if workers_of(options.jobs) > 1 else "declared"),
    )


def check(options: Options) -> None:
    """Raises UsageError for what makes no sense, before anything is read or imported."""
    terms_of(with_defaults(options, is_a_list=False))
    if options.on_finish_timeout is not None:
        timeout_of(options.on_finish_timeout, "--on-finish-timeout")
    if options.on_finish is not None and "\0" in options.on_finish:
        raise UsageError("--on-finish: a command cannot hold a NUL character")


def workers_of(jobs: str) -> int:
    if jobs == "auto":
        return len(os.sched_getaffinity(0))
    if not (jobs.isascii() and jobs.isdecimal()) or len(jobs) > 9 or not 0 < int(jobs) <= _MOST_JOBS:
        raise UsageError(f"--jobs: {safe(jobs)!r} is neither a number of tasks to run at once nor 'auto'")
    return int(jobs)


def timeout_of(said: str, option: str = "--timeout") -> float | None:
    if said == "none":
        return None
    try:
        return seconds_of(said)
    except ValueError as error:
        raise UsageError(f"{option}: {error}; 'none' is no limit") from None


def shell_of(said: str, directory: str) -> str:
    """The program that a person means by --shell, as an absolute path. One with a slash is relative to `directory`."""
    import shutil  # heavier than all else here, and seldom needed

    found = shutil.which(os.path.join(directory, said) if os.sep in said else said)
    if found is None:
        raise UsageError(
            f"there is no program {safe(said)!r}. Name one that takes -c and a command, such as /bin/bash."
        )
    return os.path.abspath(found)
