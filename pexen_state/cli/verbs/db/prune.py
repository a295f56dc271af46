"""`pexen db prune`: deletes old runs, and their output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from pexen_state.cli.app import App, verb

if TYPE_CHECKING:
    import sqlite3

    from pexen_state.journal.care.choosing import Chosen, Wish
    from pexen_state.journal.care.removal import Left
    from pexen_state.journal.following.pruned import Consumer
    from pexen_state.journal.paths import JournalPaths

_SHOWN = 8


@click.command(short_help="Delete old runs, and their output.")
@click.option("--keep", metavar="N", type=click.IntRange(min=0), help="Not the newest N of each suite.")
@click.option("--older-than", metavar="D", help="Only runs that ended longer ago than that: 30d, 12h.")
@click.option(
    "--max-size", metavar="SIZE", help="Only the oldest, until what all others take is at most that: 2G, 500M."
)
@click.option("--suite", metavar="NAME", help="Only runs of that suite.")
@click.option("--unfinished", is_flag=True, help="Also runs that could be resumed.")
@click.option("-n", "--dry-run", is_flag=True, help="Only say which runs would be deleted.")
@verb
def prune(
    app: App,
    keep: int | None,
    older_than: str | None,
    max_size: str | None,
    suite: str | None,
    unfinished: bool,
    dry_run: bool,
) -> int:
    """Delete old runs, and their output: those that every option fits.

    Unfinished runs stay, unless --unfinished is said. `pexen db vacuum` then gives the space back. What a run takes
    is its output and its share of the rows; what is free in the file counts for nothing.
    """
    import time

    from pexen_state.cli import journals
    from pexen_state.cli.errors import UsageError
    from pexen_state.cli.resolve import looking
    from pexen_state.journal.care.choosing import Wish, choose
    from pexen_state.journal.paths import JournalPaths
    from pexen_state.journal.specs import sql_text
    from pexen_state.journal.uptodate import bring_up_to_date
    from pexen_state.words import bytes_of, seconds_of

    if keep is None and older_than is None and max_size is None and suite is None:
        raise UsageError(
            "say which runs are to go: --keep N, --older-than D, --max-size SIZE, --suite NAME, or several of them"
        )
    try:
        seconds = None if older_than is None else seconds_of(older_than)
    except ValueError as error:
        raise UsageError(f"--older-than: {error}") from None
    try:
        size = None if max_size is None else bytes_of(max_size)
    except ValueError as error:
        raise UsageError(f"--max-size: {error}") from None
    wish = Wish(None if suite is None else sql_text(suite), keep, seconds, unfinished, size)
    with looking(app) as (path, connection):
        now_us = time.time_ns() // 1000
        if dry_run:
            return _tell(app, path, connection, choose(connection, JournalPaths.of(path), wish, now_us), wish)
        # A mistake is told before anybody is waited for; sizes make none, and take long to be found.
        choose(connection, JournalPaths.of(path), wish._replace(max_size=None), now_us)
    if (backup := bring_up_to_date(path)) is not None:
        kept = journals.shown(backup, journals.current_directory())
        app.console.say(f"the journal was of an older pexen, and was upgraded; what it was is in {kept}")
    return _prune(app, path, wish, now_us)


def _tell(app: App, path: str, connection: sqlite3.Connection, chosen: Chosen, wish: Wish) -> int:
    from pexen_state.journal import queries
    from pexen_state.journal.care.orphans import orphans
    from pexen_state.report.runs import runs_table, with_doing
    from pexen_state.report.style import count
    from pexen_state.report.text import safe

    runs, spared, _ = chosen
    write = app.console.out.line
    if runs:
        for line in runs_table(with_doing(connection, path, [queries.run(connection, run) for run in runs])):
            write(line)
    would = (
        f"{count(len(runs), 'run')} would be deleted, with {_their(runs)} output" if runs else "no run would be deleted"
    )
    write(f"{would}; nothing was done{_spared(spared)}")
    _tell_size(app, chosen, wish, "would take")
    left = orphans(connection, path)
    if left:
        write(f"output that no run has any more would be deleted, too: {_some(left)}")
    for consumer in _consumers(app, path, connection, runs):
        if not consumer.has_seen_all:
            write(f"the consumer {safe(consumer.name)} has not seen all of run {consumer.run}")
    return 0


def _prune(app: App, path: str, wish: Wish, now_us: int) -> int:
    from pexen_state.cli.errors import Exit
    from pexen_state.journal.care.choosing import choose
    from pexen_state.journal.care.prune import last_uuid
    from pexen_state.journal.care.prune import prune as prune_journal
    from pexen_state.journal.lock import RunLock
    from pexen_state.journal.reader import reader
    from pexen_state.report.style import count

    with RunLock.acquire(path) as lock:
        with reader(path) as connection:  # anew: until now somebody may have run it
            chosen = choose(connection, lock.paths, wish, now_us)
            runs, spared, _ = chosen
            last = last_uuid(connection, runs)
            consumers = _consumers(app, path, connection, runs)
        if last is not None:
            from pexen_state.sched.pool.strays import kill_strays

            kill_strays(last, lock.paths.slots)  # nobody finds them when the run is forgotten
        done = prune_journal(lock, runs)
        _forget(app, lock.paths, consumers)
    write = app.console.out.line
    if done.runs:
        again = " `pexen db vacuum` gives the space in the journal back."
        write(f"{count(len(runs), 'run')} deleted, with {_their(runs)} output: {_some(runs)}.{again}")
    else:
        write(f"no run was deleted{_spared(spared)}")
    if done.runs and spared:
        write(_spared(spared).removeprefix("; "))
    _tell_size(app, chosen, wish, "takes")
    if done.orphans:
        write(f"output that no run had any more was deleted, too: {_some(done.orphans)}")
    for one in done.left[:_SHOWN]:
        _tell_left(app, one)
    if len(done.left) > _SHOWN:
        app.console.err.line(f"pexen: and {len(done.left) - _SHOWN} more")
    if done.left:
        app.console.err.line("pexen: mend that, and prune again: it removes what is left")
    return Exit.BROKEN if done.left else Exit.DONE


def _consumers(app: App, path: str, connection: sqlite3.Connection, runs: Sequence[int]) -> list[Consumer]:
    """Who follows these runs. If their file is damaged that is said; it keeps nobody from pruning."""
    from pexen_state.journal.following import ConsumerError
    from pexen_state.journal.following.pruned import consumers_of
    from pexen_state.journal.paths import JournalPaths
    from pexen_state.report.text import safe

    try:
        return consumers_of(connection, JournalPaths.of(path), runs)
    except ConsumerError as error:
        app.console.err.line(f"pexen: {safe(str(error))}")
        return []


def _forget(app: App, paths: JournalPaths, consumers: Sequence[Consumer]) -> None:
    from pexen_state.journal.following import ConsumerError
    from pexen_state.journal.following.pruned import forget
    from pexen_state.report.text import safe

    for consumer in consumers:
        if not consumer.has_seen_all:
            app.console.err.line(f"pexen: the consumer {safe(consumer.name)} had not seen all of run {consumer.run}")
    try:
        forget(paths, consumers)
    except ConsumerError as error:
        app.console.err.line(f"pexen: {safe(str(error))}")


def _tell_left(app: App, left: Left) -> None:
    from pexen_state.report.text import safe

    app.console.err.line(f"pexen: {safe(left.path)} cannot be removed: {safe(left.why)}")


def _tell_size(app: App, chosen: Chosen, wish: Wish, takes: str) -> None:
    """What is left, if somebody asked by that; a wish that cannot be met is no secret."""
    from pexen_state.words import amount_text

    if chosen.stays is None or wish.max_size is None:
        return
    sentence = f"what stays {takes} about {amount_text(chosen.stays)}"
    if chosen.stays <= wish.max_size:
        app.console.out.line(sentence)
    else:
        app.console.err.line(f"pexen: {sentence}, more than {amount_text(wish.max_size)}: nothing else may go")


def _their(runs: Sequence[object]) -> str:
    return "its" if len(runs) == 1 else "their"


def _some(names: Sequence[object]) -> str:
    return " ".join(map(str, names[:40])) + (f" and {len(names) - 40} more" if len(names) > 40 else "")


def _spared(spared: Sequence[int]) -> str:
    if not spared:
        return ""
    if len(spared) == 1:
        return f"; run {spared[0]} is unfinished and stays, unless --unfinished is said"
    return f"; runs {_some(spared)} are unfinished and stay, unless --unfinished is said"
