"""`pexen plan`: how a suite would run, without running anything."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from pexen_state.cli.app import App, verb
from pexen_state.cli.running.pick_options import pick_options, with_picks
from pexen_state.cli.running.run_options import amounts_of, order_of, order_option, param_options, params_of

if TYPE_CHECKING:
    from pexen_state.cli.suite.collected import Collected
    from pexen_state.core.spec import TaskSpec


@click.command(short_help="Show in which order a suite would run, and how long that would take.")
@click.argument("targets", metavar="TARGET...", nargs=-1, required=True)
@click.option("-j", "--jobs", metavar="N|auto", help="Tasks at once [as `pexen run` would].")
@order_option
@click.option("--resource", "resources", metavar="NAME=N", multiple=True, help="How much of a resource there is.")
@pick_options()
@param_options
@click.option("--name", help="The suite whose past runs tell how long tasks take [as `pexen run` would name it].")
@click.option(
    "--explain",
    metavar="NAME",
    help="Only NAME: who provides and requires it, who could, and who uses and claims it as a lock.",
)
@click.option("--all", "everything", is_flag=True, help="Leave nothing out, however long it gets.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON document.")
@verb
def plan(
    app: App,
    targets: tuple[str, ...],
    jobs: str | None,
    order: str | None,
    resources: tuple[str, ...],
    name: str | None,
    explain: str | None,
    everything: bool,
    as_json: bool,
    **typed: Any,
) -> int:
    """Show how a run of TARGET would go if every task passed in its usual time. Nothing is run.

    Which tasks could begin together, the order in which they would begin, the critical path, an estimate from past
    runs, the locks that tasks share, what was taken from the catalogue and why, and what
    would not run. Ends with 2 where `pexen run` would refuse the suite.
    """
    from pexen_state.cli.errors import UsageError
    from pexen_state.cli.running.options import Options
    from pexen_state.cli.suite.collected import collect
    from pexen_state.cli.suite.selection import told_why
    from pexen_state.core.inputs import ConditionsKnown
    from pexen_state.report import candidates
    from pexen_state.report.forecast import as_fields, forecast_lines, rehearse
    from pexen_state.report.one_name import about_name, name_lines
    from pexen_state.report.tables import document
    from pexen_state.sched import amounts
    from pexen_state.sched.checks import check_locks, check_names
    from pexen_state.sched.common import DepcheckError
    from pexen_state.sched.match import check_keys
    from pexen_state.sched.order import numbers_in
    from pexen_state.suite.targets import told_where
    from pexen_state.words import did_you_mean

    said = Options(jobs=jobs, order=order_of(order), resources=amounts_of(resources) or None, params=params_of(typed))
    found = collect(app, targets, name, with_picks(said, typed))
    specs, explaining = found.specs, found.selection.explaining
    out = app.console.out
    if explain is not None:
        about = about_name(explain, specs)
        choices = explaining.about(explain) if explaining is not None else []
        if not choices and not any(value for field, value in about.items() if field != "name"):
            hint = did_you_mean(explain, _names(specs))
            raise UsageError(f"no task provides, requires, uses or claims {explain!r}.{hint}")
        if as_json:
            told = [candidates.as_fields(choice) for choice in choices]
            out.line(document(suite=found.suite.name, **about, catalogue=told))
        else:
            for line in (*name_lines(about, everything), *candidates.candidate_lines(choices, everything)):
                out.write(f"{line}\n")
            out.flush()
        return 0
    refused = None
    check_keys(specs)
    with told_where(found.selection.tasks):
        check_locks(found.selection.tasks, specs)
    there = amounts.totals(found.resources, specs)
    try:
        with told_where(found.selection.tasks), told_why(found.selection):
            check_names(specs)
    except DepcheckError as error:
        refused = error
    groups = {name: said["workers"] for name, said in found.groups.items() if "workers" in said}
    typical, terms = _typical(app, found), found.terms
    first, before = numbers_in(terms.order, specs, typical), [ConditionsKnown(found.applies)]
    forecast = rehearse(specs, typical, terms.workers, before, there, groups, first)
    taken = list(explaining.choices()) if explaining is not None else []
    if as_json:
        why = str(refused) if refused else None
        catalogue = [candidates.as_fields(choice) for choice in taken]
        out.line(document(suite=found.suite.name, refused=why, **as_fields(forecast), catalogue=catalogue))
    else:
        style = app.console.style
        for line in (
            *forecast_lines(found.suite.name, forecast, style, everything),
            *candidates.taken_lines(taken, style, everything),
        ):
            out.write(f"{line}\n")
        out.flush()
    if refused is not None:
        raise refused
    return 0


def _typical(app: App, found: Collected) -> dict[str, float]:
    """Usual seconds by key, if there is a journal that knows any."""
    from pexen_state.cli import journals
    from pexen_state.journal.asking.durations import typical_seconds
    from pexen_state.journal.reader import reader
    from pexen_state.journal.specs import sql_text

    path = journals.for_run(app.journal, found.suite.root, found.journal)
    if not os.path.lexists(path):
        return {}
    with reader(path) as connection:
        typical = typical_seconds(connection, sql_text(found.suite.name))
    # Keys as the columns have them; those of the suite are as they are.
    return {spec.key: typical[key] for spec in found.specs if (key := sql_text(spec.key)) in typical}


def _names(specs: Sequence[TaskSpec]) -> set[str]:
    from pexen_state.core.lock_names import lock_text

    fields = ("provides", "requires", "requires_all", "uses", "claims", "recovers")
    return {lock_text(name) for spec in specs for field in fields for name in getattr(spec, field)}
