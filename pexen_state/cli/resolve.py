"""Which RUN and which TASK is meant.

An integer, `latest`, `latest-1` or a run's name is a RUN, everything else a TASK; `-r RUN` forces. Left out, RUN is
`latest`. TASK may be any tail of a key that only one task has. A name that holds what no terminal shows may be typed
as it was shown.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from pexen_state.cli import journals
from pexen_state.cli.app import App
from pexen_state.cli.errors import UsageError
from pexen_state.journal import queries
from pexen_state.journal.reader import reader
from pexen_state.report.text import safe


def sql_text(word: str) -> str:
    """A word as the journal's columns have it."""
    if word.isascii():
        return word
    from pexen_state.journal.specs import sql_text  # takes longer to load than most words are worth

    return sql_text(word)


class Looked(NamedTuple):
    """A journal that is open for looking."""

    path: str
    connection: sqlite3.Connection


class Which(NamedTuple):
    run: int
    task: str | None  #: its key, as the journal has it


@contextmanager
def looking(app: App) -> Iterator[Looked]:
    """The journal that the command is about, for as long as it takes to fetch. Raises a JournalError."""
    path = journals.existing(app.journal)
    with reader(path) as connection:
        yield Looked(path, connection)


def which(connection: sqlite3.Connection, words: Sequence[str], forced: str | None, whole_parts: bool = False) -> Which:
    """What `[RUN] [TASK]` means. `whole_parts`: of a key, not any tail. Raises NotFound and UsageError."""
    words = [sql_text(word) for word in words]
    if forced is not None:
        run = queries.run_id(connection, sql_text(forced))
    elif len(words) > 1 or (words and is_run(connection, words[0])):
        run, words = queries.run_id(connection, words[0]), words[1:]
    else:
        run = queries.run_id(connection)
    if len(words) > 1:
        raise UsageError(f"only one TASK can be named; {safe(words[1])!r} is one too many")
    return Which(run, task_key(connection, run, words[0], whole_parts) if words else None)


def which_run(connection: sqlite3.Connection, word: str | None, forced: str | None) -> int:
    """What `[RUN]` means where no TASK can stand. Raises NotFound and UsageError."""
    if word is not None and forced is not None:
        raise UsageError(f"two runs are named: {safe(word)} and {safe(forced)}")
    said = forced if forced is not None else word
    return queries.run_id(connection) if said is None else queries.run_id(connection, sql_text(said))


def is_run(connection: sqlite3.Connection, word: str) -> bool:
    """Whether a word is a RUN: by its looks, or because a run has that name."""
    return queries.is_run(word) or any(word == name for (name,) in connection.execute(queries.NAMES))


def task_key(connection: sqlite3.Connection, run: int, word: str, whole_parts: bool = False) -> str:
    """The key of a TASK. Raises NotFound."""
    try:
        return queries.task_key(connection, run, word, whole_parts)
    except queries.NotFound:
        keys = [str(key) for (key,) in connection.execute(queries.KEYS, (run,))]
        shown = [key for key in keys if safe(key) == word] or [key for key in keys if safe(key).endswith(f"/{word}")]
        if len(shown) == 1:
            return shown[0]
        raise
