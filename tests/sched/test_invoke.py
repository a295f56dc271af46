"""How a task is called, and what its end means."""

from __future__ import annotations

import functools
import unittest

import pytest

from pexen_state.core.states import Cause, Verdict
from pexen_state.sched.common import Skip, TaskFailError, task_fail_wrap
from pexen_state.sched.invoke import invoke
from pexen_state.sched.meta import func_meta, get_kwargs


def called(body, **shared):
    return invoke(body, shared).ret


def test_the_first_positional_parameter_gets_shared():
    assert called(lambda shared: shared, a=1) == {"a": 1}
    assert called(lambda anything=None: anything, a=1) == {"a": 1}
    assert called(lambda shared, /: shared, a=1) == {"a": 1}


def test_a_task_without_a_positional_parameter_gets_none():
    assert called(lambda: "nothing", a=1) == "nothing"
    assert called(lambda *args: args, a=1) == ()
    assert called(lambda **kwargs: kwargs, a=1) == {}


def test_keyword_arguments_come_from_the_metadata():
    @func_meta(kwargs={"version": "Last", "build": 7})
    def both(shared, version, build=123):
        return shared, version, build

    @func_meta(kwargs={"version": "Last"})
    def by_name(*, version, build=123):
        return version, build

    assert called(both, a=1) == ({"a": 1}, "Last", 7)
    assert called(by_name, a=1) == ("Last", 123)


def test_a_parameter_that_a_keyword_argument_fills_is_not_shared():
    @func_meta(kwargs={"version": "Last"})
    def only(version):
        return version

    assert called(only, a=1) == "Last"


def test_a_wrapper_is_called_as_what_it_wraps():
    def plain(wrapped):
        @functools.wraps(wrapped)
        def wrapper(*args, **kwargs):
            return wrapped(*args, **kwargs)

        return wrapper

    assert called(plain(lambda shared: shared), a=1) == {"a": 1}
    assert called(plain(lambda: "nothing"), a=1) == "nothing"


def test_partials_methods_objects_classes_and_builtins_are_tasks():
    class Task:
        def __call__(self, shared):
            return shared

        def method(self, shared):
            return shared

        @classmethod
        def of_class(cls):
            return cls

        @staticmethod
        def static(shared):
            return shared

    task = Task()
    assert called(task, a=1) == {"a": 1}
    assert called(task.method, a=1) == {"a": 1}
    assert called(Task.of_class, a=1) is Task
    assert called(Task.static, a=1) == {"a": 1}
    assert called(functools.partial(lambda x, shared: (x, shared), 5), a=1) == (5, {"a": 1})
    assert called(functools.partial(lambda shared, *, x: (x, shared), x=5), a=1) == (5, {"a": 1})
    assert called(functools.partial(lambda x: x, 5), a=1) == 5
    assert called(print, a=1) is None
    assert called(dict, a=1) == {}


@pytest.mark.parametrize(
    ("error", "cause", "verdict", "reason"),
    [
        (TaskFailError("known"), Cause.FAILED, Verdict.FAIL, "TaskFailError: known"),
        (Skip("no such disk"), Cause.SKIPPED, Verdict.SKIP, "no such disk"),
        (Skip(), Cause.SKIPPED, Verdict.SKIP, None),
        (unittest.SkipTest("not here"), Cause.SKIPPED, Verdict.SKIP, "not here"),
        (pytest.skip.Exception("nor here"), Cause.SKIPPED, Verdict.SKIP, "nor here"),
        (pytest.fail.Exception("it is broken"), Cause.ASSERTED, Verdict.FAIL, "Failed: it is broken"),
        (AssertionError(), Cause.ASSERTED, Verdict.FAIL, "AssertionError"),
        (ValueError("two\nlines"), Cause.RAISED, Verdict.ERROR, "ValueError: two lines"),
        (SystemExit(0), Cause.RETURNED, Verdict.PASS, None),
        (SystemExit(), Cause.RETURNED, Verdict.PASS, None),
        (SystemExit("a word"), Cause.RAISED, Verdict.ERROR, "SystemExit: a word"),
        (KeyboardInterrupt(), Cause.RAISED, Verdict.ERROR, "KeyboardInterrupt"),
        (GeneratorExit(), Cause.RAISED, Verdict.ERROR, "GeneratorExit"),
    ],
)
def test_what_a_task_raises_is_its_ending(error, cause, verdict, reason):
    def body():
        raise error

    call = invoke(body, {})

    assert (call.ending.cause, call.ending.verdict, call.ending.reason) == (cause, verdict, reason)
    if cause is Cause.RETURNED:
        assert call.excinfo is None
    else:
        assert call.excinfo.type is type(error)
        assert call.excinfo.val is error
        assert call.excinfo.tb.tb_frame.f_code is body.__code__


def test_a_controlled_failure_says_which_promises_it_keeps():
    class Mine(TaskFailError):
        pass

    def body():
        raise Mine("known", deps_ok=False, locks_ok=True)

    assert invoke(body, {}).ending[:4] == (Cause.FAILED, Verdict.FAIL, False, True)


def test_an_error_whose_text_fails_is_still_an_ending():
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    def body():
        raise Mute

    assert invoke(body, {}).ending.reason == "Mute: (its text cannot be made)"


def test_metadata_that_is_broken_is_the_tasks_error():
    class Strange:
        def __call__(self):
            return 1

        @property
        def __signature__(self):
            raise RuntimeError("what a strange object")

    assert invoke(Strange(), {}).ending.cause is Cause.RAISED


class Reraised(TaskFailError):
    def __init__(self, text):
        super().__init__(text)
        self.text = text


def test_wrapped_tasks_fail_in_a_controlled_manner_and_keep_their_parameters_and_metadata():
    @task_fail_wrap(reraise=Reraised, deps_ok=False)
    @func_meta(kwargs={"version": 1})
    def body(shared, version):
        shared["seen"] = version
        raise ValueError("no")

    shared = {}
    call = invoke(body, shared)

    assert shared == {"seen": 1}
    assert get_kwargs(body) == {"version": 1}
    assert call.ending[:5] == (Cause.FAILED, Verdict.FAIL, False, True, "Reraised: ValueError: no")
    assert isinstance(call.excinfo.val.__cause__, ValueError)


def test_a_wrapped_task_may_still_skip_and_fail_by_itself():
    @task_fail_wrap
    def skips():
        raise Skip("not here")

    @task_fail_wrap(locks_ok=True)
    def fails():
        raise TaskFailError("mine", locks_ok=False)

    assert invoke(skips, {}).ending.cause is Cause.SKIPPED
    assert invoke(fails, {}).ending.locks_ok is False
