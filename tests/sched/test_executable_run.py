"""Executables under the keeper: their environment, their files, how their end is read."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pexen_state.core.spec import Declared
from pexen_state.sched.executable import Executable
from tests.sched.executables import both, end_of, sh
from tests.sched.pools import (
    Cause,
    Job,
    Limits,
    Verdict,
    context,
    opened,
    run,
    said,
)


@both
def test_an_executable_that_ends_well_passes(kind):
    report = end_of(Executable(["true"]), kind)

    assert said(report) == (Cause.RETURNED, Verdict.PASS, None)
    assert report.outcome.exit_code == 0
    assert report.outcome.ret.returncode == 0
    assert report.outcome.excinfo is None


@both
def test_an_executable_that_ends_badly_fails_with_its_status(kind):
    report = end_of(sh("exit 3"), kind)

    assert said(report) == (Cause.EXITED, Verdict.FAIL, "exit 3")
    assert report.outcome.exit_code == 3
    assert isinstance(report.outcome.excinfo.val, subprocess.CalledProcessError)


@both
def test_an_executable_that_dies_of_a_signal_is_an_error_with_its_name(kind):
    report = end_of(sh("kill -SEGV $$"), kind)

    assert said(report) == (Cause.SIGNALLED, Verdict.ERROR, "killed by SIGSEGV")
    assert report.outcome.signal == signal.SIGSEGV


def test_a_status_of_the_table_that_means_skip_is_a_skip():
    report = end_of(sh("exit 77", statuses="automake"))

    assert said(report) == (Cause.SKIPPED, Verdict.SKIP, "exit 77")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo starting; echo no quota in this kernel; echo; exit 77", "exit 77: no quota in this kernel"),
        ("echo no quota >&2; exit 77", "exit 77: no quota"),
        ("printf 'no  quota\\there'; exit 77", "exit 77: no quota here"),
        ("printf '10%%\\r20%%\\rgone\\r\\n'; exit 77", "exit 77: gone"),
        ("printf '\\033[33mskip\\033[0m: \\377 \\007\\n'; exit 77", "exit 77: skip: \\xff \x07"),
        ("head -c 300 /dev/zero | tr '\\0' x; exit 77", f"exit 77: {200 * 'x'}..."),
        ("head -c 9000 /dev/zero | tr '\\0' x; exit 77", f"exit 77: ...{200 * 'x'}..."),
        ("head -c 9000 /dev/zero | tr '\\0' '\\n'; exit 77", "exit 77"),
        ("echo no quota; exit 1", "exit 1"),
        ("echo no quota; exit 99", "exit 99"),
    ],
)
def test_why_a_task_was_skipped_is_what_it_said_last(tmp_path, script, reason):
    report = end_of(sh(script, statuses="automake"), output=str(tmp_path / "log"))

    assert said(report)[2] == reason


@both
def test_what_was_said_last_is_told_for_each_table_and_pool(kind, tmp_path):
    skips = [
        sh("echo TCONF: no quota; exit 32", statuses="ltp"),
        sh("echo '# SKIP no quota'; exit 4", statuses="kselftest"),
        sh("echo mine; exit 5", statuses={5: "skip"}),
    ]
    with opened(skips, kind) as pool:
        ends = run(pool, [Job(n, 1, one, {}, output=str(tmp_path / str(n))) for n, one in enumerate(skips, 1)])

    assert [said(ends[number]) for number in (1, 2, 3)] == [
        (Cause.SKIPPED, Verdict.SKIP, "exit 32: TCONF: no quota"),
        (Cause.SKIPPED, Verdict.SKIP, "exit 4: # SKIP no quota"),
        (Cause.SKIPPED, Verdict.SKIP, "exit 5: mine"),
    ]


@pytest.mark.parametrize("instead", ["ln -s {other} {log}", "mkfifo {log}", "true", "mkdir {log}"])
def test_what_was_put_in_the_place_of_an_output_file_is_not_read(tmp_path, instead):
    log, other = tmp_path / "log", tmp_path / "other"
    other.write_text("a secret\n")
    replace = instead.format(log=log, other=other)
    report = end_of(sh(f"echo gone; rm {log}; {replace}; exit 77", statuses="automake"), output=str(log))

    assert said(report) == (Cause.SKIPPED, Verdict.SKIP, "exit 77")


def test_a_status_that_warns_is_a_good_end():
    report = end_of(sh("exit 4", statuses="ltp"))

    assert said(report) == (Cause.RETURNED, Verdict.WARN, "exit 4")


def test_the_environment_says_who_the_attempt_is(tmp_path, monkeypatch):
    monkeypatch.setenv("PEXEN_JOURNAL", "/outer/journal.db")
    monkeypatch.setenv("PEXEN_DEADLINE", "1")
    monkeypatch.setenv("PEXEN_PARAM_STORAGE", "nvme")  # an outer run's
    log = tmp_path / "deep" / "er" / "output.log"
    report = end_of(sh("env"), output=str(log), context=context(tmp_path, "cookie-1", key="net/dhcp"))

    said_by_task = dict(line.split("=", 1) for line in log.read_text().splitlines())
    directory = tmp_path / "attempts" / "cookie-1"
    assert report.outcome.output == str(log)
    assert {name: value for name, value in said_by_task.items() if name.startswith("PEXEN_")} == {
        "PEXEN_RUN": "7",
        "PEXEN_RESULTS": f"{directory}/results.jsonl",
        "PEXEN_TASK": "net/dhcp",
        "PEXEN_ATTEMPT": "1",
        "PEXEN_ATTEMPT_ID": "cookie-1",
        "PEXEN_REBOOT_COUNT": "0",
        "PEXEN_REBOOT_MARK": "",
        "PEXEN_SHARED": str(directory / "shared.json"),
        "PEXEN_ARTIFACTS": str(directory / "artifacts"),
        "PEXEN_DATA": str(tmp_path / "data"),
        "PEXEN_SOCKET": said_by_task["PEXEN_SOCKET"],
        "PEXEN_PYTHON": sys.executable,
    }
    assert said_by_task["PATH"].endswith(f"in_task/bin:{os.environ['PATH']}")


def test_a_time_limit_is_told_as_a_deadline(tmp_path):
    log = tmp_path / "log"
    end_of(
        sh("echo $((PEXEN_DEADLINE - $(date +%s)))"),
        output=str(log),
        context=context(tmp_path, "c"),
        limits=Limits(timeout=5000),
    )

    assert 4000 < int(log.read_text()) <= 5000


def test_without_a_run_there_is_nothing_of_an_outer_one(monkeypatch, tmp_path):
    monkeypatch.setenv("PEXEN_TASK", "outer")
    monkeypatch.setenv("PEXEN_SHARED", "/outer/shared.json")
    log = tmp_path / "log"
    end_of(sh("env | grep ^PEXEN_ || echo none"), output=str(log))

    assert log.read_text() == "none\n"


@pytest.mark.parametrize("umask", [0, 0o777])
def test_files_and_directories_are_for_their_owner_alone(tmp_path, umask):
    old = os.umask(umask)
    try:
        end_of(sh("echo hello"), output=str(tmp_path / "run" / "task" / "output.log"), context=context(tmp_path, "c"))
    finally:
        os.umask(old)

    made = [tmp_path / "run", tmp_path / "run" / "task", tmp_path / "data", tmp_path / "attempts" / "c" / "artifacts"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o700}
    files = [tmp_path / "run" / "task" / "output.log", tmp_path / "attempts" / "c" / "shared.json"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_shared_travels_through_a_file(tmp_path):
    script = 'cat "$PEXEN_SHARED" >&2; echo \'{"build": 667, "new": [1, null]}\' > "$PEXEN_SHARED"'
    report = end_of(
        sh(script),
        shared={"build": 666, "names": ("a", "b")},
        output=str(tmp_path / "log"),
        context=context(tmp_path, "c"),
    )

    assert json.loads((tmp_path / "log").read_text()) == {"build": 666, "names": {"$tuple": ["a", "b"]}}
    assert report.outcome.shared == {"build": 667, "new": [1, None]}


def test_shared_that_nobody_touched_stays_as_it_was(tmp_path):
    report = end_of(Executable(["true"]), shared={"names": ("a", "b")}, context=context(tmp_path, "c"))

    assert report.outcome.shared == {"names": ("a", "b")}


@pytest.mark.parametrize("text", ["[1, 2]", "{", "", '{"$tuple": [1]}'])
def test_a_shared_file_that_is_no_object_fails_the_task_and_says_so(tmp_path, text):
    report = end_of(sh(f"printf '%s' '{text}' > \"$PEXEN_SHARED\""), context=context(tmp_path, "c"))

    assert said(report)[:2] == (Cause.EXITED, Verdict.ERROR)
    assert said(report)[2].startswith("what the task left in PEXEN_SHARED cannot be read: ")


@pytest.mark.parametrize(
    "instead", ['mkfifo "$PEXEN_SHARED"', 'mkdir "$PEXEN_SHARED"', "true", 'ln -s /dev/null "$PEXEN_SHARED"']
)
def test_what_was_put_in_the_place_of_a_shared_file_fails_the_task_and_nobody_waits_for_it(tmp_path, instead):
    report = end_of(sh(f'rm "$PEXEN_SHARED"; {instead}'), context=context(tmp_path, "c"))

    assert said(report)[:2] == (Cause.EXITED, Verdict.ERROR)
    assert said(report)[2].startswith("what the task left in PEXEN_SHARED cannot be read: ")


def test_a_shared_file_longer_than_what_was_there_is_read_to_its_end(tmp_path):
    script = sh("""printf '{"new": "%s"}' "$(head -c 300000 /dev/zero | tr '\\0' x)" > "$PEXEN_SHARED\"""")
    report = end_of(script, shared={"build": 1}, context=context(tmp_path, "c"))

    assert report.outcome.shared == {"new": 300000 * "x"}


def test_changes_of_shared_are_what_the_journal_gets(tmp_path):
    script = sh('echo \'{"kept": 1, "new": 2}\' > "$PEXEN_SHARED"')
    with opened([script], journaled=True) as pool:
        shared = {"kept": 1, "gone": 3}
        report = run(pool, [Job(1, 1, script, shared, context=context(tmp_path, "c"))])[1]

    assert json.loads(report.outcome.shared_json) == {"set": {"new": 2}, "del": ["gone"]}
    assert report.outcome.shared == {"kept": 1, "new": 2}


def test_it_has_a_session_of_its_own_and_nothing_on_standard_input(tmp_path):
    log = tmp_path / "log"
    end_of(sh("cat; ps -o pid=,sid= -p $$"), output=str(log))

    pid, session = log.read_text().split()
    assert pid == session


def test_it_has_default_signals_and_no_descriptors_of_ours(tmp_path):
    log = tmp_path / "log"
    end_of(sh("grep -E '^Sig(Blk|Ign)' /proc/self/status; ls /proc/$$/fd"), output=str(log))

    lines = log.read_text().split()
    of_the_c_library = 0b11 << 31  # 32 and 33: nobody but it can change them
    assert [int(mask, 16) & ~of_the_c_library for mask in lines[1:4:2]] == [0, 0]
    assert set(lines[4:]) <= {"0", "1", "2", "255"}  # some shells keep one for themselves


def test_it_runs_where_it_was_told_to_and_the_worker_stays_where_it_was(tmp_path):
    inside = sh("pwd", cwd=str(tmp_path))
    with opened([inside, os.getcwd]) as pool:
        ends = run(pool, [Job(1, 1, inside, {}, output=str(tmp_path / "log")), Job(2, 1, os.getcwd, {})])

    assert (tmp_path / "log").read_text().strip() == str(tmp_path)
    assert ends[2].outcome.ret == str(Path.cwd())


def test_a_directory_that_is_not_there_is_said(tmp_path):
    report = end_of(Executable(["true"], cwd=str(tmp_path / "gone")))

    assert said(report) == (
        Cause.EXITED,
        Verdict.ERROR,
        f"could not be started: No such file or directory: {tmp_path / 'gone'}",
    )


def test_a_script_without_a_first_line_is_said(tmp_path):
    script = tmp_path / "script"
    script.write_bytes(b"\x01\x02")
    script.chmod(0o755)
    report = end_of(Executable([str(script)]))

    assert said(report)[:2] == (Cause.EXITED, Verdict.ERROR)
    assert "a script needs a first line like #!/bin/sh" in said(report)[2]


@pytest.mark.parametrize(
    ("first_line", "hint"),
    [
        ("#!/usr/bin/nonsense -x", " (the interpreter that its first line names, /usr/bin/nonsense, is not there)"),
        ("#! \t/usr/bin/nonsense", " (the interpreter that its first line names, /usr/bin/nonsense, is not there)"),
        ("#!bin/nonsense", " (the interpreter that its first line names, bin/nonsense, is not there)"),
        (
            "#!/bin/sh\r",
            " (its first line ends as lines do on Windows, so it names '/bin/sh' with a carriage return)",
        ),
    ],
)
@pytest.mark.parametrize("popen", [{}, {"close_fds": True}])
def test_an_interpreter_that_is_not_there_is_said(tmp_path, first_line, hint, popen):
    script = tmp_path / "script"
    script.write_bytes(f"{first_line}\ntrue\n".encode())
    script.chmod(0o755)
    report = end_of(Executable([str(script)], popen=popen))

    assert said(report) == (
        Cause.EXITED,
        Verdict.ERROR,
        f"could not be started: No such file or directory: {script}{hint}",
    )


@pytest.mark.parametrize("argv", [["./made-up"], ["made-up"]])
def test_an_interpreter_is_looked_for_where_the_script_runs_and_is_found(tmp_path, argv, monkeypatch):
    (tmp_path / "made-up").write_text("#!/usr/bin/nonsense\n")
    (tmp_path / "made-up").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    report = end_of(Executable(argv, cwd=str(tmp_path)))

    assert said(report)[2].endswith(
        "made-up (the interpreter that its first line names, /usr/bin/nonsense, is not there)"
    )


def test_a_program_that_is_not_there_at_all_is_said_as_the_kernel_says_it(tmp_path):
    report = end_of(Executable([str(tmp_path / "gone")]))

    assert said(report)[2] == f"could not be started: No such file or directory: {tmp_path / 'gone'}"


def test_a_shell_line_is_run_by_the_shell(tmp_path):
    end_of(Executable("echo $((1 + 2)) | cat", shell=True), output=str(tmp_path / "log"))

    assert (tmp_path / "log").read_text() == "3\n"


def test_popen_arguments_of_the_factory_are_obeyed():
    report = end_of(sh("cat; echo out; echo err >&2", popen={"stdout": subprocess.PIPE, "text": True}))

    assert report.outcome.ret.stdout == "out\n"
    assert report.outcome.ret.stderr is None


def test_an_environment_of_the_factory_is_taken_instead_of_ours(tmp_path):
    end_of(
        sh("echo $ONLY $HOME", popen={"env": {"ONLY": "this", "PATH": os.defpath}}),
        output=str(tmp_path / "log"),
        context=context(tmp_path, "c"),
    )

    assert (tmp_path / "log").read_text() == "this\n"


def test_a_factory_of_the_original_sees_what_subprocess_run_would_raise():
    report = end_of(sh("echo out; exit 1", popen={"stdout": subprocess.PIPE}, declared=Declared.CALLABLE))

    error = report.outcome.excinfo.val
    assert (error.returncode, error.stdout) == (1, b"out\n")
