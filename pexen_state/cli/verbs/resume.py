"""`pexen resume`: go on with what is unfinished, as it was started."""

from __future__ import annotations

from typing import Any

import click

from pexen_state.cli.app import App, verb
from pexen_state.cli.headings import Grouped
from pexen_state.cli.running.run_options import headings, options_of, session_options


@click.command(
    short_help="Go on with what is unfinished.",
    cls=Grouped,
    headings=headings(Which_runs=("all_", "check", "plan", "rerun_changed", "unattended", "boot_grace")),
)
@click.argument("run", metavar="[RUN]", required=False)
@click.option(
    "--all",
    "all_",
    is_flag=True,
    help="Every unfinished run, oldest first; those that a person paused, ended by Ctrl-C or that are parked stay.",
)
@click.option("--check", is_flag=True, help="Say what --all would go on with; exit code 0, or 5 if there is nothing.")
@click.option("--plan", is_flag=True, help="Show what would be done; run nothing.")
@click.option("--rerun-changed", is_flag=True, help="Run finished tasks again whose code changed since.")
@click.option("--unattended", is_flag=True, help="As a service: nothing to resume is no failure.")
@click.option(
    "--boot-grace",
    metavar="D",
    default="30s",
    help="With --unattended: wait before a run that may reboot goes on after a boot; or none [30s].",
)
@session_options(is_new=False)
@verb
def resume(
    app: App,
    run: str | None,
    all_: bool,
    check: bool,
    plan: bool,
    rerun_changed: bool,
    unattended: bool,
    boot_grace: str,
    wait: bool,
    **typed: Any,
) -> int:
    """Go on with an unfinished run: with RUN, or with the newest one.

    It goes on in its own directory, with its own options, PATH, locale, umask and limits; finished results are
    kept. What is typed here holds for this session. RUN is a number, latest, latest-1, or the name of a suite.
    """
    from pexen_state.cli import journals
    from pexen_state.cli.errors import Exit, NothingToDo, UsageError
    from pexen_state.cli.running.as_service import LOADING_S
    from pexen_state.cli.running.going_on import Anew, go_on
    from pexen_state.cli.running.unattended import HELD, is_held
    from pexen_state.cli.suite import earlier
    from pexen_state.journal.uptodate import bring_up_to_date
    from pexen_state.report.text import safe
    from pexen_state.sched.common import RunOver
    from pexen_state.words import seconds_of

    if (all_ or check) and (run is not None or plan):
        raise UsageError("--all and --check are about every unfinished run: neither RUN nor --plan goes with them")
    anew = Anew(options_of(typed), wait, rerun_changed)
    try:
        grace_s = seconds_of(boot_grace) if unattended and boot_grace not in ("0", "none") else 0.0
    except ValueError as error:
        raise UsageError(f"--boot-grace: {error}") from error
    if not check and not plan:
        app.manager.ready()
        app.manager.busy(LOADING_S)
    try:
        if unattended and is_held():
            raise NothingToDo(HELD)
        found = journals.find(app.journal)
        if found is None or not earlier.is_there(found):
            raise NothingToDo("nothing to resume: there is no journal here. Another one is named with --journal.")
        if not check and not plan:  # these two change nothing
            bring_up_to_date(found.path)
        if check:
            from pexen_state.cli.running.resume_all import check as check_all

            try:
                return check_all(app, found.path)
            except KeyboardInterrupt:  # a condition of a unit that is answered by 4 would be true
                raise NothingToDo("interrupted: nothing is to go on by itself") from None
        if all_:
            from pexen_state.cli.running.resume_all import resume_all

            return resume_all(app, found.path, anew, grace_s)
        from pexen_state.cli.running import following_up

        owed = following_up.due(found.path, run)
        if plan:
            from pexen_state.cli.running.resume_plan import show

            for sentence in following_up.in_words(owed):
                app.console.out.line(sentence)
            if owed and not earlier.is_any_unfinished(found.path, run):
                return Exit.DONE
            return show(app, found.path, earlier.unfinished(found.path, run), anew)
        codes = [following_up.make_up_for(app, found.path, record, wait) for record in owed]
        if codes and not earlier.is_any_unfinished(found.path, run):
            return max(codes)
        unfinished = earlier.unfinished(found.path, run)
        return go_on(app, found.path, unfinished, anew)
    except (NothingToDo, RunOver) as nothing:
        if not unattended:
            raise
        app.console.say(f"pexen: {safe(str(nothing))}")
        return Exit.DONE
