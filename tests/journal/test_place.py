"""A journal is only written to where nobody else can put something in its place."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pexen_state import Sched, task
from pexen_state.journal.errors import JournalUnsafe
from pexen_state.journal.lock import RunLock
from pexen_state.journal.paths import JournalPaths
from pexen_state.journal.place import Place, fault_of, warning_about
from pexen_state.journal.reader import reader
from pexen_state.sched.pool import ThreadWorkerPool
from pexen_state.util import PexenWarning
from tests.journal.telling import write_run

ME = 1000
FILE = stat.S_IFREG | 0o600
OWN_DIRECTORY = stat.S_IFDIR | 0o700


def refused(path: Path) -> str:
    """Why nobody may write there; nothing was made beside it."""
    before = sorted(os.listdir(path.parent))
    with pytest.raises(JournalUnsafe) as caught:
        RunLock.acquire(path)
    assert sorted(os.listdir(path.parent)) == before
    return str(caught.value)


@given(
    mode=st.sampled_from((FILE, stat.S_IFREG | 0o666, stat.S_IFLNK | 0o777, None)),
    owner=st.sampled_from((0, ME, ME + 1)),
    directory_mode=st.sampled_from((0o700, 0o755, 0o775, 0o1777, 0o777, 0o1703, 0o703)),
)
def test_only_what_nobody_else_can_replace_is_written_to(mode: int | None, owner: int, directory_mode: int):
    place = Place(mode, owner if mode is not None else None, stat.S_IFDIR | directory_mode)

    is_safe = (mode is None or (stat.S_ISREG(mode) and owner != ME + 1)) and directory_mode not in (0o777, 0o703)

    assert (fault_of(place, ME) is None) == is_safe


def test_a_user_may_write_to_what_root_has_made_and_root_not_to_what_a_user_has_made():
    assert fault_of(Place(FILE, 0, OWN_DIRECTORY), ME) is None
    assert "belongs to the user 1000" in str(fault_of(Place(FILE, ME, OWN_DIRECTORY), 0))


def test_a_link_is_refused_even_if_it_leads_to_a_journal_or_nowhere(path: Path):
    write_run(path)
    link, dangling = path.with_name("link.db"), path.with_name("dangling.db")
    link.symlink_to(path.name)
    dangling.symlink_to("nowhere.db")

    assert "is a symbolic link" in refused(link)
    assert "is a symbolic link" in refused(dangling)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_belongs_to_somebody_else_is_looked_at_but_not_written_to(path: Path):
    write_run(path)
    os.chown(path, 4711, -1)

    assert "belongs to the user 4711" in refused(path)
    with reader(path) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (1,)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_directory_in_which_everybody_may_replace_it_is_refused(path: Path, is_there: bool):
    if is_there:
        write_run(path)
    path.parent.chmod(0o777)

    assert "chmod o-w" in refused(path)


def test_a_directory_like_tmp_is_taken_with_a_warning(path: Path):
    path.parent.chmod(0o1777)

    @task
    def one(shared: object) -> None:
        pass

    with pytest.warns(PexenWarning, match="lies in a directory to which everybody may add files"):
        assert len(list(Sched([one], journal=path).run(ThreadWorkerPool(1)))) == 1


def test_nothing_is_said_of_a_directory_of_ones_own(path: Path):
    path.parent.chmod(0o755)

    assert warning_about(JournalPaths.of(path)) is None
