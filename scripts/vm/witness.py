"""Reads what the serial console of a box has said, over all of its boots, and judges: was anything lost, or run again,
were locks kept, was a culprit looked for one task at a time.

It knows only what was on the console: tasks that said START and END there, and the lines by which `pexen` told results.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
_VERDICT = re.compile(r"^\s+(PASS|INFO|WARN|SKIP|FAIL|ERROR|TIMEOUT|CRASH)\s+\[[^\]]*\]\s+\d+/\d+\s+(\S+)")
_SAID = re.compile(r"^VM (START|END|PANIC|BOOT|CODE|FINISHED|CHECKED)\b ?(.*)$")


@dataclass
class Boot:
    """One life of the box. `open` are tasks that had begun and not ended when it went down."""

    lines: Sequence[str]
    open: dict[str, list[str]] = field(default_factory=dict)  # task -> its locks
    has_crashed: bool = False  # or lost its power


@dataclass
class Judgement:
    problems: list[str] = field(default_factory=list)
    verdicts: dict[str, str] = field(default_factory=dict)
    attempts: list[tuple[str, str, str]] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)
    finished: bool = False
    starts: int = 0
    told: int = 0


def judge(boots: Sequence[Boot]) -> Judgement:
    found = Judgement()
    acknowledged: set[str] = set()
    suspects: set[str] = set()
    for number, boot in enumerate(boots, 1):
        _watch(number, boot, found, acknowledged, suspects)
        suspects = set(boot.open) if boot.has_crashed else set()
        if boot.has_crashed and len(suspects) == 1:
            suspects = set()  # it was alone
    return found


def _watch(number: int, boot: Boot, found: Judgement, acknowledged: set[str], suspects: set[str]) -> None:
    tried = set(suspects)
    for raw in boot.lines:
        line = _ESCAPES.sub("", raw).rstrip()
        if match := _VERDICT.match(line):
            task = match[2]
            acknowledged.add(task)
            found.told += 1
            boot.open.pop(task, None)
            tried.discard(task)
        elif match := _SAID.match(line):
            what, words = match[1], match[2].split()
            if what == "START":
                found.starts += 1
                task, locks = words[0], words[2:]
                if task in acknowledged:
                    found.problems.append(f"boot {number}: {task} was started after its result was told")
                if tried and boot.open:
                    found.problems.append(
                        f"boot {number}: {task} ran beside {', '.join(boot.open)}, in search of a culprit"
                    )
                for other, others in boot.open.items():
                    if other != task and set(locks) & set(others):
                        found.problems.append(f"boot {number}: {task} and {other} had the same lock at once")
                boot.open[task] = locks
            elif what == "END":
                boot.open.pop(words[0], None)
                tried.discard(words[0])
            elif what == "FINISHED":
                found.finished = True
            elif what == "CHECKED" and words != ["0"]:
                found.problems.append("`pexen db check` found something")
        elif line.startswith("VM TASK,"):
            _, task, verdict, *_ = line.split(",")
            found.verdicts[task] = verdict
        elif line.startswith("VM ATTEMPT,"):
            _, task, attempt, cause = line.split(",")[:4]
            found.attempts.append((task, attempt, cause))
        elif line.startswith("VM SESSION,"):
            found.sessions.append(line.split(",")[2])
        elif "Traceback (most recent call last)" in line:
            found.problems.append(f"boot {number}: a traceback")
