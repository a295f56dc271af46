"""The page about states, made from the table of legal transitions and from what the enums say of their members."""

from __future__ import annotations

import inspect
import re
from enum import IntEnum

from pexen_state.core import states
from pexen_state.core.states import LEGAL, Cause, State, Verdict
from tests.examples import ROOT

PAGE = ROOT / "docs/states.md"
BEGIN = "<!-- made by scripts/write_docs from the table of legal transitions; do not edit -->\n"
END = "<!-- end of what is made by scripts/write_docs -->\n"

_MEMBER = re.compile(r"^    (\w+) = \d+  #: (.*)$", re.MULTILINE)
_NAMED = 3  # causes that stand beside an arrow


def page(now: str) -> str:
    """The page with the tables of today in their place."""
    before, _, rest = now.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{made()}\n{END}{after}"


def made() -> str:
    """Markdown."""
    parts = ["```mermaid", "stateDiagram-v2", *_arrows(), "```", ""]
    for title, kind in (("States", State), ("Causes", Cause), ("Verdicts", Verdict)):
        parts += [f"## {title}", "", "| word | meaning |", "|---|---|"]
        parts += [f"| `{member.word}` | {text} |" for member, text in _explained(kind)]
        parts.append("")
    return "\n".join(parts)


def _arrows() -> list[str]:
    arrows = ["    [*] --> waiting"]
    for (old, new), causes in LEGAL.items():
        words = [cause.word for cause in sorted(causes)]
        more = f", ... ({len(words)})" if len(words) > _NAMED else ""
        arrows.append(f"    {old.word} --> {new.word}: {', '.join(words[:_NAMED])}{more}")
    return arrows


def _explained(kind: type[IntEnum]) -> list[tuple[states.Word, str]]:
    said = dict(_MEMBER.findall(inspect.getsource(kind)))
    return [(member, said[member.name]) for member in kind]
