"""Who waits for whom: names that tasks provide and require, and plain order.

A *gate* is one thing that tasks wait for: a provided name, or a glob of keys that must have ended. Gates
count; nothing here walks over all that waits. Every provider passes a gate once, when it ends, so the whole
run costs as many steps as there are requirements and provisions.

Whether a task has to wait follows from the tasks that are there and from those that have ended, in whatever
order both became known: so a plan that is restored with all its tasks at once waits for the same things as the
one that was given them one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pexen_state.core.alternatives import alternatives, parts_of, providing_wholes, with_wholes
from pexen_state.core.keys import Globs, Keys
from pexen_state.core.spec import NOBODY, Name, TaskSpec

Numbers = list[int] | tuple[()]  #: of tasks

_ENDED, _SKIPPED = 1, 2


class Gate:
    """One name (or one glob), its providers, and who waits for it.

    `kept` lists the providers that kept their promise, in the order in which they ended. Most lists stay empty for
    ever, so there is none until somebody is on it.
    """

    __slots__ = ("all_waiters", "any_waiters", "kept", "label", "order_only", "pending", "providers", "skipped")

    def __init__(self, label: Name, *, order_only: bool = False) -> None:
        self.label = label
        self.order_only = order_only  #: a glob: opens when all have ended, however they ended
        self.providers: Numbers = ()  #: all of them, for a glob those whose keys match
        self.pending = 0  #: providers that have not ended
        self.skipped = 0  #: providers that ended because they do not apply here
        self.kept: Numbers = ()
        self.any_waiters: Numbers = ()  #: want one provider
        self.all_waiters: Numbers = ()  #: want every provider

    @property
    def any_lost(self) -> bool:
        return not self.pending and not self.kept

    @property
    def all_lost(self) -> bool:
        return not self.pending and not self.all_kept

    @property
    def all_kept(self) -> bool:
        return not self.pending and len(self.kept) == len(self.providers) > 0

    @property
    def is_skipped_away(self) -> bool:
        """Whether everybody who did not keep the promise does not apply here."""
        return self.skipped == len(self.providers) - len(self.kept) > 0


class Waits(NamedTuple):
    """What one task has to do with gates."""

    requires: tuple[Gate, ...]
    requires_all: tuple[Gate, ...]
    after: tuple[Gate, ...]
    provides: tuple[Gate, ...]  #: gates that it passes when it ends, globs included


class Deps:
    """All gates of a plan. Tasks are known by their numbers, from 1.

    A task's gates are found by the names in its spec: what is kept for each task is a count.
    """

    def __init__(self) -> None:
        self.names: dict[Name, Gate] = {}
        self.globs: dict[str, Gate] = {}
        self.unmet = [0]  #: by task: gates that are not open yet; 0 means that it may run
        self.lost: dict[int, int] = {}  #: task -> required gates that can never open; who has lost none is not there
        self._lost_to_skips: dict[int, int] = {}  # of these, those whose providers do not apply here
        self.specs: list[TaskSpec] = [NOBODY]  #: who provides a part of alternatives provides the whole here
        self.ended = bytearray(1)  #: by task: 0 if it has not
        self._wholes: dict[Name, list[str]] = {}  # name -> alternatives that it is a part of
        self._known: set[str] = set()  # these
        self._matching: dict[int, list[Gate]] = {}  # task -> the globs that its key matches
        self._keys: Keys | None = None  # of all tasks; not before there is a glob
        self._globs = Globs()
        self._held_back: dict[int, None] = {}  # of the tasks being added: who must wait again

    def __getitem__(self, task: int) -> Waits:
        spec, names = self.specs[task], self.names
        return Waits(
            tuple([names[name] for name in spec.requires]),
            tuple([names[name] for name in spec.requires_all]),
            tuple([self.globs[pattern] for pattern in spec.after]),
            tuple(self.passes(task)),
        )

    def passes(self, task: int) -> list[Gate]:
        """The gates that the task passes when it ends."""
        gates = [self.names[name] for name in self.specs[task].provides]
        if self._matching:
            gates += self._matching.get(task, ())
        return gates

    def add(self, first: int, specs: Sequence[TaskSpec], ranks: Sequence[int] = ()) -> tuple[list[int], list[int]]:
        """Register tasks numbered from `first`. Return (those that need not wait, older ones that now must again).

        A name that was lost can be provided again by a task that is added later; who wants every provider of
        a name, or comes after all tasks that match, waits for the new ones, too. `ranks`: by task, when it ended
        among those that have.
        """
        self._held_back = {}
        for whole in alternatives(specs):
            if whole not in self._known:
                self._open_to_parts(whole, ranks)
        specs = providing_wholes(specs, self._wholes)
        self.specs += specs
        self.unmet += [0] * len(specs)
        self.ended += bytes(len(specs))
        names = self.names
        for task, spec in enumerate(specs, first):
            for name in spec.provides:
                gate = names.get(name)
                if gate is None:
                    gate = names[name] = Gate(name)
                elif not gate.pending:
                    self._shut_again(gate)
                if gate.providers:
                    gate.providers.append(task)
                else:
                    gate.providers = [task]
                gate.pending += 1
        self._match_globs(first, specs)
        free: list[int] = []
        for task, spec in enumerate(specs, first):
            if spec.requires or spec.requires_all or spec.after:
                unmet = self.unmet[task] = self._require(task, spec)
                if unmet:
                    continue
            free.append(task)
        return free, list(self._held_back)

    def _open_to_parts(self, whole: str, ranks: Sequence[int]) -> None:
        """Alternatives that nobody has required so far: who provides a part, be it long ago, provides the whole."""
        self._known.add(whole)
        parts = [part for part in parts_of(whole) if part != whole]
        for part in parts:
            self._wholes.setdefault(part, []).append(whole)
        gates = [gate for name in (whole, *parts) if (gate := self.names.get(name)) is not None]
        providers = sorted({task for gate in gates for task in gate.providers})
        if not providers:
            return
        kept = {task for gate in gates for task in gate.kept}
        for task in providers:
            self.specs[task] = with_wholes(self.specs[task], [whole])
        gate = self.names.setdefault(whole, Gate(whole))
        gate.providers = providers
        gate.kept = sorted(kept, key=lambda task: (ranks[task], task)) if ranks else sorted(kept)
        gate.pending = sum(not self.ended[task] for task in providers)
        gate.skipped = sum(self.ended[task] == _SKIPPED for task in providers)

    def _shut_again(self, gate: Gate) -> None:
        """All its providers had ended, and one more comes."""
        if not gate.kept:
            for waiter in gate.any_waiters:
                self._regain(waiter, gate)
        all_kept = gate.all_kept
        for waiter in gate.all_waiters:
            if all_kept:
                self._shut(waiter)
            else:
                self._regain(waiter, gate)

    def _shut(self, waiter: int) -> None:
        if not self.unmet[waiter]:
            self._held_back[waiter] = None
        self.unmet[waiter] += 1

    def _regain(self, waiter: int, gate: Gate) -> None:
        _count(self.lost, waiter, -1)
        _count(self._lost_to_skips, waiter, -gate.is_skipped_away)
        if self.specs[waiter].always:
            self._shut(waiter)

    def _require(self, task: int, spec: TaskSpec) -> int:
        """Let the task wait for all that it requires. Return how many gates are not open yet."""
        names = self.names
        unmet = 0
        for name in spec.requires:
            gate = names.get(name)
            if gate is None:
                gate = names[name] = Gate(name)
            if gate.any_waiters:
                gate.any_waiters.append(task)  # even if it is open: a provider may be sent back
            else:
                gate.any_waiters = [task]
            if not gate.kept:
                unmet += 1 if gate.pending else self._require_in_vain(task, spec, gate)
        for name in spec.requires_all:
            gate = names.get(name)
            if gate is None:
                gate = names[name] = Gate(name)
            gate.all_waiters = _joined(gate.all_waiters, task)
            if not gate.all_kept:
                unmet += 1 if gate.pending else self._require_in_vain(task, spec, gate)
        for pattern in spec.after:
            gate = self.globs[pattern]
            gate.any_waiters = _joined(gate.any_waiters, task)
            unmet += gate.pending > 0
        return unmet

    def _require_in_vain(self, task: int, spec: TaskSpec, gate: Gate) -> bool:
        """Whether the task waits for a gate that can never open."""
        _count(self.lost, task, 1)
        _count(self._lost_to_skips, task, gate.is_skipped_away)
        return not spec.always

    def _match_globs(self, first: int, specs: Sequence[TaskSpec]) -> None:
        # Tasks that name the same glob do not wait for each other: two cleanups after "*" are no cycle.
        patterns = dict.fromkeys([pattern for spec in specs for pattern in spec.after])
        if not patterns and not self.globs:
            return
        newcomers = sorted([(spec.key, task) for task, spec in enumerate(specs, first)])
        for pattern, task in self._globs.matched_by(newcomers):
            self._join(self.globs[pattern], task)
        fresh = [pattern for pattern in patterns if pattern not in self.globs]
        if self._keys is not None:
            self._keys.add(newcomers)
        elif fresh:
            self._keys = Keys((spec.key, task) for task, spec in enumerate(self.specs) if task)
        for pattern in fresh:
            assert self._keys is not None
            gate = self.globs[pattern] = Gate(pattern, order_only=True)
            self._globs.add(pattern)
            for task in self._keys.matching(pattern):
                self._join(gate, task)

    def _join(self, gate: Gate, task: int) -> None:
        """The task's key matches: who comes after that glob waits for it."""
        if gate.label in self.specs[task].after:
            return
        gate.providers = _joined(gate.providers, task)
        self._matching.setdefault(task, []).append(gate)
        if not self.ended[task]:
            if not gate.pending:
                for waiter in gate.any_waiters:
                    self._shut(waiter)
            gate.pending += 1

    def end(self, task: int, provided: bool, skipped: bool) -> tuple[Sequence[int], Sequence[int]]:
        """A task ended. Return (those that need wait no longer, those that now wait in vain).

        `provided`: it kept its promise. `skipped`: it does not apply here. Whoever runs `always` is never
        in vain.
        """
        self.ended[task] = _SKIPPED if skipped and not provided else _ENDED
        provides = self.specs[task].provides
        if not provides and not self._matching:
            return (), ()
        names, unmet = self.names, self.unmet
        freed: list[int] = []
        in_vain: list[int] = []
        for name in provides:
            gate = names[name]
            gate.pending -= 1
            if provided:
                if gate.kept:
                    gate.kept.append(task)
                else:
                    gate.kept = [task]
                    for waiter in gate.any_waiters:
                        unmet[waiter] = left = unmet[waiter] - 1
                        if not left:
                            freed.append(waiter)
            else:
                gate.skipped += skipped
            if not gate.pending and (gate.all_waiters or not gate.kept):
                self._all_have_ended(gate, freed, in_vain)
        if self._matching:
            for gate in self._matching.get(task, ()):
                gate.pending -= 1
                if not gate.pending:
                    for waiter in gate.any_waiters:
                        self._open(waiter, freed)
        return freed, in_vain

    def end_all(self, tasks: Sequence[int], provided: bool, skipped: bool) -> tuple[list[int], list[int]]:
        """The same of several that ended one after the other in the same way."""
        freed: list[int] = []
        in_vain: list[int] = []
        specs, ended, matching = self.specs, self.ended, self._matching
        how = _SKIPPED if skipped and not provided else _ENDED
        for task in tasks:
            if specs[task].provides or matching:
                some_freed, some_in_vain = self.end(task, provided, skipped)
                freed += some_freed
                in_vain += some_in_vain
            else:
                ended[task] = how
        return freed, in_vain

    def _all_have_ended(self, gate: Gate, freed: list[int], in_vain: list[int]) -> None:
        if not gate.kept:
            for waiter in gate.any_waiters:
                self._lose(waiter, gate, freed, in_vain)
        all_kept = gate.all_kept
        for waiter in gate.all_waiters:
            if all_kept:
                self._open(waiter, freed)
            else:
                self._lose(waiter, gate, freed, in_vain)

    def begin_again(self, task: int, *, provided: bool, skipped: bool) -> list[int]:
        """A task that had ended, in the way that `end` was told, has not: return those that now must wait again."""
        self._held_back = {}
        self.ended[task] = 0
        for gate in self[task].provides:
            last = not gate.pending  # whatever the gate is, nobody else can change it
            if gate.order_only:
                if last:
                    for waiter in gate.any_waiters:
                        self._shut(waiter)
                gate.pending += 1
                continue
            if last:
                self._shut_again(gate)
            if gate.kept and gate.kept == [task]:
                for waiter in gate.any_waiters:
                    self._shut(waiter)
            if not provided:
                gate.skipped -= skipped
            elif gate.kept:
                gate.kept.remove(task)
            gate.pending += 1
        return list(self._held_back)

    def _open(self, waiter: int, freed: list[int]) -> None:
        self.unmet[waiter] -= 1
        if not self.unmet[waiter]:
            freed.append(waiter)

    def _lose(self, waiter: int, gate: Gate, freed: list[int], in_vain: list[int]) -> None:
        _count(self.lost, waiter, 1)
        _count(self._lost_to_skips, waiter, gate.is_skipped_away)
        if self.specs[waiter].always:
            self._open(waiter, freed)
        else:
            in_vain.append(waiter)

    def gates(self) -> Iterator[Gate]:
        yield from self.names.values()
        yield from self.globs.values()

    def parents(self, task: int) -> list[int]:
        """Whose `shared` the task gets: the first provider of each required name, every one of `requires_all`."""
        spec, names = self.specs[task], self.names
        parents: list[int] = []
        for name in spec.requires:
            kept = names[name].kept
            if kept:
                parents.append(kept[0])
        for name in spec.requires_all:
            parents += names[name].kept
        return parents

    def lost_gates(self, task: int) -> Iterator[Gate]:
        """The requirements of the task that can never be met."""
        waits = self[task]
        yield from (gate for gate in waits.requires if gate.any_lost)
        yield from (gate for gate in waits.requires_all if gate.all_lost)

    def shut_gates(self, task: int) -> Iterator[Gate]:
        """What the task still waits for: gates that have providers which have not ended."""
        waits = self[task]
        yield from (gate for gate in waits.requires if gate.pending and not gate.kept)
        yield from (gate for gate in waits.requires_all if gate.pending)
        yield from (gate for gate in waits.after if gate.pending)

    def was_skipped_away(self, task: int) -> bool:
        """Whether the task waits in vain for the sole reason that all its possible providers do not apply here."""
        return self._lost_to_skips.get(task, 0) == self.lost.get(task, 0) > 0


def _joined(numbers: Numbers, task: int) -> list[int]:
    if not numbers:
        return [task]
    numbers.append(task)
    return numbers


def _count(counts: dict[int, int], task: int, more: int) -> None:
    """Only who has any is kept."""
    count = counts.get(task, 0) + more
    if count:
        counts[task] = count
    elif more:
        del counts[task]
