"""`pexen list`: the tasks of a suite, as a run would collect them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pexen_state.cli.app import App, verb
from pexen_state.cli.running.pick_options import pick_options, with_picks
from pexen_state.words import amount_text

if TYPE_CHECKING:
    from pexen_state.core.spec import TaskSpec
    from pexen_state.sched.meta import Task


@click.command("list", short_help="List the tasks of a suite as a tree.")
@click.argument("targets", metavar="TARGET...", nargs=-1, required=True)
@pick_options()
@click.option("--explain", metavar="TASK", help="Say which file gave which value to one task.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON document, with all that is known of each task.")
@verb
def list_tasks(app: App, targets: tuple[str, ...], explain: str | None, as_json: bool, **typed: Any) -> int:
    """List the tasks that a run of TARGET would have, as a tree, each with what it says of itself.

    TARGET is what `pexen run` takes. Nothing is run, and no journal is needed or made.
    """
    from pexen_state.cli.running.options import Options
    from pexen_state.cli.suite.collected import collect
    from pexen_state.report.style import count
    from pexen_state.report.tables import document
    from pexen_state.report.text import safe
    from pexen_state.report.tree import Leaf, parts_of, tree_lines

    found = collect(app, targets, None, with_picks(Options(), typed))
    suite, selection = found.suite, found.selection
    write = app.console.out.line
    if explain is not None:
        from pexen_state.cli.suite.explaining import explained_task

        return explained_task(app, found, explain, as_json)
    if as_json:
        tasks = [
            _known(task, spec, spec.key in selection.required, spec.key in selection.on_demand)
            for task, spec in zip(selection.tasks, found.specs, strict=True)
        ]
        write(document(suite=suite.name, root=suite.root, tasks=tasks, collected=selection.total))
        return 0
    chosen = selection.in_words()
    said = chosen if chosen is not None else count(len(found.specs), "task")
    write(app.console.style.strong(f"suite {safe(suite.name)}  {said}"))
    out = app.console.out
    leaves = (
        Leaf([spec.key] if _is_command(task, spec) else parts_of(spec.key), notes=notes(spec))
        for task, spec in zip(selection.tasks, found.specs, strict=True)
    )
    for line in tree_lines(leaves):
        out.write(f"{line}\n")
    if aside := len(suite.catalogue) - len(selection.on_demand):
        out.write(f"on demand, and not required: {count(aside, 'task')}\n")
    out.flush()
    return 0


def _is_command(task: Task, spec: TaskSpec) -> bool:
    """Whether its key is no name, but what is run: slashes in it part nothing."""
    return getattr(task, "shell", False) is True and (" " in spec.key or spec.key.startswith("/"))


def notes(spec: TaskSpec) -> str:
    """What a task says of itself that has to do with others. Safe."""
    from pexen_state.core.lock_names import lock_text
    from pexen_state.report.text import cut, safe

    said = [spec.summary] if spec.summary else []
    for word in ("requires", "requires_all", "provides", "after", "uses", "claims", "recovers"):
        names = getattr(spec, word)
        if names:
            said.append(f"{word} {', '.join(lock_text(name) for name in names)}")
    if spec.priority:
        said.append(f"priority {spec.priority:g}")
    if spec.always:
        said.append("always")
    if spec.needs:
        said.append("needs " + ", ".join(f"{amount_text(amount)} {name}" for name, amount in spec.needs))
    if spec.group is not None:
        said.append(f"group {spec.group}")
    if spec.when is not None:
        said.append(f"when {spec.when}")
    if spec.tags:
        said.append(f"tags {', '.join(spec.tags)}")
    return cut(safe("; ".join(said)), 200)


def _known(task: Task, spec: TaskSpec, is_required: bool, is_on_demand: bool) -> dict[str, Any]:
    """Everything that is known of a task before it runs. Times are seconds, null is no limit."""
    from pexen_state.sched.meta import read_meta

    meta = read_meta(task)
    return {
        "key": spec.key,
        "command": getattr(task, "argv", None),
        "summary": meta.summary,
        "tags": sorted(meta.tags),
        **{word: [as_json(name) for name in getattr(spec, word)] for word in _NAMES},
        "priority": spec.priority,
        "always": spec.always,
        "timeout": spec.timeout,
        "idle_timeout": spec.idle_timeout,
        "retries": spec.retries,
        "retry_on": sorted(cause.word for cause in spec.retry_on),
        "max_crashes": spec.max_crashes,
        "on_fail": dict(meta.on_fail),
        "needs": dict(spec.needs),
        "memory_max": meta.memory_max,
        "group": spec.group,
        "when": spec.when,
        "weight": spec.weight,
        "only_required": is_required,
        "on_demand": is_on_demand,
    }


_NAMES = ("requires", "requires_all", "provides", "after", "uses", "claims", "recovers")


def as_json(name: object) -> Any:
    """A name as JSON has it; what JSON has not is text."""
    if name is None or isinstance(name, str | int | float | bool):
        return name
    if isinstance(name, tuple):
        return [as_json(part) for part in name]
    return repr(name)
