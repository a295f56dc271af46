"""Who follows a run is given everything, in order, at least once, whoever dies meanwhile."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pexen_state
from pexen_state.core.states import Verdict
from pexen_state.journal.following import BadConsumer, ConsumerError, Event, RunGone, events
from pexen_state.journal.following.cursors import Cursors
from pexen_state.journal.following.stream import START, page
from pexen_state.journal.paths import JournalPaths
from pexen_state.journal.queries import NotFound
from pexen_state.journal.reader import reader
from pexen_state.journal.records import AttemptEnd, SubResult
from tests.journal.following import BootClock, Run, killed, leases, names, worker
from tests.journal.telling import Runner, change
from tests.stories import raised, returned, spec


@pytest.fixture
def run(path: Path) -> Iterator[Run]:
    run = Run(path, 3)
    yield run
    run.runner.close(None)


def all_of(path: Path) -> list[str]:
    return names(list(worker(path, None, follow=False)))


def test_everything_that_was_decided_is_given_in_the_order_of_the_journal(path: Path, run: Run):
    run.end()

    given = list(events(path, 1, consumer="upload"))

    assert names(given) == [
        "added",
        "session began",
        "t0 submitted",
        "t0 succeeded",
        "t0: pass",
        "t1 submitted",
        "t1 succeeded",
        "t1: pass",
        "t2 submitted",
        "t2 succeeded",
        "t2: pass",
        "session ended",
    ]
    decided = [event.seq for event in given if event.type in ("event", "transition")]
    assert decided == sorted(set(decided))
    assert {event.times for event in given} == {1}
    first = given[3]
    assert (first.task, first.attempt, first.old, first.new, first.cause) == (
        "t0",
        1,
        "submitted",
        "succeeded",
        "returned",
    )
    assert (first.run, first.verdict, first.reason, first.at) == (1, "pass", None, "2023-11-14T22:13:20.000000Z")
    assert repr(first) == "<Event 3 transition run=1 task='t0' new='succeeded'>"


def test_a_consumer_goes_on_where_it_was_and_another_begins_at_the_beginning(path: Path, run: Run):
    run.turn()
    first = list(worker(path, follow=False))
    run.end()

    rest = list(worker(path, follow=False))

    assert names(first + rest) == all_of(path)
    assert names(list(worker(path, "another", follow=False))) == all_of(path)
    assert list(worker(path, follow=False)) == []


def test_what_was_in_hand_is_given_again_and_only_that(path: Path, run: Run):
    run.end()
    first = worker(path)
    seen = [next(first) for _ in range(4)]
    killed(path, 1)

    again = list(worker(path))

    # Of those that were done, the last ones may not have been written down yet.
    done = names(seen)
    assert names(again)[0] in done
    assert names(again) == all_of(path)[all_of(path).index(names(again)[0]) :]
    assert [event.times for event in again if event.position == seen[-1].position] == [2]


def test_who_acknowledges_each_by_itself_is_given_none_of_those_again(path: Path, run: Run):
    run.end()
    first = worker(path, ack=False)
    given = list(first)
    for event in given[1::2]:
        event.ack()
    first.close()

    again = list(worker(path))

    assert names(again) == names(given)[0::2]
    assert leases(path) == []


def test_whoever_leaves_the_loop_gives_back_what_is_in_hand(path: Path, run: Run):
    run.end()
    for kept in worker(path):
        assert kept.type == "event"
        break

    assert names(list(worker(path))) == all_of(path)


def test_two_workers_share_the_stream(path: Path, run: Run):
    run.end()
    one, other = worker(path, follow=False), worker(path, follow=False)
    given: list[Event] = []
    for _ in range(20):
        for each in (one, other):
            given += [event for event in [next(each, None)] if event is not None]

    assert sorted(event.position for event in given) == [event.position for event in worker(path, None, follow=False)]
    assert {event.times for event in given} == {1}


def test_threads_share_the_stream(path: Path):
    run = Run(path, 100)
    run.end()
    given: list[list[Event]] = [[], [], []]

    def follow(mine: list[Event]) -> None:
        with events(path, consumer="upload") as mine_alone:
            mine += mine_alone

    threads = [threading.Thread(target=follow, args=(mine,)) for mine in given]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for mine in given:
        assert [event.position for event in mine] == sorted(event.position for event in mine)
    together = sorted((event for mine in given for event in mine), key=lambda event: event.position)
    assert names(together) == all_of(path)


def test_a_file_that_somebody_else_fills_meanwhile_is_no_file_of_somebody_else(path: Path, run: Run):
    paths = JournalPaths.of(path)
    other = threading.Thread(target=lambda: Cursors(paths).enter("upload", 1, "uuid", "*"))

    class Slow(Cursors):
        """Somebody else comes between any two things that it reads of a file that it finds empty."""

        def _check(self, connection: sqlite3.Connection) -> None:
            connection.set_trace_callback(self._let_the_other_be_faster)
            super()._check(connection)

        def _let_the_other_be_faster(self, statement: str) -> None:
            if statement == "PRAGMA user_version" and other.ident is None:
                other.start()
                other.join(0.5)  # or it waits for us

    first = Slow(paths).enter("upload", 1, "uuid", "*")
    other.join()

    assert first[0] == Cursors(paths).enter("upload", 1, "uuid", "*")[0]


def test_another_thread_may_acknowledge(path: Path, run: Run):
    run.end()
    follower = worker(path, ack=False)
    event = next(follower)

    thread = threading.Thread(target=event.ack)
    thread.start()
    thread.join()
    follower.close()

    assert names(list(worker(path))) == all_of(path)[1:]


def test_who_acknowledges_later_keeps_what_he_has_after_the_end_of_the_stream(path: Path, run: Run):
    run.end()
    given = list(worker(path, ack=False))
    assert len(leases(path)) == len(given)

    for event in given:
        event.ack()

    assert leases(path) == []


def test_the_end_waits_until_others_have_acknowledged_what_they_have(path: Path, run: Run):
    run.end()
    slow = worker(path, ack=False)
    held = next(slow)
    waited = []

    def then() -> bool:
        waited.append(True)
        held.ack()
        return len(waited) < 3

    rest = list(worker(path, then=then))

    assert names([held, *rest]) == all_of(path)
    assert waited == [True]


def test_what_a_worker_has_had_for_too_long_goes_to_another_one_whatever_the_time_of_day(path: Path, run: Run):
    run.end()
    clock = BootClock()
    slow = worker(path, lease=60.0, boot_clock=clock)
    in_hand = next(slow)

    def then() -> bool:
        clock.go_on(20.0)
        return True

    rest = list(worker(path, then=then, boot_clock=clock))

    assert [event.times for event in rest if event.position == in_hand.position] == [2]
    assert names(sorted(rest, key=lambda event: event.position)) == all_of(path)
    in_hand.ack()  # late, and of no consequence
    assert list(slow) == []


def test_a_worker_does_not_give_its_caller_what_others_have_by_now(path: Path, run: Run):
    run.end()
    clock = BootClock()
    slow = worker(path, lease=60.0, boot_clock=clock, clock=lambda: 0.0, follow=False)
    for _ in range(4):
        next(slow)  # takes several at once by now
    assert len(leases(path)) > 1
    clock.go_on(61.0)
    taken = list(worker(path, boot_clock=clock, follow=False))

    assert taken
    assert list(slow) == []


def test_a_consumer_waits_over_the_death_of_the_runner_until_the_run_is_over(path: Path, run: Run):
    story = [run.turn, run.killed, lambda: None, run.resumed, run.turn, run.end]

    def then() -> bool:
        story.pop(0)()
        return True

    given = names(list(worker(path, then=then)))

    assert story == []
    assert given == all_of(path)
    assert given.count("session ended") == 2
    assert [name for name in given if name.endswith(": pass")] == ["t0: pass", "t1: pass", "t2: pass"]


@pytest.mark.parametrize("end", ["cancelled", "superseded"])
def test_a_run_is_over_when_it_is_cancelled_or_superseded(path: Path, run: Run, end: str):
    def then() -> bool:
        if end == "cancelled":
            run.runner.journal.end_run("cancelled")
            run.killed()  # without a word
        else:
            run.killed()
            again = Runner(path)
            again.begin(spec("t0"))
            again.close("finished")
        return True

    assert names(list(worker(path, run=1, then=then)))[:3] == ["added", "session began", "t0 submitted"]


def test_without_a_name_nothing_is_remembered_and_no_file_is_made(path: Path, run: Run):
    run.end()

    given = list(events(path))
    given[0].ack()

    assert names(list(events(path))) == names(given)
    assert names(list(events(path, after=given[4].seq))) == names(given)[5:]
    assert not [name for name in os.listdir(path.parent) if "consumers" in name]


def test_types_are_chosen_once_for_a_consumer(path: Path, run: Run):
    run.turn()
    assert names(list(worker(path, types=["result"], follow=False))) == ["t0: pass"]
    run.end()
    assert names(list(worker(path, types="result", follow=False))) == ["t1: pass", "t2: pass"]

    with pytest.raises(ConsumerError, match=r"the consumer 'upload' of run 1 takes result, not everything: .* name"):
        worker(path)
    with pytest.raises(BadConsumer, match="types of events are transition, result, event, session; not 'results'"):
        worker(path, types=["results"])


def test_a_result_has_what_the_task_returned_and_what_it_said_of_its_parts(path: Path):
    runner = Runner(path)
    runner.begin(spec("a"), spec("b"), room=2)
    left = AttemptEnd(
        ret_json='{"$tuple":[1,"two"]}',
        exit_code=0,
        seconds=1.5,
        results=[SubResult("kernel", Verdict.WARN, "tainted")],
    )
    runner.turn(returned("a"), raised("b", reason="ValueError: no"), left={"a": left})
    runner.close()

    a, b = events(path, types=["result"], follow=False)

    assert a.ret == (1, "two")
    assert a.said["ret"] == {"$tuple": [1, "two"]}
    assert (a.said["seconds"], a.said["exit_code"], a.state) == (1.5, 0, "succeeded")
    ((part),) = a.said["results"]
    assert (part["name"], part["verdict"], part["note"], part["metrics"]) == ("kernel", "warn", "tainted", None)
    assert (b.ret, b.reason, b.verdict, b.said["results"]) == (None, "ValueError: no", "error", [])


def test_large_values_come_in_small_pages(path: Path):
    runner = Runner(path)
    runner.begin(*(spec(f"t{number}") for number in range(5)), room=5)
    large = AttemptEnd(ret_json=f'"{"x" * 700_000}"')
    runner.turn(*(returned(f"t{number}") for number in range(5)), left={f"t{number}": large for number in range(5)})
    runner.close()

    with reader(path) as connection:
        first = page(connection, 1, START, 1000)

    results = [item for item in first.items if item.said["type"] == "result"]
    assert (len(results), first.is_last) == (2, False)
    assert len(list(events(path, types=["result"], follow=False))) == 5
    assert len(list(worker(path, types=["result"], follow=False))) == 5


def test_two_runs_do_not_meet(path: Path, run: Run):
    run.end()
    other = Run(path, 1)
    other.end()

    assert names(list(events(path, "suite", consumer="upload"))) == names(list(events(path, 2)))
    assert names(list(events(path, 1, consumer="upload"))) == names(list(events(path, "latest-1")))
    assert {event.run for event in events(path, 1)} == {1}


def test_a_journal_of_the_same_name_is_another_one(path: Path, run: Run):
    run.end()
    list(worker(path))
    for file in path.parent.glob("journal.db*"):
        if not file.name.endswith(".consumers"):
            file.unlink()
    Run(path, 1).end()

    assert names(list(worker(path))) == all_of(path)


def test_an_older_copy_of_the_journal_is_noticed(path: Path, run: Run):
    run.runner.close()
    copy = path.read_bytes()
    run.resumed()
    run.end()
    list(worker(path))
    path.write_bytes(copy)
    run.resumed()

    with pytest.raises(ConsumerError, match=r"does not have what this consumer was given before: an older copy"):
        list(worker(path))


def test_a_run_that_is_deleted_meanwhile_is_told(path: Path, run: Run):
    run.turn()
    run.killed()

    def then() -> bool:
        change(path, "PRAGMA foreign_keys=OFF")
        change(path, "DELETE FROM run")
        return True

    with pytest.raises(RunGone, match=r"run 1 is not in the journal .* any more: it was deleted by"):
        list(worker(path, then=then))
    with pytest.raises(NotFound):
        worker(path)


@pytest.mark.parametrize("name", ["", "x" * 201, "x" * 10_000, 7, b"bytes"])
def test_a_name_that_will_not_do(path: Path, run: Run, name: object):
    with pytest.raises(BadConsumer, match="a consumer's name"):
        worker(path, name)  # type: ignore[arg-type]
    assert not (path.parent / "journal.db.consumers").exists()


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", ".", "\0", "'; DROP TABLE lease; --", "\udcff", "é", " "])
def test_a_name_is_only_a_name(path: Path, run: Run, name: str):
    before = set(os.listdir(path.parent))
    assert len(list(worker(path, name, follow=False))) == 3
    assert list(worker(path, name, follow=False)) == []

    assert {file.removeprefix("journal.db.consumers") for file in set(os.listdir(path.parent)) - before} == {
        "",
        "-journal",
    }


def test_a_consumer_begins_nowhere_else_than_where_it_was(path: Path, run: Run):
    with pytest.raises(BadConsumer, match="a consumer remembers how far it got"):
        worker(path, after=3)


def test_two_threads_at_one_iterator_are_refused(path: Path, run: Run):
    said: list[BaseException] = []

    def then() -> bool:
        def ask() -> None:
            try:
                next(follower)
            except RuntimeError as error:
                said.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        return False

    follower = worker(path, then=then)
    list(follower)

    assert "two threads ask one iterator of events" in str(said[0])


def test_a_forked_child_is_told_to_ask_for_its_own(path: Path, run: Run):
    follower = worker(path)
    event = next(follower)
    child = os.fork()
    if child == 0:
        try:
            for ask in (event.ack, lambda: next(follower)):
                try:
                    ask()
                except ConsumerError as error:
                    if "in each process" in str(error):
                        continue
                os._exit(1)
            follower.close()
            os._exit(0)
        finally:
            os._exit(2)

    assert os.waitpid(child, 0)[1] == 0
    assert leases(path) == [event.position]


def test_the_function_is_where_it_is_looked_for(path: Path, run: Run):
    run.end()
    assert names(list(pexen_state.events(path, consumer="upload"))) == all_of(path)


def test_nothing_is_kept_open_between_two_looks(path: Path, run: Run):
    opened = []

    def then() -> bool:
        opened.append([os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.exists()])
        return False

    run.killed()
    assert list(worker(path, then=then))

    ((*links,),) = opened
    assert [link for link in links if "journal.db" in link] == []


STEPS = st.lists(
    st.tuples(st.sampled_from(["turn", "next", "next", "next", "die", "leave", "late", "resume"]), st.integers(0, 2)),
    max_size=60,
)


@settings(max_examples=40)
@given(steps=STEPS, tasks=st.integers(1, 6))
def test_whatever_happens_to_workers_each_item_is_dealt_with_and_new_ones_come_in_order(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]], tasks: int
):
    path = tmp_path_factory.mktemp("following") / "journal.db"
    run = Run(path, tasks)
    clock = BootClock()

    def new_worker():  # a clock that stands still: each takes as many as it ever would
        return worker(path, follow=False, boot_clock=clock, clock=lambda: 0.0, lease=60.0)

    numbers = iter(range(1, 1000))
    workers = [(next(numbers), new_worker()) for _ in range(3)]
    dead, given, dealt_with = [], [], set()
    for step, which in steps:
        number, one = workers[which]
        if step == "turn":
            run.turn()
        elif step == "resume":
            run.killed()
            run.resumed()
        elif step == "late":
            clock.go_on(40.0)
        elif step == "next":
            event = next(one, None)
            if event is None:
                workers[which] = (next(numbers), new_worker())
            else:
                assert event.position not in dealt_with
                given.append(event)
                if event.seq % 3 == 0:
                    event.ack()
                    dealt_with.add(event.position)
        else:
            if step == "die":
                dead.append(one)
                killed(path, number)
            else:
                one.close()
            workers[which] = (next(numbers), new_worker())
    run.end()
    clock.go_on(61.0)
    last = list(worker(path, boot_clock=clock))

    assert dealt_with.isdisjoint(event.position for event in last)
    whole = [event.position for event in worker(path, None, follow=False)]
    assert {event.position for event in (*given, *last)} == set(whole)
    new = [event.position for event in (*given, *last) if event.times == 1]
    assert len(new) == len(set(new))
    assert leases(path) == []


@pytest.mark.parametrize("is_in_the_way", [False, True])
def test_who_follows_a_run_does_not_let_its_log_grow(path: Path, is_in_the_way: bool):
    """Who reads and does not close keeps checkpoints from their work; who only follows does not."""
    run = Run(path, 400)
    followers = [worker(path, f"consumer {number}", follow=False, types=["result"]) for number in range(4)]
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)) as connection:
        if is_in_the_way:
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM transition").fetchone()
        sizes = []
        while run.turn():
            next(followers[len(sizes) % 4], None)
            sizes.append(path.with_name("journal.db-wal").stat().st_size)
    run.runner.close()

    assert (max(sizes) > 5_000_000) == is_in_the_way
