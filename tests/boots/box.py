"""A box that is booted until its run is over, the tree that it runs, and what both leave for the judge."""

from __future__ import annotations

import itertools
import json
import re
import shlex
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pexen_state.box.mounts import VOLATILE, kind_of
from pexen_state.journal.care.check import check
from tests.boots.machine import CRASHED, WENT_DOWN
from tests.crash.aftermath import ask
from tests.crash.sessions import Ended, Nursery
from tests.crash.witness import NAME, Record, contradictions

_MOST_BOOTS = 20

#: Everything is asked about the run that was begun last.
_RUN = "run = (SELECT max(id) FROM runs)"

#: An outage that a task asks for: the one that finds this file, and takes it.
ASK = "ask"

#: What every task begins with: LOG is the witness's.
_BEGIN = """\
#!/bin/sh
key=$PEXEN_TASK
note() { printf '%s %s %s\\n' "$1" "$key" "$2" >>LOG; }
seen() { grep -c "^$1 " LOG; }  # seen 'S a': how often a has begun
panic() { kill -USR1 1; sleep 60; }
reboot_marked() { note Q "$1"; pexen reboot --mark "$1"; }
note S "$PEXEN_ATTEMPT"
note R "$PEXEN_REBOOT_COUNT:$PEXEN_REBOOT_MARK"
echo >/run/began
"""
_END = 'note E "$PEXEN_ATTEMPT"\n'

#: Programs that would look at, or do something to, the machine that this runs on.
_FAKES = {
    "systemctl": """\
case $1 in
is-system-running) if [ -e /run/stopping ]; then echo stopping; else echo running; fi ;;
reboot) kill -USR2 1 ;;
*) exit 1 ;;
esac
""",
    "efibootmgr": "exit 1\n",
    "journalctl": "exit 1\n",
}

#: What a session shows first: it has the lock, and nothing of an earlier one is alive.
_HEADER = re.compile(r"pexen [\d.]+  run \d+  suite ")

_SHOWN = re.compile(r"  ([A-Z]+) +\[ *[^\]]*\] +\d+/\d+ (\S+)")


class Task(NamedTuple):
    """What a script does, in sh, and its metadata."""

    does: str
    metadata: Mapping[str, Any]


def task(does: str = "", **metadata: Any) -> Task:
    return Task(does, metadata)


class Box:
    """`tasks` by name, in a directory on a disk."""

    def __init__(self, nursery: Nursery, directory: Path, tasks: Mapping[str, Task]) -> None:
        self.directory = directory
        self._nursery = nursery
        self._tasks = tasks
        self._boots = itertools.count(1)
        self.errors: list[str] = []
        log = shlex.quote(str(directory / NAME))
        lines = []
        for name, one in tasks.items():
            script = _script(directory / "suite" / name, f"{_BEGIN}{one.does}\n{_END}".replace("LOG", log))
            lines.append(json.dumps({"name": name, "cmd": [str(script)], **one.metadata}))
        self._list = directory / "boots.jsonl"
        self._list.write_text("\n".join(lines))
        for name, text in _FAKES.items():
            _script(directory / "bin" / name, f"#!/bin/sh\n{text}")

    @property
    def begin(self) -> list[str]:
        return [
            *("run", str(self._list), "-j", "2"),
            *("--allow-reboot", "--resume-by-hand", "--reboot-command", "systemctl reboot"),
        ]

    def boot(self, *words: str, outages: Sequence[str] = (), boot_id: str | None = None) -> int:
        """One life of the box; returns how it ended: an exit code of pexen, CRASHED or WENT_DOWN."""
        options = [word for outage in outages if outage != ASK for word in ("--outage", outage)]
        if ASK in outages:
            (self.directory / ASK).touch()
        name = boot_id or f"boot-{next(self._boots)}"
        argv = [*options, str(self.directory), name, "--", *words]
        ended: Ended = self._nursery.start("tests.boots.machine:main", argv, self.directory).wait()
        self.errors.append(ended.err)
        assert ended.code not in (98, 99), ended.err
        return ended.code

    def run(self, *words: str, outages: Sequence[Sequence[str]] = ()) -> list[int]:
        """Begin the run, and boot until it is over. Returns how each boot ended; `outages` are of the first ones."""
        codes: list[int] = []
        to_come = list(outages)
        while len(codes) < _MOST_BOOTS:
            begin = ("resume",) if codes else (*self.begin, *words)
            codes.append(self.boot(*begin, outages=to_come.pop(0) if to_come else ()))
            if codes[-1] not in (CRASHED, WENT_DOWN):
                return codes
        raise AssertionError(f"the run does not come to its end: {codes} {self.errors[-1]}")

    def forget(self) -> None:
        """What there is to judge of the last run; its journal stays."""
        (self.directory / NAME).unlink(missing_ok=True)
        for asked in self.directory.glob(f"{ASK}*"):
            asked.unlink()
        self.errors.clear()

    # -- what is left

    def log(self) -> list[Record]:
        return list(_records((self.directory / NAME).read_text()))

    def ends(self) -> dict[str, tuple[object, object]]:
        rows = ask(self.directory, f"SELECT task, state, verdict FROM tasks WHERE {_RUN}")
        return {str(task): (state, verdict) for task, state, verdict in rows}

    def sessions(self) -> list[object]:
        return [how for (how,) in ask(self.directory, f"SELECT how_ended FROM sessions WHERE {_RUN} ORDER BY id")]

    def causes(self, task: str) -> list[object]:
        query = f"SELECT cause FROM attempts WHERE {_RUN} AND task = '{task}' ORDER BY attempt"
        return [cause for (cause,) in ask(self.directory, query)]

    def told(self, task: str) -> list[str]:
        """Count and mark that each of its attempts was told."""
        return [one.detail for one in self.log() if (one.what, one.key) == ("R", task)]

    def reason(self, task: str) -> str:
        ((reason,),) = ask(self.directory, f"SELECT reason FROM tasks WHERE {_RUN} AND task = '{task}'")
        return str(reason)

    def violations(self) -> list[str]:
        """Everything that must never be."""
        log = self.log()
        claimed: dict[object, set[str]] = {}
        for name, one in self._tasks.items():
            for lock in one.metadata.get("claims", ()):
                claimed.setdefault(lock, set()).add(name)
        return [
            *contradictions(log, exclusive=claimed.values()),
            *self._not_alone(log),
            *(f"the journal contradicts itself: {one}" for one in check(self.directory / "journal.db")),
            *_untrue_marks(log),
        ]

    def _not_alone(self, log: Sequence[Record]) -> Iterator[str]:
        """After a crash of the box those that were in flight run first, and one at a time."""
        ids = [number for (number,) in ask(self.directory, f"SELECT id FROM sessions WHERE {_RUN} ORDER BY id")]
        died = self._attempts("'box_died', 'box_died_alone'")
        cleared = self._attempts("'returned', 'reboot_asked', 'exited'")
        lives = _by_session(log)
        if len(lives) != len(ids):
            yield f"{len(lives)} runners began, and the journal knows {len(ids)}"
        suspects: set[str] = set()
        for session, life in zip(ids, lives, strict=False):
            tried, before = None, set(suspects)
            for what, key, detail in life:
                if what == "S" and suspects | {tried} != {None}:
                    if tried is not None:
                        yield f"{key} began beside the suspect {tried}, in session {session}"
                    elif key not in suspects:
                        yield f"{key} began before the suspects {sorted(suspects)}, in session {session}"
                    tried = key
                elif what in "EQA":
                    suspects.discard(key)
                    tried = None if key == tried else tried
                    if detail == "CRASH":  # that was the culprit
                        suspects.clear()
                        before.clear()
            # What was cut off may have written its end; only the journal knows.
            suspects |= before - cleared[session] | died[session]

    def _attempts(self, causes: str) -> defaultdict[object, set[str]]:
        """Tasks whose attempts ended so, by session."""
        found = defaultdict(set)
        query = f"SELECT session, task FROM attempts WHERE {_RUN} AND cause IN ({causes})"
        for session, key in ask(self.directory, query):
            found[session].add(str(key))
        return found


def _records(text: str) -> Iterator[Record]:
    for line in text.splitlines():
        words = line.split(" ")
        if len(words) == 3 and words[0] in {"S", "E", "Q", "R"}:
            yield Record(*words)
        elif (shown := _SHOWN.match(line)) is not None:
            yield Record("A", shown[2], shown[1])
        elif _HEADER.match(line):
            yield Record("K", "-", "-")


def _by_session(log: Sequence[Record]) -> list[list[Record]]:
    lives: list[list[Record]] = []
    for one in log:
        if one.what == "K":
            lives.append([])
        else:
            lives[-1].append(one)
    return lives


def _untrue_marks(log: Sequence[Record]) -> Iterator[str]:
    """A task is told the mark of the last reboot that it had; one that it asked for in vain may be lost."""
    asked: dict[str, list[str]] = {}
    counts: dict[str, int] = {}
    for what, key, detail in log:
        if what == "Q":
            asked.setdefault(key, []).append(detail)
        elif what == "R":
            count, _, mark = detail.partition(":")
            if int(count) < counts.get(key, 0):
                yield f"{key} was told of {count} reboots after {counts[key]}"
            if int(count) > len(asked.get(key, ())) or (mark and mark not in asked[key]):
                yield f"{key} was told {detail}, and had asked for {asked.get(key, [])}"
            if int(count) and not mark:
                yield f"{key} was told of {count} reboots and of no mark"
            counts[key] = int(count)


def _script(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def is_on_disk(path: Path) -> bool:
    return kind_of(str(path)) not in VOLATILE
