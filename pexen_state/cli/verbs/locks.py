"""`pexen locks`: who holds which lock, and who waits for it."""

from __future__ import annotations

import click

from pexen_state.cli.app import App, verb

_NAMED = 3  # of those that wait


@click.command(short_help="Show who holds which lock, and who waits for it.")
@click.argument("run", metavar="[RUN]", required=False)
@click.option("-r", "--run", "forced", metavar="RUN", help="The run, whatever it looks like.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON document.")
@verb
def locks(app: App, run: str | None, forced: str | None, as_json: bool) -> int:
    """Show the locks of a run that are held: by whom, for how long, and who waits for them.

    RUN is a number, latest, latest-1, or a run's name [latest].
    """
    from pexen_state.cli import journals
    from pexen_state.cli.resolve import looking, which_run
    from pexen_state.core.listing import listed
    from pexen_state.report.held import held_locks
    from pexen_state.report.situation import situation, unlock_command
    from pexen_state.report.status import now
    from pexen_state.report.style import duration, verdict_words
    from pexen_state.report.tables import document, table
    from pexen_state.report.text import safe

    with looking(app) as (path, connection):
        found = which_run(connection, run, forced)
        command = f"pexen{journals.option_for(path, app.journal, journals.current_directory())}"
        about = situation(connection, path, found, now(), command)
    held = held_locks(about)
    write = app.console.out.line
    if as_json:
        write(document(run=about.run, locks=held))
        return 0
    if not held:
        write(f"no lock is held in run {found}")
        return 0
    rows = []
    for one in held:
        how = "left dirty" if one["dirty"] else "left"
        by = f"{how} by {one['task']} ({verdict_words(one['verdict'])})" if one["left"] else one["task"]
        first = " ".join(one["waiting"][:_NAMED]) + (" ..." if len(one["waiting"]) > _NAMED else "")
        waits = f"{len(one['waiting'])}: {first}" if one["waiting"] else ""
        seconds = one["seconds"]
        rows.append((str(one["lock"]), one["mode"], by, duration(seconds) if seconds is not None else "", waits))
    for line in table(("lock", "mode", "held by", "for", "waiting"), rows):
        write(line)
    left = dict.fromkeys(str(one["lock"]) for one in held if one["left"])
    if left and about.run["state"] != "unfinished":
        write("A new run begins with all locks free.")
    else:
        for name in left:
            write(f"When {safe(name)} is clean: {unlock_command(about, name)}")
            if keys := dict.fromkeys(key for one in held if str(one["lock"]) == name for key in one["recovered_by"]):
                write(f"{safe(listed(list(keys)))} may recover it.")
    return 0
