"""Who waits for whom: names that tasks provide and require, and plain order.

A *gate* is one thing that tasks wait for: a provided name, or a glob of keys that must have ended. Gates
count; nothing here walks over all that waits. Every provider passes a gate once, when it ends, so the whole
run costs as many steps as there are requirements and provisions.

Whether a task has to wait follows from the tasks that are there and from those that have ended, in whatever
order both became known: so a plan that is restored with all its tasks at once waits for the same things as the
one that was given them one by one.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from pexen_state.core.spec import Name, TaskSpec

_SPECIAL = re.compile(r"[*?[]")


class Gate:
    """One name (or one glob), its providers, and who waits for it.

    `kept` lists the providers that kept their promise, in the order in which they ended.
    """

    __slots__ = ("all_waiters", "any_waiters", "kept", "label", "order_only", "pending", "providers", "skipped")

    def __init__(self, label: Name, *, order_only: bool = False) -> None:
        self.label = label
        self.order_only = order_only  #: a glob: opens when all have ended, however they ended
        self.providers: list[int] = []  #: all of them, for a glob those whose keys match
        self.pending = 0  #: providers that have not ended
        self.skipped = 0  #: providers that ended because they do not apply here
        self.kept: list[int] = []
        self.any_waiters: list[int] = []  #: want one provider
        self.all_waiters: list[int] = []  #: want every provider

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


class Waits:
    """What one task still waits for."""

    __slots__ = ("after", "lost", "lost_to_skips", "provides", "requires", "requires_all", "unmet")

    def __init__(self) -> None:
        self.requires: tuple[Gate, ...] = ()
        self.requires_all: tuple[Gate, ...] = ()
        self.after: tuple[Gate, ...] = ()
        self.provides: tuple[Gate, ...] = ()  #: gates that it passes when it ends, globs included
        self.unmet = 0  #: gates that are not open yet; 0 means that it may run
        self.lost = 0  #: required gates that can never open
        self.lost_to_skips = 0  #: of these, those whose providers do not apply here


class Deps:
    """All gates of a plan. Tasks are known by their numbers."""

    def __init__(self) -> None:
        self.names: dict[Name, Gate] = {}
        self.globs: dict[str, Gate] = {}
        self._waits: dict[int, Waits] = {}
        self._always: set[int] = set()
        self._keys: dict[int, str] = {}
        self._ended: set[int] = set()
        self._held_back: dict[int, None] = {}  # of the tasks being added: who must wait again

    def __getitem__(self, task: int) -> Waits:
        return self._waits[task]

    def add(self, first: int, specs: Iterable[TaskSpec]) -> tuple[list[int], list[int]]:
        """Register tasks numbered from `first`. Return (those that need not wait, older ones that now must again).

        A name that was lost can be provided again by a task that is added later; who wants every provider of
        a name, or comes after all tasks that match, waits for the new ones, too.
        """
        self._held_back = {}
        added: list[tuple[int, TaskSpec, Waits]] = []
        for task, spec in enumerate(specs, first):
            waits = self._waits[task] = Waits()
            self._keys[task] = spec.key
            if spec.always:
                self._always.add(task)
            if spec.provides:
                waits.provides = tuple([self._provide(name, task) for name in spec.provides])
            added.append((task, spec, waits))
        self._match_globs(added)
        for task, spec, waits in added:
            self._require(task, spec, waits)
        return [task for task, _, waits in added if not waits.unmet], list(self._held_back)

    def _provide(self, name: Name, task: int) -> Gate:
        gate = self._named(name)
        if not gate.pending and (gate.any_waiters or gate.all_waiters):
            if not gate.kept:
                for waiter in gate.any_waiters:
                    self._regain(waiter, gate)
            all_kept = gate.all_kept
            for waiter in gate.all_waiters:
                if all_kept:
                    self._shut(waiter)
                else:
                    self._regain(waiter, gate)
        gate.providers.append(task)
        gate.pending += 1
        return gate

    def _shut(self, waiter: int) -> None:
        waits = self._waits[waiter]
        if not waits.unmet:
            self._held_back[waiter] = None
        waits.unmet += 1

    def _regain(self, waiter: int, gate: Gate) -> None:
        waits = self._waits[waiter]
        waits.lost -= 1
        waits.lost_to_skips -= gate.is_skipped_away
        if waiter in self._always:
            self._shut(waiter)

    def _require(self, task: int, spec: TaskSpec, waits: Waits) -> None:
        always = spec.always
        if spec.requires:
            waits.requires = tuple([self._named(name) for name in spec.requires])
            for gate in waits.requires:
                gate.any_waiters.append(task)  # even if it is open: a provider may be sent back
                if not gate.kept:
                    if gate.pending:
                        waits.unmet += 1
                    else:
                        waits.lost += 1
                        waits.lost_to_skips += gate.is_skipped_away
                        waits.unmet += not always
        if spec.requires_all:
            waits.requires_all = tuple([self._named(name) for name in spec.requires_all])
            for gate in waits.requires_all:
                gate.all_waiters.append(task)
                if gate.pending:
                    waits.unmet += 1
                elif not gate.all_kept:
                    waits.lost += 1
                    waits.lost_to_skips += gate.is_skipped_away
                    waits.unmet += not always
        for gate in waits.after:
            gate.any_waiters.append(task)
            if gate.pending:
                waits.unmet += 1

    def _named(self, name: Name) -> Gate:
        gate = self.names.get(name)
        if gate is None:
            gate = self.names[name] = Gate(name)
        return gate

    def _match_globs(self, added: list[tuple[int, TaskSpec, Waits]]) -> None:
        # Tasks that name the same glob do not wait for each other: two cleanups after "*" are no cycle.
        patterns = dict.fromkeys(pattern for _, spec, _ in added for pattern in spec.after)
        fresh = [pattern for pattern in patterns if pattern not in self.globs]
        if not patterns and not self.globs:
            return
        own = {task: set(spec.after) for task, spec, _ in added if spec.after}
        newcomers = sorted((spec.key, task) for task, spec, _ in added)
        for pattern in self.globs:
            self._join(pattern, newcomers, own)
        for pattern in fresh:
            self.globs[pattern] = Gate(pattern, order_only=True)
        if fresh:
            everybody = sorted((key, task) for task, key in self._keys.items())
            for pattern in fresh:
                self._join(pattern, everybody, own)
        for _, spec, waits in added:
            if spec.after:
                waits.after = tuple([self.globs[pattern] for pattern in spec.after])

    def _join(self, pattern: str, candidates: list[tuple[str, int]], own: dict[int, set[str]]) -> None:
        gate = self.globs[pattern]
        for task in _matching(candidates, pattern):
            if pattern in own.get(task, ()):
                continue
            gate.providers.append(task)
            self._waits[task].provides += (gate,)
            if task not in self._ended:
                if not gate.pending:
                    for waiter in gate.any_waiters:
                        self._shut(waiter)
                gate.pending += 1

    def end(self, task: int, *, provided: bool, skipped: bool) -> tuple[list[int], list[int]]:
        """A task ended. Return (those that need wait no longer, those that now wait in vain).

        `provided`: it kept its promise. `skipped`: it does not apply here. Whoever runs `always` is never
        in vain.
        """
        freed: list[int] = []
        in_vain: list[int] = []
        self._ended.add(task)
        for gate in self._waits[task].provides:
            gate.pending -= 1
            if gate.order_only:
                if not gate.pending:
                    for waiter in gate.any_waiters:
                        self._open(waiter, freed)
                continue
            if provided:
                gate.kept.append(task)
                if len(gate.kept) == 1:
                    for waiter in gate.any_waiters:
                        self._open(waiter, freed)
            else:
                gate.skipped += skipped
            if not gate.pending:
                if not gate.kept:
                    for waiter in gate.any_waiters:
                        self._lose(waiter, gate, freed, in_vain)
                all_kept = gate.all_kept
                for waiter in gate.all_waiters:
                    if all_kept:
                        self._open(waiter, freed)
                    else:
                        self._lose(waiter, gate, freed, in_vain)
        return freed, in_vain

    def begin_again(self, task: int, *, provided: bool, skipped: bool) -> list[int]:
        """A task that had ended, in the way that `end` was told, has not: return those that now must wait again."""
        self._held_back = {}
        self._ended.discard(task)
        for gate in self._waits[task].provides:
            last = not gate.pending  # whatever the gate is, nobody else can change it
            if gate.order_only:
                if last:
                    for waiter in gate.any_waiters:
                        self._shut(waiter)
                gate.pending += 1
                continue
            if not gate.kept:
                if last:
                    for waiter in gate.any_waiters:
                        self._regain(waiter, gate)
            elif gate.kept == [task]:
                for waiter in gate.any_waiters:
                    self._shut(waiter)
            if last:
                all_kept = gate.all_kept
                for waiter in gate.all_waiters:
                    if all_kept:
                        self._shut(waiter)
                    else:
                        self._regain(waiter, gate)
            if provided:
                gate.kept.remove(task)
            else:
                gate.skipped -= skipped
            gate.pending += 1
        return list(self._held_back)

    def _open(self, waiter: int, freed: list[int]) -> None:
        waits = self._waits[waiter]
        waits.unmet -= 1
        if not waits.unmet:
            freed.append(waiter)

    def _lose(self, waiter: int, gate: Gate, freed: list[int], in_vain: list[int]) -> None:
        waits = self._waits[waiter]
        waits.lost += 1
        waits.lost_to_skips += gate.is_skipped_away
        if waiter in self._always:
            self._open(waiter, freed)
        else:
            in_vain.append(waiter)

    def gates(self) -> Iterator[Gate]:
        yield from self.names.values()
        yield from self.globs.values()

    def parents(self, task: int) -> list[int]:
        """Whose `shared` the task gets: the first provider of each required name, every one of `requires_all`."""
        waits = self._waits[task]
        parents = [gate.kept[0] for gate in waits.requires if gate.kept]
        for gate in waits.requires_all:
            parents.extend(gate.kept)
        return parents

    def lost_gates(self, task: int) -> Iterator[Gate]:
        """The requirements of the task that can never be met."""
        waits = self._waits[task]
        yield from (gate for gate in waits.requires if gate.any_lost)
        yield from (gate for gate in waits.requires_all if gate.all_lost)

    def shut_gates(self, task: int) -> Iterator[Gate]:
        """What the task still waits for: gates that have providers which have not ended."""
        waits = self._waits[task]
        yield from (gate for gate in waits.requires if gate.pending and not gate.kept)
        yield from (gate for gate in waits.requires_all if gate.pending)
        yield from (gate for gate in waits.after if gate.pending)

    def was_skipped_away(self, task: int) -> bool:
        """Whether the task waits in vain for the sole reason that all its possible providers do not apply here."""
        waits = self._waits[task]
        return waits.lost == waits.lost_to_skips > 0


def _matching(candidates: list[tuple[str, int]], pattern: str) -> Iterator[int]:
    """Those of the sorted (key, task) whose keys match the glob. What stands before its first special character
    is looked up, so that many exact names cost no more than a few globs.
    """
    special = _SPECIAL.search(pattern)
    prefix = pattern[: special.start()] if special else pattern
    for at in range(bisect_left(candidates, (prefix,)), len(candidates)):
        key, task = candidates[at]
        if not key.startswith(prefix):
            return
        if fnmatchcase(key, pattern) if special else key == pattern:
            yield task
