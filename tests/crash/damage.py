"""Journals that a disk, a cable or somebody's editor has damaged, and what is made of them.

A run of thirty tasks is killed on its way, or comes to its end; each task notes what it does in a log of its own, which
nobody damages. Then bits are flipped, files cut off, pages swapped or emptied. Whoever looks at such a journal, or goes
on with it, may refuse it, and has to say why; or may use it. What must not be: a crash, a traceback, a task that is
said to have passed and of which the log says nothing, a file that is deleted or made anew.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.crash.aftermath import wait_for_the_keeper
from tests.crash.sessions import Nursery, Session
from tests.crash.witness import NAME, records

TASKS = 30
PAGE = 4096
DB, WAL = "journal.db", "journal.db-wal"

SHOW = ("show", "--json")

#: What is typed, one after the other. None of these may write.
LOOKS = (
    ("runs",),
    ("status",),
    SHOW,
    ("sql", "failed"),
    ("events", "latest"),
    ("report", "--jsonl", "-"),
    ("db", "check"),
)

#: After them, what may.
RESUME = ("resume", "-q")

#: All exit codes there are.
CODES = range(7)

_FAULT_OF_OURS = re.compile(r"Traceback|pexen itself failed|fault of pexen")


class Damaged(NamedTuple):
    """What was done to one journal, and what came of it."""

    what: str
    resume: int  #: its exit code
    codes: tuple[int, ...]  #: of all that was typed
    wrong: tuple[str, ...]
    renamed: int  #: tasks that were said to have passed, by names that no task has

    @property
    def word(self) -> str:
        if self.resume in (0, 1, 5):  # 5: the run is over
            return "used" if all(code in (0, 5) for code in self.codes) else "used in part"
        return "refused"


class Found(NamedTuple):
    """What has come of it so far."""

    codes: list[int]
    wrong: list[str]
    renamed: int


class Place:
    """A directory in which one journal at a time is damaged, and copies of two that are whole."""

    def __init__(self, nursery: Nursery, base: Path) -> None:
        self._nursery = nursery
        self.directory = base / "box"  # always this one: a run goes on where it was begun
        self._whole = [self._make(base / "killed", kill_after=TASKS // 2), self._make(base / "over")]

    def _make(self, copy: Path, kill_after: int | None = None) -> Path:
        self.directory.mkdir()
        (self.directory / "t.jsonl").write_text("\n".join(map(json.dumps, map(_task, range(TASKS)))))
        session = self._start("run", "t.jsonl", "-j2", "-q")
        if kill_after is None:
            assert session.wait().code == 0
        else:
            while sum(one.what == "E" for one in records(self.directory)) < kill_after:
                time.sleep(0.01)
            session.kill()
            assert session.wait().was_killed
            wait_for_the_keeper(self.directory)
        self.directory.rename(copy)
        return copy

    def _start(self, *words: str) -> Session:
        argv = ["--journal", str(self.directory / DB), *words]
        return self._nursery.start("pexen_state.cli.main:main", argv, self.directory)

    def try_seed(self, seed: int) -> Damaged:
        """Damage one, and see what comes of it."""
        chance = random.Random(seed)
        shutil.rmtree(self.directory, ignore_errors=True)
        shutil.copytree(chance.choice(self._whole), self.directory, ignore=lambda *_: ["journal.db.socket"])
        what = damage(self.directory, chance)
        found = Found([], [], 0)
        for words in LOOKS:
            before = self._contents()
            found = self._typed(found, words)
            if self._contents() != before:
                found.wrong.append(f"pexen {' '.join(words)} has changed the journal")
        size = (self.directory / DB).stat().st_size
        found = self._typed(found, RESUME)
        if not (self.directory / DB).exists() or (self.directory / DB).stat().st_size < size:
            found.wrong.append("the journal was deleted, made anew or cut off")
        code = found.codes[-1]
        found = self._typed(found, SHOW)
        return Damaged(what, code, tuple(found.codes), tuple(found.wrong), found.renamed)

    def _typed(self, found: Found, words: Sequence[str]) -> Found:
        ended = self._start(*words).wait()
        renamed = 0
        found.codes.append(ended.code)
        if ended.code not in CODES or _FAULT_OF_OURS.search(ended.err + ended.out):
            found.wrong.append(f"pexen {' '.join(words)} ended with {ended.code}: {ended.err.strip()[-1000:]}")
        if words == SHOW and ended.code == 0:
            untrue, renamed = self._claims(ended.out)
            found.wrong.extend(untrue)
        return found._replace(renamed=found.renamed + renamed)

    def _claims(self, shown: str) -> tuple[list[str], int]:
        """Tasks that are said to have passed, and nobody has seen; how many passed by names that no task has."""
        seen = {one.key for one in records(self.directory) if one.what == "E"}
        known = {f"t{number:02}" for number in range(TASKS)}
        said = {task["task"] for task in json.loads(shown)["tasks"] if task["verdict"] == "pass"}
        return [f"{key} is said to have passed" for key in sorted(said & known - seen)], len(said - known)

    def _contents(self) -> dict[str, bytes]:
        found = {name: self.directory / name for name in (DB, WAL)}
        # A write-ahead log with nothing in it is as good as none.
        return {name: path.read_bytes() for name, path in found.items() if path.exists() and path.stat().st_size}


def _task(number: int) -> dict[str, object]:
    note = f'echo "$0 $PEXEN_TASK $PEXEN_ATTEMPT" >>{NAME}'
    return {
        "name": f"t{number:02}",
        "cmd": f"{note.replace('$0', 'S')}; sleep 0.01; echo said; {note.replace('$0', 'E')}",
        "provides": [f"made-{number}"],
        **({"requires": [f"made-{number - 3}"]} if number % 4 == 3 else {}),
        **({"claims": ["/disk"]} if number % 3 == 0 else {}),
        **({"tags": ["slow"]} if number % 5 == 0 else {}),
    }


# -- what is done to a journal


def damage(directory: Path, chance: random.Random) -> str:
    """Returns what was done, in words."""
    files = [directory / name for name in (DB, DB, DB, WAL) if (directory / name).exists()]
    file = chance.choice(files)
    content = bytearray(file.read_bytes())
    if not content:
        file = directory / DB
        content = bytearray(file.read_bytes())
    how = chance.choice([_flip, _flip, _flip_in_page, _cut_off, _swap, _empty, _grow])
    what = how(content, chance)
    file.write_bytes(content)
    return f"{file.name}: {what}"


def _flip(content: bytearray, chance: random.Random) -> str:
    places = [chance.randrange(len(content) * 8) for _ in range(chance.choice([1, 1, 2, 8, 64]))]
    for place in places:
        content[place // 8] ^= 1 << place % 8
    return f"bits {places[:8]} flipped"


def _flip_in_page(content: bytearray, chance: random.Random) -> str:
    """In the file's header, or where a page says what is in it."""
    start = chance.randrange(max(len(content) // PAGE, 1)) * PAGE
    places = [(start + chance.randrange(min(100, len(content) - start))) * 8 + chance.randrange(8) for _ in range(4)]
    for place in places:
        content[place // 8] ^= 1 << place % 8
    return f"bits {places} flipped, in the head of page {start // PAGE + 1}"


def _cut_off(content: bytearray, chance: random.Random) -> str:
    size = chance.choice([0, chance.randrange(len(content)), chance.randrange(len(content) // PAGE + 1) * PAGE])
    del content[size:]
    return f"cut off at {size}"


def _swap(content: bytearray, chance: random.Random) -> str:
    pages = max(len(content) // PAGE, 1)
    one, other = chance.randrange(pages) * PAGE, chance.randrange(pages) * PAGE
    first, second = content[one : one + PAGE], content[other : other + PAGE]
    content[one : one + len(second)], content[other : other + len(first)] = second, first
    return f"pages {one // PAGE + 1} and {other // PAGE + 1} swapped"


def _empty(content: bytearray, chance: random.Random) -> str:
    start = chance.randrange(max(len(content) // 512, 1)) * 512
    size = chance.choice([512, PAGE])
    content[start : start + size] = bytes(min(size, len(content) - start))
    return f"{size} bytes at {start} emptied"


def _grow(content: bytearray, chance: random.Random) -> str:
    size = chance.choice([1, 100, PAGE])
    content += chance.randbytes(size)
    return f"{size} bytes put behind its end"
