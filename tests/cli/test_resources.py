"""`needs` and `--resource`, as people meet them."""

from __future__ import annotations

import json

from tests.cli.box import Box

LIST = [{"name": name, "cmd": 'echo "$PEXEN_TASK" >> log; sleep 0.2; echo "$PEXEN_TASK" >> log', "needs": {"gpu": 1}}
        for name in ("a", "b", "c")]  # fmt: skip


def test_no_more_run_at_once_than_there_is(box: Box):
    box.file("s.jsonl", "".join(f"{json.dumps(task)}\n" for task in LIST))

    done = box.pexen("run", "s.jsonl", "-j3", "--resource", "gpu=1")

    assert done.code == 0, done.err
    assert (box.directory / "log").read_text().split() == ["a", "a", "b", "b", "c", "c"]


def test_what_can_never_fit_is_an_error_before_anything_runs(box: Box):
    box.file("s.jsonl", "".join(f"{json.dumps(task)}\n" for task in LIST))
    box.file("m.jsonl", '{"name": "a", "cmd": "true", "needs": {"memory": "900T"}}\n')

    unknown = box.pexen("run", "s.jsonl")
    misspelt = box.pexen("run", "s.jsonl", "--resource", "gpus=2")
    small = box.pexen("run", "m.jsonl")
    wrong = box.pexen("run", "s.jsonl", "--resource", "gpu=many")

    assert [one.code for one in (unknown, misspelt, small, wrong)] == [2, 2, 2, 2]
    assert "a needs 1 of 'gpu', and nobody said how much of that there is." in unknown.err
    assert "Did you mean 'gpus'?" in misspelt.err
    assert "and there is no more than" in small.err
    assert "it could never run." in small.err
    assert "--resource gpu=many: say how much there is" in wrong.err
    assert not box.journal.exists()


def test_a_resume_has_as_much_as_the_run_began_with(box: Box):
    tasks = [{**task, "cmd": f"test ! -e gate || cat gate; {task['cmd']}"} for task in LIST]
    box.file("s.jsonl", '{"name": "first", "cmd": "true"}\n' + "".join(f"{json.dumps(task)}\n" for task in tasks))
    gate = box.gate()
    with box.started("run", "s.jsonl", "-j3", "--resource", "gpu=1") as run:
        gate.reached()
        why = box.pexen("why", "c").out
        run.process.kill()
        run.process.wait()
    gate.path.unlink()
    (box.directory / "log").unlink(missing_ok=True)

    done = box.pexen("resume")

    assert "c needs 1 of gpu: 0 of 1 is free, the rest is with a (1)." in why
    assert done.code == 0, done.err
    assert (box.directory / "log").read_text().split() == ["a", "a", "b", "b", "c", "c"]


def test_plan_counts_them_too(box: Box):
    box.file("s.jsonl", "".join(f"{json.dumps(task)}\n" for task in LIST))

    told = box.json("plan", "s.jsonl", "-j3", "--resource", "gpu=1")

    assert [begin["key"] for begin in told["order"]] == ["a", "b", "c"]
    assert [begin["at"] for begin in told["order"]] == [0.0, 1.0, 2.0]
    assert "needs 1 gpu" in box.pexen("list", "s.jsonl").out
