"""A runner that was handed a cgroup gives each attempt one of its own: counted, limited, and ended as a whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pexen_state.box.cgroups import LEAF, own_cgroup
from tests.cli.box import Box
from tests.sched.pools import is_alive, wait_for


class Handed:
    """A cgroup as a service manager hands it over, and commands that are started in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        #: of a command line: what follows is run in it
        self.prefix = ("/bin/sh", "-c", 'echo 0 >"$0/cgroup.procs" && exec "$@"', str(path))

    @property
    def limits_memory(self) -> bool:
        return "memory" in (self.path / "cgroup.controllers").read_text().split()

    def below(self) -> list[str]:
        return sorted(one.name for one in self.path.iterdir() if one.is_dir())

    def end(self) -> None:
        (self.path / "cgroup.kill").write_text("1")
        until = time.monotonic() + 30
        while "populated 1" in (self.path / "cgroup.events").read_text():
            assert time.monotonic() < until, "somebody in the cgroup cannot be killed"
            time.sleep(0.01)
        for directory, _, _ in os.walk(self.path, topdown=False):
            os.rmdir(directory)


@pytest.fixture
def handed() -> Iterator[Handed]:
    own = own_cgroup()
    if own is None:
        pytest.skip("no file system of cgroups of version 2 is mounted here")
    path = Path(own) / f"pexen-test-{os.getpid()}-{time.monotonic_ns()}"
    try:
        path.mkdir()
        os.setxattr(path, "trusted.delegate", b"1")
    except OSError as error:
        pytest.skip(f"no cgroup can be made and handed over here: {error}")
    handed = Handed(path)
    try:
        yield handed
    finally:
        handed.end()


WHERE = "sed -n s/^0:://p /proc/self/cgroup"


def usage(box: Box) -> dict[str, tuple[str, str, dict[str, float]]]:
    """By task, without its directory: (verdict, note, metrics) of what is told of its last attempt."""
    rows = box.sql("SELECT task, verdict, note, metrics FROM results WHERE name = 'usage' ORDER BY attempt")
    return {
        task.rpartition("/")[2]: (verdict, note, json.loads(metrics or "{}")) for task, verdict, note, metrics in rows
    }


def test_each_attempt_has_a_cgroup_that_counts_what_it_uses(box: Box, handed: Handed) -> None:
    box.script("suite/busy", f"{WHERE}\ni=0; while [ $i -lt 30000 ]; do i=$((i + 1)); done")
    box.script("suite/idle", WHERE)

    assert box.pexen("run", "suite", prefix=handed.prefix).code == 0

    told = usage(box)
    assert {task: told[task][0] for task in told} == {"busy": "info", "idle": "info"}
    assert 0 < told["idle"][2]["cpu_seconds"] < told["busy"][2]["cpu_seconds"]
    assert "s of processor time" in told["busy"][1]
    places = {task: box.pexen("logs", f"suite/{task}").out.split()[-1] for task in told}
    assert all("/attempt-" in place for place in places.values())
    assert places["busy"] != places["idle"]
    assert handed.below() == [LEAF]  # they are gone
    assert box.sql("SELECT verdict FROM tasks") == [("pass",), ("pass",)]


def test_it_is_told_with_the_task_and_not_as_a_part_of_it(box: Box, handed: Handed) -> None:
    # Whoever calls a part so has a part.
    hostile = json.dumps({"name": "usage", "verdict": "info", "metrics": {"x: 1\n  ...\nnot ok 9": 1}})
    box.script("suite/one", f"cat >\"$PEXEN_RESULTS\" <<'END'\n{hostile}\nEND")
    box.script("suite/two")
    assert box.pexen("run", "suite", prefix=handed.prefix).code == 0

    tap = box.pexen("report", "--tap", "-").lines
    html = box.pexen("report", "--html", "-").out

    assert [line for line in tap if "Subtest" in line] == ["    # Subtest: suite/one"]
    assert [line for line in tap if "not ok" in line] == []
    assert len([line for line in tap if line.startswith("  cpu_seconds: ")]) == 2
    assert html.count("s of processor time") == 2
    assert box.pexen("show", "suite/two").out.count("cpu_seconds=") == 1


def test_what_it_used_says_nothing_about_how_it_ended(box: Box, handed: Handed) -> None:
    for name, verdict in (("skips", "skip"), ("fails", "fail")):
        line = json.dumps({"name": "part", "verdict": verdict, "note": "why"})
        box.script(f"suite/{name}", f"cat >\"$PEXEN_RESULTS\" <<'END'\n{line}\nEND")

    assert box.pexen("run", "suite", prefix=handed.prefix).code == 1

    assert sorted(usage(box)) == ["fails", "skips"]
    rows = box.sql("SELECT verdict, reason FROM tasks ORDER BY verdict")
    assert rows == [("fail", "1 of 1 subtests: part: why"), ("skip", "why")]


def test_so_has_a_python_task_which_is_its_worker(box: Box, handed: Handed) -> None:
    box.file(
        "sums.py",
        "import os\nfrom pexen_state import task\n"
        "def where():\n    print(open('/proc/self/cgroup').read())\n"
        "@task\ndef adds():\n    where()\n    sum(range(3_000_000))\n"
        "@task\ndef dies():\n    sum(range(3_000_000))\n    os.abort()\n"
        "@task(after=['*adds', '*dies'])\ndef idles():\n    where()\n",
    )

    assert box.pexen("run", "py:sums", "-j1", prefix=handed.prefix).code == 1

    told = usage(box)
    assert sorted(told) == ["adds", "dies", "idles"]
    cpu = {task: found[2]["cpu_seconds"] for task, found in told.items()}
    assert cpu["idles"] < cpu["adds"]  # each for itself, though one worker ran several
    assert cpu["idles"] < cpu["dies"]  # told by the runner: its worker died of it
    places = {box.pexen("logs", f"sums/{task}").out.split()[-1] for task in ("adds", "idles")}
    assert len(places) == 2
    assert all("/attempt-" in place for place in places)
    assert handed.below() == [LEAF]


def test_a_cgroup_in_which_others_live_is_left_as_it_is(box: Box, handed: Handed) -> None:
    box.script("suite/where", WHERE)
    with subprocess.Popen([*handed.prefix, "sleep", "1000"]) as other:
        wait_for(lambda: (handed.path / "cgroup.procs").read_text() == f"{other.pid}\n", "it is in there")

        assert box.pexen("run", "suite", prefix=handed.prefix).code == 0
        other.kill()

    assert handed.below() == []
    assert usage(box) == {}
    assert box.pexen("logs", "suite/where").out.split()[-1].endswith(handed.path.name)


HOPS = """
import os, sys
os.setsid()
os.environ.clear()
while True:
    if os.fork():
        os._exit(0)
"""


def test_who_never_stays_the_same_process_is_ended_with_the_others(box: Box, handed: Handed) -> None:
    box.file("hops.py", HOPS)
    box.script("suite/hops", f'# pexen: timeout="2s"\n{sys.executable} -S -E ../hops.py\nsleep 1000')

    assert box.pexen("run", "suite", prefix=handed.prefix).code == 1

    assert box.sql("SELECT verdict FROM tasks") == [("timeout",)]
    assert usage(box)["hops"][2]["cpu_seconds"] > 0
    assert handed.below() == [LEAF]


def test_what_a_dead_runner_left_is_found_by_its_cgroup_whatever_its_environment_says(box: Box, handed: Handed) -> None:
    stray, gate = box.directory / "stray", box.gate()
    box.script(
        "suite/leaves",
        f"[ -e {stray} ] && exit 0\n"
        f"env -i /usr/bin/setsid /bin/sh -c 'echo $$ >{stray}.new; mv {stray}.new {stray}; exec sleep 1000' &\n"
        f"while [ ! -e {stray} ]; do sleep 0.02; done\n{gate.wait}",
    )
    with box.started("run", "suite", program=(*handed.prefix, sys.executable, "-m", "pexen_state")) as run:
        gate.reached()
        # The runner, the keeper and the workers at once; nobody is there any more to end anything.
        (handed.path / LEAF / "cgroup.kill").write_text("1")
        gate.let_go()
        assert run.process.wait(30) == -signal.SIGKILL
    left = int(stray.read_text())
    assert is_alive(left)

    assert box.pexen("resume", prefix=handed.prefix).code in (0, 1)

    assert not is_alive(left)
    assert handed.below() == [LEAF]


def test_a_task_gets_no_more_memory_than_it_may_have_or_it_is_told_why_it_does(box: Box, handed: Handed) -> None:
    box.script("suite/eats", f"# pexen: memory_max='100M'\nexec {sys.executable} -c 'bytearray(300 << 20)'")

    ended = box.pexen("run", "suite", prefix=handed.prefix)

    verdict, note, metrics = usage(box)["eats"]
    assert verdict == "info"
    if handed.limits_memory:
        assert ended.code == 1
        assert box.sql("SELECT reason FROM tasks") == [("killed by SIGKILL; out of memory: it may have 100M",)]
        assert metrics["memory_peak_bytes"] <= 100 << 20
    else:
        assert ended.code == 0
        assert "memory was not limited to 100M: no cgroup that limits memory was handed to this runner" in note
        assert "memory_peak_bytes" not in metrics


def test_without_any_cgroup_only_a_limit_that_is_not_kept_is_told(box: Box) -> None:
    box.script("suite/plain")
    box.script("suite/limited", "# pexen: memory_max='100M'")

    assert box.pexen("run", "suite").code == 0

    assert list(usage(box)) == ["limited"]
    assert box.json("list", "suite")["tasks"][0]["memory_max"] in (None, 100 << 20)
