"""The clock is set back ten years, and forward fifteen: between boots, and in the middle of a session.

Verdicts are as without, nothing takes less than no time, and nothing that was handed over is timed out. A preloaded
library stands between python and the clock.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pexen_state.journal.clock import WatchedClock
from tests.boots.box import Box, Task, task
from tests.boots.conftest import directory_on_disk
from tests.boots.machine import CRASHED, WENT_DOWN, why_not
from tests.crash.aftermath import ask
from tests.crash.sessions import Nursery

YEAR = 365 * 86400
BACK, FORWARD = -10 * YEAR, 15 * YEAR

VERBS = (
    "runs",
    "status",
    "show",
    "show a",
    "history a",
    "history asks",
    "slowest",
    "flaky",
    "events",
    "locks",
    "why later",
    "resume --check",
    "plan boots.jsonl",
    "list boots.jsonl",
    "sql -l",
)


class SetClock:
    """What the clock is set by, for all that this test begins."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.by(0)

    def by(self, seconds: int) -> None:
        if not self.file.exists():
            self.file.write_bytes(b"0" * 32)
        with self.file.open("r+b") as file:  # mapped by others: never shorter than it was
            file.write(self.text(seconds).encode())

    @staticmethod
    def text(seconds: int) -> str:
        return f"{seconds:<31}"


@pytest.fixture(scope="module")
def set_clock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SetClock, Nursery]]:
    if (why := why_not()) is not None:
        pytest.skip(f"no namespaces of processes and mounts can be made here: {why}")
    if (compiler := shutil.which("gcc") or shutil.which("cc")) is None:
        pytest.skip("there is no C compiler for what stands between python and the clock")
    directory = tmp_path_factory.mktemp("clock")
    library = directory / "set_clock.so"
    source = Path(__file__).with_name("set_clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
    clock = SetClock(directory / "set-by")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LD_PRELOAD", str(library))
        patch.setenv("SET_CLOCK", str(clock.file))
        nursery = Nursery()
    with nursery:
        yield clock, nursery


@pytest.fixture
def clock(set_clock: tuple[SetClock, Nursery]) -> SetClock:
    set_clock[0].by(0)
    return set_clock[0]


@pytest.fixture
def nursery(set_clock: tuple[SetClock, Nursery]) -> Nursery:
    return set_clock[1]


def suite(middle: str = "") -> dict[str, Task]:
    """Reboots and crashes, locks, failures; `middle` is done while another task runs."""
    waits = "until grep -q '^E middle' LOG; do sleep 0.01; done" if middle else ""
    return {
        "beside": task(waits, timeout=60, idle_timeout=30),
        "middle": task(middle),
        "a": task("sleep 0.05", claims=["/x"], timeout=60),
        "asks": task('[ "$PEXEN_REBOOT_COUNT" -ge 2 ] || reboot_marked "after-$PEXEN_REBOOT_COUNT"', timeout=60),
        "panics": task("[ $(seen 'S panics') -ge 2 ] || panic", claims=["/x"], timeout=60),
        "fails": task('note E "$PEXEN_ATTEMPT"; exit 1', retries=1),
        "later": task("sleep 0.01", uses=["/x"], timeout=60, priority=1),
    }


def run(box: Box, clock: SetClock, *settings: int, begin: Sequence[str] | None = None) -> list[int]:
    """As `Box.run`, with the clock set anew before each boot."""
    to_come = [*settings]
    codes: list[int] = []
    while not codes or codes[-1] in (CRASHED, WENT_DOWN):
        if to_come:
            clock.by(to_come.pop(0))
        codes.append(box.boot(*(("resume",) if codes else begin or box.begin)))
        assert len(codes) < 9, box.errors[-1]
    return codes


def story(box: Box) -> object:
    """What neither the clock nor the order of what runs side by side is in."""
    return box.ends(), set(box.sessions()), set(box.told("asks"))


def views_are_sane(box: Box) -> None:
    for view in ("runs", "sessions", "tasks", "attempts"):
        rows = ask(box.directory, f"SELECT seconds FROM {view}")
        assert [one for (one,) in rows if one is not None and not 0 <= float(str(one)) < 300] == [], view


def looked_at(box: Box, nursery: Nursery) -> None:
    """No view has a negative duration, and every verb that looks can be used."""
    views_are_sane(box)
    for words in VERBS:
        argv = ["--journal", str(box.directory / "journal.db"), *words.split()]
        ended = nursery.start("pexen_state.cli.main:main", argv, box.directory).wait()
        assert ended.code in (0, 5 if "--check" in words else 0), (words, ended)
        assert re.search(r"(^|[\s\[])-\d", ended.out) is None, (words, ended.out)
    argv = ["--journal", str(box.directory / "journal.db"), "status", "--json"]
    status = json.loads(nursery.start("pexen_state.cli.main:main", argv, box.directory).wait().out)
    assert 0 <= status["seconds"] < 300


@pytest.fixture(scope="module")
def as_ever(set_clock: tuple[SetClock, Nursery], tmp_path_factory: pytest.TempPathFactory) -> object:
    """The story of a run whose clock nobody sets."""
    clock, nursery = set_clock
    clock.by(0)
    with directory_on_disk(tmp_path_factory.mktemp("as-ever")) as directory:
        box = Box(nursery, directory, suite())
        run(box, clock)
        return story(box)


def test_the_clock_really_is_set(nursery: Nursery, clock: SetClock, disk: Path) -> None:
    clock.by(FORWARD)
    box = Box(nursery, disk, {"a": task("date -u +%Y >year")})

    assert run(box, clock) == [0]

    year = datetime.now(UTC).year
    assert int((disk / "year").read_text()) in (year + 14, year + 15)
    ((began,),) = ask(disk, "SELECT started_at FROM tasks")
    assert int(str(began)[:4]) in (year + 14, year + 15)


@pytest.mark.parametrize(
    "settings", [(0, BACK, FORWARD, 0), (FORWARD, BACK, 0, BACK), (0, FORWARD, BACK, FORWARD)], ids=str
)
def test_a_clock_that_is_set_between_boots_changes_nothing_but_times(
    settings: tuple[int, ...], nursery: Nursery, clock: SetClock, disk: Path, as_ever: object
) -> None:
    box = Box(nursery, disk, suite())

    run(box, clock, *settings)

    assert story(box) == as_ever
    assert box.violations() == []
    views_are_sane(box)
    clock.by(-20 * YEAR)  # whoever looks from now on lives long before
    assert run(box, clock, begin=["rerun"])[-1] == 1  # with estimates from a past that is to come
    looked_at(box, nursery)


@pytest.mark.parametrize("by", [BACK, FORWARD], ids=["back", "forward"])
def test_a_clock_that_is_set_while_tasks_run_times_nothing_out(
    by: int, nursery: Nursery, clock: SetClock, disk: Path, as_ever: object
) -> None:
    box = Box(nursery, disk, suite(f"printf '%s' '{SetClock.text(by)}' 1<>'{clock.file}'"))

    began = time.monotonic()
    run(box, clock)
    took = time.monotonic() - began

    assert story(box) == as_ever
    assert box.violations() == []
    for view in ("runs", "sessions", "attempts"):
        ((least, most),) = ask(box.directory, f"SELECT min(seconds), max(seconds) FROM {view}")
        assert 0 <= float(str(least)) <= float(str(most)) <= took, view


def test_a_watched_clock_tells_how_far_it_was_set() -> None:
    wall, steady = 1_000_000_000, 0
    clock = WatchedClock(lambda: wall, lambda: steady)
    wall, steady = wall + 60_000_000, steady + 60_000_000
    assert clock.set_by() == 0

    wall -= 3_600_000_000
    assert clock.set_by() == -3_600_000_000
    assert clock.set_by() == 0

    wall += 900_000  # kept right a little at a time
    assert clock.set_by() == 0
    wall += 900_000
    assert clock.set_by() == 1_800_000
