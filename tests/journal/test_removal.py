"""Output of tasks is removed whatever they left there, and nothing else is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pexen_state.journal.care.removal import GOING, remove_tree


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "run-1"
    (tree / "task-1" / "1").mkdir(parents=True)
    (tree / "task-1" / "1" / "output.log").write_text("hello")
    return tree


def names(path: Path) -> list[str]:
    return sorted(one.name for one in path.iterdir())


def test_a_directory_goes_with_all_that_is_in_it(tree: Path):
    (tree / "empty").mkdir()
    (tree / "1").write_text("a name that could be taken for one of ours")
    os.mkfifo(tree / "task-1" / "pipe")

    assert remove_tree(str(tree)) == []
    assert names(tree.parent) == []


def test_what_is_not_there_is_no_mistake(tmp_path: Path):
    assert remove_tree(str(tmp_path / "run-9")) == []


def test_links_go_and_what_they_lead_to_stays(tree: Path, tmp_path: Path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "precious").write_text("mine")
    (tree / "task-1" / "link").symlink_to(kept)
    (tree / "top").symlink_to(kept)
    (tree / "dangling").symlink_to("nowhere")
    (tmp_path / "run-2").symlink_to(kept)

    assert remove_tree(str(tree)) == []
    assert remove_tree(str(tmp_path / "run-2")) == []
    assert names(tmp_path) == ["kept"]
    assert names(kept) == ["precious"]


def test_a_directory_may_be_deeper_than_any_path(tree: Path):
    at = os.open(tree, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("deeper", dir_fd=at)
        below = os.open("deeper", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)

    assert remove_tree(str(tree)) == []
    assert not tree.exists()


def test_modes_that_a_task_set_do_not_keep_it(tree: Path):
    (tree / "task-1" / "1").chmod(0o500)
    (tree / "task-1").chmod(0)

    assert remove_tree(str(tree)) == []
    assert not tree.exists()


def test_a_removal_that_was_killed_is_gone_on_with(tree: Path):
    tree.rename(f"{tree}{GOING}")
    (tree / "task-2").mkdir(parents=True)

    assert remove_tree(str(tree)) == []
    assert names(tree.parent) == []


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("chattr"), reason="needs root, and chattr")
def test_what_cannot_be_removed_is_named_and_the_rest_goes(tree: Path):
    (tree / "task-2").mkdir()
    stays = tree / "task-1" / "1" / "output.log"
    if subprocess.run(["chattr", "+i", stays], capture_output=True).returncode:
        pytest.skip("this file system has no immutable files")

    left = remove_tree(str(tree))

    assert [one.why for one in left] == ["Operation not permitted"]
    assert os.path.basename(left[0].path) == "output.log"
    assert not tree.exists()
    subprocess.run(["chattr", "-i", left[0].path], check=True)
    assert remove_tree(str(tree)) == []
    assert names(tree.parent) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount")
@pytest.mark.parametrize("where", ["task-1/1/mnt", "mnt", "."])
def test_a_file_system_that_a_task_left_mounted_is_not_entered(tree: Path, tmp_path: Path, where: str):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("mine")
    (tree / where).mkdir(exist_ok=True)
    program = (
        "import sys; from pexen_state.journal.care.removal import remove_tree\n"
        "for path, why in remove_tree(sys.argv[1]): print(path, why, sep=': ')"
    )
    done = subprocess.run(
        [
            *("unshare", "-m", "sh", "-c", 'mount --bind "$1" "$2" && exec "$3" -c "$4" "$5"', "sh"),
            *(str(precious), str(tree / where), sys.executable, program, str(tree)),
        ],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr}")

    assert done.stdout.endswith("Device or resource busy: something is mounted there\n")
    assert done.stdout.count("\n") == 1
    assert (precious / "file").read_text() == "mine"
