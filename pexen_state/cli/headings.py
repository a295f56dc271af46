"""A verb with so many options that its help groups them under headings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

_OTHER = "Other"


class Grouped(click.Command):
    """`headings`: the names of the options below each. What is below none comes last."""

    def __init__(self, *args: Any, headings: Mapping[str, Sequence[str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.headings = headings

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        where = {name: heading for heading, names in self.headings.items() for name in names}
        groups: dict[str, list[tuple[str, str]]] = {heading: [] for heading in (*self.headings, _OTHER)}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                groups[where.get(parameter.name or "", _OTHER)].append(record)
        for heading, rows in groups.items():
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)
