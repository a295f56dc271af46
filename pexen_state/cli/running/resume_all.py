"""`pexen resume --all`: every unfinished run that nobody left on purpose, one after the other.

Each in a process of its own, forked here: a run has its own directory, environment, limits and modules, and none may
find those of another one. This process holds nothing, and hands signals on.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pexen_state.box.cgroups import move_into_leaf
from pexen_state.cli.app import App
from pexen_state.cli.errors import Exit, NothingToDo
from pexen_state.cli.running import following_up, unattended
from pexen_state.cli.running.as_service import LOADING_S
from pexen_state.cli.running.going_on import Anew, go_on
from pexen_state.cli.suite import earlier
from pexen_state.cli.suite.earlier import Unfinished
from pexen_state.journal.lock import holder_of
from pexen_state.report.text import safe

#: The worst exit code counts. One that says nothing to resume is none: somebody else was quicker.
_WORST = (Exit.BROKEN, Exit.BUSY, Exit.UNFINISHED, Exit.USAGE, Exit.FAILED, Exit.DONE)

_STOP_AT = (Exit.BROKEN, Exit.BUSY)

_SI_KERNEL = 0x80  #: a signal's code, if it came from the terminal and so to everybody in front of it

_HANDED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Ended(NamedTuple):
    code: int
    was_interrupted: bool


def check(app: App, path: str) -> Exit:
    """Say what `--all` would do."""
    if unattended.is_held():
        app.console.say(unattended.HELD)
        return Exit.NOTHING
    ours, left_alone = _sorted(path)
    owed = following_up.due(path)
    for sentence in following_up.in_words(owed):
        app.console.out.line(sentence)
    for one in ours:
        app.console.out.line(f"{safe(one.how.sentence)} Suite {safe(one.record.name)}.")
    for one in left_alone:
        app.console.say(_left_alone(one))
    if not ours and not owed:
        app.console.say("nothing is to go on by itself.")
        return Exit.NOTHING
    return Exit.DONE


def resume_all(app: App, path: str, anew: Anew, boot_grace_s: float = 0) -> int:
    """Returns the worst exit code. Stops when it was interrupted, and when the journal fails or is somebody else's.

    After a boot, runs that may reboot the box wait for the grace.
    """
    if boot_grace_s and (
        waiting := unattended.may_reboot_after_a_boot(_sorted(path)[0], bool(anew.options.allow_reboot))
    ):
        unattended.wait_out(app, waiting, boot_grace_s)
    ours, left_alone = _sorted(path)
    for one in left_alone:
        app.console.say(_left_alone(one))
    owed = [following_up.make_up_for(app, path, record, anew.waits) for record in following_up.due(path)]
    if not ours and not owed:
        raise NothingToDo("nothing to resume: no unfinished run of this journal is to go on by itself.")
    codes: list[int] = [Exit.DONE, *owed]
    move_into_leaf()  # while this process is alone
    for one in and_those_that_come(ours, path):
        app.console.out.flush()
        app.console.err.flush()
        app.manager.busy(LOADING_S)
        # From here on no signal is lost: each waits until it is asked for.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (*_HANDED_ON, signal.SIGCHLD))
        child = os.fork()
        if child == 0:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            # What is raised is told as if this run had been named: this process ends as that one would have.
            return go_on(app, path, earlier.unfinished(path, str(one.record.id)), anew)
        ended = _wait_for(child)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if ended.code < 0:
            _die_of(app, -ended.code)
        codes.append(ended.code)
        if ended.was_interrupted or ended.code in _STOP_AT:
            break
    return min((code for code in codes if code != Exit.NOTHING), key=_badness)


def and_those_that_come(ours: Sequence[Unfinished], path: str) -> Iterator[Unfinished]:
    """These, and those that were recorded meanwhile: whoever did that has told a service that runs already."""
    seen = set()
    for one in ours:
        seen.add(one.record.id)
        yield one
    while holder_of(path) is None:  # else somebody runs one
        found = next((one for one in _sorted(path)[0] if one.record.id not in seen), None)
        if found is None:
            return
        seen.add(found.record.id)
        yield found


def _badness(code: int) -> int:
    return _WORST.index(Exit(code)) if code in _WORST else 0


def _sorted(path: str) -> tuple[list[Unfinished], list[Unfinished]]:
    found = earlier.all_unfinished(path)
    return [one for one in found if not one.how.left_alone], [one for one in found if one.how.left_alone]


def _left_alone(one: Unfinished) -> str:
    return f"run {one.record.id} ({safe(one.record.name)}) is left alone: {one.how.left_alone}."


def _die_of(app: App, number: int) -> None:
    """As the runner did: to a service manager a signal is a reason to start again, and an exit code is none."""
    app.console.say(f"pexen: the runner was killed by {signal.Signals(number).name}. `pexen resume` goes on.")
    app.console.out.flush()
    app.console.err.flush()
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _wait_for(child: int) -> _Ended:
    """Its exit code. What is sent to us is handed on to it, unless the terminal sent it to both."""
    was_interrupted = False
    while True:
        caught = signal.sigwaitinfo((*_HANDED_ON, signal.SIGCHLD))
        if caught.si_signo == signal.SIGCHLD:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                return _Ended(code, was_interrupted)
        else:
            was_interrupted = was_interrupted or caught.si_signo != signal.SIGHUP
            if caught.si_code != _SI_KERNEL:
                os.kill(child, caught.si_signo)
