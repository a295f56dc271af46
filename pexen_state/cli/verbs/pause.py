"""`pexen pause`: start nothing new."""

from __future__ import annotations

import click

from pexen_state.cli.app import App, verb


@click.command(short_help="Start nothing new; `pexen resume` goes on.")
@click.option("-r", "--run", "forced", metavar="RUN", help="The run, whatever it looks like.")
@click.argument("run", metavar="[RUN]", required=False)
@verb
def pause(app: App, run: str | None, forced: str | None) -> int:
    """Start nothing new, and let running tasks end; then the runner ends, with exit code 4. `pexen resume` goes on.

    RUN is a number, latest, latest-1, or a run's name [latest]. A run that nobody runs is left out by `pexen resume
    --all` from then on.
    """
    from pexen_state.cli import journals
    from pexen_state.cli.resolve import looking, which_run
    from pexen_state.cli.steering import check_unfinished
    from pexen_state.journal import queries
    from pexen_state.report.style import count
    from pexen_state.sched.steer import Pause, steer

    with looking(app) as (path, connection):
        number = which_run(connection, run, forced)
        check_unfinished(connection, path, number, "there is nothing to pause")
    done = steer(path, Pause(), number)
    with looking(app) as (_, connection):
        running = min(queries.states(connection, number).get("running", 0), done.in_flight)
    command = f"pexen{journals.option_for(path, app.journal, journals.current_directory())} resume"
    if done.is_over:
        line = f"run {number} came to its end: there is nothing to pause."
    elif done.was_so:
        line = f"run {number} was paused already, and nobody runs it. `{command}` goes on."
    elif not done.is_run:
        line = f"run {number} is paused; nobody was running it. `{command}` goes on, `{command} --all` does not."
    elif running:
        tasks = f"{count(running, 'task')} {'is' if running == 1 else 'are'} still running and may end"
        line = f"run {number} starts nothing new; {tasks}. `{command}` goes on."
    else:
        line = f"run {number} starts nothing new. `{command}` goes on."
    app.console.out.line(line)
    return 0
