"""What a running executable asks for by its socket: a reboot, a skip, more time; and what nonsense comes of it."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import pytest

from pexen_state import Reboot, Sched
from pexen_state.sched.executable import Executable
from pexen_state.sched.meta import assign_val
from pexen_state.sched.pool import ProcessWorkerPool, ThreadWorkerPool
from tests.journal.telling import sql

#: Asks, prints the answer if there is one, and goes on.
ASK = f"""
ask() {{ "{sys.executable}" -IS -c '
import json, os, socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(os.environ["PEXEN_SOCKET"])
s.sendall((json.dumps({{"attempt": os.environ["PEXEN_ATTEMPT_ID"], **json.loads(sys.argv[1])}}) + "\\n").encode())
print(s.makefile().readline())
' "$1"; }}
"""


@pytest.fixture(params=[ProcessWorkerPool, ThreadWorkerPool], ids=["process", "thread"])
def run(request: pytest.FixtureRequest, tmp_path: Path):
    """Runs one script, to its end or until it waits for a reboot; gives its result, None if there is none."""

    def go(script: str, **meta):
        executable = Executable(["/bin/sh", "-c", ASK + script])
        assign_val(executable, name="script", **meta)
        sched = Sched([executable], journal=tmp_path / "journal.db")
        results = list(sched.run(request.param(workers=1)))
        return results[0] if results else None

    return go


def printed(result) -> str:
    return Path(result.output).read_text()


def test_who_asks_for_a_reboot_never_goes_on(run, tmp_path: Path):
    trap = f"trap 'echo trapped >{tmp_path}/went-on' TERM HUP EXIT; "

    assert run(trap + f"""ask '{{"do": "reboot", "mark": "half-way"}}'; echo on >>{tmp_path}/went-on""") is None

    assert not (tmp_path / "went-on").exists()
    assert sql(tmp_path / "journal.db", "SELECT state FROM tasks") == [("rebooting",)]
    assert sql(tmp_path / "journal.db", "SELECT cause FROM attempts") == [("reboot_asked",)]
    assert sql(tmp_path / "journal.db", "SELECT mark FROM attempt") == [("half-way",)]


def test_who_says_that_it_does_not_apply_is_skipped_with_its_reason(run):
    result = run("""ask '{"do": "skip", "why": "no such card"}'; exit 1""")

    assert (result.state, result.verdict, result.reason) == ("skipped", "skip", "no such card")


def test_more_time_is_had_by_asking_for_it(run):
    result = run("""ask '{"do": "deadline", "seconds": 50}'; sleep 0.7""", timeout=0.5)

    assert (result.state, result.verdict) == ("succeeded", "pass")
    assert json.loads(printed(result))["ok"] is True


def test_a_sign_of_life_is_as_good_as_output(run):
    result = run("""for n in 1 2 3; do sleep 0.4; ask '{"do": "heartbeat"}' >/dev/null; done""", idle_timeout=1)

    assert (result.state, result.verdict) == ("succeeded", "pass")


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (
            '{"do": "dance"}',
            "nobody here knows what to do; known is: reboot, skip, deadline, heartbeat, checkpoint, add",
        ),
        ('{"do": "add", "task": "x"}', "add: task is to be an object"),
        (
            '{"do": "add", "task": {"call": "os; rm", "declared": 0, "meta": {}}}',
            "a task to be added has a call (module:function), how it was declared, and its metadata",
        ),
        (
            '{"do": "add", "task": {"call": "os:getcwd", "declared": 0, "meta": {"naem": "x"}}}',
            "naem is not a valid metadata field. Did you mean 'name'?",
        ),
        (
            '{"do": "add", "task": {"call": "os:getcwd", "declared": 0, "meta": {"requires": [{"$tuple": 7}]}}}',
            "requires cannot be read: 'int' object is not iterable",
        ),
        ('{"do": "deadline", "seconds": -1}', "deadline: seconds is to be seconds"),
        ('{"do": "reboot", "mark": 7}', "reboot: mark is to be text of UTF-8 and without NUL"),
        ('{"do": "skip", "why": "x", "attempt": "a-7-7"}', "this attempt is not running"),
        ('{"do": "skip", "why": "x", "attempt": "nobody"}', "'nobody' is the id of no attempt (PEXEN_ATTEMPT_ID)"),
    ],
)
def test_nonsense_is_answered_by_a_sentence(run, asked, error):
    result = run(f"ask '{asked}'")

    assert json.loads(printed(result)) == {"ok": False, "error": error}


def test_who_says_too_much_or_nothing_holds_nobody_up(run, tmp_path: Path):
    script = tmp_path / "flood.py"
    script.write_text(
        "import os, socket\n"
        "many = [socket.socket(socket.AF_UNIX) for _ in range(150)]\n"
        "for one in many: one.connect(os.environ['PEXEN_SOCKET'])\n"
        "try:\n    many[0].sendall(b'x' * 3_000_000)\nexcept OSError: pass\n"
        "many[1].sendall(b'\\xff\\xfe no json\\n')\n"
        "print(many[1].makefile().readline())\n"
    )

    result = run(f"exec {sys.executable} {script}")

    assert (result.state, json.loads(printed(result))) == ("succeeded", {"ok": False, "error": "this is no JSON"})


def test_the_socket_is_gone_after_the_run(run):
    result = run('echo "$PEXEN_SOCKET"; test -S "$PEXEN_SOCKET"')

    path = printed(result).strip()
    assert result.verdict == "pass"
    assert len(path) < 100
    assert not os.path.lexists(os.path.dirname(path))
    with socket.socket(socket.AF_UNIX) as client, pytest.raises(OSError, match="No such file"):
        client.connect(path)


@pytest.mark.parametrize("mark", ["half\\u0000way", "half\\udcffway"])
def test_a_mark_that_cannot_be_told_after_the_reboot_is_refused(run, mark):
    result = run(f"""ask '{{"do": "reboot", "mark": "{mark}"}}'""")

    assert result.verdict == "pass"
    assert json.loads(printed(result)) == {"ok": False, "error": "reboot: mark is to be text of UTF-8 and without NUL"}


@pytest.mark.parametrize("mark", ["half\0way", "half\udcffway"])
def test_nor_can_python_raise_such_a_reboot(mark):
    with pytest.raises(ValueError, match="without NUL"):
        Reboot(mark)
