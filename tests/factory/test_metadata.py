"""What files of a tree say of its tasks: inheritance, comments of scripts, python, and what is refused."""

from __future__ import annotations

import os
import random
import sys
import textwrap
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pexen_state.factory import FilesystemFactory, ModTreeFactory
from pexen_state.factory.base import FactoryError
from pexen_state.factory.filesystem import _filled_in
from pexen_state.factory.importing import import_path
from pexen_state.factory.metadata.comments import said_by
from pexen_state.factory.metadata.document import Document, MetadataError
from pexen_state.factory.metadata.layers import Layer, combined, explained
from pexen_state.sched.identity import key_of
from pexen_state.sched.meta import read_meta


@pytest.fixture
def tree(tmp_path: Path):
    """Writes files; those that are no TOML and no python are scripts."""

    def write(**files: str) -> Path:
        for name, text in files.items():
            path = tmp_path / "suite" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
            if not name.endswith((".toml", ".py")):
                path.chmod(0o755)
        return tmp_path / "suite"

    return write


def tasks_in(directory: Path, **arguments) -> dict[str, object]:
    return {key_of(task): task for task in FilesystemFactory(**arguments)(directory)}


def meta_in(directory: Path, **arguments):
    return {key: read_meta(task) for key, task in tasks_in(directory, **arguments).items()}


SH = "#!/bin/sh\n"


def test_deeper_files_add_to_sets_and_replace_all_else(tree):
    suite = tree(
        **{
            "pexen.toml": 'requires = ["base"]\ntimeout = "1h"\nenv = { A = "1", B = "1" }\npriority = 5\n',
            "net/pexen.toml": 'requires = ["net"]\ntimeout = "5m"\nenv = { B = "2" }\n',
            "a": SH,
            "net/b": SH,
            "net/deep/c": SH + '# pexen: requires=["c"] timeout="none" env={ C = "3" }\n',
        }
    )

    found = meta_in(suite)

    assert (found["a"].requires, found["a"].timeout, found["a"].priority) == ({"base"}, 3600.0, 5)
    assert (found["net/b"].requires, found["net/b"].timeout) == ({"base", "net"}, 300.0)
    assert found["net/b"].env == {"A": "1", "B": "2"}
    assert (found["net/deep/c"].requires, found["net/deep/c"].timeout) == ({"base", "net", "c"}, None)
    assert found["net/deep/c"].env == {"A": "1", "B": "2", "C": "3"}


def test_a_glob_with_a_slash_is_one_of_paths_and_one_without_is_one_of_names(tree):
    suite = tree(
        **{
            "pexen.toml": """
                tags = ["all"]
                [tasks."net/*"]
                tags = ["net"]
                [tasks."slow_*"]
                timeout = "2h"
                """,
            "slow_a": SH,
            "net/b": SH,
            "net/slow_c": SH,
            "fs/net/d": SH,
        }
    )

    found = meta_in(suite)

    assert {key: sorted(meta.tags) for key, meta in found.items()} == {
        "slow_a": ["all"],
        "fs/net/d": ["all"],
        "net/b": ["all", "net"],
        "net/slow_c": ["all", "net"],
    }
    assert {key for key, meta in found.items() if meta.timeout == 7200.0} == {"slow_a", "net/slow_c"}


def test_a_task_has_the_same_metadata_however_its_target_is_typed(tree):
    suite = tree(**{"pexen.toml": 'uses = ["db"]\n', "net/pexen.toml": 'tags = ["net"]\n', "net/b": SH})

    for target in (suite, suite / "net", suite / "net/b"):
        assert {key: (meta.uses, meta.tags) for key, meta in meta_in(target).items()} == {"net/b": ({"db"}, {"net"})}


def test_match_ignore_and_enabled_say_which_files_are_tasks(tree):
    suite = tree(
        **{
            "pexen.toml": 'match = ["test_*"]\nignore = ["data", "*.bak"]\n[tasks."*/test_off"]\nenabled = false\n',
            "test_a": SH,
            "test_a.bak": SH,
            "helper": SH,
            "data/test_b": SH,
            "own/pexen.toml": 'match = ["*"]\n',
            "own/c": SH,
            "own/test_off": SH,
        }
    )

    assert sorted(tasks_in(suite)) == ["own/c", "test_a"]


def test_a_slash_at_the_end_of_an_ignored_name_means_directories_alone(tree):
    suite = tree(
        **{
            "pexen.toml": 'ignore = ["test_*/", "deep/er/"]\n',
            "test_a": SH,
            "test_pkg/__init__.py": "raise SystemExit('imported')",
            "test_dir/b": SH,
            "deep/er/c": SH,
            "deep/test_er/d": SH,
            "deep/e": SH,
        }
    )

    assert sorted(tasks_in(suite)) == ["deep/e", "test_a"]


def test_files_that_cannot_be_run_by_themselves_are_run_by_what_the_tree_says(tree):
    suite = tree(
        **{
            "pexen.toml": """
                match = ["test_*.py", "run"]
                cmd = ["python3", "-u"]
                [tasks."sub/*"]
                cmd = ["x", "-m={.}", "{}"]
                """,
            "test_a.py": "",
            "helper.py": "",
            "sub/test_b.c.py": "",
            "run": SH,
        }
    )

    found = tasks_in(suite)

    assert {key: (task.argv, task.executable) for key, task in found.items()} == {
        "run": (["python3", "-u", "./run"], None),
        "test_a.py": (["python3", "-u", "./test_a.py"], None),
        "sub/test_b.c.py": (["x", "-m=test_b.c", "./test_b.c.py"], None),
    }
    assert sorted(tasks_in(suite / "test_a.py")) == ["test_a.py"]


@pytest.mark.parametrize("said", ['match = ["*.py"]\n', 'cmd = ["python3"]\n', 'cmd = ["python3"]\nmatch = ["*.sh"]\n'])
def test_a_file_that_cannot_be_run_needs_a_command_and_a_match(tree, said):
    suite = tree(**{"pexen.toml": said, "test_a.py": "", "a": SH})

    assert "test_a.py" not in tasks_in(suite)
    with pytest.raises(FactoryError, match="is no executable file; try: chmod"):
        tasks_in(suite / "test_a.py")


@given(st.from_regex(r"[^/\0]{1,20}", fullmatch=True).filter(lambda name: name.strip(".")))
def test_no_name_of_a_file_becomes_an_option_or_a_mark(name):
    assert _filled_in(("sh", "-e"), name) == ["sh", "-e", f"./{name}"]
    assert _filled_in(("sh", "{}{}"), name) == ["sh", f"./{name}./{name}"]


def test_an_exit_status_means_what_the_tree_says(tree):
    suite = tree(
        **{"pexen.toml": 'exit_codes = "kselftest"\n[tasks.b]\nexit_codes = { 3 = "skip" }\n', "a": SH, "b": SH}
    )

    found = tasks_in(suite)

    assert (found["a"].statuses, found["b"].statuses) == ("kselftest", {3: "skip"})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("requries = ['a']", "line 1: there is no key 'requries'. Did you mean 'requires'? Known are: after always"),
        ("\ntimeout = 'soon'", "line 2: timeout: 'soon' is not a duration"),
        ("requires = 'a'", "line 1: <class 'str'> cannot be used for requires: give a list or a set, such as ['a']"),
        ("[tasks.a]\n\ntimeot = 5", "line 3: there is no key 'timeot'. Did you mean 'timeout'?"),
        ("[tasks]\na = 5", 'line 2: [tasks."a"] is to be a table'),
        ("tasks = 5", 'line 1: [tasks."glob"] is to be a table for each glob'),
        ("match = 'a*'", 'line 1: match is to be a list of globs, such as ["test_*"]'),
        ("name = 'a'", 'line 1: a name is that of one task: say it in [tasks."..."]'),
        ("exit_codes = { x = 'pass' }", "line 1: exit_codes: an exit status is a number from 0 to 255"),
        ("cmd = 'python3'", "line 1: <class 'str'> cannot be used for cmd: give a list of words"),
        ("cmd = ['']", "line 1: cmd: the first word is the program, and it is empty"),
        ("cmd = ['a', 1]", "line 1: cmd takes only strings, and 1 cannot be a word of a command line"),
        ("exit_codes = 'autotools'", "line 1: exit_codes: no exit-status table is called 'autotools'"),
        ("needs = { gpu = 'two' }", "line 1: needs: 'two' of 'gpu' is no amount"),
        ("a = 1\na = 2", "line 2: this is no TOML"),
        ("a = [", "line 1: this is no TOML"),
    ],
)
def test_a_mistake_is_told_with_file_line_and_key(tree, text, why, monkeypatch):
    suite = tree(**{"pexen.toml": text, "a": SH})
    monkeypatch.chdir(suite.parent)

    with pytest.raises(MetadataError) as wrong:
        tasks_in(Path("suite"))

    assert str(wrong.value).startswith(f"suite/pexen.toml, {why}")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("timeout=5m", "timeout: '5m' is no value of TOML: text stands in quotes"),
        ("slow", "this is no key with a value: 'slow'"),
        ('timeot="5m"', "there is no key 'timeot'. Did you mean 'timeout'?"),
        ('requires="net"', "<class 'str'> cannot be used for requires"),
    ],
)
def test_a_mistake_in_a_comment_is_told_with_its_line(tree, line, why):
    suite = tree(a=f"{SH}#\n# pexen: {line}\n")

    with pytest.raises(MetadataError) as wrong:
        tasks_in(suite)

    assert str(wrong.value).endswith(str(wrong.value)[str(wrong.value).index("suite/a, line 3: ") :])
    assert f"suite/a, line 3: {why}" in str(wrong.value)


def test_what_a_script_says_may_be_on_several_lines_and_is_not_looked_for_in_programs(tree):
    suite = tree(
        a=f'{SH}# pexen: requires=["x y", "z"]   timeout = "5m"\n// pexen: requires = ["w"] always=true\n# pexen\n',
        **{"pexen.toml": ""},
    )
    (suite / "b").write_bytes(b"\x7fELF\0\0\n# pexen: junk\n")
    (suite / "b").chmod(0o755)

    found = meta_in(suite)

    assert (found["a"].requires, found["a"].timeout, found["a"].always) == ({"x y", "z", "w"}, 300.0, True)
    assert not found["b"].requires


def test_files_of_somebody_else_are_left_alone_with_a_warning(tree, monkeypatch):
    suite = tree(**{"pexen.toml": 'env = { LD_PRELOAD = "/tmp/x.so" }\n', "a": SH})
    if os.geteuid() != 0:
        pytest.skip("only root can give a file to somebody else")
    os.chown(suite / "pexen.toml", 4711, 4711)
    monkeypatch.delenv("SUDO_UID", raising=False)

    with pytest.warns(match="is left alone: the file belongs to somebody else"):
        assert meta_in(suite)["a"].env == {}
    assert meta_in(suite, owners=[4711])["a"].env == {"LD_PRELOAD": "/tmp/x.so"}


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x" * 2_000_000, b"a = " + b"[" * 5000, b'"' * 3, b"a." * 5000])
def test_a_hostile_file_is_refused_quickly(tree, content):
    suite = tree(a=SH)
    (suite / "pexen.toml").write_bytes(content)

    with pytest.raises(MetadataError, match=r"suite/pexen\.toml"):
        tasks_in(suite)


def test_python_tasks_inherit_from_files_packages_and_modules(tree, monkeypatch):
    suite = tree(
        **{
            "pexen.toml": 'tags = ["root"]\ntimeout = "1h"\n',
            "box_pkg/__init__.py": '__pexen__ = {"tags": ["package"], "timeout": "2h"}\n',
            "box_pkg/deep/__init__.py": "",
            "box_pkg/deep/pexen.toml": 'tags = ["deep"]\n[tasks."mod/b*"]\nretries = 3\n',
            "box_pkg/deep/mod.py": """
                from pexen_state import task
                __pexen__ = {"tags": {"module"}}
                @task(tags=["own"], timeout="3h")
                def a(shared): pass
                @task
                def b(shared): pass
                """,
        }
    )
    monkeypatch.setattr(sys, "path", [*sys.path])
    package = import_path(suite / "box_pkg")

    for _ in range(2):  # what was said is not said twice
        found = {key_of(task): read_meta(task) for task in ModTreeFactory()(package)}

        assert sorted(found["deep/mod/a"].tags) == ["deep", "module", "own", "package", "root"]
        assert (found["deep/mod/a"].timeout, found["deep/mod/a"].retries) == (10800.0, 0)
        assert (found["deep/mod/b"].timeout, found["deep/mod/b"].retries) == (7200.0, 3)


def test_a_match_in_a_package_makes_tasks_of_plain_functions(tree, monkeypatch):
    suite = tree(
        **{
            "box_plain/__init__.py": "def test_a(): pass\ndef helper(): pass\nfrom os.path import join as test_join\n",
            "box_plain/pexen.toml": 'match = ["test_*"]\nignore = ["test_off"]\n',
            "box_plain/mod.py": "def test_b(): pass\ndef test_off(): pass\n",
        }
    )
    monkeypatch.setattr(sys, "path", [*sys.path])

    assert [key_of(task) for task in ModTreeFactory()(import_path(suite / "box_plain"))] == ["test_a", "mod/test_b"]


def test_a_package_among_executables_becomes_its_tasks(tree, monkeypatch):
    suite = tree(
        **{
            "pexen.toml": 'uses = ["db"]\n',
            "net/a": SH,
            "net/box_checks/__init__.py": "from pexen_state import task\n@task\ndef one(shared): pass\n",
            "net/box_checks/more.py": "from pexen_state import task\n@task(uses=['x'])\ndef two(shared): pass\n",
        }
    )
    monkeypatch.setattr(sys, "path", [*sys.path])

    found = meta_in(suite, packages=True)

    assert {key: sorted(meta.uses) for key, meta in found.items()} == {
        "net/a": ["db"],
        "net/box_checks/one": ["db"],
        "net/box_checks/more/two": ["db", "x"],
    }


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "requires": st.sets(st.sampled_from("abc")),
        "tags": st.sets(st.sampled_from("xyz")),
        "env": st.dictionaries(st.sampled_from("AB"), st.sampled_from("12")),
        "timeout": st.sampled_from([1.0, 2.0, None]),
        "always": st.booleans(),
    },
)


@given(st.lists(FIELDS, max_size=5))
def test_what_follows_is_what_those_who_have_a_part_in_it_say(said):
    layers = [Layer(f"file {n}", None, fields) for n, fields in enumerate(said)]

    found, parts = combined(layers), explained(layers)

    assert found.keys() == parts.keys() == {field for fields in said for field in fields}
    for field, by in parts.items():
        if field in ("requires", "tags"):
            assert found[field] == {name for one in by for name in one.value}
        elif field == "env":
            assert found[field] == {name: text for one in by for name, text in one.value.items()}
        else:
            (one,) = by
            assert found[field] == one.value == [fields[field] for fields in said if field in fields][-1]
    assert isinstance(MappingProxyType(found), MappingProxyType)


VALID = """\
tags = ["nightly", "é"]
timeout = "10m"
needs = { gpu = 1, memory = "4G" }
exit_codes = { 3 = "skip" }

[tasks."net/*"]
requires = ["database", ["a", 1]]
on_fail = { locks = "free" }
"""
PIECES = [
    "",
    "[",
    "]",
    '"',
    "=",
    "\n",
    "#",
    "{",
    "}",
    "0",
    "-1",
    "nan",
    "1979-05-27",
    "true",
    "'",
    "\\",
    "\0",
    "\x1b[31m",
]


@pytest.mark.parametrize("first", range(0, 500, 100))
def test_a_mutated_file_is_refused_with_its_name_or_understood(first, tmp_path: Path):
    refused: list[str] = []
    for seed in range(first, first + 100):
        some = random.Random(seed)
        text = VALID
        for _ in range(some.randint(1, 4)):
            at, length = some.randrange(len(text)), some.choice([0, 0, 1, 3, 20])
            text = text[:at] + some.choice([*PIECES, text[some.randrange(len(text)) :][:9]]) + text[at + length :]
        (tmp_path / "pexen.toml").write_text(text)
        try:
            Document.read(str(tmp_path / "pexen.toml"))
        except MetadataError as error:
            refused.append(str(error))
    assert [one for one in refused if "pexen.toml" not in one] == []
    assert refused


@given(st.text(max_size=80))
def test_a_comment_is_refused_with_its_line_or_understood(tmp_path_factory, text):
    script = tmp_path_factory.getbasetemp() / "script"
    script.write_bytes(b"#!/bin/sh\n# pexen: " + text.encode("utf-8", "surrogatepass"))
    refused = ""
    try:
        said_by(str(script))
    except MetadataError as error:
        refused = str(error)
    assert not refused or "script, line " in refused
