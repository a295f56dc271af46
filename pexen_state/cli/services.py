"""Services as the command line has them: which journal is theirs, how they are put in place, started and taken away."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Mapping

from pexen_state.cli import journals
from pexen_state.cli.errors import UsageError
from pexen_state.report.text import safe
from pexen_state.service import changes, names, units
from pexen_state.service.errors import SystemdError, UnitError
from pexen_state.service.installed import Installed, in_scope, lingers, of_journal, on_this_box
from pexen_state.service.names import Scope
from pexen_state.service.systemctl import Systemctl
from pexen_state.service.values import Service

Say = Callable[[str], None]

_STATE = "/var/lib/pexen"


def python_words() -> tuple[str, ...]:
    """What runs this pexen again, wherever that is started. Raises UsageError."""
    if not os.path.isabs(sys.executable):
        raise UsageError("python does not know where it is, so no unit could start it. Run pexen by its full path.")
    return sys.executable, "-P", "-m", "pexen_state"  # -P: the directory it is started in holds no modules for it


def state_journal(name: str, scope: Scope, environ: Mapping[str, str]) -> str:
    """The journal of a service that nobody named one for."""
    directory = re.sub(r"^\.|[^\w.+-]", "_", name, flags=re.ASCII)
    if not scope.is_user:
        return os.path.join(_STATE, directory, journals.FILE)
    state = environ.get("XDG_STATE_HOME") or os.path.join(journals.home_in(environ), ".local/state")
    return os.path.join(os.path.abspath(state), "pexen", directory, journals.FILE)


def check_alone(service: Service, scope: Scope, environ: Mapping[str, str]) -> None:
    """Raises UnitError if another service has the journal: both would go on with the same runs."""
    other = of_journal(service.journal, on_this_box(environ))
    if other is not None and (other.service.name, other.scope) != (service.name, scope):
        named = safe(other.service.name)
        raise UnitError(
            f"the journal {safe(service.journal)} has a service already: {named} ({other.scope.word}). Change that "
            f"one, or take it away: `pexen service remove {named}`."
        )


def named_after(suite: str, scope: Scope) -> str:
    """A name for a service that none of the scope has."""
    taken = {one.service.name for one in in_scope(scope)}
    name = "".join(char for char in suite if char.isprintable()).strip() or "suite"
    tries = [names.shortened(name), *(f"{names.shortened(name)[:40]}-{number}" for number in range(2, 1000))]
    return next(one for one in tries if one not in taken)


def put_in_place(service: Service, scope: Scope, environ: Mapping[str, str], say: Say) -> Installed:
    """Write the units that are not as they should be, and enable them. Says what is done."""
    check_alone(service, scope, environ)
    _check_place(service.journal)
    wanted = units.texts(service)
    every = names.all_units(service.name)
    todo = changes.needed(scope.directory, wanted, every)
    systemctl = Systemctl(scope, environ)
    timer = names.start_timer(service.name)
    changed = {os.path.basename(one.path) for one in todo}
    if timer in changed and timer not in wanted:
        systemctl.call("disable", *_now(systemctl), "--", timer)
    if not os.path.isdir(directory := os.path.dirname(service.journal)):
        _make(directory)
        say(f"made {safe(directory)}")
    for one in todo:
        changes.make([one])
        say(f"{'removed' if one.text is None else 'wrote'} {safe(one.path)}")
    if todo:
        systemctl.reload()
    installed = Installed(service, scope)
    enabled = [names.resumes(service.name), *([timer] if service.starts is not None else [])]
    if todo or not installed.is_enabled:
        systemctl.call("enable", "--", *enabled)
        say(f"enabled {' and '.join(map(safe, enabled))}")
    if service.starts is not None and systemctl.is_there:
        systemctl.call("restart" if timer in changed else "start", "--", timer)
    if scope.is_user and not lingers():
        say("it goes on when you log in. So that it goes on after a boot without that: `loginctl enable-linger`")
    return installed


def take_away(installed: Installed, environ: Mapping[str, str], say: Say) -> None:
    """Stop it, and remove its units. The journal stays."""
    service, scope = installed
    systemctl = Systemctl(scope, environ)
    there = [one for one in names.all_units(service.name) if os.path.lexists(os.path.join(scope.directory, one))]
    systemctl.call("disable", *_now(systemctl), "--", *there)
    say(f"stopped and disabled {' and '.join(map(safe, there))}" if systemctl.is_there else "disabled")
    for one in changes.needed(scope.directory, {}, there):
        changes.make([one])
        say(f"removed {safe(one.path)}")
    systemctl.reload()
    if systemctl.is_there:
        with contextlib.suppress(SystemdError):  # there is nothing to be forgotten
            systemctl.call("reset-failed", "--", *there)
    if service.journal == state_journal(service.name, scope, environ):
        directory = os.path.dirname(service.journal)
        with contextlib.suppress(OSError):  # unless there is a journal in it, or one of another service beside it
            os.rmdir(directory)
            os.rmdir(os.path.dirname(directory))
    if os.path.lexists(service.journal):
        say(f"left where it is: the journal {safe(service.journal)}")


def _now(systemctl: Systemctl) -> list[str]:
    return ["--now"] if systemctl.is_there else []


def _check_place(journal: str) -> None:
    """Raises JournalUnsafe now, not at the next boot."""
    from pexen_state.journal.paths import JournalPaths
    from pexen_state.journal.place import refuse_unsafe

    refuse_unsafe(JournalPaths.of(journal))


def _make(directory: str) -> None:
    """For its owner alone."""
    if os.path.basename(directory) == journals.DIRECTORY:
        journals.prepare(os.path.join(directory, journals.FILE))
        return
    try:
        os.makedirs(directory, 0o700)
    except OSError as error:
        raise SystemdError(
            f"the directory of the journal, {safe(directory)}, cannot be made: {error.strerror}. Name a journal "
            "elsewhere with --journal."
        ) from error
