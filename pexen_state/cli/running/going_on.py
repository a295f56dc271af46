"""How a run goes on, or is run again: as it was started, from wherever that is typed.

Its directory, surroundings and options are had again; what is typed now comes before them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pexen_state.cli import journals
from pexen_state.cli.app import App
from pexen_state.cli.errors import Exit, UsageError
from pexen_state.cli.running import environment, parameters
from pexen_state.cli.running.introduction import targets_in_words
from pexen_state.cli.running.options import Options, terms_of, with_defaults
from pexen_state.cli.running.recorded import Recorded, restore, surroundings
from pexen_state.cli.running.session import Goal, Session, warnings_as_sentences
from pexen_state.cli.suite import earlier
from pexen_state.cli.suite.earlier import Unfinished
from pexen_state.cli.suite.selection import Selection, Wishes, going_on_with, select
from pexen_state.journal.records import RunRecord, SavedTask
from pexen_state.report.text import safe
from pexen_state.sched.asked import OVERRIDABLE
from pexen_state.sched.conditions import Conditions
from pexen_state.suite import targets
from pexen_state.suite.targets import Commands, Suite


@dataclass(frozen=True, slots=True)
class Anew:
    """What is typed about a run that there is already."""

    options: Options
    waits: bool = False
    rerun_changed: bool = False


@dataclass(frozen=True, slots=True)
class Again:
    """A run's suite, loaded once more."""

    recorded: Recorded
    options: Options
    suite: Suite


def load_again(app: App, record: RunRecord, typed: Options) -> Again:
    """Make this process as the one was that began the run, and load its targets. Raises UsageError."""
    recorded = Recorded.from_json(record.options, record.id)
    with warnings_as_sentences(app.console):
        restore(recorded.surroundings)
        around = surroundings()
        options = typed.over(recorded.options)
        environment.apply(options.env, options.env_file)
        commands = Commands(options.exit_codes, options.shell, options.params)
        suite = targets.load(recorded.targets, record.name, commands, options.catalogue or ())
    options = with_defaults(options, suite.is_a_list)
    return Again(Recorded(suite.targets, options, around), options, suite)


def own_tasks(suite: Suite, saved: Sequence[SavedTask], options: Options) -> Selection | None:
    """The tasks of the suite that a run has, and those that join it now: whoever was left out stays out.

    None if it is not the suite that it was; nobody joins a run of another one.
    """
    known = {task.key for task in saved}
    may_join, applies = options.of_run is None, Conditions(options.params).applies
    return going_on_with(suite.tasks, suite.catalogue, known, Wishes.of(options), may_join, applies)


def go_on(app: App, path: str, found: Unfinished, anew: Anew) -> Exit:
    """One more session of an unfinished run."""
    here = journals.current_directory()  # before it changes
    run = found.record.id
    options = _with_recorded_params(app, found.record, anew.options)
    again = load_again(app, found.record, options)
    selection = own_tasks(again.suite, earlier.saved_tasks(path, run), again.options)
    if selection is None:
        raise UsageError(
            f"run {run} cannot go on: none of its tasks is in its suite any more, which is: "
            f"{targets_in_words(again.suite)}. `pexen run` begins another run."
        )
    goal = Goal(
        run,
        found.how,
        overrides=OVERRIDABLE & anew.options.said(),
        rerun_changed=anew.rerun_changed,
    )
    terms = terms_of(again.options)._replace(counts_from_now=anew.options.max_fail is not None)
    return Session(app, again.suite, selection, path, again.recorded, terms, here, goal, waits=anew.waits).run()


def _with_recorded_params(app: App, record: RunRecord, typed: Options) -> Options:
    """Results of a run are results under its parameters: those with which it began hold to its end."""
    recorded = Recorded.from_json(record.options, record.id).options.params or {}
    for difference in parameters.differing(typed.params or {}, recorded):
        app.console.say(f"Parameter {safe(difference)}: it stays as it was when the run began.")
    return replace(typed, params=None)


def run_again(app: App, path: str, record: RunRecord, anew: Anew, failed: bool, not_run: bool) -> Exit:
    """A new run of the tasks of an earlier one. Raises NothingToDo if none of them is meant."""
    here = journals.current_directory()
    Recorded.from_json(record.options, record.id)  # nothing else can be said of a run that is not ours
    left = earlier.left_by(path, record.id)
    keys = left.wanted(failed, not_run)
    again = load_again(app, record, anew.options)
    # What picked its tasks then has done so: the keys say the same.
    options = replace(again.options, keyword=None, tags=None, shard=None, skip_if_passed_in=None, of_run=record.id)
    with warnings_as_sentences(app.console):
        wishes, applies = Wishes.of(options), Conditions(options.params).applies
        selection = select(
            again.suite.tasks,
            wishes,
            keys,
            [left.how(failed, not_run)],
            catalogue=again.suite.catalogue,
            applies=applies,
        )
    recorded = replace(again.recorded, options=options)
    before = earlier.unfinished_of(path, record.name)
    is_aside = failed or not_run or (before is not None and before.record.id > record.id)
    goal = Goal(parent=record.id, is_aside=is_aside)
    return Session(app, again.suite, selection, path, recorded, terms_of(options), here, goal, waits=anew.waits).run()
