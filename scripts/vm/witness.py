"""Reads what the serial console of a box has said, over all of its boots, and judges: was anything lost, or run again,
were locks kept, was a culprit looked for one task at a time, and first the one that the kernel named.

It knows only what was on the console: tasks that said START and END there, the lines by which `pexen` told results, and
what the journal said of each task at the end.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
_VERDICT = re.compile(r"^\s+(PASS|INFO|WARN|SKIP|FAIL|ERROR|TIMEOUT|CRASH)\s+\[[^\]]*\]\s+\d+/\d+\s+(\S+)")
_SAID = re.compile(r"^VM (START|END|PANIC|FREEZES|STATE-D|FINISHED|CHECKED)\b ?(.*)$")


@dataclass
class Boot:
    """One life of the box, which ended by itself or lost its power."""

    lines: Sequence[str]
    lost_power: bool = False


class Panic(NamedTuple):
    task: str
    attempt: str
    beside: tuple[str, ...]  # tasks that ran then


@dataclass
class Judgement:
    problems: list[str] = field(default_factory=list)
    told: dict[str, str] = field(default_factory=dict)  # task -> verdict, as `pexen` told it
    verdicts: dict[str, str] = field(default_factory=dict)  # as the journal has it in the end
    attempts: list[tuple[str, str, str]] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)
    panics: list[Panic] = field(default_factory=list)
    last_words: set[tuple[str, str]] = field(default_factory=set)  # attempts with a panic in their kernel's last words
    unkillable: bool = False  # who froze its file system was in state D after it had been killed
    peaks: dict[str, int] = field(default_factory=dict)  # task -> the most bytes of memory of any of its attempts
    ran_out: dict[str, str] = field(default_factory=dict)  # task -> the reason, of those that wanted more than they may
    finished: bool = False
    starts: int = 0


def judge(boots: Sequence[Boot]) -> Judgement:
    found = Judgement()
    suspects: set[str] = set()
    culprit = None
    for number, boot in enumerate(boots, 1):
        life = _Life(number, found, suspects, culprit)
        for line in boot.lines:
            life.hear(_ESCAPES.sub("", line).rstrip())
        suspects = set(life.open) if boot.lost_power or life.panic is not None else set()
        culprit = None
        if life.panic is not None and not boot.lost_power:  # without power nothing is left of what a kernel said
            found.panics.append(life.panic)
            culprit = life.panic.task
    for task, verdict in found.told.items():
        if found.verdicts and found.verdicts.get(task) != verdict:
            found.problems.append(f"{task} was told as {verdict} and is {found.verdicts.get(task)} in the journal")
    return found


class _Life:
    """One boot. `suspects` were running when the one before crashed; `named` brought it down."""

    def __init__(self, number: int, found: Judgement, suspects: set[str], named: str | None) -> None:
        self.open: dict[str, list[str]] = {}  # task -> its locks, of those that began and did not end
        self.panic: Panic | None = None
        self._number, self._found, self._suspects, self._named = number, found, suspects, named
        self._frozen = ""
        self._attempts: dict[str, str] = {}

    def hear(self, line: str) -> None:
        if match := _VERDICT.match(line):
            self._found.told[match[2]] = match[1].lower()
            self._is_over(match[2])
        elif match := _SAID.match(line):
            self._task_says(match[1], match[2].split())
        elif match := re.match(r"VM (TASK|ATTEMPT|SESSION|USAGE|SHORT|WORDS),(.*)", line):
            self._journal_says(match[1], match[2].split(","))
        elif "Traceback (most recent call last)" in line:
            self._wrong("a traceback")

    def _task_says(self, what: str, words: list[str]) -> None:
        match what:
            case "START":
                self._starts(words[0], words[1], words[2:])
            case "END":
                self._is_over(words[0])
            case "PANIC":
                beside = tuple(other for other in self.open if other != words[0])
                self.panic = Panic(words[0], self._attempts[words[0]], beside)
            case "FREEZES":
                self._frozen = words[0]
            case "STATE-D":
                self._found.unkillable = self._found.unkillable or words[0] == self._frozen
            case "FINISHED":
                self._found.finished = True
            case "CHECKED" if words != ["0"]:
                self._wrong("`pexen db check` found something")

    def _starts(self, task: str, attempt: str, locks: list[str]) -> None:
        self._found.starts += 1
        self._attempts[task] = attempt
        if task in self._found.told:
            self._wrong(f"{task} was started after its result was told")
        if self._named is not None and task != self._named:
            self._wrong(f"{task} was tried before {self._named}, whom the kernel had named")
        self._named = None
        if self._suspects and self.open:
            self._wrong(f"{task} ran beside {', '.join(self.open)}, in search of a culprit")
        for other, others in self.open.items():
            if other != task and set(locks) & set(others):
                self._wrong(f"{task} and {other} had the same lock at once")
        self.open[task] = locks

    def _is_over(self, task: str) -> None:
        self.open.pop(task, None)
        self._suspects.discard(task)
        if task == self._named:  # it was given up
            self._named = None

    def _journal_says(self, what: str, values: list[str]) -> None:
        match what:
            case "TASK":
                self._found.verdicts[values[0]] = values[1]
            case "ATTEMPT":
                self._found.attempts.append((values[0], values[1], values[2]))
            case "SESSION":
                self._found.sessions.append(values[1])
            case "USAGE" if values[2].isdecimal():
                peaks = self._found.peaks
                peaks[values[0]] = max(peaks.get(values[0], 0), int(values[2]))
            case "SHORT":
                self._found.ran_out[values[0]] = values[2]
            case "WORDS" if "Kernel panic" in values[2]:
                self._found.last_words.add((values[0], values[1]))

    def _wrong(self, what: str) -> None:
        self._found.problems.append(f"boot {self._number}: {what}")
