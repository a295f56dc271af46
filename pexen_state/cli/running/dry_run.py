"""What `run --dry-run` shows: the tasks of a run in the order in which they would start, if all of them passed.

Everything is checked as for a run. Nothing runs and nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping

from pexen_state.cli import journals
from pexen_state.cli.app import App
from pexen_state.cli.errors import Exit, NothingToDo
from pexen_state.cli.running.introduction import why_no_tasks
from pexen_state.cli.running.options import Terms
from pexen_state.cli.running.session import warnings_as_sentences
from pexen_state.cli.suite.selection import Selection, told_why
from pexen_state.core.catalogue import Applies
from pexen_state.core.forecast import forecast
from pexen_state.core.inputs import ConditionsKnown, Input, PassedBefore
from pexen_state.report.style import count
from pexen_state.report.text import safe
from pexen_state.suite.targets import Suite, told_where


def show(
    app: App,
    suite: Suite,
    selection: Selection,
    terms: Terms,
    settings_file: str | None,
    here: str,
    applies: Applies,
    passed: PassedBefore | None = None,
    passed_in: int | None = None,
    usual: Mapping[str, float] | None = None,
) -> Exit:
    """`usual` is how many seconds tasks usually take, by key. Raises what a run would raise before anything runs."""
    from pexen_state.sched.checks import check_names
    from pexen_state.sched.match import check_keys
    from pexen_state.sched.order import numbers_in
    from pexen_state.sched.planner import Sched
    from pexen_state.sched.specs import Defaults

    if not selection.tasks:
        raise NothingToDo(why_no_tasks(suite))
    defaults = Defaults(timeout=terms.timeout, retries=terms.retries)
    with (
        warnings_as_sentences(app.console, is_part=not selection.is_whole),
        told_where(selection.tasks),
        told_why(selection),
    ):
        specs = selection.specs(defaults)
        check_keys(specs)
        Sched(
            selection.ordinary,
            defaults=defaults,
            catalogue=selection.taken,
            chosen=selection.chosen,
            no_deps=selection.no_deps,
        )
        check_names(specs)
    settings = f"  settings {journals.shown(settings_file, here)}" if settings_file is not None else ""
    app.console.say(
        f"dry run  suite {safe(suite.name)}  {count(len(specs), 'task')}  {terms.workers_in_words()}  "
        f"{terms.limits_in_words()}{settings}"
    )
    if (selected := selection.in_words()) is not None:
        app.console.say(f"{selected}; {selection.left_out} left out.")
    out = app.console.out
    before: list[Input] = [ConditionsKnown(applies), passed or PassedBefore({})]
    order = numbers_in(terms.order, specs, usual or {})
    for begin in forecast(specs, [1.0] * len(specs), 1, before, order=order).begins:  # as one worker would start them
        key = specs[begin.task - 1].key
        out.write(f"{safe(key)}{'  (required)' if key in selection.required else ''}\n")
    out.flush()
    if away := sum(not applies(spec)[0] for spec in specs):
        app.console.say(f"{count(away, 'task')} would be skipped for a condition; `pexen plan` says which.")
    if passed is not None:
        app.console.say(
            f"{count(len(passed.reasons), 'task')} would be skipped: they passed in run {passed_in}, or before it."
        )
    app.console.say("Nothing was run, and nothing was written.")
    return Exit.DONE
