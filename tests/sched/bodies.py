"""Tasks of tests: quiet ones, and such as die, hang, or leave things behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time

from tests.sched.pools import die_of


def noop() -> None:
    pass


def segfault() -> None:
    die_of(signal.SIGSEGV)


def leave_early() -> None:
    os._exit(3)


def sleep_for_ever() -> None:
    while True:
        time.sleep(1000)


def stop_itself() -> None:
    die_of(signal.SIGSTOP)
    sleep_for_ever()


def ignore_term() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sleep_for_ever()


def clean_up_on_term(shared) -> str:
    def leave(_number, _frame):
        raise InterruptedError("asked to end")

    signal.signal(signal.SIGTERM, leave)
    try:
        sleep_for_ever()
    except InterruptedError:
        shared["cleaned up"] = True
        return "left in order"


def detach_a_sleeper() -> int:
    """Double fork and setsid, as a daemon does."""
    return int(subprocess.check_output(["sh", "-c", "setsid sh -c 'sleep 1000 >/dev/null & echo $!' & wait"]))


def fork_a_tree() -> None:
    for _ in range(3):
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if os.fork() == 0:
                os.setsid()
            sleep_for_ever()
    sleep_for_ever()
