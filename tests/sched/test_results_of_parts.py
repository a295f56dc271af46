"""What tasks report about their parts, from where they are to where it is asked for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import pexen_state
from pexen_state import PexenWarning, Refused, Sched, current, task
from pexen_state.sched.executable import Executable
from pexen_state.sched.meta import assign_val
from pexen_state.sched.pool import ProcessWorkerPool, ThreadWorkerPool
from tests.journal.telling import sql

POOLS = pytest.mark.parametrize("kind", [ProcessWorkerPool, ThreadWorkerPool], ids=["process", "thread"])
JOURNALS = pytest.mark.parametrize("journaled", [True, False], ids=["journal", "no journal"])


def sh(name: str, script: str, **meta) -> Executable:
    executable = Executable(["/bin/sh", "-c", script])
    assign_val(executable, name=name, **meta)
    return executable


def run(kind, *tasks, journal: Path | None = None):
    return {one.key: one for one in Sched(tasks, journal=journal).run(kind(workers=1))}


def parts(result) -> list[tuple[str, str, str | None]]:
    return [(one.name, one.verdict.word, one.note) for one in result.results]


@POOLS
@JOURNALS
def test_a_task_in_python_reports_its_parts(kind, journaled, tmp_path: Path):
    @task(name="disks")
    def disks(shared):
        for disk in ("sda", "sdb"):
            pexen_state.result(disk, "pass", metrics={"mb_s": 100})
        pexen_state.result("sdc", "warn", note="slow")
        return "done"

    journal = tmp_path / "journal.db" if journaled else None
    found = run(kind, disks, journal=journal)["disks"]

    assert parts(found) == [("sda", "pass", None), ("sdb", "pass", None), ("sdc", "warn", "slow")]
    assert (found.state, found.verdict, found.reason) == ("succeeded", "warn", "1 of 3 subtests: sdc: slow")
    assert found.ret == "done"
    if journaled:
        assert sql(journal, "SELECT task, attempt, name, verdict, note, metrics FROM results ORDER BY at") == [
            ("disks", 1, "sda", "pass", None, '{"mb_s": 100}'),
            ("disks", 1, "sdb", "pass", None, '{"mb_s": 100}'),
            ("disks", 1, "sdc", "warn", "slow", None),
        ]


@POOLS
@pytest.mark.parametrize(
    ("verdicts", "state", "verdict"),
    [
        (["pass", "fail", "warn"], "failed", "fail"),
        (["pass", "error"], "failed", "error"),
        (["skip", "skip"], "skipped", "skip"),
        (["skip", "pass"], "succeeded", "pass"),
        (["info"], "succeeded", "pass"),
    ],
)
def test_parts_make_a_verdict_worse_and_never_better(kind, verdicts, state, verdict, tmp_path: Path):
    script = "\n".join(f"pexen result part {one}" for one in verdicts)

    found = run(kind, sh("t", script), sh("bad", f"{script}\nexit 1"), journal=tmp_path / "journal.db")

    assert (found["t"].state, found["t"].verdict) == (state, verdict)
    assert found["bad"].state == "failed"
    assert found["bad"].verdict == ("error" if verdict == "error" else "fail")


@POOLS
def test_who_reports_a_failed_part_provides_nothing_and_leaves_no_lock(kind, tmp_path: Path):
    first = sh("first", "pexen result part fail", provides=["net"], claims=["/disk"])
    second = sh("second", "true", requires=["net"])
    third = sh("third", "true", claims=["/disk"], after=["first"])

    with pytest.warns(PexenWarning, match="1 tasks skipped due to unmet deps"):
        found = run(kind, first, second, third, journal=tmp_path / "journal.db")

    assert {key: one.state for key, one in found.items()} == {"first": "failed", "third": "succeeded"}


@POOLS
def test_what_was_reported_stands_when_the_task_dies(kind, tmp_path: Path):
    hangs = sh("hangs", "pexen result early pass; pexen result at error --partial; sleep 60", timeout=0.7)
    killed = sh("killed", "pexen result early pass; kill -9 $$")

    found = run(kind, hangs, killed, journal=tmp_path / "journal.db")

    assert parts(found["hangs"])[:2] == [("early", "pass", None), ("at", "error", None)]
    assert found["hangs"].verdict == "timeout"
    assert parts(found["killed"]) == [("early", "pass", None)]


def test_what_was_reported_stands_when_the_worker_dies(tmp_path: Path):
    @task(name="dies", max_crashes=0)
    def dies(shared):
        import os
        import signal

        pexen_state.result("early", "pass")
        os.kill(os.getpid(), signal.SIGKILL)

    found = run(ProcessWorkerPool, dies, journal=tmp_path / "journal.db")

    assert sql(tmp_path / "journal.db", "SELECT task, name, verdict FROM results") == [("dies", "early", "pass")]
    assert found["dies"].verdict == "crash"


@POOLS
def test_results_are_replayed(kind, tmp_path: Path):
    def sched():
        tasks = [sh("a", "pexen result one pass --note x --metric n=2"), sh("b", "true", after=["a"])]
        return Sched(tasks, journal=tmp_path / "journal.db")

    live = next(iter(sched().run(kind(workers=1))))
    again = [one for one in sched().run(kind(workers=1)) if one.key == "a"]

    assert again[0].replayed
    assert again[0].results == live.results
    assert again[0].results[0].metrics == {"n": 2}


@POOLS
def test_tap_is_read_where_it_says_that_it_is_tap_or_somebody_said_so(kind, tmp_path: Path):
    says = sh("says", "printf 'TAP version 13\\n1..2\\nok 1 - a\\nnot ok 2 - b\\n'")
    told = sh("told", "printf '1..1\\nok 1 - a\\n'", results="tap")
    neither = sh("neither", "printf '1..1\\nnot ok 1 - a\\n'")
    refuses = sh("refuses", "printf 'TAP version 13\\nnot ok 1 - a\\n'", results="none")

    found = run(kind, says, told, neither, refuses, journal=tmp_path / "journal.db")

    assert parts(found["says"]) == [("a", "pass", None), ("b", "fail", None)]
    assert (found["says"].verdict, found["says"].reason) == ("fail", "1 of 2 subtests: b")
    assert parts(found["told"]) == [("a", "pass", None)]
    assert [parts(found[name]) for name in ("neither", "refuses")] == [[], []]


@POOLS
def test_a_test_written_with_beakerlib_is_judged_by_its_file_and_not_by_its_exit_status(kind, tmp_path: Path):
    def wrote(result: str, state: str, status: int) -> str:
        lines = f"TESTRESULT_RESULT_STRING={result}\\nTESTRESULT_STATE={state}\\n"
        return f"printf '{lines}' > $BEAKERLIB_DIR/TestResults; exit {status}"

    found = run(
        kind,
        sh("well", wrote("PASS", "complete", 1), results="beakerlib"),
        sh("bad", wrote("FAIL", "complete", 0), results="beakerlib"),
        sh("cut", wrote("PASS", "incomplete", 0), results="beakerlib"),
        sh("none", "true", results="beakerlib"),
        journal=tmp_path / "journal.db",
    )

    assert {key: one.verdict for key, one in found.items()} == {
        "well": "pass",
        "bad": "fail",
        "cut": "error",
        "none": "error",
    }


@POOLS
def test_files_are_taken_to_the_artifacts_at_once(kind, tmp_path: Path):
    (tmp_path / "a.log").write_text("log")
    script = f"cp {tmp_path}/a.log {tmp_path}/b.log; pexen result x pass --file {tmp_path}/b.log; rm {tmp_path}/b.log"

    @task(name="python")
    def python(shared):
        current().result("x", files=[tmp_path / "a.log"])
        with pytest.raises(Refused, match="No such file"):
            current().result("y", files=[tmp_path / "none"])
        return [path.name for path in current().artifacts.iterdir()]

    found = run(kind, sh("sh", script), python, journal=tmp_path / "journal.db")

    assert found["sh"].results[0].files == ("b.log",)
    assert found["python"].results[0].files == ("a.log",)
    assert found["python"].ret == ["a.log"]
    assert len(found["python"].results) == 1


@POOLS
@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        ("tmt-report-result sub/one PASS", ("sub/one", "pass", None)),
        ("tmt-report-result -o {log} sub/one FAIL", ("sub/one", "fail", None)),
        ("rstrnt-report-result sub/one WARN 412", ("sub/one", "warn", {"score": 412.0})),
        ("rstrnt-report-result -o {log} sub/one PASS 1.5", ("sub/one", "pass", {"score": 1.5})),
        ("rhts-report-result sub/one FAIL {log} 3", ("sub/one", "fail", {"score": 3.0})),
        ("pexen result 'a b' skip --metric=x=1 --metric y.z=-2e3", ("a b", "skip", {"x": 1, "y.z": -2000})),
    ],
)
def test_commands_of_others_report_in_their_own_words(kind, command, wanted, tmp_path: Path):
    (tmp_path / "out.log").write_text("log")

    found = run(kind, sh("t", command.format(log=tmp_path / "out.log")), journal=tmp_path / "journal.db")["t"]

    (one,) = found.results
    assert (one.name, one.verdict.word, one.metrics) == wanted
    assert one.files == (("out.log",) if "{log}" in command else ())


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("pexen result", "pexen: result: it takes a name and a verdict"),
        ("pexen result a passed", "pexen: 'passed' is no verdict; there are: skip info pass"),
        ("pexen result a pass --metric fast", "pexen: result: 'fast' is no metric, such as mb_s=412.5"),
        ("pexen result a pass --file /none", "pexen: result: /none: No such file or directory"),
        ("pexen result a pass --nope", "pexen: result: '--nope' is not known"),
        ("tmt-report-result a", "tmt-report-result: it takes a name and a result"),
        ("env -u PEXEN_RESULTS pexen result a pass", "pexen: this is for tasks, while they run"),
    ],
)
def test_what_is_typed_wrongly_is_refused_with_status_2(command, said, tmp_path: Path):
    found = run(ProcessWorkerPool, sh("t", f"{command}; echo status $?"), journal=tmp_path / "journal.db")["t"]

    printed = Path(found.output).read_text()
    assert printed.startswith(said)
    assert printed.endswith("status 2\n")
    assert found.results == ()


@POOLS
def test_an_executable_that_is_python_reports_as_a_task_in_python_does(kind, tmp_path: Path):
    code = "import pexen_state; pexen_state.result('one', 'info', note='from below')"

    found = run(kind, sh("t", f'{sys.executable} -c "{code}"'), journal=tmp_path / "journal.db")["t"]

    assert parts(found) == [("one", "info", "from below")]
