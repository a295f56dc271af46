"""`why`, `locks` and `show`: whole sentences about one run in which everything that can go wrong did."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.box import Box, Ended
from tests.cli.typed import typed, typed_json

TASKS = [
    {"name": "setup/disk", "cmd": "exit 3", "provides": ["disk"]},
    {"name": "fs/mkfs", "cmd": "true", "requires": ["disk"], "provides": ["fs"]},
    {"name": "fs/resize", "cmd": "true", "requires": ["fs"]},
    {"name": "raid/rebuild", "cmd": "sleep 600", "claims": ["/dev/md0"], "timeout": 0.2},
    {"name": "raid/check", "cmd": "true", "uses": ["/dev/md0"]},
    {"name": "raid/stop", "cmd": "true", "claims": ["/dev/md0"]},
    {"name": "kernel/oops", "cmd": "echo last words; kill -SEGV $$"},
    {"name": "net/flaky", "cmd": 'test "$PEXEN_ATTEMPT" = 2', "retries": 1},
    {"name": "worker/killer", "cmd": "kill -9 $PPID; sleep 600"},
    {"name": "net/up", "cmd": "true", "provides": ["net"]},
    {"name": "net/ping", "cmd": "true", "requires": ["net"], "uses": ["net0"]},
]
PYTHON = """
import pexen_state

@pexen_state.task(provides=["gpu"], name="gpu/find")
def find():
    raise pexen_state.Skip("no such card")

@pexen_state.task(requires=["gpu"], name="gpu/use")
def use():
    pass
"""


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Box:
    """Run 1 is over; run 2 runs again what did not run there, and is over, too."""
    box = Box(tmp_path_factory.mktemp("ended"))
    box.file("s.jsonl", "".join(f"{json.dumps(task)}\n" for task in TASKS))
    box.file("mine.py", PYTHON)
    assert box.pexen("run", "s.jsonl", "mine.py", "--name", "nightly", "-j1").code == 1
    assert box.pexen("rerun", "1", "--not-run").code == 1
    return box


def why(box: Box, *words: str) -> list[str]:
    done = typed(box.directory, "why", *words)
    assert done.code == 0, done.err
    return [re.sub(r"\d+\.\d+s|\d+ms", "T", line) for line in done.lines]


def test_a_failure_is_told_with_its_exit_and_the_end_of_its_output(ended: Box):
    assert why(ended, "1", "setup/disk") == ["setup/disk failed, verdict fail: exit 3 after T."]
    assert why(ended, "1", "oops") == [
        "kernel/oops failed, verdict error: killed by SIGSEGV after T.",
        "  | last words",
        "All of it: pexen logs 1 kernel/oops",
    ]


def test_a_task_that_did_not_run_is_traced_to_the_failure_that_began_it(ended: Box):
    assert why(ended, "1", "resize") == [
        "fs/resize did not run, verdict not run: requires 'fs', which was provided by nobody: fs/mkfs (not run).",
        "fs/mkfs was skipped, verdict not run: requires 'disk', which was provided by nobody: setup/disk (fail).",
        "setup/disk failed, verdict fail: exit 3.",
    ]


def test_a_skip_is_traced_to_the_task_that_does_not_apply(ended: Box):
    assert why(ended, "1", "gpu/use") == [
        "gpu/use did not run, verdict skip: requires 'gpu', which was provided by nobody: gpu/find (skip).",
        "gpu/find was skipped, verdict skip: no such card.",
    ]
    assert why(ended, "1", "gpu/find") == [
        "gpu/find was skipped, verdict skip: said that it does not apply here after T (no such card)."
    ]


def test_a_lock_that_was_left_names_who_left_it_and_the_way_out(ended: Box):
    assert why(ended, "1", "raid/check") == [
        "raid/check did not run, verdict not run: lock '/dev/md0' is still held by raid/rebuild.",
        "raid/rebuild timed out, verdict timeout, and left the lock /dev/md0 held.",
        "When /dev/md0 is clean: pexen rerun 1 --not-run",
    ]
    assert why(ended, "1", "raid/rebuild")[:2] == [
        "raid/rebuild timed out, verdict timeout: timed out after T (over its time limit of 0.2 s).",
        "It still holds the lock /dev/md0. A new run begins with all locks free.",
    ]


def test_what_passed_and_what_crashed_say_so(ended: Box):
    assert why(ended, "1", "net/ping") == ["net/ping succeeded, verdict pass: ended well after T."]
    assert why(ended, "1", "flaky") == ["net/flaky succeeded in attempt 2, verdict pass: ended well after T."]
    assert why(ended, "1", "killer")[0].startswith("worker/killer failed in attempt 2, verdict crash: its worker died")


def test_why_as_json_has_the_sentences_and_the_attempt(ended: Box):
    document = typed_json(ended.directory, "why", "1", "oops")

    assert document["sentences"][0].startswith("kernel/oops failed, verdict error: killed by SIGSEGV")
    assert (document["task"]["verdict"], document["cause"], document["attempt"]["signal"]) == ("error", "signalled", 11)


def test_why_needs_a_task(ended: Box):
    done = typed(ended.directory, "why", "1")

    assert done.code == 2
    assert done.err == "pexen: which TASK? `pexen why TASK` explains one; `pexen show` lists them.\n"


def test_locks_of_a_run_that_is_over_are_those_that_were_left(ended: Box):
    done = typed(ended.directory, "locks", "1")

    title, line, after = done.lines
    assert title.split() == ["lock", "mode", "held", "by", "for", "waiting"]
    assert line.split()[:7] == ["/dev/md0", "claimed", "left", "dirty", "by", "raid/rebuild", "(timeout)"]
    assert after == "A new run begins with all locks free."
    (lock,) = typed_json(ended.directory, "locks", "1")["locks"]
    assert (lock["lock"], lock["task"], lock["left"], lock["waiting"]) == ("/dev/md0", "raid/rebuild", True, [])


def test_a_run_shows_what_is_wrong_first_and_what_did_not_run_by_its_reasons(ended: Box):
    lines = typed(ended.directory, "show", "1").lines
    body = lines[lines.index("") + 1 :]
    words = [re.sub(r"\[.*?\] ", "", line).strip() for line in body]

    assert [word.split()[:2] for word in words[:4]] == [
        ["FAIL", "setup/disk"],
        ["TIMEOUT", "raid/rebuild"],
        ["ERROR", "kernel/oops"],
        ["CRASH", "worker/killer"],
    ]
    assert words[4].startswith("PASS    net/flaky  2 attempts  flaky")
    at = next(number for number, line in enumerate(body) if "lock '/dev/md0' is still held by raid/rebuild" in line)
    assert body[at].split()[:3] == ["NOT", "RUN", "2"]
    assert body[at + 1].strip() == "raid/check, raid/stop"
    assert words[-1].startswith(("PASS", "SKIP"))
    assert any(line.startswith("  session   ") and "finished at" in line for line in lines)
    assert next(line for line in lines if line.startswith("  tasks")).startswith("  tasks     13: 3 passed, 4 failed")


def test_a_rerun_says_what_of_which_run_it_runs_again(ended: Box):
    assert typed(ended.directory, "show", "2").lines[1] == "  runs again what did not run in run 1"
    title, rerun, first = typed(ended.directory, "runs").lines
    assert "again" in title.split()
    assert "of 1" in rerun
    assert "of 1" not in first
    assert typed_json(ended.directory, "runs")["runs"][0]["parent"] == 1


def test_show_tree_has_verdicts_at_the_leaves(ended: Box):
    lines = typed(ended.directory, "show", "1", "--tree").lines

    raid = lines.index("raid/ (3)")
    assert lines[raid + 1].startswith("  TIMEOUT [")
    assert " rebuild" in lines[raid + 1]


def test_a_task_shows_what_it_needed_who_provided_it_and_its_locks(ended: Box):
    ping = typed(ended.directory, "show", "1", "net/ping").lines
    assert ping[:3] == ["net/ping  succeeded, verdict pass", "  requires  net, provided by net/up", "  uses      net0"]
    assert ping[3].startswith("  attempt 1: ended well  [")
    rebuild = typed(ended.directory, "show", "1", "rebuild").lines
    assert rebuild[0] == "raid/rebuild  timed out, verdict timeout"
    assert "  claims    /dev/md0, left held" in rebuild
    disk = typed(ended.directory, "show", "1", "setup/disk").lines
    assert "  provides  disk; not kept" in disk
    mkfs = typed(ended.directory, "show", "1", "mkfs").lines
    assert "  requires  disk, not provided" in mkfs
    needs = typed_json(ended.directory, "show", "1", "net/ping")["needs"]
    assert needs["requires"] == [{"name": "net", "provided_by": ["net/up"]}]


def test_a_large_run_shows_what_is_wrong_and_a_count_of_the_rest(tmp_path: Path):
    from tests.journal.telling import Runner
    from tests.stories import raised, returned, spec

    (tmp_path / ".pexen").mkdir()
    runner = Runner(tmp_path / ".pexen/journal.db")
    keys = [f"t{number}" for number in range(300)]
    runner.begin(*map(spec, keys), room=300)
    runner.turn(*(raised(key) for key in keys[:120]), *(returned(key) for key in keys[120:250]))
    runner.close()

    def show(*words: str) -> Ended:
        return typed(tmp_path, "show", *words)

    body = show().lines[show().lines.index("") + 1 :]
    assert len(body) == 102
    assert body[100] == "  ... and 20 more; --all lists them"
    assert body[101] == "  and 180 more tasks: 130 pass, 50 submitted; --all lists them"
    assert len(show("--all").lines) - len(show().lines) == 300 - 102


def test_who_else_waits_for_a_lock_is_counted(tmp_path: Path):
    from tests.journal.telling import Runner
    from tests.stories import spec

    (tmp_path / ".pexen").mkdir()
    runner = Runner(tmp_path / ".pexen/journal.db")
    runner.begin(*(spec(key, claims={"disk"}) for key in "abcd"), room=1)
    runner.close()

    assert typed(tmp_path, "why", "d").lines == [
        "d waits for the lock disk, claimed by a, which was cut off. 2 tasks are before it.",
        "Nobody runs run 1 now, it is interrupted: `pexen resume 1` goes on with it.",
    ]
    assert typed(tmp_path, "locks").lines[1].split() == ["disk", "claimed", "a", "3:", "b", "c", "d"]
