"""The parts of the pools by themselves: slots, limits, messages, what results become."""

from __future__ import annotations

import os
import pickle
import stat
from pathlib import Path

import pytest

from pexen_state.core.states import Cause
from pexen_state.sched.common import ExceptionInfo, PoolError
from pexen_state.sched.invoke import PASSED, Call, failed
from pexen_state.sched.pool import frames, limits, results, slots, tree
from pexen_state.sched.pool.answers import Answering, Answers, pipe
from pexen_state.sched.pool.frames import Channel
from pexen_state.sched.pool.limits import IdleClock, Pursuit, Step
from pexen_state.sched.pool.slots import RING, Current, Slots, begun_marks, mark_of

# -- slots


def begin(page: Slots, worker: int, task: int, attempt: int = 1) -> None:
    page.begin(worker, mark_of(task, attempt), 100.0, 5.0, None, 10.0)


def test_what_was_begun_is_in_the_file_whoever_dies(tmp_path):
    path = str(tmp_path / "slots")
    page = Slots(2, path)
    page.name_run("run-1")
    begin(page, 0, 1)
    page.end(0)
    begin(page, 0, 2)
    begin(page, 1, 3, attempt=7)

    assert begun_marks(path) == ("run-1", {(1, 1), (2, 1), (3, 7)})
    page.close()


def test_a_slot_says_what_its_worker_is_at():
    page = Slots(2)
    assert page.current(1) is None
    begin(page, 1, 5)
    page.has_child(1, 4321)
    page.has_output(1, 0)

    assert page.current(1) == Current(mark_of(5, 1), 100.0, 105.0, None, 10.0, 4321, 0)
    assert page.current(0) is None
    page.end(1)
    assert page.current(1) is None
    assert page.since(1, mark_of(5, 1)) == 100.0
    page.close()


def test_a_ring_holds_the_newest_marks():
    page = Slots(1)
    for task in range(1, RING + 11):
        begin(page, 0, task)

    begun = page.begun_by(0, page.count(0))
    assert begun == {mark_of(task, 1) for task in range(11, RING + 11)}
    assert page.begun_by(0, page.count(0) - 5) == {mark_of(task, 1) for task in range(11, RING + 6)}
    page.close()


def test_a_file_of_another_boot_is_not_believed(tmp_path, monkeypatch):
    path = str(tmp_path / "slots")
    page = Slots(1, path)
    begin(page, 0, 1)
    monkeypatch.setattr(slots, "boot_id", lambda: "another boot")

    assert begun_marks(path) is None
    page.close()


@pytest.mark.parametrize("content", [b"", b"x", bytes(4096), b"PXSLOT01" + b"\xff" * 4088])
def test_a_file_that_is_no_slot_file_is_not_believed(tmp_path, content):
    path = tmp_path / "slots"
    path.write_bytes(content)

    assert begun_marks(str(path)) is None


def test_no_file_says_nothing(tmp_path):
    assert begun_marks(str(tmp_path / "slots")) is None


def test_a_new_file_is_nobody_elses(tmp_path):
    path = tmp_path / "slots"
    old = Slots(1, str(path))
    begin(old, 0, 1)
    new = Slots(1, str(path))
    begin(old, 0, 2)  # whoever has the old one still mapped writes into that

    assert begun_marks(str(path)) == ("", set())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    old.close()
    new.close()


def test_a_slot_file_that_cannot_be_made_is_said(tmp_path):
    with pytest.raises(PoolError, match=r"cannot make the slot file .*No such file"):
        Slots(1, str(tmp_path / "missing" / "slots"))


# -- limits


def test_an_attempt_is_asked_then_killed_then_given_up():
    pursuit = Pursuit(1, Cause.TIMED_OUT, "late", grace=10)

    steps = [(now, pursuit.step(now)) for now in (0, 1, 9.9, 10, 15, 19.9, 20)]
    assert steps == [
        (0, Step.TERM),
        (1, None),
        (9.9, None),
        (10, Step.KILL),
        (15, Step.KILL),
        (19.9, Step.KILL),
        (20, Step.GIVE_UP),
    ]


def test_who_asks_again_may_have_less_patience():
    pursuit = Pursuit(1, Cause.TIMED_OUT, "late", grace=100)
    pursuit.step(0)
    pursuit.hasten(2, now=5)
    pursuit.hasten(50, now=5)  # more patience changes nothing

    assert [pursuit.step(now) for now in (6, 7, 9)] == [None, Step.KILL, Step.GIVE_UP]


def current(deadline=None, idle_timeout=None) -> Current:
    return Current(1, 100.0, deadline, idle_timeout, 10.0, None, 1)


def test_an_attempt_is_over_its_limit_when_its_deadline_has_come():
    assert limits.overdue(current(deadline=105), None, 104.9) is None
    assert limits.overdue(current(deadline=105), None, 105) == (Cause.TIMED_OUT, "over its time limit of 5 s")


def test_silence_counts_from_the_last_growth_of_the_output():
    clock, attempt = IdleClock(), current(idle_timeout=5.0)

    assert clock.silent_since(0, attempt, 0, now=101) == 100.0
    assert clock.silent_since(0, attempt, 10, now=104) == 104
    assert clock.silent_since(0, attempt, 10, now=108) == 104
    assert limits.overdue(attempt, 104, 108.9) is None
    assert limits.overdue(attempt, 104, 109) == (Cause.IDLE, "wrote nothing for 5 s, its limit for that")
    assert limits.next_look(attempt, 104) == 109


@pytest.mark.parametrize(
    ("seconds", "words"), [(5.0, "5 s"), (0.25, "0.25 s"), (3600, "3600 s"), (0.30000001, "0.3 s")]
)
def test_seconds_are_said_without_digits_that_nobody_asked_for(seconds, words):
    assert limits.seconds_in_words(seconds) == words


# -- messages


def channels() -> tuple[Channel, Channel]:
    one, other = frames.pair()
    return Channel(one), Channel(other)


@pytest.mark.parametrize("size", [0, 1, frames.INLINE, frames.INLINE + 1, 5_000_000])
def test_a_message_arrives_whole_whatever_its_size(size):
    here, there = channels()
    here.send(bytes(size))
    here.send(b"next")

    assert there.receive() == bytes(size)
    assert there.receive() == b"next"
    here.close()
    assert there.receive() is None
    there.close()


def test_large_messages_both_ways_need_nobody_to_read_them_meanwhile():
    here, there = channels()
    here.send(bytes(64 << 20))
    there.send(bytes(64 << 20))

    assert len(here.receive()) == len(there.receive()) == 64 << 20
    here.close()
    there.close()


def test_what_does_not_fit_waits_and_keeps_its_order():
    here, there = channels()
    count = 0
    while not here.is_waiting:
        here.post(b"%d" % count + bytes(1000))
        count += 1
    here.post(b"last")
    received = []
    while here.is_waiting:
        received += there.receive_all()
        here.flush()
    received += there.receive_all()

    assert [int(message.rstrip(b"\0")) for message in received[:-1]] == list(range(count))
    assert received[-1] == b"last"
    here.close()
    there.close()


def test_nobody_at_the_other_end_is_noticed_where_one_reads():
    here, there = channels()
    there.close()
    here.post(b"to nobody")

    assert not here.is_waiting
    assert here.receive_all() == []
    assert here.at_end
    with pytest.raises(BrokenPipeError):
        here.send(b"to nobody")
    here.close()


# -- what results become


class Demanding(Exception):
    """Pickles, and does not unpickle: a common mistake."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def test_an_exception_that_does_not_unpickle_keeps_its_type():
    parts = results.error_parts(ExceptionInfo(Demanding, Demanding(1, 2), None))

    assert results.excinfo_of(parts) == ExceptionInfo(Demanding, None, None)


def test_an_exception_of_which_nothing_pickles_is_an_empty_one():
    class Local(Exception):
        pass

    parts = results.error_parts(ExceptionInfo(Local, Local(), None))

    assert results.excinfo_of(parts) == ExceptionInfo(None, None, None)


def test_a_return_value_that_cannot_be_pickled_fails_the_task():
    left = results.pickled(Call(PASSED, lambda: None), None, {})

    excinfo = results.excinfo_of(left.error)
    assert left.ret is None
    assert left.ending.cause is Cause.RAISED
    assert excinfo.type is AttributeError
    assert str(excinfo.val).startswith("Can't pickle the return value: ")


def test_shared_that_cannot_be_pickled_fails_the_task():
    left = results.pickled(Call(PASSED, 1), None, {"lock": lambda: None})

    assert (left.shared, left.ret) == (None, None)
    assert "Can't pickle shared" in left.ending.reason


def test_a_task_that_failed_keeps_its_own_error():
    left = results.pickled(failed(ValueError("mine")), None, {"lock": lambda: None})

    assert results.excinfo_of(left.error).type is ValueError


def test_shared_that_did_not_change_is_not_sent_back():
    before = pickle.dumps({"a": [1]}, pickle.HIGHEST_PROTOCOL)

    assert results.pickled(Call(PASSED), before, {"a": [1]}).shared is None
    assert results.pickled(Call(PASSED), None, {}).shared is None
    assert results.pickled(Call(PASSED), before, {}).shared is not None


def test_values_of_another_type_are_changes_even_if_they_are_equal():
    kept = results.keep(Call(PASSED), results.texts_of({"n": 1, "t": (1,)}), {"n": True, "t": (1,)})

    assert kept.shared_json == '{"set":{"n":true},"del":[]}'


# -- trees


def test_a_process_is_seen_with_its_name_whatever_that_is():
    me = tree.look_at(os.getpid())

    assert me is not None
    assert me.parent == os.getppid()
    assert str(me) == f"{Path('/proc/self/comm').read_text().strip()} (pid {os.getpid()})"
    assert tree.look_at(2**22 + 1) is None


def test_many_processes_are_said_in_few_words():
    crowd = [tree.Process(pid, 1, "S", 0, "sleep") for pid in range(1, 9)]

    assert tree.names(crowd).endswith("sleep (pid 5) and 3 more")
    assert tree.names([]) == ""


def test_small_answers_of_several_workers_are_read_at_once_and_large_ones_go_another_way():
    here, there = channels()
    reading, writing = pipe()
    answers, workers = Answers(reading), [Answering(writing, there) for _ in range(2)]
    assert answers.receive_all() == []
    for worker in workers:
        for size in (0, 1, 4094, 4095):
            worker.send(b"x" * size)

    assert list(map(len, answers.receive_all())) == [0, 1, 4094, 0, 1, 4094]
    assert list(map(len, here.receive_all())) == [4095, 4095]
    assert answers.receive_all() == []
    for end in (here, there, answers):
        end.close()
    os.close(writing)


def test_an_answer_of_which_only_a_part_was_read_waits_for_the_rest():
    reading, writing = pipe()
    answers = Answers(reading)
    whole = (3).to_bytes(2, "little") + b"one" + (3).to_bytes(2, "little") + b"two"
    received = []
    for at in range(len(whole)):
        os.write(writing, whole[at : at + 1])
        received.append(answers.receive_all())

    assert [found for found in received if found] == [[b"one"], [b"two"]]
    answers.close()
    os.close(writing)
