"""What the kernel says, record by record; what it does not say; and what is written into its log."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pexen_state.box import kernel_log
from pexen_state.box.kernel_log import KernelLog, Message, is_trouble, mark, message_of, taint, taint_in_words


def test_a_record_is_a_message():
    record = b"4,1701,5140900,-,caller=T12;WARNING: CPU: 1 PID: 77 at fs/ext4/inode.c:123\n SUBSYSTEM=block\n"

    message = message_of(record)

    assert message == Message(1701, 5.1409, True, "WARNING: CPU: 1 PID: 77 at fs/ext4/inode.c:123")
    assert message.is_trouble


def test_what_a_program_wrote_into_the_log_is_no_trouble_of_the_kernel_s():
    message = message_of(b"14,9,100,-;BUG: said a program\n")

    assert message is not None
    assert not message.is_kernels
    assert not message.is_trouble


@pytest.mark.parametrize("record", [b"", b";", b"x,y,z;text", b"6,1;text", b"6,1,2,- no text"])
def test_what_is_no_record_is_no_message(record):
    assert message_of(record) is None


@pytest.mark.parametrize(
    "line",
    [
        "WARNING: CPU: 0 PID: 1 at kernel/fork.c:1 foo+0x1/0x2",
        "WARNING: possible circular locking dependency detected",
        "BUG: kernel NULL pointer dereference, address: 0000000000000000",
        "BUG: KASAN: use-after-free in foo+0x1/0x2",
        "kernel BUG at mm/slub.c:300!",
        "Oops: 0002 [#1] PREEMPT SMP",
        "Oops: general protection fault, maybe for address 0x0: 0000 [#1]",
        "general protection fault, probably for non-canonical address",
        "Unable to handle kernel NULL pointer dereference at virtual address 0",
        "Kernel panic - not syncing: sysrq triggered crash",
        "INFO: task kworker/0:1:77 blocked for more than 120 seconds.",
        "INFO: rcu_preempt detected stalls on CPUs/tasks:",
        "rcu: INFO: rcu_sched self-detected stall on CPU",
        "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [dd:77]",
        "UBSAN: array-index-out-of-bounds in drivers/x.c:1:2",
        "[   12.345678] BUG: unable to handle page fault",
        "[   12.345678] [T77] WARNING: CPU: 0",
    ],
)
def test_trouble_is_known_by_how_its_line_begins(line):
    assert is_trouble(line)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "EXT4-fs (vda): warning: mounting unchecked fs",
        "usb 1-1: device descriptor read/64, error -71",
        "systemd[1]: BUG: something",
        "DEBUG: nothing",
        "audit: WARNING: no",
        "pexen: run 1 BUG: x begins",
    ],
)
def test_other_lines_are_no_trouble(line):
    assert not is_trouble(line)


def test_what_was_said_before_is_not_told_and_reading_never_blocks(tmp_path: Path):
    fifo = tmp_path / "kmsg"
    os.mkfifo(fifo)
    kernel = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    log = KernelLog(reading)

    assert log.take() == []
    os.write(kernel, b"6,1,1000000,-;usb: hello\n")

    assert [message.text for message in log.take()] == ["usb: hello"]
    assert log.take() == []
    log.close()
    os.close(kernel)


def test_where_there_is_no_log_there_is_nothing_to_read(tmp_path: Path):
    assert KernelLog.open(str(tmp_path / "kmsg")) is None


def test_a_mark_is_one_plain_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    kmsg, pmsg = tmp_path / "kmsg", tmp_path / "pmsg0"
    kmsg.touch()
    monkeypatch.setattr(kernel_log, "KMSG", str(kmsg))
    monkeypatch.setattr(kernel_log, "PMSG", str(pmsg))

    assert mark("pexen: run 1 a\n<0>b\x1b[31m\udc80é begins" + "x" * 500)

    assert kmsg.read_bytes() == b"<6>pexen: run 1 a?<0>b?[31m?? begins" + b"x" * (200 - 33) + b"\n"
    assert not pmsg.exists()


def test_a_mark_that_cannot_be_made_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kernel_log, "KMSG", str(tmp_path / "none"))
    monkeypatch.setattr(kernel_log, "PMSG", str(tmp_path / "none"))

    assert not mark("pexen: run 1 begins")


def test_taints_have_words(tmp_path: Path):
    file = tmp_path / "tainted"
    file.write_text("4737\n")

    bits = taint(str(file))

    assert taint_in_words(bits) == [
        "proprietary module",
        "kernel died (Oops or BUG)",
        "kernel warning",
        "module built outside of the tree",
    ]
    assert taint_in_words(1 << 30) == ["taint bit 30"]
    assert taint(str(tmp_path / "none")) == 0
