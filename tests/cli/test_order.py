"""--order: what comes first of what could run, told, recorded, and kept by a resume."""

from __future__ import annotations

import json
import re
import signal

from tests.cli.box import Box


def listed(*tasks: dict[str, object]) -> str:
    return "".join(json.dumps({"cmd": "true", **task}) + "\n" for task in tasks)


def order_of(box: Box, run: int) -> list[str]:
    return [
        key
        for (key,) in box.sql(f"SELECT task FROM attempts WHERE run = {run} AND cause = 'returned' ORDER BY started_at")
    ]


MANY = [{"name": f"t{number:02}"} for number in range(12)]


def test_one_worker_has_the_declared_order_and_a_random_one_says_its_seed(box: Box):
    box.file("s.jsonl", listed(*MANY))
    assert box.pexen("run", "s.jsonl", "-j1").code == 0
    drawn = box.pexen("run", "s.jsonl", "-j1", "--order", "random")
    assert drawn.code == 0
    seed = next(word for word in drawn.lines[0].split() if word.startswith("random:"))
    assert box.pexen("run", "s.jsonl", "-j1", "--order", seed).code == 0

    assert box.pexen("run", "s.jsonl", "-n", "--order", seed).lines == order_of(box, 2)
    assert order_of(box, 1) == [task["name"] for task in MANY]
    assert order_of(box, 2) == order_of(box, 3) != order_of(box, 1)


def test_a_resume_keeps_the_seed_that_was_drawn(box: Box):
    gate = box.gate()
    tasks = [*MANY, {"name": "stop", "cmd": f"test -e go || cat '{gate.path}'"}]
    box.file("s.jsonl", listed(*tasks))
    with box.started("run", "s.jsonl", "-j1", "--order", "random") as run:
        gate.reached()
        box.until_quiet()  # what has ended is not to be run again
        run.signal(signal.SIGKILL)
        run.process.wait()
        gate.let_go()
    box.file("go", "")
    assert box.pexen("resume").code == 0
    seed = re.search(r"random:\d+", box.sql("SELECT recorded FROM run")[0][0])
    assert seed is not None
    assert box.pexen("run", "s.jsonl", "-j1", "--order", seed[0]).code == 0

    first = list(dict.fromkeys(order_of(box, 1)))
    assert set(first) == {str(task["name"]) for task in tasks}
    assert first == order_of(box, 2)


def test_the_longest_path_comes_first_by_weight_and_by_what_is_usual(box: Box):
    tasks = [{"name": "a"}, {"name": "b", "weight": 0.5}, {"name": "c", "cmd": "sleep 0.3"}, {"name": "d"}]
    box.file("s.jsonl", listed(*tasks))
    assert box.pexen("run", "s.jsonl", "-j1", "--order", "longest").code == 0
    assert box.pexen("run", "s.jsonl", "-j1", "--order", "longest").code == 0

    assert order_of(box, 1) == ["a", "c", "d", "b"]
    assert order_of(box, 2)[:2] == ["b", "c"]
    planned = [begin["key"] for begin in box.json("plan", "s.jsonl", "-j2")["order"]]
    assert planned[:2] == ["b", "c"]
    assert [begin["key"] for begin in box.json("plan", "s.jsonl", "-j1")["order"]] == ["a", "b", "c", "d"]
    asked = [begin["key"] for begin in box.json("plan", "s.jsonl", "-j1", "--order", "longest")["order"]]
    assert asked == order_of(box, 2) == box.pexen("run", "s.jsonl", "-j1", "-n", "--order", "longest").lines


def test_what_is_no_order_is_told(box: Box):
    box.file("suite/pexen.toml", "[run]\norder = 'longst'\n")
    box.script("suite/a")
    box.file("s.jobs", "true\n")

    typed = box.pexen("run", "s.jobs", "--order", "randm")
    said = box.pexen("run", "suite")

    assert (typed.code, said.code) == (2, 2)
    assert "--order: there is no order 'randm'. Did you mean 'random'? There are: declared, longest," in typed.err
    assert "suite/pexen.toml, line 2: order: there is no order 'longst'. Did you mean 'longest'?" in said.err
