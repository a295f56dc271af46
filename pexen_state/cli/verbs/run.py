"""`pexen run`: a new run of a suite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pexen_state.cli.app import App, verb
from pexen_state.cli.headings import Grouped
from pexen_state.cli.running.pick_options import NAMES, NAMES_OF_ROUNDS, pick_options, with_picks
from pexen_state.cli.running.run_options import headings, options_of, session_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pexen_state.cli.running.options import Options
    from pexen_state.cli.suite.selection import Selection
    from pexen_state.suite.targets import Suite, Target


@click.command(
    short_help="Run a suite.",
    cls=Grouped,
    headings=headings(
        Which_tasks=(*NAMES, "last_failed", "not_run", "passed_in", *NAMES_OF_ROUNDS, "dry_run"),
        Journal=("resume", "if_unfinished", "name", "detach"),
    ),
)
@click.argument("targets", metavar="TARGET...", nargs=-1, required=True)
@pick_options(rounds=True)
@click.option("--lf", "--last-failed", "last_failed", is_flag=True, help="Only those that failed when they last ran.")
@click.option("--not-run", is_flag=True, help="Only those that did not run in the last run, or were cut off.")
@click.option(
    "--skip-if-passed-in",
    "passed_in",
    metavar="RUN",
    help="Skip what passed in RUN and is what it was then; what it provides counts as there.",
)
@click.option("-n", "--dry-run", is_flag=True, help="List the tasks in order; run nothing and write nothing.")
@click.option("--name", help="What the suite is called; equal names are the same suite [by its targets].")
@click.option("--resume", is_flag=True, help="Go on with the unfinished run of this suite, if there is one.")
@click.option("--detach", is_flag=True, help="Leave the run to the service of its journal; make one if there is none.")
@click.option(
    "--if-unfinished",
    type=click.Choice(("resume", "new", "skip")),
    help="If this suite has an unfinished run: go on with it, supersede it, or do nothing [new].",
)
@session_options(is_new=True)
@verb
def run(
    app: App,
    targets: tuple[str, ...],
    last_failed: bool,
    not_run: bool,
    passed_in: str | None,
    dry_run: bool,
    name: str | None,
    resume: bool,
    detach: bool,
    if_unfinished: str | None,
    wait: bool,
    **typed: Any,
) -> int:
    """Run a suite, and write every result to the journal.

    TARGET is a directory of executables, one executable, a python package or module (dotted, or a path), or a task
    list: - (standard input), a file that ends in .jobs or .jsonl, or cmds:FILE. The prefixes fs: py: cmds: say which;
    py:package.module:Factory names a factory.

    What is not said here may be said in the table [run] of the suite's pexen.toml.

    An unfinished run of the same suite is superseded; --resume, or `pexen resume`, goes on with it instead. A run of
    a part of the suite (-k, -t, --shard, --lf, --not-run) leaves it as it is.
    """
    from dataclasses import replace

    from pexen_state.cli import journals, settings
    from pexen_state.cli.errors import UsageError
    from pexen_state.cli.running import environment
    from pexen_state.cli.running.options import terms_of, with_defaults
    from pexen_state.cli.running.recorded import Recorded, surroundings
    from pexen_state.cli.running.session import Session, warnings_as_sentences
    from pexen_state.suite import targets as loading

    # What is wrong is said before anything is imported.
    if resume and if_unfinished not in (None, "resume"):
        raise UsageError("--resume is --if-unfinished resume: say one of them")
    if name is not None and not name.strip():
        raise UsageError("--name: a suite without a name could not be found again")
    options = with_picks(options_of(typed), typed)
    around = surroundings()
    with warnings_as_sentences(app.console):
        parsed = loading.parse(targets)
        said = settings.of_roots(map(loading.root_of, parsed), loading.owners_of(parsed))
        if_unfinished = if_unfinished or ("resume" if resume else "new")
        if detach and not dry_run:
            from pexen_state.cli.running import detach as detaching

            detaching.require(app.environ)
        if (detach or if_unfinished == "skip") and not dry_run:
            from pexen_state.cli.running.detach import instead

            if (done := instead(app, parsed, name or said.name, said.journal, if_unfinished)) is not None:
                return done
        elif if_unfinished == "resume" and not dry_run:
            code = _go_on(
                app, parsed, name or said.name, said.journal, options, wait, last_failed or not_run or passed_in
            )
            if code is not None:
                return code
        # Before the environment is the tasks': which journal it is must not depend on that.
        journal = journals.for_run(app.journal, loading.common_root(parsed), said.journal)
        options = options.over(said.options)
        environment.apply(options.env, options.env_file)
        commands = loading.Commands(options.exit_codes, options.shell, options.params)
        suite = loading.load(parsed, name or said.name, commands, options.catalogue or ())
        for root in dict.fromkeys(map(loading.root_of, parsed)):
            settings.check_deeper(root, loading.directories_of(suite))
        options = with_defaults(options, suite.is_a_list)
        selection, of_run = _select(suite, journal, options, last_failed, not_run, dry_run)
        skip = _passed_in(journal, passed_in, dry_run) if passed_in is not None else None
    options = replace(options, of_run=of_run, skip_if_passed_in=skip)
    terms, here = terms_of(options), around["directory"]
    if dry_run:
        from pexen_state.cli.running.dry_run import show
        from pexen_state.cli.suite import earlier
        from pexen_state.sched.conditions import Conditions

        passed = earlier.passed(journal, skip, selection.tasks, selection.specs()) if skip is not None else None
        applies = Conditions(options.params).applies
        usual = _usual(journal, suite, selection) if terms.order == "longest" else None
        return show(app, suite, selection, terms, said.file, here, applies, passed, skip, usual)
    recorded = Recorded(suite.targets, options, around)
    session = Session(app, suite, selection, journal, recorded, terms, here, settings_file=said.file, waits=wait)
    return detaching.detach(session) if detach else session.run()


def _usual(journal: str, suite: Suite, selection: Selection) -> Mapping[str, float]:
    """Seconds by key, as a run would know them."""
    import os

    from pexen_state.cli.running import introduction
    from pexen_state.sched.identity import key_of

    typical = introduction.typical_of(journal, suite.name) if os.path.exists(journal) else None
    return introduction.with_rounds(typical or {}, map(key_of, selection.tasks))


def _select(
    suite: Suite, journal: str, options: Options, last_failed: bool, not_run: bool, dry_run: bool
) -> tuple[Selection, int | None]:
    """The tasks that are meant, and the run that some of them are picked from."""
    from pexen_state.cli.errors import NothingToDo
    from pexen_state.cli.suite.selection import Wishes, select
    from pexen_state.report.text import safe
    from pexen_state.sched.conditions import Conditions

    if not suite.tasks:
        return select(()), None
    wishes, applies = Wishes.of(options), Conditions(options.params).applies
    if not (last_failed or not_run):
        return select(suite.tasks, wishes, catalogue=suite.catalogue, applies=applies), None
    from pexen_state.cli.suite import earlier
    from pexen_state.cli.suite.selection import picked
    from pexen_state.journal.uptodate import bring_up_to_date
    from pexen_state.sched.identity import key_of

    if not dry_run:
        bring_up_to_date(journal)
    newest = earlier.newest_of(journal, suite.name)
    if newest is None:
        raise NothingToDo(
            f"no run of the suite {safe(suite.name)} is in the journal {safe(journal)}: nothing failed yet."
        )
    among = frozenset(map(key_of, (*suite.tasks, *suite.catalogue)))
    failing = earlier.failing(journal, newest.name, among) if last_failed else None
    left = earlier.left_by(journal, newest.id) if not_run else None
    keys, how = picked(failing, left)
    return select(suite.tasks, wishes, keys, [how], catalogue=suite.catalogue, applies=applies), newest.id


def _passed_in(journal: str, which: str, dry_run: bool) -> int:
    """The number of that run. Raises NotFound, and UsageError if there is none at all."""
    from pexen_state.cli.errors import UsageError
    from pexen_state.cli.suite import earlier
    from pexen_state.journal.uptodate import bring_up_to_date, is_empty
    from pexen_state.report.text import safe

    if is_empty(journal):
        raise UsageError(f"--skip-if-passed-in: there is no run in the journal {safe(journal)} yet. Leave it out.")
    if not dry_run:
        bring_up_to_date(journal)
    return earlier.run_named(journal, which).id


def _go_on(
    app: App,
    targets: tuple[Target, ...],
    name: str | None,
    setting: str | None,
    options: Options,
    waits: bool,
    selects: object,
) -> int | None:
    """Go on with the unfinished run of that suite; None if there is none."""
    import warnings
    from dataclasses import replace

    from pexen_state.cli import journals
    from pexen_state.cli.running import following_up, going_on
    from pexen_state.cli.suite import earlier
    from pexen_state.journal.uptodate import bring_up_to_date
    from pexen_state.suite import targets as loading
    from pexen_state.util import PexenWarning

    root = loading.common_root(targets)
    journal = journals.for_run(app.journal, root, setting)
    bring_up_to_date(journal)
    suite = name or loading.suite_name(targets, root)
    for record in following_up.due(journal, suite):
        following_up.make_up_for(app, journal, record, waits)
    found = earlier.unfinished_of(journal, suite)
    if found is None:
        return None
    own = replace(options, keyword=None, tags=None, no_deps=None, shard=None, repeat=None, catalogue=None)
    if selects or own != options:
        warnings.warn(
            f"run {found.record.id} goes on with its own tasks: what is typed to pick others is left aside",
            PexenWarning,
            stacklevel=2,
        )
    return going_on.go_on(app, journal, found, going_on.Anew(own, waits))
