"""What a suite may do to a box of its own: reboots, panics, a process that no signal ends; and work beside that."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from pexen_state import Reboot, current, task

FROZEN = "/mnt/frozen"


def say(*words: object) -> None:
    subprocess.run(["/srv/suite/say", *map(str, words)], check=True)


def begins(*locks: str) -> None:
    say("START", current().key, current().attempt, *locks)


def ends() -> None:
    say("END", current().key, current().attempt)


def panic() -> None:
    """At once if it runs alone, as a suspect does; else while another task, which is innocent, is at work."""
    marker, until = Path("/run/somebody-works"), time.monotonic() + 15
    while current().attempt == 1 and time.monotonic() < until:
        if marker.exists() and time.time() - marker.stat().st_mtime < 0.5:
            break
        time.sleep(0.1)
    say("PANIC", current().key)
    time.sleep(0.2)  # the console is slow
    Path("/proc/sysrq-trigger").write_text("c")
    time.sleep(60)


@task(name="reboots", after=["early/*"])
def reboots(shared: dict) -> str:
    begins()
    me = current()
    if me.reboots < 2:
        assert me.mark == (f"phase {me.reboots}" if me.reboots else "")
        ends()
        raise Reboot(mark=f"phase {me.reboots + 1}")
    assert me.mark == "phase 2"
    ends()
    return me.mark


@task(name="panics/once", claims=["disk"], after=["reboots"], priority=-1)
def panics_once(shared: dict) -> None:
    begins("disk")
    if current().checkpoint("panicked") is None:
        current().checkpoint("panicked", True)
        panic()
    ends()


@task(name="panics/always", claims=["bus"], after=["panics/once", "middle/1*"], priority=-1)
def panics_always(shared: dict) -> None:
    begins("bus")
    panic()


@task(name="stuck", claims=["frozen"], timeout="3s", after=["panics/*", "late/*"])
def stuck(shared: dict) -> None:
    """Writes to a file system that it froze: KILL does not reach it."""
    begins("frozen")
    image = current().data / "image"
    subprocess.run(["truncate", "-s", "16M", image], check=True)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    Path(FROZEN).mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", image, FROZEN], check=True)
    subprocess.run(["fsfreeze", "-f", FROZEN], check=True)
    say("FREEZES", os.getpid())
    with Path(FROZEN, "file").open("wb", buffering=0) as file:
        file.write(b"x")


@task(name="thaw", recovers=["frozen"], after=["stuck"])
def thaw(shared: dict) -> None:
    begins("frozen")
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state = stat.read_text().rpartition(")")[2].split()[0]
            waits = stat.with_name("wchan").read_text()
        except OSError:
            continue
        if state == "D" and not waits.startswith("kthread"):
            say("STATE-D", stat.parent.name, waits)
    subprocess.run(["fsfreeze", "-u", FROZEN], check=False)
    ends()


@task(name="after/thaw", claims=["frozen"], after=["thaw"])
def after_thaw(shared: dict) -> None:
    begins("frozen")
    ends()
