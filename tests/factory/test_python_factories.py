"""Factories that make tasks of python modules and packages."""

from __future__ import annotations

import importlib
import pickle
import sys
from textwrap import dedent

import pytest

from pexen_state import PexenError, factory, sched
from pexen_state.factory.importing import import_named, import_path
from pexen_state.sched.identity import key_of

FILES = {
    "suite/__init__.py": """
        from pexen_state.sched.meta import func_meta

        @func_meta
        def at_the_top():
            return "top"
        """,
    "suite/zoo.py": """
        from pexen_state import task
        from suite.net import renew

        @task(requires=["lease"])
        def visit():
            return "visit"

        def helper():
            return "helper"

        def test_plain():
            return "plain"
        """,
    "suite/net/__init__.py": """
        from pexen_state.sched.meta import func_meta

        @func_meta(provides=["lease"])
        def renew():
            return "renew"

        def make(number):
            @func_meta
            def made():
                return number
            return made

        made_2, made_1 = make(2), make(1)
        """,
    "suite/net/ip.py": """
        from pexen_state import task

        @task
        def ping():
            return "ping"

        alias = ping
        """,
    "suite/__main__.py": "raise RuntimeError('this runs a program')",
}


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Writes files; afterwards no module of them is left."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)

    def write(files):
        for name, content in files.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(dedent(content))
        importlib.invalidate_caches()
        return tmp_path

    yield write
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def found(tasks):
    return ["/".join(factory.get_callpath(one)) for one in tasks]


def test_a_module_gives_its_tasks_sorted_by_name(tree):
    tree(FILES)

    tasks = list(factory.ModuleFactory()(importlib.import_module("suite.net")))

    assert found(tasks) == ["made_1", "made_2", "renew"]
    assert [one() for one in tasks] == [1, 2, "renew"]
    assert [key_of(one) for one in tasks] == ["suite.net/made_1", "suite.net/made_2", "suite.net/renew"]


def test_a_match_adds_callables_without_metadata(tree):
    tree(FILES)
    zoo = importlib.import_module("suite.zoo")

    assert found(factory.ModuleFactory()(zoo)) == ["renew", "visit"]
    assert found(factory.ModuleFactory(match="test_*")(zoo)) == ["renew", "test_plain", "visit"]


def test_a_callable_that_takes_no_attributes_is_found_as_a_partial_of_it(tree):
    tree({"borrowing.py": "from math import sqrt\nfrom decimal import Decimal\n"})

    (only,) = factory.ModuleFactory(match="*")(importlib.import_module("borrowing"))

    assert only(9) == 3.0
    assert factory.get_callpath(only) == ["sqrt"]


def test_a_tree_gives_a_packages_own_tasks_then_its_modules_sorted(tree):
    tree(FILES)

    tasks = list(factory.ModTreeFactory()(importlib.import_module("suite")))

    assert found(tasks) == [
        "at_the_top",
        "net/made_1",
        "net/made_2",
        "net/renew",
        "net/ip/ping",
        "zoo/visit",
    ]
    assert [key_of(one) for one in tasks] == found(tasks)
    assert sched.meta.get_requires(tasks[-1]) == {"lease"}


def test_a_tree_hands_its_match_on(tree):
    tree(FILES)

    tasks = found(factory.ModTreeFactory(match="test_*")(importlib.import_module("suite")))

    assert "zoo/test_plain" in tasks
    assert "zoo/helper" not in tasks


def test_a_factory_is_called_again_and_gives_the_same(tree):
    tree(FILES)
    suite = importlib.import_module("suite")
    of_tree = factory.ModTreeFactory()
    interrupted = iter(of_tree(suite))
    next(interrupted)
    next(interrupted)
    interrupted.close()

    assert list(of_tree(suite)) == list(of_tree(suite))
    assert of_tree.callpath == []


def test_modules_are_imported_under_their_real_names_so_tasks_can_be_pickled(tree):
    tree(FILES)

    tasks = {found([one])[0]: one for one in factory.ModTreeFactory()(importlib.import_module("suite"))}

    assert pickle.loads(pickle.dumps(tasks["net/ip/ping"])) is tasks["net/ip/ping"]
    assert sys.modules["suite.net.ip"].ping is tasks["net/ip/ping"]
    assert "suite.__main__" not in sys.modules


def test_a_package_that_was_loaded_by_hand_is_walked_too(tree):
    where = tree(FILES)
    spec = importlib.util.spec_from_file_location("suite", where / "suite" / "__init__.py")
    suite = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(suite)

    assert "net/ip/ping" in found(factory.ModTreeFactory()(suite))
    assert sys.modules["suite"] is suite


def test_a_package_beside_another_of_its_name_is_walked_without_touching_it(tree):
    where = tree(FILES)
    first = importlib.import_module("suite")
    spec = importlib.util.spec_from_file_location("suite", where / "suite" / "__init__.py")
    second = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(second)

    assert "net/ip/ping" in found(factory.ModTreeFactory()(second))
    assert sys.modules["suite"] is first


def test_a_plain_module_is_a_tree_of_itself(tree):
    tree({"alone.py": "from pexen_state import task\n\n@task\ndef only():\n    pass\n"})

    assert found(factory.ModTreeFactory()(importlib.import_module("alone"))) == ["only"]


def test_a_loop_of_links_between_packages_ends(tree):
    where = tree(FILES)
    (where / "suite" / "net" / "again").symlink_to(where / "suite", target_is_directory=True)
    (where / "suite" / "net" / "self").symlink_to(where / "suite" / "net", target_is_directory=True)

    tasks = found(factory.ModTreeFactory()(importlib.import_module("suite")))

    assert tasks == ["at_the_top", "net/made_1", "net/made_2", "net/renew", "net/ip/ping", "zoo/visit"]


def test_a_callpath_that_was_pushed_stands_before_that_of_the_tree(tree):
    tree(FILES)
    of_tree = factory.ModTreeFactory()
    of_tree.callpath_push("suite")

    tasks = list(of_tree(importlib.import_module("suite")))

    assert found(tasks)[0] == "suite/at_the_top"
    assert key_of(tasks[-1]) == "suite/zoo/visit"


def test_a_module_that_raises_is_named_with_file_and_line(tree):
    where = tree({**FILES, "suite/net/bad.py": "import os\n\ndef f():\n    return {}['gone']\n\nf()\n"})

    with pytest.raises(PexenError) as refused:
        list(factory.ModTreeFactory()(importlib.import_module("suite")))

    assert str(refused.value) == f"cannot import suite.net.bad: {where}/suite/net/bad.py, line 4: KeyError: 'gone'"
    assert isinstance(refused.value.__cause__, KeyError)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("import os\ndef f(:\n", "broken.py, line 2: SyntaxError: invalid syntax"),
        ("raise SystemExit(3)\n", "broken.py, line 1: SystemExit: 3"),
        (
            "\nimport no_such_module_anywhere\n",
            "line 2: ModuleNotFoundError: No module named",
        ),
        ("\n\nassert False\n", "broken.py, line 3: AssertionError"),
        (
            "from pexen_state import task\n@task(require=['a'])\ndef t(): pass\n",
            "broken.py, line 2: MetaError: require is",
        ),
        ("x = '\0'\n", "cannot import broken: "),
    ],
)
def test_whatever_is_wrong_with_a_module_is_one_error_that_names_it(tree, content, message):
    tree({"broken.py": content})

    with pytest.raises(PexenError) as refused:
        import_named("broken")

    assert str(refused.value).startswith("cannot import broken: ")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_module_that_does_not_exist_is_named_with_what_is_near(tree):
    tree(FILES)

    with pytest.raises(PexenError) as refused:
        import_named("suite.zo")
    assert str(refused.value) == "cannot import suite.zo: there is no module suite.zo. Did you mean 'zoo'?"

    with pytest.raises(PexenError, match="there is no module no_such_package"):
        import_named("no_such_package.sub")


def test_a_path_is_imported_under_the_name_that_it_has_in_its_outermost_package(tree, monkeypatch):
    where = tree(FILES)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(where)])

    assert import_path(where / "suite" / "net" / "ip.py").__name__ == "suite.net.ip"
    assert import_path(where / "suite").__name__ == "suite"
    assert sys.path[0] == str(where)


def test_a_path_that_is_no_module_is_refused(tree):
    where = tree({"not_a_package/readme.txt": "", "with-dash.py": "", "math.py": "", "script.sh": ""})

    for name, message in [
        ("not_a_package", "it has no __init__.py"),
        ("with-dash.py", "'with-dash' is no name for a python module"),
        ("gone.py", "there is no such file"),
        ("script.sh", "its name does not end in .py"),
        ("math.py", "the name math is taken by"),
    ]:
        with pytest.raises(PexenError) as refused:
            import_path(where / name)
        assert message in str(refused.value)


def test_a_factory_of_ones_own_runs_others_below_itself(tree):
    tree(FILES)

    class Both(factory.BaseFactory):
        def __call__(self, module, directory):
            below = factory.ModuleFactory()
            self.callpath_transfer(below)
            self.callpath_push("python")
            yield from below(module)
            self.callpath_pop()
            self.callpath_push("shell")
            scripts = factory.FilesystemFactory()
            self.callpath_transfer(scripts)
            yield from scripts(directory)
            self.callpath_pop()

            def own():
                pass

            self.callpath_burn(own, "own")
            yield own

    where = tree({"scripts/run": "#!/bin/sh\n"})
    (where / "scripts" / "run").chmod(0o755)

    tasks = list(Both()(importlib.import_module("suite.net.ip"), where / "scripts"))

    assert found(tasks) == ["python/ping", "shell/run", "own"]
    assert key_of(tasks[0]) == "python/ping"


def test_a_callpath_is_a_copy_and_its_absence_an_error():
    def body():
        pass

    one = factory.BaseFactory()
    one.callpath_push("a")
    one.callpath_burn(body, "b")
    one.callpath_push("later")
    factory.get_callpath(body).append("c")

    assert factory.get_callpath(body) == ["a", "b"]
    assert list(one()) == []
    with pytest.raises(AttributeError, match="has no callpath"):
        factory.get_callpath(print)
