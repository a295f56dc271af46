"""`pexen run`: a new run of a suite."""

from __future__ import annotations

import click

from pexen_state.cli.app import App, verb


def session_options(function: click.decorators.FC) -> click.decorators.FC:
    """How many at once, and in what: what `resume` may say anew."""
    for option in (
        click.option("--pool", type=click.Choice(["process", "thread"]), help="Where python tasks run [process]."),
        click.option(
            "-j",
            "--jobs",
            metavar="N|auto",
            help="Tasks at once [1; for task lists auto: the processors that may be used].",
        ),
    ):
        function = option(function)
    return function


@click.command(short_help="Run a suite.")
@click.argument("targets", metavar="TARGET...", nargs=-1, required=True)
@session_options
@click.option(
    "--timeout", metavar="D", help="Time limit of one attempt, such as 90, 5m, 1h30m or none [1h; none for task lists]."
)
@click.option(
    "--retries", metavar="N", type=click.IntRange(min=0), default=0, help="Try a failed task again, so often [0]."
)
@click.option("--name", help="What the suite is called; equal names are the same suite [by its targets].")
@verb
def run(
    app: App,
    targets: tuple[str, ...],
    jobs: str | None,
    pool: str | None,
    timeout: str | None,
    retries: int,
    name: str | None,
) -> int:
    """Run a suite, and write every result to the journal.

    TARGET is a directory of executables, one executable, a python package or module (dotted, or a path), or a task
    list: - (standard input), a file that ends in .jobs or .jsonl, or cmds:FILE. The prefixes fs: py: cmds: say which;
    py:package.module:Factory names a factory.

    An unfinished run of the same suite is superseded; `pexen resume` goes on with it instead.
    """
    from pexen_state.cli import journals
    from pexen_state.cli import targets as typed
    from pexen_state.cli.errors import UsageError
    from pexen_state.cli.recorded import Options, Recorded, surroundings
    from pexen_state.cli.session import Session, settle, warnings_as_sentences

    if name is not None and not name.strip():
        raise UsageError("--name: a suite without a name could not be found again")
    options = Options(jobs, pool or "process", timeout, retries)
    settle(options, is_a_list=False)  # what is wrong is said before anything is imported
    around = surroundings()
    with warnings_as_sentences(app.console):
        suite = typed.load(typed.parse(targets), name)
    journal = journals.for_run(app.journal, suite.root)
    recorded = Recorded(suite.targets, options, around)
    return Session(app, suite, journal, recorded, settle(options, suite.is_a_list), around["directory"]).run()
