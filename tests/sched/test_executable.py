"""Executables as callables, and how their exit status is read."""

from __future__ import annotations

import subprocess

import pytest

from pexen_state.core.states import Verdict
from pexen_state.sched.common import ExceptionInfo, TaskRes
from pexen_state.sched.executable import Executable, signal_name, verdict_of
from pexen_state.util import PexenError


@pytest.mark.parametrize(
    ("table", "verdicts"),
    [
        ("plain", {0: Verdict.PASS, 1: Verdict.FAIL, 77: Verdict.FAIL}),
        ("automake", {0: Verdict.PASS, 1: Verdict.FAIL, 77: Verdict.SKIP, 99: Verdict.ERROR}),
        (
            "kselftest",
            {0: Verdict.PASS, 1: Verdict.FAIL, 2: Verdict.PASS, 3: Verdict.WARN, 4: Verdict.SKIP, 5: Verdict.FAIL},
        ),
        (
            "ltp",
            {
                0: Verdict.PASS,
                1: Verdict.FAIL,
                2: Verdict.ERROR,
                3: Verdict.ERROR,
                4: Verdict.WARN,
                5: Verdict.FAIL,
                16: Verdict.INFO,
                32: Verdict.SKIP,
                36: Verdict.WARN,
                64: Verdict.ERROR,
            },
        ),
        ({5: "skip", 6: "error"}, {0: Verdict.PASS, 1: Verdict.FAIL, 5: Verdict.SKIP, 6: Verdict.ERROR}),
        ({0: "info", 1: "pass"}, {0: Verdict.INFO, 1: Verdict.PASS}),
    ],
)
def test_a_table_says_what_a_status_means(table, verdicts):
    assert {status: verdict_of(table, status) for status in verdicts} == verdicts


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("autmake", "no exit-status table is called 'autmake'; there are: plain, automake, kselftest, ltp"),
        ({1: "bad"}, "exit status 1 cannot mean 'bad'; verdicts are: skip, info, pass, warn, fail, error"),
        ({256: "fail"}, "256 is not an exit status: these are the numbers from 0 to 255"),
        ({"1": "fail"}, "'1' is not an exit status: these are the numbers from 0 to 255"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(table, message):
    with pytest.raises(PexenError) as caught:
        Executable(["true"], statuses=table)
    assert str(caught.value) == message


def test_called_directly_it_is_a_subprocess_that_is_checked(tmp_path):
    echo = Executable(["sh", "-c", "pwd; exit $0", "0"], cwd=str(tmp_path), popen={"stdout": subprocess.PIPE})
    fails = Executable("exit 3", shell=True)

    assert echo().stdout.decode().strip() == str(tmp_path)
    with pytest.raises(subprocess.CalledProcessError, match="status 3"):
        fails()


def test_it_is_equal_to_itself_only_as_functions_are():
    first, second = Executable(["true"]), Executable(["true"])

    assert first != second
    assert len({first, second}) == 2


def test_signals_have_names():
    assert (signal_name(11), signal_name(40)) == ("SIGSEGV", "signal 40")


def test_results_are_equal_if_their_four_fields_are():
    result = TaskRes(print, {"a": 1}, 2, None, key="one", attempt=3, state="failed", verdict="error", replayed=True)

    assert result == TaskRes(print, {"a": 1}, 2)
    assert (result.key, result.attempt, result.state, result.verdict, result.replayed) == (
        "one",
        3,
        "failed",
        "error",
        True,
    )
    assert repr(TaskRes("t", ret=1)) == "TaskRes(task='t', shared={}, ret=1, excinfo=None)"
    task, shared, ret, excinfo = result
    assert (task, shared, ret, excinfo) == (print, {"a": 1}, 2, None)
    assert TaskRes(print).shared is not TaskRes(print).shared


def test_an_attribute_that_results_do_not_have_is_refused():
    with pytest.raises(TypeError, match="TaskRes has no attribute 'verdikt'"):
        TaskRes(print, verdikt="pass")


def test_an_exception_of_which_nothing_could_be_brought_over_still_is_one():
    assert ExceptionInfo() == (None, None, None)
    assert ExceptionInfo() is not None
