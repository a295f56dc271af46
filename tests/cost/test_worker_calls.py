"""What an executable costs its worker: system calls an attempt, counted by strace.

A count does not depend on the machine's mood. The budget is what is needed today; who needs more says why.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

strace = shutil.which("strace")

#: Four directories, two files, and all of it removed again; a look whether the directory of the run still is one; the
#: task itself; one order taken and one answer sent.
BUDGET = {
    "mkdir": 4,
    "rmdir": 4,
    "openat": 4,  # output.log; shared.json to write it, and to see whether the task did; what it reported of its parts
    "close": 3,
    "unlink": 2,
    "umask": 4,
    "read": 1,
    "write": 2,  # shared.json; the answer
    "wait4": 2,  # it has ended; it has left nothing
    "recvmsg": 1,
}
ALL = 40

RUN = """
import sys
from pexen_state.sched.executable import Executable
from tests.sched.pools import Context, Job, opened, run

def main(directory, count):
    true = Executable(["/bin/true"])
    def job(number):
        task = f"{directory}/task-{number}"
        context = Context("1", f"task-{number}", f"cookie-{number}", 1, f"{task}/1", f"{task}/data")
        return Job(number, 1, true, {}, context=context, output=f"{task}/1/output.log")
    with opened([true], journaled=True) as pool:
        ends = run(pool, [job(number) for number in range(1, count + 1)])
    (pid,) = {end.outcome.pid for end in ends.values()}
    print(pid)

main(sys.argv[1], int(sys.argv[2]))
"""


def calls_of_a_worker(directory: Path, attempts: int) -> Counter[str]:
    """The system calls that a worker makes in its life, by name."""
    assert strace is not None
    directory.mkdir()
    traced = [strace, "-ff", "-qq", "-e", "signal=none", "-o", str(directory / "calls")]
    # Hash seeds and bytecode that is written aside: both runs are to differ in the attempts alone.
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [*traced, sys.executable, "-c", RUN, str(directory / "run"), str(attempts)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if "ptrace" in done.stderr or "PTRACE" in done.stderr:
        pytest.skip(f"strace may not trace here: {done.stderr.splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    lines = (directory / f"calls.{done.stdout.strip()}").read_text().splitlines()
    return Counter(line.partition("(")[0] for line in lines if "(" in line and " resumed>" not in line)


@pytest.mark.skipif(strace is None, reason="strace is not installed")
def test_an_executable_that_uses_nothing_costs_its_worker_no_more_calls_than_it_must(tmp_path):
    few, many = calls_of_a_worker(tmp_path / "few", 10), calls_of_a_worker(tmp_path / "many", 60)
    an_attempt = {name: (many[name] - few[name]) / 50 for name in many | few}

    over = {name: an_attempt[name] for name, most in BUDGET.items() if an_attempt.get(name, 0) > most + 0.1}
    assert over == {}, an_attempt
    assert sum(an_attempt.values()) <= ALL, an_attempt
