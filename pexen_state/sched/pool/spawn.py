"""Run an executable in a worker: its environment, its files, its own session; and read its exit status.

The worker does nothing else meanwhile. Waiting, and what the executable leaves behind, is shared with python
tasks (`leftovers`); time limits are the keeper's.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from pexen_state.core.inputs import Ending
from pexen_state.core.states import Cause, Verdict
from pexen_state.sched.common import ExceptionInfo
from pexen_state.sched.executable import Executable, signal_name, verdict_of
from pexen_state.sched.invoke import Call, words_for
from pexen_state.sched.meta import find_meta
from pexen_state.sched.pool import shell, variables
from pexen_state.sched.pool.base import Context
from pexen_state.sched.pool.interpreter import why_not_there
from pexen_state.sched.pool.output import last_line
from pexen_state.sched.pool.places import SharedFile
from pexen_state.sched.pool.shortage import NotWithThis, Supply
from pexen_state.util import PexenError


class Ran(NamedTuple):
    """How an executable ended."""

    call: Call
    exit_code: int | None
    signal: int | None
    used_shared: bool = True  #: it has read or written `shared`, for all that is known


class Surroundings(NamedTuple):
    """Where it runs: everything but what it is."""

    shared: dict[str, Any]  #: read before, and updated after
    context: Context | None
    timeout: float | None
    output: int | None  #: descriptor for stdout and stderr; None: the worker's own
    output_path: str | None  #: the same file
    started: Callable[[int], None]  #: told the pid
    environment: dict[bytes, bytes]  #: the worker's own
    directory: int  #: descriptor of the one that the worker is in
    supply: Supply
    inside: Callable[[], AbstractContextManager[None]]  #: the cgroup of what is started meanwhile


def run_executable(executable: Executable, around: Surroundings) -> Ran:
    """Start it, wait for its end, and read what that means."""
    try:
        shared_file = None
        if (context := around.context) is not None:
            shared_file = around.supply.get(lambda: SharedFile.write(context, around.shared))
        given = executable.popen.get("env")
        own = around.environment
        environment = own.copy() if given is None else {os.fsencode(n): os.fsencode(v) for n, v in given.items()}
        if (meta := find_meta(executable)) is not None:
            environment.update({os.fsencode(n): os.fsencode(v) for n, v in meta.value("env").items()})
        variables.tell(environment, own, around.context, around.timeout)
        if around.context is not None and around.context.data is not None and _is_beakerlib(executable):
            environment[b"BEAKERLIB_DIR"] = os.fsencode(around.context.data)
        if executable.popen:
            done = _run_by_popen(executable, around, environment)
        else:
            done = _run_by_spawn(executable, around, environment)
    except NotWithThis:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it was, it is this task that could not be started
        return Ran(_could_not_start(executable, error), None, None)
    call = _judged(executable, done, around.output_path)
    used_shared = bool(around.shared)
    if shared_file is not None:
        try:
            used_shared |= shared_file.read_back(around.shared)
        except PexenError as error:
            used_shared = True
            call = Call(Ending(Cause.EXITED, Verdict.ERROR, reason=str(error)), None, _info(error))
    code = done.returncode
    return Ran(call, code if code >= 0 else None, -code if code < 0 else None, used_shared)


def _is_beakerlib(executable: Executable) -> bool:
    meta = find_meta(executable)
    return meta is not None and meta.value("results") == "beakerlib"


# -- starting


def _run_by_spawn(
    executable: Executable, around: Surroundings, environment: dict[bytes, bytes]
) -> subprocess.CompletedProcess[Any]:
    """By posix_spawn: it neither copies this process's page tables nor runs any python in between."""
    words = [executable.argv] if isinstance(executable.argv, str) else [os.fspath(word) for word in executable.argv]
    # It has no argument for a working directory. This worker has one thread, and no other task.
    with _Inside(executable.cwd, around.directory), around.inside():
        pid = None
        if executable.shell:
            pid = _spawn_plain(words, executable, around, environment)
            words = [shell.SHELL, "-c", *words]
        if pid is None:
            program = executable.executable or words[0]
            pid = around.supply.get(lambda: _spawn(program, words, around, environment))
    around.started(pid)
    return subprocess.CompletedProcess(executable.argv, os.waitstatus_to_exitcode(_wait_for(pid)))


def _spawn_plain(
    words: list[str], executable: Executable, around: Surroundings, environment: dict[bytes, bytes]
) -> int | None:
    """Start what a shell would only pass on, if this is such a command."""
    plain = shell.plain_words(words[0]) if len(words) == 1 and executable.executable is None else None
    if plain is None:
        return None
    try:
        return _spawn(plain[0], plain, around, shell.with_pwd(environment))
    except OSError:
        return None  # why not, the shell says in the words and by the exit status that people know


def _spawn(program: str, words: list[str], around: Surroundings, environment: dict[bytes, bytes]) -> int:
    actions: list[tuple[Any, ...]] = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
    if around.output is not None:
        actions += [(os.POSIX_SPAWN_DUP2, around.output, 1), (os.POSIX_SPAWN_DUP2, around.output, 2)]
    return os.posix_spawnp(
        program,
        words,
        environment,
        file_actions=actions,
        setsid=True,
        setsigmask=(),
        setsigdef=_restorable_signals(),
    )


def _wait_for(pid: int) -> int:
    # Orphans that become our children meanwhile are reaped on the way.
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == pid:
            return status


def _run_by_popen(
    executable: Executable, around: Surroundings, environment: dict[bytes, bytes]
) -> subprocess.CompletedProcess[Any]:
    """With the arguments that the factory was given for Popen."""
    arguments: dict[str, Any] = {"stdin": subprocess.DEVNULL}
    if around.output is not None:
        arguments |= {"stdout": around.output, "stderr": around.output}
    arguments |= executable.popen_arguments()
    arguments |= {"env": environment, "start_new_session": True}
    with around.inside():
        process = subprocess.Popen(executable.argv, **arguments)
    with process:
        around.started(process.pid)
        stdout, stderr = process.communicate()
    return subprocess.CompletedProcess(executable.argv, process.returncode, stdout, stderr)


class _Inside(contextlib.AbstractContextManager[None]):
    """With another working directory, and back: python tasks of this worker have the runner's."""

    def __init__(self, directory: str | None, back: int) -> None:
        self._directory = directory
        self._back = back

    def __enter__(self) -> None:
        if self._directory is not None:
            os.chdir(self._directory)

    def __exit__(self, *_error: object) -> None:
        if self._directory is not None:
            os.fchdir(self._back)


@functools.cache
def _restorable_signals() -> list[int]:
    # What python ignores for itself, and what a host's program may ignore; handlers are reset by exec anyway.
    return sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})


# -- the end


def _judged(executable: Executable, done: subprocess.CompletedProcess[Any], output: str | None) -> Call:
    """The task's ending, by its table; `ret` and `excinfo` as `subprocess.run(check=True)` would have them."""
    code = done.returncode
    if code == 0:
        excinfo = None
    else:
        error = subprocess.CalledProcessError(code, executable.argv, done.stdout, done.stderr)
        excinfo = ExceptionInfo(type(error), error, None)
    if code < 0:
        ending = Ending(Cause.SIGNALLED, Verdict.ERROR, reason=f"killed by {signal_name(-code)}")
        return Call(ending, None, excinfo)
    verdict = verdict_of(executable.statuses, code)
    reason = f"exit {code}" if code else None
    if verdict is Verdict.SKIP:
        # The status says that it does not apply here; why, it has said last.
        if output is not None and (said := last_line(output)) is not None:
            reason = f"exit {code}: {said}"
        return Call(Ending(Cause.SKIPPED, verdict, reason=reason), None, excinfo)
    if verdict.is_good:
        # For the API's user it is no error either, then.
        return Call(Ending(Cause.RETURNED, verdict, reason=reason), done)
    return Call(Ending(Cause.EXITED, verdict, reason=reason), None, excinfo)


def _could_not_start(executable: Executable, error: Exception) -> Call:
    if isinstance(error, OSError):
        reason = f"could not be started: {error.strerror or error}"
        if error.filename is not None:
            reason += f": {error.filename}"
        if error.errno == errno.ENOEXEC:
            reason += " (a script needs a first line like #!/bin/sh)"
        elif error.errno in (errno.ENOENT, errno.ENOTDIR) and error.filename is not None:
            cwd = executable.popen_arguments().get("cwd")
            reason += why_not_there(os.fsdecode(error.filename), os.fsdecode(cwd) if cwd is not None else None)
    else:
        reason = f"could not be started: {words_for(error)}"
    return Call(Ending(Cause.EXITED, Verdict.ERROR, reason=reason), None, _info(error))


def _info(error: BaseException) -> ExceptionInfo:
    return ExceptionInfo(type(error), error, None)
