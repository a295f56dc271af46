"""The tasks that a run of these targets would have, for verbs that look at a suite and run nothing.

As `pexen run` collects them: with the settings of the suite, its selection and its defaults.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pexen_state.cli.app import App
from pexen_state.cli.running.options import Options, Terms, check, terms_of, with_defaults
from pexen_state.cli.suite.selection import Selection, Wishes, select
from pexen_state.core.catalogue import Applies
from pexen_state.core.spec import TaskSpec
from pexen_state.suite.targets import Suite


class Collected(NamedTuple):
    """A suite, those of its tasks that were selected, and each one's spec."""

    suite: Suite
    selection: Selection
    specs: list[TaskSpec]
    terms: Terms
    journal: str | None  #: the one that the settings name
    resources: Mapping[str, int] | None  #: how much there is of each, as somebody said
    groups: Mapping[str, Mapping[str, Any]]  #: those that the settings declare, and what they say of each
    applies: Applies  #: whether a task applies here


def collect(app: App, typed: Sequence[str], name: str | None, said: Options) -> Collected:
    """Imports python targets. Raises UsageError, FactoryError, and NothingToDo if there is no task."""
    from pexen_state.cli.errors import NothingToDo, UsageError
    from pexen_state.cli.running import environment
    from pexen_state.cli.running.introduction import why_no_tasks
    from pexen_state.cli.running.session import warnings_as_sentences
    from pexen_state.cli.settings import check_deeper, of_roots
    from pexen_state.sched.conditions import Conditions
    from pexen_state.sched.groups import check_groups
    from pexen_state.sched.specs import Defaults
    from pexen_state.suite import targets

    if name is not None and not name.strip():
        raise UsageError("--name: a suite without a name could not be found again")
    check(said)  # what is wrong is said before anything is imported
    with warnings_as_sentences(app.console):
        parsed = targets.parse(typed)
        roots = [targets.root_of(target) for target in parsed]
        settings = of_roots(roots, targets.owners_of(parsed))
        options = said.over(settings.options)
        environment.apply(options.env, options.env_file)  # what is imported may look at it
        commands = targets.Commands(options.exit_codes, options.shell, options.params)
        suite = targets.load(parsed, name or settings.name, commands, options.catalogue or ())
        for root in dict.fromkeys(roots):
            check_deeper(root, targets.directories_of(suite))
        if not suite.tasks:
            raise NothingToDo(why_no_tasks(suite))
        terms = terms_of(with_defaults(options, suite.is_a_list))
        applies = Conditions(options.params).applies
        selection = select(suite.tasks, Wishes.of(options), catalogue=suite.catalogue, applies=applies)
        defaults = Defaults(timeout=terms.timeout, retries=terms.retries)
        specs = selection.specs(defaults)
        check_groups(specs, options.groups or {})
    return Collected(suite, selection, specs, terms, settings.journal, options.resources, options.groups or {}, applies)
