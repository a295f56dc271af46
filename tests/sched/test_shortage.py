"""What a worker does when it cannot get what an attempt needs to begin."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

import pytest

from pexen_state.sched.pool import shortage
from pexen_state.sched.pool.shortage import NotWithThis, Supply


def refused(times: int, number: int) -> Callable[[], str]:
    left = iter(range(times))

    def get() -> str:
        for _ in left:
            raise OSError(number, os.strerror(number))
        return "got it"

    return get


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN])
def test_a_fresh_worker_waits_a_little_for_what_the_box_is_short_of(number: int):
    supply = Supply()

    assert supply.get(refused(2, number)) == "got it"
    assert supply.is_short  # it leaves all the same: the next one may find more


def test_a_fresh_worker_that_waits_in_vain_says_what_was_missing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shortage, "PATIENCE", 0.0)

    with pytest.raises(OSError, match=os.strerror(errno.EAGAIN)):
        Supply().get(refused(99, errno.EAGAIN))


def test_a_worker_that_has_run_something_leaves_the_attempt_to_another_one():
    supply = Supply()
    supply.used()

    with pytest.raises(NotWithThis):
        supply.get(refused(1, errno.EMFILE))
    assert supply.is_short


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.ENOENT, errno.EACCES])
def test_what_no_worker_would_get_is_the_attempts_own_failure(number: int):
    supply = Supply()
    supply.used()

    with pytest.raises(OSError, match=os.strerror(number)):
        supply.get(refused(1, number))
    assert not supply.is_short
