"""Which cgroup is ours, and what is made of one that was handed over; real ones are in tests/cli/test_usage.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from pexen_state.box import cgroups
from pexen_state.box.cgroups import Cgroup, Delegated, Usage, own_cgroup

UNIFIED = "35 24 0:30 / /sys/fs/cgroup rw,nosuid,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
HYBRID = (
    "31 29 0:27 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
    "32 29 0:28 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
)


@pytest.mark.parametrize(
    ("mounts", "groups", "own"),
    [
        (UNIFIED, "0::/system.slice/pexen@a.service\n", "/sys/fs/cgroup/system.slice/pexen@a.service"),
        (UNIFIED, "0::/\n", "/sys/fs/cgroup"),
        (HYBRID, "4:memory:/a\n1:name=systemd:/b\n0::/c\n", "/sys/fs/cgroup/unified/c"),
        (UNIFIED.replace("/ /sys", "/box /sys"), "0::/box/a b\n", "/sys/fs/cgroup/a b"),
        (UNIFIED.replace("/ /sys", "/box /sys"), "0::/elsewhere\n", None),
        (UNIFIED.replace("/sys/fs/cgroup", r"/c\040g"), "0::/a\n", "/c g/a"),
        (UNIFIED, "4:memory:/a\n", None),
        (HYBRID.splitlines()[1], "4:memory:/a\n0::/\n", None),
        ("", "", None),
        ("short - cgroup2\n", "0::/a\n", None),
    ],
)
def test_our_own_cgroup_is_found_by_what_is_mounted(tmp_path: Path, mounts: str, groups: str, own: str | None) -> None:
    (tmp_path / "mountinfo").write_text(mounts)
    (tmp_path / "cgroup").write_text(groups)

    assert own_cgroup(str(tmp_path / "mountinfo"), str(tmp_path / "cgroup")) == own


def test_a_process_without_any_has_none(tmp_path: Path) -> None:
    assert own_cgroup(str(tmp_path / "not there"), str(tmp_path / "nor this")) is None


def files(directory: Path, **texts: str) -> None:
    """What the kernel would show in a cgroup."""
    directory.mkdir(exist_ok=True)
    for name, text in texts.items():
        (directory / name.replace("_", ".", 1)).write_text(text)


CPU = "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\nnice_usec 0\n"


def test_what_was_used_is_read_as_far_as_the_kernel_counts_it(tmp_path: Path) -> None:
    cgroup = Cgroup(str(tmp_path / "one"), str(tmp_path))
    assert cgroup.usage() is None  # it is not there

    files(tmp_path / "one", cpu_stat=CPU)
    assert cgroup.usage() == Usage(1.5, 0.5, None)

    files(tmp_path / "one", memory_peak="4096\n", memory_events="low 0\nmax 7\noom 2\noom_kill 1\n")
    assert cgroup.usage() == Usage(1.5, 0.5, 4096, 1)

    files(tmp_path / "one", cpu_stat="nonsense\n")
    assert cgroup.usage() is None


def test_a_limit_is_set_for_the_attempt_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = str(tmp_path / "one")
    written: list[tuple[str, str, str]] = []
    monkeypatch.setattr(cgroups, "_write", lambda *words: written.append(words))

    Cgroup(made, str(tmp_path)).make(64 << 20)

    assert written == [
        (made, "memory.max", "67108864"),
        (made, "memory.oom.group", "1"),
        (made, "memory.swap.max", "0"),
    ]


def test_where_a_limit_cannot_be_set_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):  # no controller, no file
        Cgroup(str(tmp_path / "one"), str(tmp_path)).make(64 << 20)

    assert list(tmp_path.iterdir()) == []


def test_a_unit_of_ours_is_known_by_its_name_where_the_service_manager_marks_nothing(tmp_path: Path) -> None:
    files(tmp_path / "pexen@night.service", cgroup_procs="\n")
    assert cgroups._was_handed_over(str(tmp_path / "pexen@night.service"))
    assert not cgroups._was_handed_over(str(tmp_path / "pexen@gone.service"))
    (tmp_path / "other.service").mkdir()
    assert not cgroups._was_handed_over(str(tmp_path / "other.service"))


def test_who_was_handed_nothing_has_nothing_to_divide(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / cgroups.LEAF).mkdir()
    for own in (None, str(tmp_path), str(tmp_path / cgroups.LEAF)):  # none has the attribute
        monkeypatch.setattr(cgroups, "own_cgroup", lambda own=own: own)
        assert Delegated.here() is None
        assert not cgroups.move_into_leaf()
