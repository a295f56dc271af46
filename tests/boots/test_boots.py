"""Boots without a virtual machine: pexen's own command, in a box that reboots, shuts down and loses its power."""

from __future__ import annotations

from pathlib import Path

from tests.boots.box import Box, task
from tests.boots.machine import CRASHED, WENT_DOWN
from tests.crash.sessions import Nursery

PASSED = ("succeeded", "pass")


def test_a_task_reboots_twice_with_marks_and_all_others_run_once(nursery: Nursery, disk: Path) -> None:
    asks = """\
case $PEXEN_REBOOT_COUNT in
0) reboot_marked one ;;
1) reboot_marked two ;;
esac
"""
    box = Box(nursery, disk, {"asks": task(asks, claims=["/boot"]), "other": task(claims=["/boot"]), "third": task()})

    assert box.run() == [WENT_DOWN, WENT_DOWN, 0]

    assert box.told("asks") == ["0:", "1:one", "2:two"]
    assert box.causes("asks") == ["reboot_asked", "reboot_asked", "returned"]
    assert box.sessions() == ["rebooted", "rebooted", "finished"]
    assert set(box.ends().values()) == {PASSED}
    assert sorted(one.key for one in box.log() if one.what == "S") == ["asks"] * 3 + ["other", "third"]
    assert sorted(one.key for one in box.log() if one.what == "A") == ["asks", "other", "third"]  # it was shown
    assert box.violations() == []


def test_two_that_ask_at_once_share_one_reboot_and_a_third_that_survives_it_is_not_waited_for(
    nursery: Nursery, disk: Path
) -> None:
    asks = """\
if [ "$PEXEN_REBOOT_COUNT" = 0 ]; then
    until [ $(seen 'S a') -ge 1 ] && [ $(seen 'S b') -ge 1 ]; do sleep 0.01; done
    reboot_marked "of-$key"
fi
"""
    survives = "[ $(seen 'S survivor') -ge 2 ] || sleep 60"
    box = Box(
        nursery,
        disk,
        {
            "a": task(asks),
            "b": task(asks),
            "survivor": task(survives, survives_reboot=True, priority=-1),
            "last": task(priority=1, claims=["/x"]),
        },
    )

    assert box.run("-j", "3") == [WENT_DOWN, 0]

    assert (box.told("a"), box.told("b")) == (["0:", "1:of-a"], ["0:", "1:of-b"])
    assert box.sessions() == ["rebooted", "finished"]
    assert len(box.told("survivor")) == 2
    assert box.causes("survivor")[-1] == "returned"
    assert set(box.ends().values()) == {PASSED}
    assert box.violations() == []


def test_who_panics_every_time_is_blamed_and_those_beside_it_pass(nursery: Nursery, disk: Path) -> None:
    box = Box(
        nursery,
        disk,
        {
            "innocent": task("[ $(seen 'S innocent') -ge 2 ] || sleep 60", claims=["/disk"], priority=-1),
            "panics": task("until [ $(seen 'S innocent') -ge 1 ]; do sleep 0.01; done\npanic", claims=["/box"]),
            "later": task(claims=["/disk", "/box"], priority=1),
            "last": task(priority=2),
        },
    )

    assert box.run() == [CRASHED, CRASHED, CRASHED, 1]

    assert box.ends()["panics"] == ("failed", "crash")
    assert box.causes("panics") == ["box_died", "box_died_alone", "box_died_alone"]
    assert (box.ends()["innocent"], box.ends()["last"]) == (PASSED, PASSED)
    assert box.causes("innocent") == ["box_died", "returned"]
    assert box.ends()["later"] == ("skipped", "not_run")  # for the box that `panics` left dirty
    assert box.sessions() == ["crashed", "crashed", "crashed", "finished"]
    assert box.violations() == []


def test_somebody_else_shuts_the_box_down(nursery: Nursery, disk: Path) -> None:
    waits = '[ $(seen "S $key") -ge 2 ] || sleep 60'
    box = Box(nursery, disk, {"a": task(waits, max_crashes=0), "b": task(waits, max_crashes=0), "c": task()})

    assert box.run(outages=[["shutdown:2"]]) == [WENT_DOWN, 0]

    assert box.sessions() == ["shutdown", "finished"]
    assert set(box.ends().values()) == {PASSED}
    assert [cause for cause in (*box.causes("a"), *box.causes("b")) if cause != "returned"] == ["stopped"] * 2
    assert box.violations() == []


def test_everything_killed_at_once_tries_what_was_in_flight_one_at_a_time(nursery: Nursery, disk: Path) -> None:
    waits = '[ $(seen "S $key") -ge 2 ] || sleep 60'
    tasks = {name: task(waits, max_crashes=0, uses=["/x"]) for name in ("a", "b", "c")}
    box = Box(nursery, disk, {**tasks, "later": task(claims=["/x"], priority=1), "last": task(priority=1)})

    assert box.run("-j", "3", outages=[["crash:3"]]) == [CRASHED, 0]

    assert box.sessions() == ["crashed", "finished"]
    assert [box.causes(name) for name in "abc"] == [["box_died", "returned"]] * 3
    assert set(box.ends().values()) == {PASSED}
    assert box.violations() == []


def test_a_box_that_does_not_go_down_in_time_fails_the_task_and_the_others_run(nursery: Nursery, disk: Path) -> None:
    box = Box(nursery, disk, {"asks": task("pexen reboot --mark no --timeout 1"), "other": task(priority=1)})

    assert box.run("--reboot-command", "true") == [1]

    assert box.ends() == {"asks": ("failed", "error"), "other": PASSED}
    assert box.reason("asks") == "the box was still up 1 s after it was to be rebooted"
    assert box.sessions() == ["finished"]
    assert box.violations() == []


def test_a_box_that_comes_back_with_the_same_boot_id_is_no_rebooted_box(nursery: Nursery, disk: Path) -> None:
    box = Box(nursery, disk, {"asks": task("reboot_marked no"), "other": task(priority=1)})

    assert box.boot(*box.begin, boot_id="a-container") == WENT_DOWN
    assert box.boot("resume", boot_id="a-container") == 1

    assert box.ends() == {"asks": ("failed", "error"), "other": PASSED}
    assert box.reason("asks").startswith("the box came back with the same boot id")
    assert box.violations() == []


def test_a_task_in_flight_and_one_that_waits_for_its_reboot_survive_a_crash_before_it(
    nursery: Nursery, disk: Path
) -> None:
    asks = 'if [ "$PEXEN_REBOOT_COUNT" = 0 ]; then reboot_marked one; fi'
    lasts = "[ $(seen 'S lasts') -ge 2 ] || { sleep 0.3; panic; }"
    box = Box(nursery, disk, {"asks": task(asks, claims=["/x"]), "lasts": task(lasts), "other": task(claims=["/x"])})

    assert box.run() == [CRASHED, 0]

    assert box.told("asks") == ["0:", "1:one"]  # that was a boot, too
    assert box.causes("lasts") == ["box_died_alone", "returned"]
    assert set(box.ends().values()) == {PASSED}
    assert box.violations() == []


def test_a_mark_is_told_again_to_whoever_was_cut_off_after_the_reboot(nursery: Nursery, disk: Path) -> None:
    asks = 'if [ "$PEXEN_REBOOT_COUNT" = 0 ]; then reboot_marked one; fi\n[ $(seen "S asks") -ge 5 ] || sleep 60'
    box = Box(nursery, disk, {"asks": task(asks, max_crashes=9)})

    assert box.run(outages=[(), ["runner:1", "both:1", "crash:1"]]) == [WENT_DOWN, CRASHED, 0]

    assert box.told("asks") == ["0:", *["1:one"] * 4]
    assert box.violations() == []
