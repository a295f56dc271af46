"""Which tasks of a suite a run has: those that are meant, what they require, and what the catalogue gives for that.

Expressions, and what an earlier run left failed or undone, choose; what is chosen is closed over what it requires; of
that, a shard has a part; what is missing then is taken from the catalogue; and what was chosen may be repeated.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from pexen_state.cli.errors import NothingToDo, UsageError
from pexen_state.cli.suite.keyword import compile_keyword, compile_tags
from pexen_state.core.candidates import Explaining
from pexen_state.core.catalogue import Applies, Entry, complete, everything_applies, without_missing
from pexen_state.core.listing import listed
from pexen_state.core.shards import shards
from pexen_state.core.spec import TaskSpec
from pexen_state.core.states import Verdict
from pexen_state.report.style import count
from pexen_state.report.text import safe
from pexen_state.sched.catalogue import entry_of, is_on_demand
from pexen_state.sched.identity import key_of
from pexen_state.sched.meta import Task, read_meta
from pexen_state.sched.repeat import repeated, without_round
from pexen_state.sched.specs import Defaults, spec_of
from pexen_state.util import PexenWarning

#: Verdicts of tasks that ended badly.
BAD = frozenset(verdict for verdict in Verdict if verdict.is_bad)

#: Of tasks that never ran, or were never done with.
UNDONE = frozenset({Verdict.NONE, Verdict.NOT_RUN})


class Wishes(NamedTuple):
    """What somebody typed about which tasks a run is to have. Of the names of options, so that they can be recorded."""

    keyword: str | None = None
    tags: Sequence[str] = ()  #: any of these expressions
    no_deps: bool = False
    shard: str | None = None  #: I/N
    repeat: int = 1

    @classmethod
    def of(cls, options: Any) -> Wishes:
        """Of `running.options.Options`."""
        return cls(options.keyword, options.tags or (), bool(options.no_deps), options.shard, options.repeat or 1)


NO_WISHES = Wishes()


class Selection(NamedTuple):
    """Some tasks of a suite, in the suite's order; after them those of its catalogue that were taken."""

    tasks: tuple[Task, ...]
    total: int  #: of the suite, those on demand apart
    how: str = ""  #: in words: what chose them; empty if nothing did now
    required: frozenset[str] = frozenset()  #: keys of those that were not chosen, but are required
    on_demand: frozenset[str] = frozenset()  #: of these, keys of those from the catalogue
    left_out: int = 0  #: of the suite's
    no_deps: bool = False
    rounds: int = 1
    explaining: Explaining | None = None  #: who could have been taken from the catalogue; None: nobody

    @property
    def is_whole(self) -> bool:
        return not self.left_out

    def in_words(self) -> str | None:
        """`12 of 214 tasks: -k net, and 3 more that they require`; None if all of them were meant."""
        chosen = self.total - self.left_out - len(self.required - self.on_demand)
        more = f", and {len(self.required)} more that they require" if self.required else ""
        if self.on_demand:
            more += f" (on demand: {listed(sorted(map(safe, self.on_demand)))})"
        if self.rounds > 1:
            more += f"; {self.rounds} rounds"
        if not self.how:
            return f"{count(self.total, 'task')}{more}" if more else None
        return f"{chosen} of {count(self.total, 'task')}: {self.how}{more}"

    @property
    def ordinary(self) -> list[Task]:
        return [task for task in self.tasks if key_of(task) not in self.on_demand]

    @property
    def taken(self) -> list[Task]:
        """From the catalogue."""
        return [task for task in self.tasks if key_of(task) in self.on_demand]

    @property
    def chosen(self) -> frozenset[str]:
        """Keys of tasks that are on demand and run: for a scheduler, which need not choose any more."""
        return self.on_demand | {key_of(task) for task in self.tasks if is_on_demand(task)}

    def specs(self, defaults: Defaults | None = None) -> list[TaskSpec]:
        specs = [spec_of(task, key_of(task), defaults) for task in self.tasks]
        return without_missing(specs) if self.no_deps else specs


class Left(NamedTuple):
    """What an earlier run left: its verdicts by key."""

    run: int
    verdicts: Mapping[str, Verdict]
    adders: Mapping[str, str] = {}  #: of tasks that others have added: who adds them again

    def wanted(self, failed: bool, not_run: bool) -> frozenset[str]:
        """Keys of the tasks that ended badly, of those that were not done, or of both; of all if neither is meant.

        For a task that another one has added that one stands. Raises NothingToDo if there is none.
        """
        if not failed and not not_run:
            return frozenset(self.verdicts).difference(self.adders)
        verdicts = (BAD if failed else frozenset()) | (UNDONE if not_run else frozenset())
        keys = frozenset(key for key, verdict in self.verdicts.items() if verdict in verdicts)
        if not keys:
            nothing = [words for is_meant, words in ((failed, "failed"), (not_run, "was left undone")) if is_meant]
            raise NothingToDo(f"nothing {' or '.join(nothing)} in run {self.run}.")
        return self._in_suite(keys)

    def undone(self) -> frozenset[str]:
        """Keys of the tasks that were not done."""
        return self._in_suite(key for key, verdict in self.verdicts.items() if verdict in UNDONE)

    def _in_suite(self, keys: Iterable[str]) -> frozenset[str]:
        return frozenset(self.adders.get(key, key) for key in keys)

    def how(self, failed: bool, not_run: bool) -> str:
        """The same in words, for a header."""
        meant = [words for is_meant, words in ((failed, "failed"), (not_run, "not run")) if is_meant]
        return f"{' or '.join(meant)} in run {self.run}" if meant else f"those of run {self.run}"


class Failing(NamedTuple):
    """Tasks that failed when they last ran."""

    keys: frozenset[str]
    failed_in: tuple[int, ...]  #: the runs in which they did, the oldest first
    looked_at: tuple[int, ...]


def picked(failing: Failing | None, left: Left | None) -> tuple[frozenset[str], str]:
    """Keys of what failed last, of what the newest run left undone, or of both; and that in words.

    Raises NothingToDo if there is none.
    """
    if failing is None:
        assert left is not None
        return left.wanted(failed=False, not_run=True), left.how(failed=False, not_run=True)
    undone = left.undone() if left is not None else frozenset()
    if not failing.keys and not undone:
        looked = _in_runs(failing.looked_at)
        nothing = "nothing failed" if len(failing.looked_at) == 1 else "no task failed when it last ran,"
        more = f", and nothing was left undone in run {left.run}" if left is not None else ""
        raise NothingToDo(f"{nothing} {looked}{more}.")
    if left is None:
        return failing.keys, f"failed {_in_runs(failing.failed_in)}"
    if failing.failed_in in ((), (left.run,)):
        return failing.keys | undone, left.how(failed=True, not_run=True)
    return failing.keys | undone, f"failed {_in_runs(failing.failed_in)}, or not run in run {left.run}"


def _in_runs(runs: Sequence[int]) -> str:
    """`in run 7`, `in runs 3 and 7`, `in 12 runs from 3 to 17`."""
    if len(runs) > 2:
        return f"in {len(runs)} runs from {runs[0]} to {runs[-1]}"
    return f"in run{'s' if len(runs) > 1 else ''} {' and '.join(map(str, runs))}"


def select(
    tasks: Sequence[Task],
    wishes: Wishes = NO_WISHES,
    keys: Collection[str] | None = None,
    how: Iterable[str] = (),
    catalogue: Sequence[Task] = (),
    applies: Applies = everything_applies,
) -> Selection:
    """The tasks that are meant and whose keys are among `keys`, with what they require.

    `how` says in words where `keys` come from. Raises NothingToDo if there is none, and UsageError.
    """
    words = list(how)
    if keys is None and wishes == NO_WISHES and not catalogue:
        return Selection(tuple(tasks), len(tasks))
    entries = _entries(tasks, catalogue)
    chosen = list(range(len(tasks)))
    if keys is not None:
        chosen = _among(entries, keys, words)
    if wishes.keyword is not None or wishes.tags:
        chosen = _meant(tasks, catalogue, entries, chosen, wishes, words)
    found = _closed(entries, chosen, wishes.no_deps, applies)
    if wishes.no_deps:
        words.append("--no-deps")
    if wishes.shard is not None:
        part = _part(entries, [place for place in found if not entries[place].on_demand], wishes.shard)
        words.append(f"--shard {wishes.shard}")
        if not part:
            raise NothingToDo(
                f"nothing is selected: shard {wishes.shard} is empty. What depends on each other stays together, and "
                f"{count(len(found), 'task')} do not make so many parts."
            )
        chosen = [place for place in chosen if place in part]
        found = _closed(entries, sorted(part), wishes.no_deps, applies)
    everybody = [*tasks, *catalogue]
    selected = [everybody[place] for place in found]
    meant = {entries[place].spec.key for place in chosen}
    if wishes.repeat > 1:
        selected = repeated(selected, wishes.repeat, meant)
    return Selection(
        tuple(selected),
        len(tasks),
        ", ".join(words),
        frozenset(entries[place].spec.key for place in found) - meant,
        frozenset(entries[place].spec.key for place in found if entries[place].on_demand and place not in chosen),
        len(tasks) - sum(place < len(tasks) for place in found),
        wishes.no_deps,
        wishes.repeat,
        Explaining(entries, found, applies) if catalogue else None,
    )


def _entries(tasks: Sequence[Task], catalogue: Sequence[Task]) -> list[Entry]:
    """Who is among `tasks` is ordinary, whatever he says."""
    entries = [entry_of(task, spec_of(task, key_of(task)))._replace(on_demand=False) for task in tasks]
    return entries + [entry_of(task, spec_of(task, key_of(task)), from_catalogue=True) for task in catalogue]


def _among(entries: Sequence[Entry], keys: Collection[str], words: Sequence[str]) -> list[int]:
    """Places of the tasks of these keys, which may be those of rounds. Warns of those that are gone."""
    there = {entry.spec.key for entry in entries}
    wanted = {key if key in there else without_round(key) for key in keys}
    chosen = [place for place, entry in enumerate(entries) if entry.spec.key in wanted]
    if not chosen:
        raise NothingToDo(f"{', '.join(words)}: none of these tasks is in the suite any more.")
    _warn_of_gone(sorted(wanted - there))
    return chosen


def _meant(
    tasks: Sequence[Task],
    catalogue: Sequence[Task],
    entries: Sequence[Entry],
    chosen: list[int],
    wishes: Wishes,
    words: list[str],
) -> list[int]:
    """Of these places those that the expressions mean."""
    among = len(chosen)
    said = []
    if wishes.keyword is not None:
        matches = compile_keyword(wishes.keyword)
        said.append(f"-k {safe(wishes.keyword)}")
        chosen = [place for place in chosen if matches(entries[place].spec.key)]
    if wishes.tags:
        fits = compile_tags(wishes.tags)
        said += [f"-t {safe(expression)}" for expression in wishes.tags]
        everybody = [*tasks, *catalogue]
        chosen = [place for place in chosen if fits(read_meta(everybody[place]).value("tags"))]
    if not chosen:
        aside = ""
        if on_demand := _fresh(catalogue, entries[len(tasks) :], (), wishes):
            keys = [safe(entries[len(tasks) + place].spec.key) for place in on_demand]
            aside = f" {listed(keys)} would, but run on demand: if they are required, or are a target of their own."
        raise NothingToDo(f"nothing is selected: {', '.join(said)} matches none of {count(among, 'task')}.{aside}")
    words += said
    return chosen


def _closed(entries: Sequence[Entry], chosen: Sequence[int], no_deps: bool, applies: Applies) -> tuple[int, ...]:
    return tuple(sorted(chosen)) if no_deps else complete(entries, chosen, applies).places


def shard_of(said: str) -> tuple[int, int]:
    """(which one, of how many), from 1. Raises UsageError."""
    part, slash, parts = said.partition("/")
    if slash and all(one.isascii() and one.isdecimal() and len(one) < 7 for one in (part, parts)):
        which, of = int(part), int(parts)
        if 0 < which <= of:
            return which, of
    raise UsageError(f"--shard: {safe(said)!r} is no part of a suite: write 1/3, 2/3 and 3/3 for the parts of three")


def _part(entries: Sequence[Entry], places: Sequence[int], shard: str) -> set[int]:
    which, of = shard_of(shard)
    return {places[at] for at in shards([entries[place].spec for place in places], of)[which - 1]}


@contextmanager
def told_why(selection: Selection) -> Iterator[None]:
    """Errors about a name that is missing say why nobody of the catalogue fills it."""
    from pexen_state.sched.common import DepcheckError

    try:
        yield
    except DepcheckError as error:
        if selection.explaining is not None:
            more = [f"  {one}." for name in error.remain for one in selection.explaining.why_nobody(name)]
            error.args = ("\n".join([str(error), *more]),)
        raise


def _warn_of_gone(gone: Sequence[str]) -> None:
    if gone:
        some = ", ".join(gone[:5]) + (f" and {len(gone) - 5} more" if len(gone) > 5 else "")
        warnings.warn(
            f"{count(len(gone), 'task')} of that run {'is' if len(gone) == 1 else 'are'} no longer in the suite, and "
            f"will not run: {some}",
            PexenWarning,
            stacklevel=3,
        )


def going_on_with(
    tasks: Sequence[Task],
    catalogue: Sequence[Task],
    known: Collection[str],
    wishes: Wishes = NO_WISHES,
    may_join: bool = True,
    applies: Applies = everything_applies,
) -> Selection | None:
    """The tasks of a run that goes on: those that it has (`known` keys), and those that join it; None if it has none.

    New tasks join that are meant as the others were, with what they require. Who was left out stays out.
    """
    entries = _entries(tasks, catalogue)
    rounds = {without_round(key) for key in known}
    in_rounds = wishes.repeat > 1
    has = [
        place
        for place, entry in enumerate(entries)
        if entry.spec.key in known or (in_rounds and entry.spec.key in rounds)
    ]
    if not has:
        return None
    joined: list[int] = []
    if may_join:
        joined = _joined(tasks, entries, set(has), wishes, applies)
    found = sorted({*has, *joined})
    everybody = [*tasks, *catalogue]
    selected = [everybody[place] for place in found]
    if in_rounds:
        again = {entries[place].spec.key for place in has if entries[place].spec.key not in known}
        fresh = {entries[place].spec.key for place in _fresh(tasks, entries, set(has), wishes)}
        selected = repeated(selected, wishes.repeat, again | fresh)
    return Selection(
        tuple(selected),
        len(tasks),
        on_demand=frozenset(entries[place].spec.key for place in found if entries[place].on_demand),
        left_out=len(tasks) - sum(place < len(tasks) for place in found),
        no_deps=wishes.no_deps,
        explaining=Explaining(entries, found, applies) if catalogue else None,
    )


def _fresh(tasks: Sequence[Task], entries: Sequence[Entry], has: Collection[int], wishes: Wishes) -> list[int]:
    """Ordinary tasks that the run does not have, and that are meant."""
    matches = compile_keyword(wishes.keyword) if wishes.keyword is not None else None
    fits = compile_tags(wishes.tags) if wishes.tags else None
    return [
        place
        for place, task in enumerate(tasks)
        if place not in has
        and (matches is None or matches(entries[place].spec.key))
        and (fits is None or fits(read_meta(task).value("tags")))
    ]


def _joined(
    tasks: Sequence[Task], entries: Sequence[Entry], has: Collection[int], wishes: Wishes, applies: Applies
) -> list[int]:
    fresh = _fresh(tasks, entries, has, wishes)
    if wishes.shard is not None and fresh:
        everybody = _closed(entries, [*has, *fresh], wishes.no_deps, applies)
        part = _part(entries, [place for place in everybody if not entries[place].on_demand], wishes.shard)
        fresh = [place for place in fresh if place in part]
    if not fresh or wishes.no_deps:
        return fresh
    # Who is there already does for what they require; the run's own choices stand.
    return [place for place in _closed(entries, [*has, *fresh], False, applies) if place not in has]
