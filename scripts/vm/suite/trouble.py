"""What a suite may do to a box of its own: reboots, panics, a process that no signal ends; and work beside that."""

from __future__ import annotations

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


@task(name="panics/once", claims=["disk"], after=["reboots"])
def panics_once(shared: dict) -> None:
    begins("disk")
    if current().checkpoint("panicked") is None:
        current().checkpoint("panicked", True)
        panic()
    ends()


@task(name="panics/always", claims=["net"], after=["reboots", "middle/1*"])
def panics_always(shared: dict) -> None:
    begins("net")
    panic()


@task(name="stuck", claims=["frozen"], timeout="3s", after=["panics/*"])
def stuck(shared: dict) -> None:
    """Writes to a file system that it froze: KILL does not reach it."""
    begins("frozen")
    image = current().data / "image"
    subprocess.run(["truncate", "-s", "16M", image], check=True)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    Path(FROZEN).mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", image, FROZEN], check=True)
    subprocess.run(["fsfreeze", "-f", FROZEN], check=True)
    with Path(FROZEN, "file").open("wb", buffering=0) as file:
        file.write(b"x")


@task(name="thaw", recovers=["frozen"], after=["stuck"])
def thaw(shared: dict) -> None:
    begins("frozen")
    subprocess.run(["fsfreeze", "-u", FROZEN], check=False)
    ends()


@task(name="after/thaw", claims=["frozen"], after=["thaw"])
def after_thaw(shared: dict) -> None:
    begins("frozen")
    ends()
