"""Exceptions come back as their own class where that is possible, and as their text where it is not."""

from __future__ import annotations

import json
import subprocess

import pytest

from pexen_state.journal.codec import ReplayedError, decode_error, encode_error
from pexen_state.sched.common import Skip, TaskFailError


class WantsTwo(Exception):
    """The common case that pickles and does not unpickle."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"no answer from {host}:{port}")
        self.host, self.port = host, port


class Changing(Exception):
    count = 0

    def __str__(self) -> str:
        type(self).count += 1
        return f"said {self.count} times"


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("bad", 1, ("a", None)),
        KeyError("missing"),
        OSError(2, "No such file", "/etc/nothing"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        SystemExit(3),
        AssertionError(),
        Skip("no such hardware"),
        WantsTwo("db", 5432),
        ValueError("a lone \udcff surrogate"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_the_same_exception_comes_back(error: BaseException) -> None:
    again = decode_error(encode_error(error))

    assert type(again) is type(error)
    assert again.args == error.args
    assert str(again) == str(error)
    assert vars(again) == vars(error)
    assert again.__traceback__ is None


def test_the_flags_of_a_controlled_failure_survive() -> None:
    again = decode_error(encode_error(TaskFailError("half done", deps_ok=False, locks_ok=True)))

    assert isinstance(again, TaskFailError)
    assert (again.deps_ok, again.locks_ok) == (False, True)


def test_output_of_a_failed_command_survives() -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        subprocess.run(["/bin/sh", "-c", "echo out; exit 3"], check=True, capture_output=True)

    again = decode_error(encode_error(caught.value))

    assert isinstance(again, subprocess.CalledProcessError)
    assert (again.returncode, again.stdout) == (3, b"out\n")


def test_notes_survive() -> None:
    error = ValueError("bad")
    error.add_note("while testing disk vda")

    assert decode_error(encode_error(error)).__notes__ == ["while testing disk vda"]


def test_an_exception_that_cannot_be_made_again_comes_back_as_its_text() -> None:
    class Local(Exception):
        pass

    for error in (Local("gone"), ValueError(object()), Changing("x"), ExceptionGroup("many", [ValueError(1)])):
        again = decode_error(encode_error(error))

        assert isinstance(again, ReplayedError)
        assert again.class_path.endswith(type(error).__qualname__)


def test_a_replayed_error_has_the_text_and_the_traceback_of_its_original() -> None:
    try:
        raise ValueError("bad", object())
    except ValueError as error:
        text = encode_error(error)

    again = decode_error(text)

    assert isinstance(again, ReplayedError)
    assert str(again).startswith("ValueError: ('bad', <object object")
    assert 'raise ValueError("bad", object())' in again.traceback


def test_an_exception_that_cannot_say_what_it_is_is_kept_all_the_same() -> None:
    assert json.loads(encode_error(Mute()))["text"] == "<its text failed with RuntimeError>"


def test_a_class_that_is_no_exception_any_more_is_not_called() -> None:
    text = json.dumps({"class": "os:system", "args": ["exit 1"], "text": "exit 1", "traceback": ""})

    assert isinstance(decode_error(text), ReplayedError)
