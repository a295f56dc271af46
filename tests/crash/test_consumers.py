"""Consumers of events: their workers killed, and cut off at any system call; the runner killed, too."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pexen_state.journal.following import events
from tests.crash import faults
from tests.journal.following import Run, cursors, leases

SCRIPT = Path(__file__).parents[2] / "scripts" / "consumers"

needs_strace = pytest.mark.skipif(faults.why_not() is not None, reason=str(faults.why_not()))

#: Each by itself, since strace counts the calls of each name. Of many points every so many is tried.
FAULTS = {
    "pwrite64:signal=KILL": 17,
    "fdatasync:signal=KILL": 5,
    "fcntl:signal=KILL": 37,
    "pwrite64:error=ENOSPC": 19,
    "fdatasync:error=EIO": 7,
}
STRIDE = int(os.environ.get("CONSUMER_STRIDE", "0"))  # 1: every point, which takes long


def test_of_a_run_whose_runner_and_followers_are_killed_nothing_is_skipped(tmp_path):
    """As docs/reliability.md shows it, only shorter."""
    words = ["--tasks", "300", "--kills", "2", "--rounds", "0", "--task-seconds", "0.005", "--directory", str(tmp_path)]
    done = subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, timeout=300)

    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("upload", "notify"):
        told = re.search(rf"^{name}: (\d+) dealt with, 0 skipped, 0 of which", done.stdout, re.MULTILINE)
        assert told is not None, done.stdout
        assert int(told[1]) >= 3 * 300


def follow(path: Path, go: int, witness: Path) -> None:
    """Deal with each event, and say so, before and after it is acknowledged."""
    os.read(go, 1)
    with open(witness, "ab", buffering=0) as file:
        for event in events(path, 1, consumer="upload", ack=False):
            file.write(b"dealt %d %d\n" % event.position)
            event.ack()
            file.write(b"acked %d %d\n" % event.position)


def cut_off(path: Path, fault: str, k: int) -> tuple[bool, dict[str, set[tuple[int, int]]]]:
    """(whether there was a k-th such call, what the worker said until then)."""
    witness = path.with_name("witness")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            follow(path, reading, witness)
            os._exit(0)
        finally:
            os._exit(3)
    calls, _, what = fault.partition(":")
    trace = path.with_name("trace")
    with faults.traced(child, "-o", str(trace), "-e", f"trace={calls}", "-e", f"inject={calls}:{what}:when={k}"):
        os.write(writing, b"g")
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(reading)
    os.close(writing)
    said: dict[str, set[tuple[int, int]]] = {"dealt": set(), "acked": set()}
    for line in witness.read_text().splitlines() if witness.exists() else ():
        word, seq, nth = line.split()
        said[word].add((int(seq), int(nth)))
    return code < 0 or "INJECTED" in trace.read_text(), said


@needs_strace
@pytest.mark.parametrize("fault", FAULTS)
def test_a_worker_that_is_cut_off_at_any_call_loses_nothing(tmp_path: Path, fault: str):
    run = Run(tmp_path / "made.db", 1)
    run.end()
    whole = {event.position for event in events(run.path)}
    was_hit, k, points = True, 1, 0
    while was_hit:
        path = tmp_path / f"{k}" / "journal.db"
        path.parent.mkdir()
        shutil.copy(run.path, path)
        was_hit, said = cut_off(path, fault, k)

        rest = {event.position for event in events(path, 1, consumer="upload")}

        assert said["dealt"] | rest == whole, k
        assert not said["acked"] & rest, k
        assert leases(path) == []
        assert cursors(path).exists()
        k += STRIDE or FAULTS[fault]
        points += 1
    assert points > 3
