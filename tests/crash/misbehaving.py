"""Executables that misbehave, under a journal: a suite whose tasks hang, detach themselves, or do not want to die.

    misbehaving:main DIRECTORY [--hold opened] [--break HOW]

Each says in DIRECTORY/witness.log that it began; those that last say so in the pipe DIRECTORY/begun, too, and end at
once if there is a file DIRECTORY/again. Their neighbours do their work, and must not notice. Results that are given
are told in that pipe, too. What the runner's own memory grew by is printed last.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import sys
from pathlib import Path

from pexen_state import Sched, task
from pexen_state.core.spec import Declared
from pexen_state.sched.executable import Executable
from pexen_state.sched.meta import assign_val
from pexen_state.sched.pool import ProcessWorkerPool
from tests.crash import breakages
from tests.crash.sessions import Nursery, Session
from tests.crash.suite import hold
from tests.crash.witness import note

#: Those that go on until they are killed.
LASTING = {
    "forks": "sleep 1000 & sleep 1000 & wait",
    "detaches": "setsid sh -c 'setsid sleep 1000 & sleep 1000' & sleep 1000",
    "ignores-term": "trap '' TERM INT HUP; while :; do sleep 1000; done",
    "stops-itself": "kill -STOP $$; sleep 1000",
    "closes-everything": "exec </dev/null >/dev/null 2>&1; sleep 1000",
}

#: Those that end by themselves: (script, state, verdict).
ENDING = {
    "leaves-one-behind": ("sleep 1000 & exit 0", "succeeded", "warn"),
    "leaves-a-daemon": ("(setsid sh -c 'sleep 1000 & sleep 1000' &); exit 0", "succeeded", "warn"),
    "dies-of-segv": ("kill -SEGV $$", "failed", "error"),
    "floods": ("head -c 1073741824 /dev/zero", "succeeded", "pass"),
}

NEIGHBOURS = [f"neighbour/{number}" for number in range(6)]


def executable(directory: str, key: str, script: str) -> Executable:
    made = Executable(
        ["/bin/sh", "-c", f'echo "S {key} $PEXEN_ATTEMPT" >>witness.log; {script}'],
        cwd=directory,
        declared=Declared.EXECUTABLE,
    )
    assign_val(made, name=key)
    return made


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("which", choices=["lasting", "ending"])
    parser.add_argument("--hold", choices=["opened"])
    parser.add_argument("--break", dest="breakage", choices=sorted(breakages.ALL))
    asked = parser.parse_args()
    if asked.breakage:
        breakages.ALL[asked.breakage]()
    directory = asked.directory
    if asked.which == "lasting":
        bad = [
            executable(directory, key, f"[ -e again ] && exit 0; echo {shlex.quote(key)} >begun; {script}")
            for key, script in LASTING.items()
        ]
    else:
        bad = [executable(directory, key, script) for key, (script, _, _) in ENDING.items()]

    def neighbour(key: str) -> None:
        note(directory, "S", key)
        note(directory, "E", key)

    # Before the others, so that they have ended when those last; and one python task among the executables.
    good = [task(name=key, priority=-1, kwargs={"key": key})(neighbour) for key in NEIGHBOURS[:1]]
    for key in NEIGHBOURS[1:]:
        good.append(executable(directory, key, "exit 0"))
        assign_val(good[-1], priority=-1)
    sched = Sched(
        [*good, *bad],
        journal=Path(directory) / "journal.db",
        name="misbehaving",
        announce=lambda _: hold() if asked.hold else None,
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for result in sched.run(ProcessWorkerPool(workers=len(bad))):
        note(directory, "A", result.key or "-", result.state)
        if asked.which == "lasting" and not result.replayed:
            Path(directory, "begun").write_text(f"{result.key} has ended\n")
        print(json.dumps([result.key, result.state, result.verdict]), flush=True)
    print(json.dumps(["grown by KiB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, ""]))
    sys.stdout.flush()


def start(nursery: Nursery, directory: Path, which: str, *options: str) -> Session:
    """Begin a session of this suite."""
    return nursery.start(f"{__name__}:main", [str(directory), which, *options], directory)


def wait_for_all(begun: int) -> None:
    """Until every lasting task runs, and the result of every neighbour was given."""
    said = b""
    while said.count(b"\n") < len(LASTING) + len(NEIGHBOURS):
        said += os.read(begun, 4096)
