"""The tasks that are there on demand, and which of them a run has.

A task is on demand if its metadata says so, or if it comes from a catalogue: another tree, a package. Who is taken is
decided by `core.catalogue` before a run begins; those that were taken are tasks of the run like any other, the journal
records them, and a resume takes them again, whatever it would choose today.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Sequence
from contextlib import closing, suppress

from pexen_state.core.alternatives import parts_of
from pexen_state.core.candidates import Explaining
from pexen_state.core.catalogue import Applies, Entry, complete, everything_applies, without_missing
from pexen_state.core.deps import Deps
from pexen_state.core.spec import Name, TaskSpec
from pexen_state.sched.checks import check_names
from pexen_state.sched.common import DepcheckError
from pexen_state.sched.fields import SchedMeta
from pexen_state.sched.identity import key_of
from pexen_state.sched.meta import ATTRIBUTE, Task, find_meta
from pexen_state.sched.specs import Callables, Defaults, spec_of

_RECORDED = """
SELECT id FROM run WHERE state = 0 AND (id = ? OR (? IS NULL AND name = ?)) ORDER BY id DESC LIMIT 1
"""


def is_on_demand(task: Task) -> bool:
    """Whether it says so itself."""
    meta = find_meta(task)
    return meta is not None and bool(meta.value("on_demand"))


def entry_of(task: Task, spec: TaskSpec, from_catalogue: bool = False) -> Entry:
    meta = find_meta(task)
    if meta is None:
        return Entry(spec, from_catalogue)
    return Entry(spec, from_catalogue or meta.value("on_demand"), meta.value("cost"), meta.value("prefers"))


def check_with_reasons(specs: Sequence[TaskSpec], entries: Sequence[Entry], applies: Applies) -> None:
    """As `check_names`; of a name that is missing it is told why nobody fills it who could."""
    try:
        check_names(specs)
    except DepcheckError as error:
        keys = {spec.key for spec in specs}
        there = [place for place, entry in enumerate(entries) if not entry.on_demand or entry.spec.key in keys]
        explaining = Explaining(entries, there, applies)
        more = [f"  {sentence}." for name in error.remain for sentence in explaining.why_nobody(name)]
        if more:
            error.args = ("\n".join([str(error), *more]),)
        raise


class Catalogue:
    """What a scheduler has on demand. `chosen` are keys of those that run whether anybody requires them or not.

    `no_deps`: nobody is taken; what is missing is taken as provided. `applies` says which tasks apply here.
    """

    def __init__(
        self,
        tasks: Iterable[Task] = (),
        chosen: Collection[str] = (),
        no_deps: bool = False,
        applies: Applies = everything_applies,
    ) -> None:
        self.required: set[Name] = set()  #: names that these tasks require, should they run
        self._provided: set[Name] = set()
        self._tasks: dict[int, Task] = {}
        self._keep({id(task): task for task in tasks})
        self._chosen = frozenset(chosen)
        self._no_deps = no_deps
        self._applies = applies

    def __bool__(self) -> bool:
        """Whether the tasks of a run may be others than the ordinary ones, or require less than they say."""
        return bool(self._tasks) or self._no_deps

    @property
    def may_choose(self) -> bool:
        """Whether there is anybody who is not chosen already."""
        return any(key_of(task) not in self._chosen for task in self._tasks.values())

    def take(self, tasks: dict[int, Task]) -> dict[int, Task]:
        """Keep those that are on demand; return the others."""
        kept = {}
        for number, task in tasks.items():
            # There may be a million, and nearly all of them are functions that say nothing of this.
            meta = getattr(task, ATTRIBUTE, None)
            if type(meta) is SchedMeta and "on_demand" not in meta.__dict__:
                continue
            if is_on_demand(task):
                kept[number] = task
        self._keep(kept)
        return {number: task for number, task in tasks.items() if number not in self._tasks} if self._tasks else tasks

    def _keep(self, tasks: dict[int, Task]) -> None:
        self._tasks |= tasks
        for task in tasks.values():
            if (meta := find_meta(task)) is not None:
                self.required |= meta.value("requires") | meta.value("requires_all")
                self._provided |= meta.value("provides")

    def may_fill(self, specs: Iterable[TaskSpec], deps: Deps) -> bool:
        """Whether each name that these tasks require, and nobody in `deps` provides, could be filled. A look at names
        alone, for whoever adds tasks one by one: more is found out before the run.
        """
        if self._no_deps:
            return True
        for spec in specs:
            for name in (*spec.requires, *spec.requires_all):
                if not deps.names[name].providers and self._provided.isdisjoint((name, *parts_of(name))):
                    return False
        return bool(self)

    def has(self, task: Task) -> bool:
        return id(task) in self._tasks

    def check(self, bodies: Sequence[Task], specs: Sequence[TaskSpec], defaults: Defaults | None) -> None:
        """Raises DepcheckError if there are tasks that could not run even if nothing failed."""
        self._complete(bodies, specs, defaults, frozenset(), checked=True)

    def completed(
        self, callables: Callables, defaults: Defaults | None, recorded: Collection[str], checked: bool
    ) -> Callables:
        """All tasks of the run. `recorded` are keys of those that it has had before, as SQL has them.

        Raises DepcheckError, if `checked` says so, as `check` does.
        """
        if not self:
            return callables
        return self._complete(callables.bodies, callables.specs, defaults, recorded, checked)

    def filled(
        self,
        there: TaskSpec,
        tasks: Sequence[Task],
        specs: Sequence[TaskSpec],
        defaults: Defaults | None,
        taken: Container[str],
    ) -> tuple[list[Task], list[TaskSpec]]:
        """These tasks, which join a run, and those that are taken for them. `there` provides what the run has; `taken`
        are keys of its tasks. Raises DepcheckError.
        """
        more = {key: task for task in self._tasks.values() if (key := key_of(task)) not in taken}
        entries = [
            Entry(there),
            *(entry_of(task, spec)._replace(on_demand=False) for task, spec in zip(tasks, specs, strict=True)),
        ]
        ordinary = len(entries)
        entries += [entry_of(task, spec_of(task, key, defaults), from_catalogue=True) for key, task in more.items()]
        places = range(ordinary) if self._no_deps else complete(entries, range(ordinary), self._applies).places
        found = [entries[place].spec for place in places]
        if self._no_deps:
            found = without_missing(found)
        check_with_reasons(found, entries, self._applies)
        bodies = [*tasks, *more.values()]
        return [bodies[place - 1] for place in places if place], found[1:]

    def _complete(
        self,
        ordinary: Sequence[Task],
        specs: Sequence[TaskSpec],
        defaults: Defaults | None,
        recorded: Collection[str],
        checked: bool = False,
    ) -> Callables:
        from pexen_state.journal.specs import sql_text as sql_key

        more = list(self._tasks.values())
        bodies = [*ordinary, *more]
        entries = [entry_of(task, spec)._replace(on_demand=False) for task, spec in zip(ordinary, specs, strict=True)]
        entries += [entry_of(task, spec_of(task, key_of(task), defaults), from_catalogue=True) for task in more]
        wanted = [
            place
            for place, entry in enumerate(entries)
            if not entry.on_demand or entry.spec.key in self._chosen or sql_key(entry.spec.key) in recorded
        ]
        places = tuple(wanted) if self._no_deps else complete(entries, wanted, self._applies).places
        found = [entries[place].spec for place in places]
        if self._no_deps:
            found = without_missing(found)
        if checked:
            check_with_reasons(found, entries, self._applies)
        return Callables([bodies[place] for place in places], found, all_would_run=checked)


def recorded_keys(journal: str, name: str, run_id: int | None) -> frozenset[str]:
    """Keys, as SQL has them, of the tasks of the run that would be resumed; none if there is no such run.

    What is wrong with the journal is told by whoever opens it to write.
    """
    # Not before it is needed: a program without a journal does not load a database.
    from pexen_state.journal.errors import JournalError
    from pexen_state.journal.ids import ids_of
    from pexen_state.journal.reader import open_reader
    from pexen_state.journal.specs import sql_text

    with suppress(JournalError), closing(open_reader(journal)) as connection:
        run = connection.execute(_RECORDED, (run_id, run_id, sql_text(name))).fetchone()
        if run is not None:
            rows = connection.execute("SELECT key FROM task WHERE id BETWEEN ? AND ?", ids_of(run[0]))
            return frozenset(key for (key,) in rows)
    return frozenset()
