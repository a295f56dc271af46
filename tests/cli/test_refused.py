"""What the box refuses to the command itself is told as a sentence: exit code 3, and no traceback."""

from __future__ import annotations

import errno
import os

import pytest

from pexen_state.box.scarcity import BoxError, in_words, told
from tests.cli.box import Box


def may_open(most: int) -> tuple[str, ...]:
    return ("sh", "-c", f'ulimit -n {most}; exec "$@"', "sh")


@pytest.mark.parametrize("most", [8, 12, 14, 16, 18])
def test_a_run_that_may_open_too_little_says_what_it_lacks_and_runs_when_it_may(box: Box, most: int):
    box.script("suite/one")
    box.script("suite/two")

    refused = box.pexen("run", "suite", prefix=may_open(most))

    assert refused.code == 3, refused.err
    assert "Too many open files" in refused.err or "No usable temporary directory" in refused.err
    assert "Traceback" not in refused.err
    assert box.pexen("run", "suite").code == 0


@pytest.mark.parametrize("most", [6, 7])
def test_a_look_that_may_open_too_little_says_so(box: Box, most: int):
    box.script("suite/one")
    assert box.pexen("run", "suite").code == 0

    refused = box.pexen("runs", prefix=may_open(most))

    assert refused.code in (0, 3), refused.err
    assert "Traceback" not in refused.err


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOSPC, errno.EROFS, errno.EIO])
def test_what_is_missing_where_and_the_way_out_are_said(number: int):
    with pytest.raises(BoxError, match=r"\(.*: /some/file\)\. .*, then `pexen resume`\."), told():
        raise OSError(number, os.strerror(number), "/some/file")


def test_other_errors_are_nobody_elses_fault():
    assert in_words(FileNotFoundError(errno.ENOENT, "No such file or directory")) is None
    with pytest.raises(FileNotFoundError), told():
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")
