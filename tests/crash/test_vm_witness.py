"""What scripts/vm_cycle makes of a serial console: it finds what it should find, and nothing where all is well."""

from __future__ import annotations

import pytest

from scripts.vm.witness import Boot, Panic, judge


def told(task: str, verdict: str = "PASS") -> str:
    return f"  \x1b[32m{verdict:<7}\x1b[0m [  0.67s]  1/34 {task}"


JOURNAL = ["VM TASK,a,pass,1", "VM TASK,b,pass,2", "VM TASK,c,crash,2"]

WELL = [
    Boot(["VM START a 1 disk", "VM START b 1 net", "VM END a 1", told("a"), "VM START c 1 disk"], lost_power=True),
    Boot(["VM START b 2 net", "VM END b 2", told("b"), "VM START c 2 disk", "VM PANIC c"]),
    Boot([told("c", "CRASH"), *JOURNAL, "VM WORDS,c,2,its kernel said: Kernel panic", "VM CHECKED 0", "VM FINISHED"]),
]


def test_a_suite_that_ends_as_it_should_is_well():
    found = judge(WELL)

    assert found.problems == []
    assert found.finished
    assert found.told == found.verdicts == {"a": "pass", "b": "pass", "c": "crash"}
    assert found.panics == [Panic("c", "2", ())]
    assert found.last_words == {("c", "2")}


def test_what_tasks_used_is_known_by_the_attempt_that_used_most():
    lines = [
        "VM USAGE,a,1,4096",
        "VM USAGE,a,2,1024",
        "VM USAGE,b,1,",
        "VM SHORT,a,error,killed by SIGKILL; out of memory",
    ]

    found = judge([Boot(lines)])

    assert found.peaks == {"a": 4096}
    assert found.ran_out == {"a": "killed by SIGKILL; out of memory"}


@pytest.mark.parametrize(
    ("boots", "problem"),
    [
        ([Boot([told("a")]), Boot(["VM START a 2"])], "boot 2: a was started after its result was told"),
        ([Boot(["VM START a 1 x", "VM START b 1 x"])], "boot 1: b and a had the same lock at once"),
        (
            [Boot(["VM START a 1", "VM START b 1"], lost_power=True), Boot(["VM START a 2", "VM START b 2"])],
            "boot 2: b ran beside a, in search of a culprit",
        ),
        (
            [Boot(["VM START a 1", "VM START b 1", "VM PANIC b"]), Boot(["VM START a 2"])],
            "boot 2: a was tried before b, whom the kernel had named",
        ),
        ([Boot([told("a"), "VM TASK,a,fail,1"])], "a was told as pass and is fail in the journal"),
        ([Boot([told("a"), "VM TASK,b,pass,1"])], "a was told as pass and is None in the journal"),
        ([Boot(["VM CHECKED 1"])], "boot 1: `pexen db check` found something"),
        ([Boot(["Traceback (most recent call last):"])], "boot 1: a traceback"),
    ],
)
def test_what_is_wrong_is_found(boots: list[Boot], problem: str):
    assert judge(boots).problems == [problem]
