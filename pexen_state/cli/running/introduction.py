"""What a session says before anything runs: the header with the defaults in force, and what was before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pexen_state import __version__
from pexen_state.cli import journals
from pexen_state.cli.output import Console
from pexen_state.cli.suite.left import HowLeft
from pexen_state.cli.suite.selection import Selection
from pexen_state.journal.records import HowEnded
from pexen_state.report.display import Header, Past
from pexen_state.report.style import count
from pexen_state.report.text import safe
from pexen_state.suite.targets import Suite

if TYPE_CHECKING:
    from pexen_state.cli.running.options import Terms
    from pexen_state.core.plan import Plan
    from pexen_state.sched.common import Opened

_NAMED = 8


def header(opened: Opened, terms: Terms, journal: str, sentences: Iterable[str]) -> Header:
    return Header(
        __version__,
        opened.run_id,
        opened.name,
        opened.tasks,
        terms.workers_in_words(),
        terms.limits_in_words(),
        journal,
        tuple(sentences),
    )


def before(
    opened: Opened,
    how_left: HowLeft | None,
    selection: Selection,
    settings_file: str | None,
    here: str,
    passed_in: int | None = None,
) -> Iterator[str]:
    """The sentences below the header."""
    if settings_file is not None:
        yield f"settings: {journals.shown(settings_file, here)}"
    if (selected := selection.in_words()) is not None:
        yield f"{selected}."
    if passed_in is not None:
        yield f"what passed in run {passed_in}, and is what it was then, is skipped."
    if how_left is not None:
        yield how_left.sentence
        crashed = how_left.ended is HowEnded.CRASHED
        yield f"  {what_is_left(opened)}{_suspicion(opened) if crashed else ''}"
    if opened.changed_facts:
        said = ", ".join(f"{name} was {_fact(was)} and is {_fact(now)}" for name, was, now in opened.changed_facts)
        yield f"  the box is another than when the run began: {safe(said)}."


def _fact(value: object) -> str:
    return "not known" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def beside(opened: Opened, journal: str, command: str) -> Iterator[str]:
    """What becomes of the unfinished runs of the suite when a new one begins."""
    if opened.resumed:
        return
    from pexen_state.cli.suite import earlier

    ended, stay = earlier.beside(journal, opened.run_id)
    if len(ended) == 1:
        yield f"run {ended[0]} of this suite was unfinished; it is superseded, and will not be resumed."
    elif ended:
        yield f"runs {_and(ended)} of this suite were unfinished; they are superseded, and will not be resumed."
    if len(stay) == 1:
        yield f"run {stay[0]} of this suite is unfinished, and stays so: `{command} resume {stay[0]}` goes on with it."
    elif stay:
        yield f"runs {_and(stay)} of this suite are unfinished, and stay so: `{command} resume RUN` goes on with one."


def _and(runs: Sequence[int]) -> str:
    *most, last = map(str, runs)
    return f"{', '.join(most)} and {last}"


def what_is_left(opened: Opened) -> str:
    """`121 finished results kept, 90 left, 3 were running: net/a net/b storage/c.`"""
    running = len(opened.in_flight)
    left = opened.tasks - opened.finished - running
    said = f"{count(opened.finished, 'finished result')} kept, {left} left"
    if not running:
        return f"{said}."
    were = ("was" if running == 1 else "were") if opened.had_begun else "may have been"
    return f"{said}, {running} {were} running: {some(opened.in_flight)}."


def _suspicion(opened: Opened) -> str:
    """What a crash of the box means to the tasks that ran."""
    running = len(opened.in_flight)
    if running == 1:
        return " It was alone, so the crash counts against it."
    first = f" The kernel's last words name {some(opened.named)}." if opened.named else ""
    return f" They go first, one at a time, to find the culprit.{first}" if running else ""


def some(keys: Iterable[str]) -> str:
    """The first of them."""
    named = list(keys)
    return " ".join(map(safe, named[:_NAMED])) + (" ..." if len(named) > _NAMED else "")


def who_awaits_a_reboot(plan: Plan) -> str | None:
    """A sentence, if nothing is left to run before the box is rebooted, and nobody may do that."""
    if not plan.awaits_reboot:
        return None
    keys = [plan.tasks[number].spec.key for number in sorted(plan.awaiting)]
    ask = "asks" if len(keys) == 1 else "ask"
    return (
        f"{some(keys)} {ask} for a reboot, and the rest has run. Reboot the box, then `pexen resume`; or let it be "
        "done: `pexen resume --allow-reboot --resume-by-hand`."
    )


def targets_in_words(suite: Suite) -> str:
    """For people who ask the journal; what a resume needs is among the options."""
    return " ".join(safe(target.what) for target in suite.targets)


def why_no_tasks(suite: Suite) -> str:
    named = targets_in_words(suite)
    if suite.catalogue:
        return f"no task was found in {named} but for {len(suite.catalogue)} that run if another one requires them."
    hints = {
        "fs": "no executable file is there (chmod +x makes one)",
        "cmds": "there is no command in it",
        "py": "no callable is marked by @pexen_state.task or func_meta",
    }
    kinds = {target.kind for target in suite.targets}
    return f"no task was found in {named}: {'; '.join(hints[kind] for kind in hints if kind in kinds)}."


def typical_of(journal: str, suite: str) -> Mapping[str, float] | None:
    """How many seconds tasks usually take, by key. A convenience: what goes wrong here goes unsaid, and is None."""
    from pexen_state.journal.asking.durations import typical_seconds
    from pexen_state.journal.errors import JournalError
    from pexen_state.journal.reader import reader

    try:
        with reader(journal) as connection:
            return typical_seconds(connection, suite)
    except JournalError:
        return None


def with_rounds(typical: Mapping[str, float], keys: Iterable[str]) -> Mapping[str, float]:
    """A task takes as long in any round."""
    from pexen_state.sched.repeat import without_round

    rounds = {key: typical[name] for key in keys if (name := without_round(key)) in typical}
    return {**rounds, **typical}


def past_of(typical: Mapping[str, float] | None, keys: Iterable[str], workers: int) -> Past:
    if typical is None:
        return Past(workers=workers)
    named = list(keys)
    return Past(with_rounds(typical, named), named, workers)


def say_who_is_waited_for(journal: str, console: Console) -> None:
    from pexen_state.journal.lock import holder_of

    holder = holder_of(journal)
    if holder is not None:
        console.say(f"pexen: waiting for the journal, which the process {holder.runner.pid} holds.")
