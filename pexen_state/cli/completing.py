"""What the shell offers after the Tab key: verbs, options, services, and from the journal runs, tasks and locks.

What a parameter takes is read from its metavar, the word that its help shows: RUN, TASK, LOCK, TARGET, FILE. So no
verb needs to know of completion. A name is offered only if it may stand on a command line as it is: names come from
tasks, which may be called `$(rm -rf ~)`. Whatever goes wrong here, nothing is offered and nothing is said.
"""

from __future__ import annotations

import re
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

from pexen_state.box.facts import MEANING
from pexen_state.cli.main import VERBS, Verbs, pexen

SHELLS = ("bash", "zsh", "fish")

_PROGRAM = "pexen"
_VARIABLE = "_PEXEN_COMPLETE"  #: by which a shell asks; `main` looks for it
_RUNS = 50
_TASKS = 400

# No shell gives any of these a meaning, and none splits a word at them.
_PLAIN = re.compile(r"[\w./@%+,-]+")


def script(shell: str) -> str:
    """What a shell has to read once, to ask us from then on."""
    made = _completion(shell)
    return made.source_template % made.source_vars()


def complete(asked: str) -> int:
    """Answer a shell; `asked` is `bash_complete` and the like. Returns an exit code."""
    shell, _, _ = asked.partition("_")
    try:
        answer = _completion(shell).complete()
    except (Exception, SystemExit):  # noqa: BLE001 - a message would end up in the middle of somebody's line
        return 1
    sys.stdout.write(f"{answer}\n")
    return 0


def _completion(shell: str) -> ShellComplete:
    found = get_completion_class(shell)
    if found is None or shell not in SHELLS:
        raise ValueError(shell)
    group = _Group(_PROGRAM, params=pexen.params, context_settings=pexen.context_settings)
    _teach(group)  # the options that may stand before the verb
    return found(group, {}, _PROGRAM, _VARIABLE)


class _Group(Verbs):
    """The command as it is completed: a verb is loaded only when one of its own words is to be completed."""

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        command = super().get_command(ctx, name)
        if command is not None:
            _teach(command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        verbs = [CompletionItem(name, help=verb.help) for name, verb in VERBS.items() if name.startswith(incomplete)]
        return [*verbs, *click.Command.shell_complete(self, ctx, incomplete)]


def _teach(command: click.Command) -> None:
    for below in getattr(command, "commands", {}).values():
        _teach(below)
    for param in command.params:
        metavar = param.metavar or (str(param.name).upper() if isinstance(param, click.Argument) else "")
        words = set(re.findall(r"[A-Z]+", metavar)) | ({"FILE"} if ".db" in metavar else set())
        if isinstance(param.type, click.types.StringParamType) and (words or param.name in _SUITES):
            param.type = _Word(words)


_SUITES = ("suite", "name")


class _Word(click.ParamType[str]):
    """A parameter of which is known what it takes."""

    name = "text"

    def __init__(self, takes: set[str]) -> None:
        self.takes = takes

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        found: list[CompletionItem[str]] = []
        if "FACT" in self.takes:
            found += [CompletionItem(name, help=_help(meaning)) for name, meaning in MEANING.items()]
        if param.name == "service":
            found += _services()
        if "QUERY" in self.takes:
            found += _saved(_value(ctx, "journal"))
        if self.takes & {"RUN", "TASK", "LOCK"} or param.name in _SUITES:
            found += _from_journal(ctx, param, incomplete, self.takes)
        found = [item for item in found if item.value.startswith(incomplete) and _is_plain(item.value)]
        if not found and self.takes & {"FILE", "PATH", "TARGET"}:
            return [CompletionItem(incomplete, type="file")]
        return found


def _from_journal(
    ctx: click.Context, param: click.Parameter, incomplete: str, takes: set[str]
) -> Iterable[CompletionItem[str]]:
    from pexen_state.cli import journals
    from pexen_state.journal import queries
    from pexen_state.journal.reader import reader

    before = _before(ctx, param)
    with reader(journals.existing(_value(ctx, "journal"))) as connection:
        if param.name in _SUITES:
            return [CompletionItem(str(name)) for (name,) in connection.execute(queries.NAMES)]
        if "LOCK" in takes:
            return list(_locks(connection, _value(ctx, "forced")))
        found: list[CompletionItem[str]] = []
        if "RUN" in takes and ("TASK" not in takes or not before):
            found += _runs(connection)
        if "TASK" in takes:
            run = _value(ctx, "forced") or next((word for word in before if queries.is_run(word)), "latest")
            found += _tasks(connection, queries.run_id(connection, run), incomplete)
        return found


def _runs(connection: sqlite3.Connection) -> Iterator[CompletionItem[str]]:
    rows = connection.execute("SELECT id, name, state FROM runs ORDER BY id DESC LIMIT ?", (_RUNS,)).fetchall()
    for run, name, state in rows:
        yield CompletionItem(str(run), help=_help(f"{name}, {state}"))
    if rows:
        yield CompletionItem("latest", help="the newest run")
    for name in dict.fromkeys(str(row[1]) for row in rows):
        yield CompletionItem(name, help="the newest run of that suite")


def _tasks(connection: sqlite3.Connection, run: int, incomplete: str) -> Iterator[CompletionItem[str]]:
    """Keys that begin like that, or, if there is none, tails of keys."""
    from pexen_state.journal.ids import ids_of

    begins = "SELECT key FROM task WHERE id BETWEEN ? AND ? AND substr(key, 1, ?) = ? LIMIT ?"
    holds = "SELECT key FROM task WHERE id BETWEEN ? AND ? AND instr(key, ?) LIMIT ?"
    keys = connection.execute(begins, (*ids_of(run), len(incomplete), incomplete, _TASKS)).fetchall()
    for (key,) in keys:
        yield CompletionItem(key)
    if not keys:
        for (key,) in connection.execute(holds, (*ids_of(run), f"/{incomplete}", _TASKS)):
            yield CompletionItem(key[key.rindex(f"/{incomplete}") + 1 :])


def _locks(connection: sqlite3.Connection, run: str | None) -> Iterator[CompletionItem[str]]:
    from pexen_state.cli.steering import held_locks
    from pexen_state.journal import queries

    found = queries.run_id(connection, run) if run is not None else queries.newest_unfinished(connection)
    if found is not None:
        for lock in held_locks(connection, found):
            yield CompletionItem(lock.shown, help=_help(f"left by {lock.key}"))


def _services() -> Iterator[CompletionItem[str]]:
    import os

    from pexen_state.service.installed import on_this_box

    for one in on_this_box(os.environ):
        yield CompletionItem(one.service.name, help=_help(one.service.journal))


def _saved(journal: str | None) -> Iterator[CompletionItem[str]]:
    from pexen_state.cli import journals
    from pexen_state.journal.asking import saved

    found = journals.find(journal)
    for query in saved.every(found.path if found is not None else None):
        yield CompletionItem(query.name, help=_help(query.answers))


def _before(ctx: click.Context, param: click.Parameter) -> Sequence[str]:
    """The words that this parameter has already."""
    value: Any = ctx.params.get(param.name or "")
    return value if isinstance(value, tuple) else ()


def _value(ctx: click.Context, name: str) -> str | None:
    """What an option is, after the verb or before it."""
    at: click.Context | None = ctx
    while at is not None:
        value = at.params.get(name)
        if isinstance(value, str):
            return value
        at = at.parent
    return None


def _help(text: str) -> str:
    from pexen_state.report.text import safe

    return safe(text).replace(":", " ").replace(",", " ")


def _is_plain(value: str) -> bool:
    from pexen_state.report.text import safe

    return _PLAIN.fullmatch(value) is not None and not value.startswith("-") and safe(value) == value
