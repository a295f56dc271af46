"""The factory that makes tasks of executable files."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from pexen_state import PexenError, PexenWarning, factory
from pexen_state.core.spec import Declared
from pexen_state.root import suite_root
from pexen_state.sched.identity import key_of
from pexen_state.sched.meta import declared_of


@pytest.fixture
def tree(tmp_path):
    """Writes executable scripts, and files whose names end in .txt, below a directory `suite`."""

    def write(*names, content='#!/bin/sh\nbasename "$0"\n'):
        for name in names:
            file = tmp_path / "suite" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
            file.chmod(0o644 if name.endswith(".txt") else 0o755)
        return tmp_path / "suite"

    return write


def keys(tasks):
    return [key_of(one) for one in tasks]


def test_executables_are_found_files_first_and_sorted(tree):
    suite = tree("z", "a", "net/renew", "net/dhcp/b", "net/dhcp/a", "fs/ext4", "notes.txt", "Zebra")

    assert keys(factory.FilesystemFactory()(suite)) == [
        "suite/Zebra",
        "suite/a",
        "suite/z",
        "suite/fs/ext4",
        "suite/net/renew",
        "suite/net/dhcp/a",
        "suite/net/dhcp/b",
    ]


def test_hidden_files_and_directories_are_left_out(tree):
    suite = tree("seen", ".hidden", ".git/hooks/commit", "deep/.also")

    assert keys(factory.FilesystemFactory()(suite)) == ["suite/seen"]


def test_a_task_runs_its_file_in_the_directory_of_the_file(tree):
    suite = tree("deep/where", content="#!/bin/sh\npwd; exit 0\n")

    (only,) = factory.FilesystemFactory(stdout=subprocess.PIPE)(suite)
    done = only()

    assert isinstance(done, subprocess.CompletedProcess)
    assert done.stdout.decode().strip() == str(suite / "deep")


def test_a_task_whose_file_fails_raises_called_process_error(tree):
    suite = tree("fails", content="#!/bin/sh\nexit 3\n")

    (only,) = factory.FilesystemFactory()(suite)

    with pytest.raises(subprocess.CalledProcessError) as failure:
        only()
    assert failure.value.returncode == 3


def test_the_callpath_is_the_path_as_it_was_typed(tree, monkeypatch):
    suite = tree("net/renew")
    monkeypatch.chdir(suite.parent)

    assert [factory.get_callpath(one) for one in factory.FilesystemFactory()("suite")] == [["suite", "net", "renew"]]
    assert [factory.get_callpath(one) for one in factory.FilesystemFactory()("./suite/")] == [["suite", "net", "renew"]]
    absolute = str(suite).strip("/").split("/")
    assert [factory.get_callpath(one) for one in factory.FilesystemFactory()(suite)] == [[*absolute, "net", "renew"]]


def test_a_task_has_one_key_however_the_target_is_typed(tree, monkeypatch):
    suite = tree("net/dhcp/renew")
    (suite / "pexen.toml").write_text("")
    monkeypatch.chdir(suite / "net")

    for typed in (".", "..", "dhcp", "dhcp/", "dhcp/renew", "../net", suite, suite / "net" / "dhcp" / "renew"):
        assert keys(factory.FilesystemFactory()(typed)) == ["net/dhcp/renew"]


def test_the_outermost_marker_is_the_root_of_a_suite(tmp_path):
    inner = tmp_path / "outer" / "middle" / "inner"
    inner.mkdir(parents=True)
    assert suite_root(inner) == str(tmp_path / "outer" / "middle")

    (inner / "pexen.toml").write_text("")
    assert suite_root(inner) == str(inner)

    (tmp_path / "outer" / "pyproject.toml").write_text("[tool.other]\n")
    (tmp_path / "outer" / "middle" / "pyproject.toml").write_text("this is no toml")
    assert suite_root(inner) == str(inner)

    (tmp_path / "outer" / "pyproject.toml").write_text("[tool.pexen]\n")
    assert suite_root(inner) == str(tmp_path / "outer")
    assert suite_root(inner / "a-file") == str(tmp_path / "outer")


def test_a_root_can_be_given(tree):
    suite = tree("net/renew")

    assert keys(factory.FilesystemFactory(root=suite)(suite)) == ["net/renew"]


def test_one_executable_file_is_one_task(tree):
    suite = tree("net/renew")

    assert keys(factory.FilesystemFactory()(suite / "net" / "renew")) == ["renew"]


def test_what_made_a_task_decides_how_it_was_declared(tree):
    suite = tree("one")

    (in_python,) = factory.FilesystemFactory()(suite)
    (by_command_line,) = factory.FilesystemFactory(declared=Declared.EXECUTABLE, statuses="automake")(suite)

    assert declared_of(in_python) is Declared.CALLABLE
    assert declared_of(by_command_line) is Declared.EXECUTABLE
    assert by_command_line.statuses == "automake"


def test_links_to_files_are_tasks_and_broken_ones_are_not(tree):
    suite = tree("real")
    (suite / "link").symlink_to("real")
    (suite / "broken").symlink_to("gone")
    (suite / "circle").symlink_to("circle")

    assert keys(factory.FilesystemFactory()(suite)) == ["suite/link", "suite/real"]


def test_links_to_directories_are_followed_only_when_asked(tree):
    suite = tree("real/one")
    elsewhere = tree("../elsewhere/two").parent / "elsewhere"
    (suite / "link").symlink_to(elsewhere, target_is_directory=True)

    assert keys(factory.FilesystemFactory()(suite)) == ["suite/real/one"]
    assert keys(factory.FilesystemFactory(follow=True)(suite)) == ["suite/link/two", "suite/real/one"]


def test_loops_of_links_end_and_no_directory_is_walked_twice(tree):
    suite = tree("a/one", "b/two", "top")
    (suite / "a" / "up").symlink_to("..", target_is_directory=True)
    (suite / "a" / "above").symlink_to("../..", target_is_directory=True)
    (suite / "a" / "across").symlink_to("../b", target_is_directory=True)
    (suite / "b" / "across").symlink_to("../a", target_is_directory=True)
    (suite / "b" / "self").symlink_to(".", target_is_directory=True)

    assert keys(factory.FilesystemFactory(follow=True)(suite)) == ["suite/top", "suite/a/one", "suite/b/two"]


def test_a_directory_is_known_by_its_own_name_although_a_link_sorts_before(tree):
    suite = tree("zoo/one")
    (suite / "alias").symlink_to("zoo", target_is_directory=True)

    assert keys(factory.FilesystemFactory(follow=True)(suite)) == ["suite/zoo/one"]


def test_a_target_that_cannot_be_used_is_named(tree, tmp_path):
    suite = tree("notes.txt")

    with pytest.raises(PexenError, match=r"cannot walk .*/gone: there is no such file or directory"):
        list(factory.FilesystemFactory()(tmp_path / "gone"))
    with pytest.raises(PexenError, match=r"notes\.txt cannot be run: .* chmod \+x "):
        list(factory.FilesystemFactory()(suite / "notes.txt"))


def test_a_directory_that_goes_away_while_it_is_walked_is_a_warning_that_names_it(tree):
    suite = tree("first", "gone/one", "stays/two")
    walk = factory.FilesystemFactory()(suite)
    next(walk)
    shutil.rmtree(suite / "gone")

    with pytest.warns(PexenWarning, match="suite/gone went away while it was walked"):
        rest = keys(walk)

    assert rest == ["suite/stays/two"]


@pytest.fixture
def no_superuser(tmp_path):
    """Root reads every directory; so be nobody for a while."""
    if os.geteuid() != 0:
        yield
        return
    opened = [path for path in (tmp_path, *tmp_path.parents) if path.owner() == "root" and path.stat().st_mode & 7 == 0]
    for path in opened:
        path.chmod(0o711)
    os.seteuid(65534)
    yield
    os.seteuid(0)
    for path in opened:
        path.chmod(0o700)


@pytest.mark.parametrize("follow", [False, True])
def test_a_directory_that_cannot_be_read_is_an_error_that_names_it(tree, request, follow):
    suite = tree("closed/one", "open/two")
    (suite / "closed").chmod(0)
    request.getfixturevalue("no_superuser")

    with pytest.raises(PexenError, match=r"cannot walk .*/closed: Permission denied"):
        list(factory.FilesystemFactory(follow=follow)(suite))


def test_names_with_any_bytes_are_found(tree):
    suite = tree("plain")
    odd = os.fsencode(suite) + b"/odd \xff\n\x1b[31m"
    shutil.copy(suite / "plain", odd)

    tasks = list(factory.FilesystemFactory(stdout=subprocess.PIPE)(suite))

    assert os.fsencode(key_of(tasks[0])) == b"suite/odd \xff\n\x1b[31m"
    assert tasks[0]().returncode == 0
