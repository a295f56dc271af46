"""The installed service in a box with systemd: reboots, kills, a runner that hangs, a stop, and every way to end."""

from __future__ import annotations

import itertools
import re
import shlex
import sys
from pathlib import Path

import pytest

from tests.boots.box import Box, task
from tests.boots.systemd import NO_BOX, POWERED_OFF, REBOOTED
from tests.crash.aftermath import ask
from tests.crash.sessions import Nursery
from tests.wheels import build, install

_UNIT = "pexen@night\\x2d1.service"
_MOST_BOOTS = 10


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(build("wheel", tmp_path_factory.mktemp("wheel")))


def boot(nursery: Nursery, disk: Path, number: int) -> int:
    boot_id = f"{number:08}-0000-4000-8000-000000000000"  # systemd makes private directories with it
    ended = nursery.start("tests.boots.systemd:main", [str(disk), boot_id, "units"], disk).wait()
    if ended.code == NO_BOX and not number:
        pytest.skip(f"systemd cannot be the first process of namespaces here: {ended.err.strip()}")
    assert ended.code in (REBOOTED, POWERED_OFF), (ended, printed(disk))
    return ended.code


def printed(disk: Path) -> dict[str, str]:
    """All that somebody may want to read after a failure."""
    names = ("driver.out", "errors", "after", "witness.log")
    return {name: (disk / name).read_text()[-3000:] for name in names if (disk / name).exists()}


#: What a task of a suite needs that tests an operating system. Each says which failed.
_POWERS = """\
import ctypes, json, os
with open("{disk}/journal.db.lock") as lock:
    runner = json.loads(lock.read())["pid"]
scores = [int(open(f"/proc/{{who}}/oom_score_adj").read()) for who in ("self", runner)]
assert scores[0] == 0 and scores[1] <= 0, scores  # not every box may be below
libc = ctypes.CDLL(None, use_errno=True)
os.makedirs("/run/powers/proc")
assert libc.mount(b"tmpfs", b"/run/powers", b"tmpfs", 0, None) == 0, "mount"
os.makedirs("/run/powers/proc")
assert libc.mount(b"proc", b"/run/powers/proc", b"proc", 0, None) == 0, "mount proc"
with open("/run/powers/proc/sys/net/ipv4/ip_forward", "w") as sysctl:  # of the box's own network
    sysctl.write("1")
libc.umount2(b"/run/powers/proc", 2)
libc.umount2(b"/run/powers", 2)
child = os.fork()
if child == 0:
    os._exit(libc.ptrace(0, 0, 0, 0) and 1)
assert os.waitpid(child, 0)[1] == 0, "ptrace"
child = os.fork()
if child == 0:
    os.setuid(65534)
    os._exit(os.getuid() != 65534)
assert os.waitpid(child, 0)[1] == 0, "setuid"
"""

#: What happens in each boot, beside what systemd does by itself.
_DRIVER = """\
set -x
if [ ! -e begun ]; then
    touch begun
    pexen service install night-1 --journal {disk}/journal.db --boot-grace 0.2s || systemctl poweroff
    pexen --journal @night-1 run {disk}/boots.jsonl -j 2 --detach --allow-reboot --on-finish 'touch {disk}/over' ||
        systemctl poweroff
fi
while [ ! -e over ]; do sleep 0.1; done
while systemctl is-active -q '{unit}'; do sleep 0.1; done
sleep 1.5  # longer than it waits before it starts something again
systemctl show '{unit}' -p ActiveState -p Result -p ExecMainStatus >after
systemctl start '{unit}' && systemctl show '{unit}' -p ActiveState -p Result >again-after
pexen service status night-1 >status
pexen service remove night-1
find /etc/systemd/system -mindepth 1 -not -type d >left
systemctl poweroff
"""

#: Somebody stops the unit, waits whether it comes back, and starts it.
_AGAIN = """\
systemctl stop '{unit}'
sleep 1.5
systemctl show '{unit}' -p ActiveState -p Result >stopped
systemctl start '{unit}'
"""


def test_a_run_that_is_left_to_its_service_comes_to_its_end_through_all_that(
    systemd_nursery: Nursery, disk: Path, wheel: Path
) -> None:
    (disk / "powers.py").write_text(_POWERS.format(disk=disk))
    unit = f"'{_UNIT}'"
    runner = f"""$(sed 's/.*"pid": *\\([0-9]*\\).*/\\1/' {shlex.quote(str(disk))}/journal.db.lock)"""
    asks = 'case $PEXEN_REBOOT_COUNT in 0|1|2) reboot_marked "m$PEXEN_REBOOT_COUNT" ;; esac'
    kills = (
        f"case $(seen 'S kills') in 1) systemctl kill --kill-who=main -s KILL {unit}; sleep 60 ;; "
        f"2) kill -9 {runner}; sleep 60 ;; esac"
    )
    tasks = {
        "powers": task(f"{sys.executable} {disk}/powers.py || exit 1", claims=["/box"]),
        "asks": task(asks, claims=["/box"], priority=1),
        "kills": task(kills, claims=["/box"], priority=2),
        "beside": task(priority=2),
        "hangs": task(
            f"[ $(seen 'S hangs') -ge 2 ] || {{ kill -STOP {runner}; sleep 60; }}", claims=["/box"], priority=3
        ),
        "stops": task(
            "[ $(seen 'S stops') -ge 2 ] || { systemctl start --no-block again.service; sleep 60; }",
            claims=["/box"],
            priority=4,
        ),
        "fails": task("exit 1", claims=["/box"], priority=5),
    }
    box = Box(systemd_nursery, disk, tasks)
    install(wheel, disk / "venv")
    (disk / "driver").write_text(_DRIVER.format(disk=disk, unit=_UNIT))
    (disk / "again").write_text(_AGAIN.format(disk=disk, unit=_UNIT))

    downs = []
    for number in itertools.count():
        downs.append(boot(systemd_nursery, disk, number))
        if downs[-1] == POWERED_OFF:
            break
        assert number < _MOST_BOOTS

    assert (disk / "after").exists(), printed(disk)
    assert downs == [REBOOTED] * 3 + [POWERED_OFF], printed(disk)
    ends = box.ends()
    assert ends.pop("fails") == ("failed", "fail")
    assert set(ends.values()) == {("succeeded", "pass")}, (ends, printed(disk))
    assert box.sessions() == [*["rebooted"] * 3, "killed", "killed", "killed", "stopped", "finished"]
    assert box.told("asks") == ["0:", "1:m0", "2:m1", "3:m2"]
    assert box.violations() == []
    assert counted(disk) == set(tasks)
    # `systemctl stop` is not followed by a start, nor is a run that ended with a failure.
    assert said(disk / "stopped") == {"ActiveState": "inactive", "Result": "success"}
    assert said(disk / "after") == {"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "1"}
    assert said(disk / "again-after")["ActiveState"] == "inactive"
    assert "inactive" in (disk / "status").read_text()
    assert (disk / "left").read_text() == ""


def test_signals_start_it_again_and_exit_codes_do_not(systemd_nursery: Nursery, disk: Path, wheel: Path) -> None:
    """The unit as it is installed, with something else to run: what it ends with is the test's to say."""
    install(wheel, disk / "venv")
    ends = {f"e{code}": f"exit {code}" for code in range(7)} | {
        "kill": "kill -KILL $$",
        "abrt": "kill -ABRT $$",
        "segv": "kill -SEGV $$",
        "term": "kill -TERM $$",
        "none": "exit 0",
    }
    lines = ["cd " + shlex.quote(str(disk))]
    for name, end in ends.items():
        lines += [
            f"pexen service install {name} --journal {disk}/{name}/j.db >/dev/null",
            f"mkdir -p /run/systemd/system/pexen@{name}.service.d",
            f"cat >/run/systemd/system/pexen@{name}.service.d/x.conf <<'END'",
            "[Service]",
            "Type=simple",
            "ExecCondition=",
            f"ExecCondition=/bin/sh -c 'exit {5 if name == 'none' else 0}'",
            "ExecStart=",
            f"ExecStart=:/bin/sh -c 'echo {name} >>{disk}/ran; {end}'",
            "END",
        ]
    lines += [
        "systemctl daemon-reload",
        *(f"systemctl start --no-block pexen@{name}" for name in ends),
        "until [ $(grep -c kill ran) -ge 3 ] && [ $(grep -c abrt ran) -ge 3 ] && [ $(grep -c segv ran) -ge 3 ]",
        "do sleep 0.1; done",
        *(f"systemctl show pexen@{name} -p Result >{name}.result" for name in ends),
        "systemctl poweroff",
    ]
    (disk / "driver").write_text("\n".join(lines))

    assert boot(systemd_nursery, disk, 0) == POWERED_OFF, printed(disk)

    ran = (disk / "ran").read_text().split()
    for name in ("e0", "e1", "e2", "e3", "e4", "e5", "e6", "term"):
        assert ran.count(name) == 1, name
    assert ran.count("none") == 0
    results = {name: said(disk / f"{name}.result")["Result"] for name in ends}
    assert {results[name] for name in ("e0", "e1", "e4", "term")} == {"success"}
    assert {results[name] for name in ("e2", "e3", "e5", "e6")} == {"exit-code"}
    assert results["none"] == "exec-condition"


#: The run is parked when its runner was killed three times and nothing came to its end. What then stands, before a boot
#: and after it, when the unit has been asked again.
_PARKED = """\
set -x
if [ ! -e begun ]; then
    touch begun
    trap 'systemctl poweroff' EXIT
    pexen service install p --journal {disk}/journal.db
    pexen --journal @p run s.jobs --detach
    for n in $(seq 300); do ! pexen --journal @p status | grep parked || break; sleep 0.1; done
    sleep 1.5
    systemctl show pexen@p.service -p ActiveState -p Result -p ExecMainStatus -p NRestarts >before
    trap - EXIT
    systemctl reboot
else
    sleep 1.5
    systemctl show pexen@p.service -p ActiveState -p Result >after
    pexen service status p >standing
    pexen --journal @p resume --all --check
    echo "Check=$?" >>after
    systemctl poweroff
fi
"""


def test_a_parked_run_starts_nothing_neither_at_once_nor_after_a_boot(
    systemd_nursery: Nursery, disk: Path, wheel: Path
) -> None:
    install(wheel, disk / "venv")
    runner = f"""$(sed 's/.*"pid": *\\([0-9]*\\).*/\\1/' {shlex.quote(str(disk))}/journal.db.lock)"""
    (disk / "s.jobs").write_text(f"kills: echo begins >>{shlex.quote(str(disk))}/begun; kill -9 {runner}; sleep 60\n")
    (disk / "driver").write_text(_PARKED.format(disk=disk))

    assert [boot(systemd_nursery, disk, number) for number in (0, 1)] == [REBOOTED, POWERED_OFF], printed(disk)

    assert said(disk / "before") == {
        "ActiveState": "inactive",
        "Result": "success",
        "ExecMainStatus": "4",
        "NRestarts": "3",
    }, printed(disk)
    assert (disk / "begun").read_text().count("begins") == 3
    assert said(disk / "after") == {"ActiveState": "inactive", "Result": "exec-condition", "Check": "5"}
    assert "parked" in (disk / "standing").read_text()
    assert [how for (how,) in ask(disk, "SELECT how_ended FROM sessions ORDER BY id")][-1] == "parked"


def counted(disk: Path) -> set[str]:
    """The tasks that had a cgroup of their own, below that of the unit, which counted what they used."""
    used = "json_extract(metrics, '$.cpu_seconds') > 0"
    return {task for (task,) in ask(disk, f"SELECT task FROM results WHERE name = 'usage' AND {used}")}


def said(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^(\w+)=(.*)$", path.read_text(), re.MULTILINE))


_BY_CALENDAR = """\
set -x
trap 'systemctl poweroff' EXIT
cd /srv
pexen="/srv/venv/bin/python -P -m pexen_state"
$pexen --journal /srv/journal.db service install n s.jobs --on-calendar '*-*-* *:*:*' --harden \\
    --failures-fail-unit --on-finish 'touch /srv/over' || exit
set +x
for n in $(seq 300); do [ ! -e over ] || break; sleep 0.1; done
set -x
systemctl show pexen-start@n.service pexen-start@n.timer pexen@n.service -p Result -p ActiveState -p ExecMainStatus
systemctl stop pexen-start@n.timer
while systemctl show pexen-start@n.service pexen@n.service -p ActiveState | grep -Eq 'activating|=active'
do sleep 0.1; done
systemctl show pexen@n.service -p Result >after
$pexen service remove n
find /etc/systemd/system -mindepth 1 -not -type d >left
[ -e /tmp/mine ] || touch private
"""


def test_a_hardened_service_begins_runs_by_the_calendar_and_its_tasks_can_do_no_harm(
    systemd_nursery: Nursery, disk: Path, wheel: Path
) -> None:
    libraries = Path(sys.prefix).resolve()
    if any(libraries.is_relative_to(hidden) for hidden in ("/tmp", "/var/tmp")):
        pytest.skip(f"a hardened service does not see {libraries}")
    install(wheel, disk / "venv")
    listed = {
        "writes": 'echo hello >"$PEXEN_DATA/x" && echo mine >/tmp/mine && touch /srv/beside',
        "mounts": "! mount -t tmpfs tmpfs /run",
        "elsewhere": "! touch /run/x && ! touch /etc/x",
        "powers": "grep -q '^CapEff:.0*$' /proc/self/status && grep -q '^NoNewPrivs:.1$' /proc/self/status",
        "fails": "false",
    }
    (disk / "s.jobs").write_text("".join(f"{name}: {command}\n" for name, command in listed.items()))
    (disk / "driver").write_text(_BY_CALENDAR)

    assert boot(systemd_nursery, disk, 0) == POWERED_OFF, printed(disk)

    rows = ask(disk, "SELECT task, verdict FROM tasks WHERE run = 1 ORDER BY number")
    assert rows == [(name, "fail" if name == "fails" else "pass") for name in listed], printed(disk)
    assert counted(disk) == set(listed)
    assert said(disk / "after") == {"Result": "exit-code"}
    assert (disk / "private").exists()
    assert (disk / "left").read_text() == ""
