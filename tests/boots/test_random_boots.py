"""Whatever happens to the box and to the runner, in whatever order: the run ends as if nothing had."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from pexen_state.cli.errors import Exit
from tests.boots.box import ASK, Box, Task, task
from tests.boots.machine import WENT_DOWN
from tests.crash.sessions import Nursery

#: After these the box is booted.
BOOT = ("crash", "shutdown", ASK)


def suite() -> dict[str, Task]:
    """Twelve short tasks with two locks, none of which is ever blamed for a crash."""
    does = f"""\
sleep 0.03
if mv {ASK} asked.$key.$PEXEN_ATTEMPT 2>/dev/null; then reboot_marked "$key-$PEXEN_ATTEMPT"; fi
"""
    tasks = {}
    for number in range(12):
        name = f"t{number}"
        locks = {"claims": ["/disk"]} if number % 4 == 0 else {"uses": ["/disk"]} if number % 4 == 1 else {}
        if number % 3 == 0:
            locks["claims"] = [*locks.get("claims", []), "/net"]
        after = {"requires": [f"made-{number - 3}"]} if number % 5 == 3 else {}
        tasks[name] = task(does, provides=[f"made-{number}"], max_crashes=100, **locks, **after)
    return tasks


def boots(seed: int) -> Iterator[list[str]]:
    """What happens in each boot: disturbances of the runner, and what ends the boot."""
    chosen = random.Random(seed)
    boot: list[str] = []
    for _ in range(chosen.randint(3, 6)):
        what = chosen.choice([*BOOT, "runner", "both"])
        boot.append(what if what == ASK else f"{what}:{chosen.randint(1, 3)}")
        if what in BOOT:
            yield boot
            boot = []
    yield boot


@pytest.mark.parametrize("seed", range(20))
def test_a_random_sequence_of_outages_changes_no_verdict(seed: int, nursery: Nursery, disk: Path) -> None:
    sequence = list(boots(seed))
    print(f"seed {seed}: {sequence}")
    box = Box(nursery, disk, suite())

    codes = box.run(outages=sequence)

    assert codes[-1] in (Exit.DONE, Exit.NOTHING), box.errors[-1]  # it was over when the box went down
    assert box.violations() == []
    assert set(box.ends().values()) == {("succeeded", "pass")}
    assert len(box.ends()) == 12
    how_ended = box.sessions()
    assert set(how_ended) <= {"finished", "killed", "crashed", "shutdown", "rebooted", "parked"}
    if codes[-1] == Exit.DONE:
        assert how_ended[-1] == "finished"
    # Who is killed when nobody comes after it in that boot is taken for crashed: that cannot be told apart.
    violent = [what for boot in sequence for what in boot if not what.startswith(("shutdown", ASK))]
    assert how_ended.count("crashed") + how_ended.count("killed") <= len(violent)
    assert how_ended.count("shutdown") + how_ended.count("rebooted") <= codes.count(WENT_DOWN)
