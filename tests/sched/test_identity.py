"""Who a task is: its key, and the fingerprint that tells that it changed."""

from __future__ import annotations

import functools
import importlib
import sys
from pathlib import Path

import pytest

from pexen_state import task
from pexen_state.sched.executable import Executable
from pexen_state.sched.identity import Fingerprints, fingerprint, key_of
from pexen_state.sched.meta import assign_val


def body():
    return 1


class Disk:
    def format(self):
        return 1

    def __call__(self):
        return 2


@task(name="given")
def named():
    pass


@pytest.fixture
def edited(tmp_path, monkeypatch):
    """A module that is written, imported, changed, and imported anew."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    file = tmp_path / "edited_tasks.py"

    def write(source):
        file.write_text(source)
        sys.modules.pop("edited_tasks", None)
        importlib.invalidate_caches()
        return importlib.import_module("edited_tasks")

    yield write
    sys.modules.pop("edited_tasks", None)


def test_the_key_is_where_a_callable_is_defined_unless_it_has_a_name():
    here = __name__

    assert key_of(body) == f"{here}/body"
    assert key_of(Disk().format) == f"{here}/Disk.format"
    assert key_of(Disk()) == f"{here}/Disk"
    assert key_of(functools.partial(functools.partial(body))) == f"{here}/body"
    assert key_of(len) == "builtins/len"
    assert key_of(lambda: 1).endswith("<lambda>")
    assert key_of(named) == "given"


def test_a_name_wins_over_everything():
    wrapped = functools.partial(body)
    assign_val(wrapped, name="mine")

    assert key_of(wrapped) == "mine"
    assert key_of(body) != "mine"


def test_metadata_and_other_functions_do_not_change_a_fingerprint(edited):
    before = fingerprint(edited("from pexen_state import task\n\n@task\ndef t():\n    return 1\n").t)
    after = fingerprint(
        edited(
            "from pexen_state import task\n\nother = 3\n\n@task(\n    requires=['net'],\n    retries=2,\n)\n"
            "def t():\n    return 1\n\ndef u():\n    return other\n"
        ).t
    )

    assert before == after
    assert len(before) == 16


def test_a_changed_body_changes_the_fingerprint(edited):
    before = fingerprint(edited("def t():\n    return 'é'\n").t)

    assert fingerprint(edited("def t():\n    return 'e'\n").t) != before


def test_a_wrapped_function_has_the_fingerprint_of_the_function(edited):
    module = edited(
        "import functools\n\ndef t():\n    return 1\n\n"
        "@functools.wraps(t)\ndef wrapper(*args):\n    return t(*args)\n\ncached = functools.cache(t)\n"
    )

    assert fingerprint(module.wrapper) == fingerprint(module.t) == fingerprint(module.cached)


def test_lambdas_of_one_line_are_told_apart(edited):
    module = edited("first, second = lambda: a(1), lambda x=(lambda: a(3)): a(2)\n")

    three = [fingerprint(f) for f in (module.first, module.second, module.second.__defaults__[0])]

    assert len(set(three)) == 3
    assert fingerprint(edited("b = 1\nfirst = lambda: a(1)\n").first) == three[0]


def test_closures_of_one_code_are_looked_at_once_and_all_as_of_one_moment(edited):
    module = edited("def make(n):\n    def t():\n        return n\n    return t\n")
    fingerprints = Fingerprints()
    first = fingerprints(module.make(1))

    Path(module.__file__).write_text("def make(n):\n    def t():\n        return -n\n    return t\n")

    assert fingerprints(module.make(2)) == first
    assert fingerprints(functools.partial(module.make(2))) == fingerprints(functools.partial(module.make(3)))
    assert fingerprint(module.make(2)) != first


def test_the_fingerprints_of_neighbours_are_those_that_each_has_alone(edited):
    module = edited("def make(n):\n    def t():\n        return n\n    return t\ndef other(): pass\n")
    wrapped = functools.wraps(module.other)(module.make(3))
    tasks = [
        module.make(1),
        module.make(2),
        wrapped,
        module.make(4),
        functools.partial(body, 1),
        body,
        len,
        module.other,
    ]

    assert Fingerprints().of_all(tasks) == [fingerprint(task) for task in tasks]


def test_a_partial_counts_its_plain_arguments_and_no_addresses():
    assert fingerprint(functools.partial(body, 1)) != fingerprint(functools.partial(body, 2))
    assert fingerprint(functools.partial(body, object())) == fingerprint(functools.partial(body, object()))
    assert fingerprint(functools.partial(body, a=1, b=2)) == fingerprint(functools.partial(body, b=2, a=1))


def test_what_has_no_source_still_has_a_fingerprint():
    def made(source):
        scope = {}
        exec(source, scope)
        return scope["t"]

    assert fingerprint(made("def t(): return {1, 2}")) == fingerprint(made("\n\ndef t(): return {1, 2}"))
    assert fingerprint(made("def t(): return 1")) != fingerprint(made("def t(): return 2"))
    assert fingerprint(len) == fingerprint(len) != fingerprint(max)
    assert fingerprint(Disk()) != fingerprint(Disk().format)


def test_an_executable_has_the_fingerprint_of_its_content(tmp_path):
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\nexit 0\n")
    executable = Executable(["script"], cwd=str(tmp_path), executable=str(script))
    before = fingerprint(executable)

    assign_val(executable, retries=3)
    assert fingerprint(executable) == before

    script.write_text("#!/bin/sh\nexit 1\n")
    assert fingerprint(executable) != before


def test_a_command_line_has_the_fingerprint_of_its_text():
    assert fingerprint(Executable("make test", shell=True)) == fingerprint(
        Executable("make test", shell=True, executable="/bin/bash")
    )
    assert fingerprint(Executable("make test", shell=True)) != fingerprint(Executable("make check", shell=True))
    assert len(fingerprint(Executable(["there-is-no-such-file"], executable="/there/is/no/such/file"))) == 16
