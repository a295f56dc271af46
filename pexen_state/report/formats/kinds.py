"""Which formats there are: the name of each is that of its option and of its setting.

Light enough for `--help`; a format itself is loaded when it is written.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pexen_state.report.formats.whole import Whole


class Kind(NamedTuple):
    help: str
    module: str  #: beside this one; its `lines(whole)` are the report


KINDS = {
    "junit": Kind("As JUnit XML.", "junit"),
    "tap": Kind("As TAP 14.", "tap"),
    "jsonl": Kind("As JSON lines: each transition and result, and an end mark.", "jsonl"),
    "md": Kind("As Markdown.", "markdown"),
}


def lines(kind: str, whole: Whole) -> Iterable[str]:
    """The report, piece by piece."""
    made: Iterable[str] = importlib.import_module(f"{__package__}.{KINDS[kind].module}").lines(whole)
    return made
