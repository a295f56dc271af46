"""Tasks that join a run while it goes on: added by the caller, who has a result in hand, or by a task that runs.

What is wrong with them is found when they are added, and then none of them is: that costs a look at them and at the
names that they require, however many others there are. The loop takes them with its next turn, which writes them to the
journal before any of them may run.

When a run is resumed the caller adds the same tasks again, and they are known by their keys. Until it has, nobody knows
how to run them: they are absent. When nothing else is left to run, they are taken for gone.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pexen_state.core.check import required_names
from pexen_state.core.inputs import Input, TaskBrought, TaskGone, TasksAdded
from pexen_state.core.plan import Plan
from pexen_state.core.spec import Name, TaskSpec
from pexen_state.journal.records import NewTask, RecordedTask
from pexen_state.journal.specs import spec_to_json
from pexen_state.sched import amounts
from pexen_state.sched.catalogue import Catalogue
from pexen_state.sched.checks import check_locks, check_names
from pexen_state.sched.common import SchedulerError
from pexen_state.sched.identity import Fingerprints, key_of
from pexen_state.sched.match import some
from pexen_state.sched.owner import Owner
from pexen_state.sched.partners import Ledger
from pexen_state.sched.pool.base import Body, Pool
from pexen_state.sched.recorded import Record, RecordedCall
from pexen_state.sched.specs import Defaults, spec_of
from pexen_state.util import PexenWarning

#: Names that are nearly right are looked for among so many; that is slow.
_MOST_SIMILAR = 1000

#: Stands for all tasks of the run, where others are checked beside them.
_EVERYBODY = TaskSpec("")


class Earlier(NamedTuple):
    """What joined the run in earlier sessions of it, or comes with the first turn of this one."""

    coming: Sequence[TaskSpec] = ()  #: the caller has them from the beginning, and the plan has not
    absent: Sequence[RecordedTask] = ()  #: the caller added them, those that have ended included
    calls: Mapping[int, str] = {}  #: records of those that tasks added, by number


class _Batch(NamedTuple):
    """Tasks that wait for the next turn."""

    by: int
    bodies: list[Body]
    specs: list[TaskSpec]
    calls: list[str]


class Joining:
    """Of one run. `add` may be called from any thread; `wake` has the loop look, should it wait.

    `late` are keys of tasks that were added while an earlier run of the same scheduler went on, and are in this one
    from its beginning: its caller may add them again.
    """

    def __init__(
        self,
        pool: Pool,
        catalogue: Catalogue,
        defaults: Defaults | None,
        late: Collection[str],
        wake: Callable[[], None],
    ) -> None:
        self._pool = pool
        self._catalogue = catalogue
        self._defaults = defaults
        self._late = set(late)
        self._wake = wake
        self._lock = threading.RLock()
        self._owner = Owner()
        self._plan: Plan | None = None
        self._bodies: list[Body | None] = []
        self._is_journaled = False
        self._queue: list[_Batch] = []
        self._told: list[Input] = []
        self._mended: dict[int, bytes] = {}  # fingerprints of tasks that were brought, and are still to run
        self._count = 0  # of all tasks, those in the queue included
        self._specs: dict[int, TaskSpec] = {}  # of those that joined: the plan may not have them yet
        self._names: set[Name] = set()  # that these provide
        self._keys: dict[str, int] | None = None  # of all tasks; not before somebody adds one
        self._absent: dict[int, RecordedTask] = {}
        self._brought: dict[int, Body] = {}  # by id(): tasks that others stand for
        self._records: dict[int, Record] = {}  # of tasks that tasks added
        self._old: frozenset[int] = frozenset()  # those of an earlier session
        self._fingerprint = Fingerprints()

    def begin(self, plan: Plan, bodies: list[Body | None], *, is_journaled: bool, earlier: Earlier) -> None:
        """From now on tasks may be added. `bodies` are by number, those that are coming included, and will grow."""
        self._bodies, self._is_journaled = bodies, is_journaled
        self._count = len(plan.tasks)
        self._plan = plan
        for spec in earlier.coming:
            self._number(spec)
        self._absent = {task.number: task for task in earlier.absent}
        self._records = {number: Record.from_json(text) for number, text in earlier.calls.items()}
        self._old = frozenset(self._records)

    # -- by the caller

    def add(self, tasks: Iterable[Body]) -> list[tuple[Body, TaskSpec]]:
        """Returns those that the scheduler has to know from now on; others were there, and are known by their keys.

        Raises DepcheckError, MutexError, PoolError and SchedulerError, and adds nothing then.
        """
        if not self._owner.is_here:
            raise SchedulerError(
                "this process was forked from the one that runs, and what it adds would be lost: a task adds others by "
                "pexen_state.current().add_task()"
            )
        with self._lock:
            if self._plan is None:
                raise SchedulerError("the run is being opened: add tasks before run(), or while you take its results")
            fresh, again = self._divide([task for task in tasks if id(task) not in self._brought])
            bodies, specs = self._checked(fresh, [spec_of(task, key_of(task), self._defaults) for task in fresh])
            self._pool.admit([*bodies, *(body for body, _ in again.values())])
            new = [*zip(bodies, specs, strict=True), *self._bring(again)]
            self._join(0, bodies, specs, [])
        self._wake()
        return new

    def _divide(self, tasks: Sequence[Body]) -> tuple[list[Body], dict[int, tuple[Body, TaskSpec]]]:
        """(those that are new, by number those that were added before)."""
        keys, seen = self._all_keys(), set()
        fresh: list[Body] = []
        again: dict[int, tuple[Body, TaskSpec]] = {}
        for task in tasks:
            key = key_of(task)
            number = keys.get(key)
            if number is not None and number not in again and (number in self._absent or key in self._late):
                again[number] = task, spec_of(task, key, self._defaults)
                continue
            if self._is_journaled and (number is not None or key in seen):
                raise SchedulerError(
                    f"a task with the key {key!r} is in the run already, and the journal could not tell them apart: "
                    'give this one another, func_meta(name="...")'
                )
            seen.add(key)
            fresh.append(task)
        check_locks([body for body, _ in again.values()], [spec for _, spec in again.values()])
        return fresh, again

    def _bring(self, again: Mapping[int, tuple[Body, TaskSpec]]) -> Iterable[tuple[Body, TaskSpec]]:
        """Tasks that the run knows are there again. What it recorded of them holds."""
        new, changed = [], []
        for number, (body, spec) in again.items():
            self._brought[id(body)] = body
            self._late.discard(spec.key)
            recorded = self._absent.pop(number, None)
            if recorded is None:
                continue
            self._bodies[number] = body
            self._told.append(TaskBrought(number))
            new.append((body, spec))
            now = self._fingerprint(body)
            if now != recorded.fingerprint and not recorded.state.is_final:
                self._mended[number] = now
            if now != recorded.fingerprint or spec_to_json(spec) != recorded.spec_json:
                changed.append(spec.key)
        if changed:
            warnings.warn(
                f"{len(changed)} tasks changed since the run began; results that are there are kept, and what the run "
                f"recorded about them holds: {some(changed)}",
                PexenWarning,
                stacklevel=4,
            )
        return new

    # -- by a task

    def asked(self, by: int, said: Mapping[str, Any]) -> str:
        """A task asks for another one: returns its key.

        Raises PexenError or ValueError, whose message says what is wrong with it.
        """
        record = Record.from_plain(said)
        call = RecordedCall(record)
        key = key_of(call)
        spec = spec_of(call, key, self._defaults)
        with self._lock:
            number = self._all_keys().get(key)
            if number is not None:
                self._check_same(number, record, spec)
                return key
            bodies, specs = self._checked([call], [spec])
            self._pool.admit(bodies)
            self._records[self._count + 1] = record
            self._join(by, bodies, specs, [record.to_json()])
        return key

    def _check_same(self, number: int, record: Record, spec: TaskSpec) -> None:
        """Raises SchedulerError if it is another task that has this key."""
        known = self._records.get(number)
        if known is None:
            if self._spec(number) == spec:
                return
            what = "another task"
        elif (known.call, known.kwargs) != (record.call, record.kwargs):
            what = f"a call of {known.call}" + (" with other arguments" if known.call == record.call else "")
        elif number in self._old or known.meta == record.meta:
            return  # what an earlier session has recorded holds, whatever the metadata says now
        else:
            fields = sorted(
                name for name in known.meta.keys() | record.meta.keys() if known.meta.get(name) != record.meta.get(name)
            )
            what = f"the same call, but says something else of {', '.join(fields)}"
        raise SchedulerError(f"{spec.key!r} is in the run already, as {what}: give this one another name")

    # -- what is checked

    def _checked(self, tasks: Sequence[Body], specs: Sequence[TaskSpec]) -> tuple[Sequence[Body], Sequence[TaskSpec]]:
        """The tasks that are to join: these, and those that are taken from the catalogue for them."""
        if not tasks:
            return tasks, specs
        check_locks(tasks, specs)
        assert self._plan is not None
        amounts.check(specs, self._plan.resources.totals)
        wanted = dict.fromkeys(required_names(specs))
        there = _EVERYBODY._replace(provides=tuple([name for name in wanted if self._is_provided(name)]))
        if self._catalogue:
            tasks, specs = self._catalogue.filled(there, tasks, specs, self._defaults, self._all_keys())
        else:
            check_names([there, *specs], self._similar)
        if self._is_journaled:
            for spec in specs:
                spec_to_json(spec)  # raises for names that a journal cannot hold
        return tasks, specs

    def _is_provided(self, name: Name) -> bool:
        assert self._plan is not None
        gate = self._plan.deps.names.get(name)
        return (gate is not None and bool(gate.providers)) or name in self._names

    def _similar(self) -> Mapping[str, str]:
        """For messages: names that are provided, and by whom."""
        assert self._plan is not None
        names = self._plan.deps.names
        if len(names) > _MOST_SIMILAR:
            return {}
        gates = [gate for gate in list(names.values()) if gate.providers and isinstance(gate.label, str)]
        return {str(gate.label): self._plan.tasks.specs[next(iter(gate.providers))].key for gate in gates}

    def _all_keys(self) -> dict[str, int]:
        if self._keys is None:
            assert self._plan is not None
            self._keys = {spec.key: number for number, spec in enumerate(self._plan.tasks.specs) if number}
            self._keys |= {spec.key: number for number, spec in self._specs.items()}
        return self._keys

    def _spec(self, number: int) -> TaskSpec:
        assert self._plan is not None
        return self._specs[number] if number in self._specs else self._plan.tasks.specs[number]

    # -- for the loop

    def _number(self, spec: TaskSpec) -> None:
        self._count += 1
        self._specs[self._count] = spec
        self._names.update(spec.provides)
        if self._keys is not None:
            self._keys[spec.key] = self._count

    def _join(self, by: int, bodies: Sequence[Body], specs: Sequence[TaskSpec], calls: list[str]) -> None:
        if not bodies:
            return
        for spec in specs:
            self._number(spec)
        if by or not self._queue or self._queue[-1].by:
            self._queue.append(_Batch(by, [], [], calls))
        self._queue[-1].bodies.extend(bodies)
        self._queue[-1].specs.extend(specs)

    @property
    def has_some(self) -> bool:
        """Somebody was added, or brought, since `take`."""
        return bool(self._queue or self._told)

    def take(self, ledger: Ledger) -> list[Input]:
        """What the plan is to be told of them."""
        if not self.has_some:
            return []
        with self._lock:
            inputs, self._told = self._told, []
            queue, self._queue = self._queue, []
            for by, bodies, specs, calls in queue:
                prints: list[bytes | None] = [None] * len(bodies)
                if self._is_journaled and not by:
                    prints = [self._fingerprint(body) for body in bodies]
                first = len(self._bodies)
                self._bodies += bodies
                ledger.add_tasks(first, [NewTask(*one) for one in zip(specs, prints, strict=True)])
                inputs.append(TasksAdded(tuple(specs), by, tuple(calls)))
            ledger.set_fingerprints(self._mended)
            self._mended = {}
        return inputs

    def give_up_absent(self) -> list[Input]:
        """Nothing is left to run, and the caller has all results: who was not brought will not be."""
        assert self._plan is not None
        with self._lock:
            tasks = self._plan.tasks
            gone = [number for number in sorted(self._plan.absent) if not tasks.states[number].is_final]
            for number in gone:
                self._absent.pop(number, None)
        keys = [tasks.specs[number].key for number in gone]
        warnings.warn(
            f"{len(gone)} tasks that were added while the run went on were not added again, and will not run: "
            f"{some(keys)}",
            PexenWarning,
            stacklevel=2,
        )
        return [TaskGone(number) for number in gone]
