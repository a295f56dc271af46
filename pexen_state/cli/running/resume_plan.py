"""What `resume --plan` shows: what would become of each task if the run went on now. Nothing runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from pexen_state.cli.app import App
from pexen_state.cli.errors import Exit
from pexen_state.cli.running.going_on import Anew, load_again, own_tasks
from pexen_state.cli.suite import earlier
from pexen_state.cli.suite.earlier import Unfinished
from pexen_state.journal.records import SavedTask
from pexen_state.journal.specs import spec_to_json
from pexen_state.report.text import safe
from pexen_state.sched.identity import fingerprint, key_of
from pexen_state.sched.meta import Task

_LISTED = 20


class Groups(NamedTuple):
    """Keys of tasks. What changed is among the others, too."""

    kept: list[str]
    left: list[str]
    running: list[str]
    changed: list[str]
    gone: list[str]
    new: list[str]


def show(app: App, path: str, found: Unfinished, anew: Anew) -> Exit:
    again = load_again(app, found.record, anew.options)
    saved = earlier.saved_tasks(path, found.record.id)
    left = earlier.interruption(path, found.record.id).cut_off(saved)
    own = own_tasks(again.suite, saved, again.options)
    groups = group(
        own.tasks if own is not None else (),
        saved,
        left.keys,
        bool(again.options.no_deps),
        earlier.added_by_tasks(path, found.record.id),
    )
    out = app.console.out
    out.line(f"{safe(found.how.sentence)} Suite {safe(found.record.name)}.")
    changed = "their finished results would be thrown away, and they run again"
    if not anew.rerun_changed:
        changed = "what is finished of them is kept; --rerun-changed runs it again"
    for keys, words in (
        (groups.running, f"{'running' if left.is_sure else 'maybe running'} when it was left: run again"),
        (groups.left, "left: run"),
        (groups.changed, f"changed since: {changed}"),
        (groups.gone, "gone: skipped, with verdict not_run"),
        (groups.new, "new: join the run"),
    ):
        for line in _lines(keys, words):
            out.line(line)
    out.line(f"{len(groups.kept):>6} finished: kept")
    return Exit.DONE


def group(
    tasks: Sequence[Task],
    saved: Sequence[SavedTask],
    running: Collection[str],
    no_deps: bool = False,
    added: Collection[int] = (),
) -> Groups:
    """`tasks` are those that would run, `saved` the journal's, `running` keys of those that ran when it was left.

    `no_deps`: what a task requires was not recorded as it says it. `added`: these were added by others while they ran.
    """
    from pexen_state.sched.specs import Defaults, spec_of

    began = set(running)
    ours = {key_of(task): task for task in tasks}
    groups = Groups([], [], [], [], [], [])
    for one in sorted(saved, key=lambda task: task.number):
        task = ours.pop(one.key, None)
        state = one.state
        if state.is_final:
            groups.kept.append(one.key)
        elif task is None and one.number not in added:
            groups.gone.append(one.key)
        else:
            (groups.running if one.key in began else groups.left).append(one.key)
        if task is not None:
            # What the run's options say of all tasks is no change of the task.
            recorded = one.spec
            spec = spec_of(task, one.key, Defaults(timeout=recorded.timeout, retries=recorded.retries))
            if no_deps:
                spec = spec._replace(requires=recorded.requires, requires_all=recorded.requires_all)
            has_other_code = one.fingerprint is not None and fingerprint(task) != one.fingerprint
            if has_other_code or spec_to_json(spec) != spec_to_json(recorded):
                groups.changed.append(one.key)
    groups.new.extend(ours)
    return groups


def _lines(keys: Sequence[str], words: str) -> Iterator[str]:
    if not keys:
        return
    yield f"{len(keys):>6} {words}"
    for key in keys[:_LISTED]:
        yield f"         {safe(key)}"
    if len(keys) > _LISTED:
        yield f"         ... and {len(keys) - _LISTED} more"
