"""Which formats there are: the name of each is that of its option and of its setting.

Light enough for `--help`; a format itself is loaded when it is written.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pexen_state.report.formats.whole import Whole


class Kind(NamedTuple):
    help: str
    module: str  #: beside this one; its `lines(whole)` are the report
    has_links: bool = False  #: to files, which `lines` has to be told the place of the report for


KINDS = {
    "junit": Kind("As JUnit XML.", "junit"),
    "tap": Kind("As TAP 14.", "tap"),
    "jsonl": Kind("As JSON lines: each transition and result, and an end mark.", "jsonl"),
    "md": Kind("As Markdown.", "markdown"),
    "html": Kind("As one HTML page, which needs no network and no script.", "html.page", has_links=True),
    "trace": Kind("As a trace in Chrome's format, which Perfetto opens.", "trace"),
}


def lines(kind: str, whole: Whole, file: str = "-") -> Iterable[str]:
    """The report, piece by piece. `file`: where it will be; what goes to standard output is taken to be here."""
    about = KINDS[kind]
    module = importlib.import_module(f"{__package__}.{about.module}")
    if about.has_links:
        directory = os.getcwd() if file == "-" else os.path.dirname(os.path.realpath(file))
        linked: Iterable[str] = module.lines(whole, directory)
        return linked
    made: Iterable[str] = module.lines(whole)
    return made
