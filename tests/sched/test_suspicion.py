"""Who is tried first after a crash of the box."""

from __future__ import annotations

from pexen_state.box.last_words import Named
from pexen_state.sched.suspicion import Suspect, most_suspicious_first


def suspect(
    task: int, key: str = "", *, pid: int | None = None, crashes: int = 0, running=True, place=0, since: int = 0
):
    return Suspect(task, 1, key or f"t{task}", pid, crashes, running, place, since)


def order(*suspects, named=()):
    return [one.task for one in most_suspicious_first(suspects, named)]


def test_who_began_last_is_tried_first():
    assert order(suspect(1, since=10), suspect(2, since=30), suspect(3, since=20)) == [2, 3, 1]


def test_who_began_last_in_the_kernels_log_comes_before_whom_only_the_journal_knows():
    assert order(suspect(1, since=99), suspect(2, place=3, since=1), suspect(3, place=7, since=1)) == [3, 2, 1]


def test_who_surely_began_comes_before_who_may_have():
    assert order(suspect(1, running=False, since=99), suspect(2, since=1)) == [2, 1]


def test_who_was_blamed_before_comes_before_those():
    assert order(suspect(1, since=99), suspect(2, crashes=1, running=False), suspect(3, crashes=2)) == [3, 2, 1]


def test_whom_the_kernel_named_comes_first_by_pid_or_by_name():
    by_pid, by_name = suspect(1, pid=77), suspect(2, "fs/ext4/resize_and_shrink_it")
    blamed = suspect(3, crashes=5)

    assert order(blamed, by_pid, named=[Named(77, "python3")]) == [1, 3]
    assert order(blamed, by_name, named=[Named(5, "resize_and_shri")]) == [2, 3]


def test_with_nothing_known_the_order_is_that_of_the_run():
    assert order(suspect(2), suspect(1), suspect(3)) == [1, 2, 3]
