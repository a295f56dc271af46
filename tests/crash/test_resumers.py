"""Twelve resumers started at once: exactly one works, and the others say whose turn it is."""

from __future__ import annotations

import fcntl
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.crash.aftermath import ask
from tests.crash.sessions import Nursery, Session
from tests.crash.witness import contradictions, records

RESUMERS = 12
ROUNDS = 20

#: Rounds that go on at the same time, because a resumer takes two seconds to believe that somebody else lives.
AT_ONCE = 5

BUSY = 6

#: The task waits until it is let go; the first attempt says that it began, then is killed with its runner.
JOBS = """\
quick: echo "S quick $PEXEN_ATTEMPT" >>witness.log; echo "E quick $PEXEN_ATTEMPT" >>witness.log
gated: echo "S gated $PEXEN_ATTEMPT" >>witness.log; echo >begun; cat gate; echo "E gated $PEXEN_ATTEMPT" >>witness.log
"""


def pexen(nursery: Nursery, directory: Path, *words: str) -> Session:
    return nursery.start("pexen_state.cli.main:main", words, directory)


def one_round(nursery: Nursery, directory: Path) -> None:
    directory.mkdir()
    (directory / "night.jobs").write_text(JOBS)
    os.mkfifo(directory / "begun")
    os.mkfifo(directory / "gate")
    begun = os.open(directory / "begun", os.O_RDWR)  # opened for both, it waits for nobody
    first = pexen(nursery, directory, "--journal", "journal.db", "run", "-j1", "night.jobs")
    os.read(begun, 1)
    first.kill()
    assert first.wait().was_killed

    resumers = [pexen(nursery, directory, "--journal", "journal.db", "resume") for _ in range(RESUMERS)]
    os.read(begun, 1)
    ended = []
    while len(ended) < RESUMERS - 1:  # only then may the one that works end, or another could have its turn
        ended += [resumer for resumer in resumers if resumer not in ended and resumer.has_ended(within=1.0)]
    (works,) = set(resumers) - set(ended)
    gate = os.open(directory / "gate", os.O_WRONLY)
    os.close(gate)
    os.close(begun)

    assert works.wait().code == 0, works.wait().err
    for refused in (resumer.wait() for resumer in ended):
        assert refused.code == BUSY, refused
        assert re.search(rf"held by the process {works.pid}, since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d", refused.err), (
            refused
        )
    assert list(contradictions(records(directory))) == []
    # One start before the kill and one after it: twelve resumers are as good as one.
    assert [attempt for what, key, attempt in records(directory) if (what, key) == ("S", "gated")] == ["1", "2"]
    assert ask(directory, "SELECT state, sessions FROM runs") == [("finished", 2)]


def test_of_twelve_resumers_exactly_one_works_and_the_others_say_whose_turn_it_is(
    nursery: Nursery, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(AT_ONCE) as executor:
        for done in [executor.submit(one_round, nursery, tmp_path / str(number)) for number in range(ROUNDS)]:
            done.result()


def test_the_lock_is_free_when_the_last_resumer_has_ended(nursery: Nursery, tmp_path: Path) -> None:
    one_round(nursery, tmp_path / "round")

    with open(tmp_path / "round" / "journal.db.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
