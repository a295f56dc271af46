"""`pexen run --detach`: the run is recorded, and the service of its journal runs it.

A journal that has no service is given one, which is called after the suite. What becomes of an unfinished run of the
suite is decided here, too, for a service that begins new runs while nobody looks.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from pexen_state.cli import journals, services
from pexen_state.cli.app import App
from pexen_state.cli.errors import Exit
from pexen_state.cli.running.session import Session
from pexen_state.cli.suite import earlier
from pexen_state.journal.lock import holder_of
from pexen_state.journal.reader import reader
from pexen_state.journal.uptodate import bring_up_to_date, is_empty
from pexen_state.report.text import safe
from pexen_state.service import names
from pexen_state.service.errors import SystemdError
from pexen_state.service.installed import Installed, of_journal, on_this_box
from pexen_state.service.systemctl import Systemctl
from pexen_state.service.values import Service
from pexen_state.suite import targets as loading
from pexen_state.suite.targets import Target

_SESSIONS = "SELECT count(*) FROM session WHERE run = ?"
_TRIES = 3


def require(environ: Mapping[str, str]) -> None:
    """Raises SystemdError if there is nothing that a run could be left to."""
    Systemctl(names.own_scope(environ), environ).require()


def detach(session: Session) -> Exit:
    """Record the run, and have the service run it."""
    app = session.app
    found: list[Installed] = []
    run = session.record(lambda: found.append(_service_for(app, session.journal, session.suite.name)))
    app.console.out.line(f"run {run} is recorded, and {safe(found[0].unit)} runs it.")
    _start(app, found[0], session.journal, run)
    return Exit.DONE


def instead(
    app: App, targets: Sequence[Target], name: str | None, setting: str | None, if_unfinished: str
) -> Exit | None:
    """What is done about an unfinished run of that suite; None: a new one is begun."""
    root = loading.common_root(targets)
    journal = journals.for_run(app.journal, root, setting)
    if if_unfinished == "new" or is_empty(journal):
        return None
    bring_up_to_date(journal)
    found = earlier.unfinished_of(journal, name or loading.suite_name(targets, root))
    if found is None:
        return None
    run = found.record.id
    if if_unfinished == "skip":
        app.console.out.line(f"{safe(found.how.sentence)} No other one is begun.")
        return Exit.DONE
    if found.how.left_alone:
        app.console.out.line(f"run {run} is left alone: {found.how.left_alone}. `pexen resume {run}` goes on with it.")
        return Exit.UNFINISHED
    if holder_of(journal) is not None:
        app.console.out.line(f"run {run} of this suite is being run: nothing is begun beside it.")
        return Exit.DONE
    service = _service_for(app, journal, found.record.name)
    app.console.out.line(f"run {run} is unfinished, and {safe(service.unit)} goes on with it.")
    _start(app, service, journal, run)
    return Exit.DONE


def _service_for(app: App, journal: str, suite: str) -> Installed:
    """The service of the journal; it is made if there is none."""
    there = of_journal(journal, on_this_box(app.environ))
    if there is not None:
        return there
    scope = names.own_scope(app.environ)
    service = Service(services.named_after(suite, scope), journal, services.python_words(), scope.is_user)
    return services.put_in_place(service, scope, app.environ, app.console.out.line)


def _start(app: App, service: Installed, journal: str, run: int) -> None:
    systemctl = Systemctl(service.scope, app.environ)
    before = _sessions(journal, run)
    for _ in range(_TRIES):
        systemctl.call("start", "--", service.unit)
        # It may have been about to end, having looked before there was something to do.
        state = systemctl.properties(service.unit, "ActiveState").get("ActiveState")
        if state in ("active", "activating") or _sessions(journal, run) > before:
            break
    else:
        raise SystemdError(
            f"{service.unit} was started, and does not run: `{_journalctl(service)}` says why. The run is recorded; "
            "`pexen resume` goes on with it."
        )
    command = f"pexen{journals.option_for(journal, app.journal, journals.current_directory(), app.environ)}"
    app.console.out.line(f"  {command} status {run} --watch")
    app.console.out.line(f"  {_journalctl(service)}")


def _journalctl(service: Installed) -> str:
    return f"journalctl{' --user' if service.scope.is_user else ''} -f -u {safe(shlex.quote(service.unit))}"


def _sessions(journal: str, run: int) -> int:
    with reader(journal) as connection:
        ((number,),) = connection.execute(_SESSIONS, (run,))
        return int(number)
