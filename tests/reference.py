"""The reference of the command line, made from the same declarations that `--help` is made from.

Not from the text of `--help`: how that is laid out is up to the version of click.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from pexen_state.cli.app import common_options
from pexen_state.cli.main import VERBS, pexen
from tests.examples import ROOT

PAGE = ROOT / "docs/cli.md"
BEGIN = "<!-- made by scripts/write_docs from the declarations of the commands; do not edit -->\n"
END = "<!-- end of what is made by scripts/write_docs -->\n"


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every verb, and every command of those that have some, as they are typed."""
    context = click.Context(pexen, info_name="pexen")
    for name in VERBS:
        command = pexen.get_command(context, name)
        assert command is not None
        yield from _with_those_below(f"pexen {name}", command)


def _with_those_below(typed: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield typed, command
    if isinstance(command, click.Group):
        below = click.Context(command, info_name=typed)
        for name in command.list_commands(below):
            deeper = command.get_command(below, name)
            assert deeper is not None
            yield from _with_those_below(f"{typed} {name}", deeper)


def reference() -> str:
    """Markdown: all commands by group, and the options that all of them have."""
    lines = ["### Options of every command", "", *_options(_common()), ""]
    group = None
    for typed, command in commands():
        verb = VERBS[typed.split()[1]]
        if verb.group != group:
            group = verb.group
            lines += [f"### {group}", ""]
        lines += [f"#### {_usage(typed, command)}", "", *_prose(command), ""]
        own = [option for option in _shown(command) if option.name not in _COMMON]
        if own:
            lines += [*_options(own), ""]
    return "\n".join(lines)


def page(now: str) -> str:
    """The page with the reference of today in its place."""
    before, _, rest = now.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{reference()}\n{END}{after}"


def _common() -> list[click.Option]:
    return [
        option for option in click.command()(common_options(lambda: None)).params if isinstance(option, click.Option)
    ]


_COMMON = frozenset(option.name for option in _common())


def _shown(command: click.Command) -> list[click.Option]:
    return [option for option in command.params if isinstance(option, click.Option) and not option.hidden]


def _usage(typed: str, command: click.Command) -> str:
    words = [_argument(argument) for argument in command.params if isinstance(argument, click.Argument)]
    if isinstance(command, click.Group):
        words.append("COMMAND")
    return f"`{' '.join([typed, *words])}`"


def _argument(argument: click.Argument) -> str:
    metavar = argument.metavar or (argument.name or "").upper()
    if argument.nargs == -1 and not metavar.endswith(("...", "]")):
        metavar += "..."
    return metavar if argument.required or metavar.startswith("[") else f"[{metavar}]"


def _prose(command: click.Command) -> list[str]:
    text = inspect.cleandoc(command.help or command.short_help or "")
    # \b: click leaves the paragraph behind it as it is; here that is a block.
    paragraphs = []
    for paragraph in re.split(r"\n{2,}", text):
        lines = paragraph.split("\n")
        if lines[0] == "\b":
            paragraphs.append("\n".join(["```", *lines[1:], "```"]))
        else:
            paragraphs.append(_escaped(" ".join(line.strip() for line in lines)))
    return "\n\n".join(paragraphs).split("\n")


def _options(options: list[click.Option]) -> list[str]:
    return ["| option | |", "|---|---|", *(f"| {_names(option)} | {_what(option)} |" for option in options)]


def _names(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    if option.is_flag or option.count:
        return names
    if option.metavar:
        value = option.metavar
    elif isinstance(option.type, click.Choice):
        value = "|".join(map(str, option.type.choices))
    else:
        value = option.type.name.upper()
    return f"{names} `{value}`".replace("|", r"\|")


def _what(option: click.Option) -> str:
    return _escaped(" ".join((option.help or "").split())).replace("|", r"\|")


def _escaped(text: str) -> str:
    """Without characters that would mean something to markdown, except where they are code anyway."""
    parts = text.split("`")
    return "`".join(part if index % 2 else re.sub(r"([<>*_])", r"\\\1", part) for index, part in enumerate(parts))
