"""The options that say which tasks of a suite are meant: those of `run`; and, but for rounds, of whoever only looks.

What they mean is known to `cli.suite.selection`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import click

from pexen_state.cli.errors import UsageError
from pexen_state.cli.running.options import Options

#: Rounds of `--until-fail`, if --repeat does not say how many.
ROUNDS = 1000

_MOST_ROUNDS = 100_000

_PICKS: dict[str, Callable[[Any], Any]] = {
    "keyword": click.option(
        "-k",
        "--keyword",
        metavar="EXPR",
        help="Only tasks whose key has these words: 'net and not (dhcp or \"a b\")', or fits 'net/*'.",
    ),
    "tags": click.option(
        "-t",
        "--tag",
        "tags",
        metavar="TAG",
        multiple=True,
        help="Only tasks that have this tag, or 'slow and not net'; of several -t one is enough.",
    ),
    "no_deps": click.option("--no-deps", is_flag=True, help="Not what they require, too: it is taken as provided."),
    "shard": click.option(
        "--shard", metavar="I/N", help="Only part I of N, such as 1/3; what depends on each other stays together."
    ),
    "catalogue": click.option(
        "--catalogue",
        metavar="TARGET",
        multiple=True,
        help="Where to take tasks from that provide what is required and missing.",
    ),
}

_ROUNDS: dict[str, Callable[[Any], Any]] = {
    "repeat": click.option(
        "--repeat", metavar="N", help="N rounds of the tasks that are meant: net/a@1, net/a@2, ... [1]."
    ),
    "until_fail": click.option(
        "--until-fail", is_flag=True, help=f"Rounds until something fails; at most N of --repeat [{ROUNDS}]."
    ),
}

#: Names for the heading of the help.
NAMES = tuple(_PICKS)
NAMES_OF_ROUNDS = tuple(_ROUNDS)


def pick_options(rounds: bool = False) -> Callable[[click.decorators.FC], click.decorators.FC]:
    """`rounds`: those that repeat tasks, too."""

    def decorate(function: click.decorators.FC) -> click.decorators.FC:
        for option in reversed([*_PICKS.values(), *(_ROUNDS.values() if rounds else ())]):
            function = option(function)
        return function

    return decorate


def with_picks(options: Options, typed: Mapping[str, Any]) -> Options:
    """The options, and which tasks are meant. Raises UsageError for what makes no sense."""
    options = replace(
        options,
        keyword=typed["keyword"],
        tags=tuple(typed["tags"]) or None,
        no_deps=typed["no_deps"] or None,
        shard=typed["shard"],
        catalogue=tuple(typed["catalogue"]) or None,
        repeat=_rounds(typed.get("repeat")),
    )
    if typed.get("until_fail"):
        if options.max_fail is not None:
            raise UsageError("--until-fail is over with the first failure: neither -x nor --max-fail goes with it")
        options = replace(options, max_fail=1, repeat=options.repeat or ROUNDS)
    check_picks(options)
    return options


def check_picks(options: Options) -> None:
    """Raises UsageError, before anything is imported."""
    # Not before it is needed: the help is to be there at once.
    from pexen_state.cli.suite.keyword import compile_keyword, compile_tags

    if options.keyword is not None:
        compile_keyword(options.keyword)
    compile_tags(options.tags or ())
    if options.shard is not None:
        from pexen_state.cli.suite.selection import shard_of

        shard_of(options.shard)


def _rounds(said: str | None) -> int | None:
    if said is None:
        return None
    if not (said.isascii() and said.isdecimal()) or len(said) > 6 or not 0 < int(said) <= _MOST_ROUNDS:
        raise UsageError(f"--repeat: {said!r} is no number of rounds, from 1 to {_MOST_ROUNDS}")
    return int(said)
