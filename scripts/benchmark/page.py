"""Writes docs/performance.md: the parts between `<!-- bench: NAME -->` and `<!-- end -->`; what people wrote stays."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from scripts.benchmark import tables
from scripts.benchmark.arithmetic import Measured
from scripts.benchmark.cases import Case
from scripts.benchmark.figures import judge

PART = re.compile(
    r"(?<=^<!-- bench: )(?P<name>[a-z-]+)(?P<open> -->\n)(?P<old>.*?)(?=^<!-- end -->$)", re.MULTILINE | re.DOTALL
)


class Results(NamedTuple):
    """All that a benchmark leaves behind; what is written to results.json."""

    runs: dict[Case, list[dict[str, Any]]]
    left_out: dict[Case, str]
    facts: dict[str, str]
    versions: dict[str, str]
    command: str
    repeat: int

    def to_json(self) -> dict[str, Any]:
        return {
            **self._asdict(),
            "runs": [[case, runs] for case, runs in self.runs.items()],
            "left_out": [[case, why] for case, why in self.left_out.items()],
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Results:
        fields = dict(stored)
        for name in ("runs", "left_out"):
            fields[name] = {Case(*case): value for case, value in stored[name]}
        return cls(**fields)


def rewritten(page: str, results: Results) -> str:
    """The page with its parts made anew. Raises KeyError for a part that nobody makes."""
    made = parts(results)
    return PART.sub(lambda found: f"{found['name']}{found['open']}\n{made[found['name']]}\n\n", page)


def parts(results: Results) -> dict[str, str]:
    measured = Measured(results.runs)
    return {
        "machine": machine(results),
        "picture": "![Tasks a second by runner and shape](performance.svg)",
        "figures": tables.figures_table(judge(measured)),
        "no-ops": tables.no_op_tables(measured, results.left_out),
        "slow-disks": tables.slow_disk_table(measured) or "Not measured.",
        "sleeping": tables.sleeping_table(measured) or "Not measured.",
        "others": tables.other_table(measured) or "Not measured.",
        "left-out": left_out(results.left_out),
    }


def machine(results: Results) -> str:
    rows = [*results.facts.items(), ("compared with", ", ".join(f"{n} {v}" for n, v in results.versions.items()))]
    rows.append(("repetitions", f"{results.repeat}, interleaved; medians"))
    rows.append(("command", f"`{results.command}`"))
    return "\n".join(f"* {name}: {value}" for name, value in rows)


def left_out(why: Mapping[Case, str]) -> str:
    """Sentences; what has one reason is said together."""
    if not why:
        return "Nothing was left out."
    reasons: dict[str, list[str]] = {}
    for case, reason in why.items():
        reasons.setdefault(reason, []).append(case.label)
    return "\n".join(f"* {', '.join(labels)}: {reason}" for reason, labels in reasons.items())


def to_terminal(results: Results) -> str:
    made: Sequence[tuple[str, str]] = list(parts(results).items())
    return "\n\n".join(f"== {name}\n\n{text}" for name, text in made)
