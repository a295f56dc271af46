"""Whatever is wrong, there is a sentence, the documented exit code, never a traceback, and nothing is lost."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.cli.box import Box


@pytest.fixture
def suite(box: Box) -> Box:
    box.script("suite/one")
    return box


# -- what was typed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rnu", "suite"], "there is no command 'rnu'. Did you mean 'run'?\nTry: pexen --help"),
        (["run"], "Missing argument 'TARGET...'.\nTry: pexen run --help"),
        (
            ["run", "suit"],
            "there is no file or directory suit and no python module of that name. Did you mean 'suite'?",
        ),
        (["run", "suite/two"], "there is no file or directory suite/two."),
        (["run", "notes.txt"], "make it executable (chmod +x); if it is a list of commands, type cmds:notes.txt"),
        (["run", "fs:notes.txt"], "notes.txt cannot be run: it is no executable file; try: chmod +x notes.txt"),
        (["run", "fs:nowhere"], "cannot walk nowhere: there is no such file or directory"),
        (["run", "py:"], "py: says what kind of target it is, but not which one"),
        (["run", "py:no/such"], "no/such is neither a path nor the dotted name of a python module"),
        (["run", "cmds:nowhere"], "cannot read the task list nowhere: No such file or directory"),
        (["run", "-", "cmds:-", "-"], "no task was found in -: there is no command in it."),
        (["run", "suite", "-j", "many"], "--jobs: 'many' is neither a number of tasks to run at once nor 'auto'"),
        (["run", "suite", "-j", "0"], "--jobs: '0' is neither"),
        (["run", "suite", "--timeout", "soon"], "--timeout: 'soon' is not a duration"),
        (["run", "suite", "--retries", "-1"], "Invalid value for '--retries'"),
        (["run", "suite", "--pool", "ray"], "Invalid value for '--pool'"),
        (["run", "suite", "--name", ""], "--name: a suite without a name could not be found again"),
        (
            ["run", "suite", "--journal", "suite"],
            "--journal names a directory: suite. Name a file in it: suite/journal.db",
        ),
        (["run", "suite", "--colour"], "No such option"),
        (["show", "--attempt"], "No such option"),
    ],
)
def test_a_mistake_at_the_keyboard_is_told_with_the_way_out(suite: Box, words: list[str], said: str):
    suite.file("notes.txt", "no program")

    done = suite.pexen(*words)

    assert done.code in (2, 5)
    assert said in done.err
    assert not suite.journal.exists()


def test_only_verbose_shows_where_an_error_came_from(suite: Box):
    done = subprocess.run(
        ["sh", "-c", '"$@" 2>&1 | grep -c Traceback', "sh", *command(suite, "run", "nowhere", "-v")],
        cwd=suite.directory,
        capture_output=True,
        text=True,
    )

    assert done.stdout == "1\n"


def command(box: Box, *words: str) -> list[str]:
    from tests.cli.box import COMMAND

    return [*COMMAND, *words]


# -- what the suite says


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("raise RuntimeError('no database')", "checks.py, line 1: RuntimeError: no database"),
        ("def broken(:", "checks.py, line 1: SyntaxError"),
        ("import nowhere_at_all", "checks.py, line 1: ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("raise SystemExit(3)", "checks.py, line 1: SystemExit: 3"),
        ("import pexen_state\n@pexen_state.task(requires='net')\ndef f(): pass", "cannot be used for requires"),
    ],
)
def test_a_module_that_cannot_be_imported_is_named_with_file_and_line(box: Box, source: str, said: str):
    box.file("checks.py", source)

    done = box.pexen("run", "checks.py")

    assert done.code == 2
    assert "cannot import checks" in done.err
    assert said in done.err


TASKS = """
from pexen_state import task
@task(provides=["database"])
def start_db(): pass
@task(requires=[{requires}], claims=["port"], uses=[{uses}], provides=[{provides}])
def login(): pass
@task(requires=["account"])
def order(): pass
"""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            {"requires": "'datbase'", "uses": "", "provides": "'account'"},
            [
                "pexen: Unsatisfied requires remain: ['datbase', 'account']",
                "  checks/login requires 'datbase', but no task provides it.",
                "  Did you mean 'database', provided by checks/start_db?",
            ],
        ),
        (
            {"requires": "'account'", "uses": "", "provides": "'account'"},
            ["  These wait for each other: checks/login -> checks/login"],
        ),
        (
            {"requires": "", "uses": "'port'", "provides": "'account'"},
            ["pexen: Task checks/login has {'port'} in both claims and uses."],
        ),
    ],
)
def test_tasks_that_cannot_run_are_told_before_anything_runs(box: Box, words: dict[str, str], said: list[str]):
    box.file("checks.py", TASKS.format(**words))

    done = box.pexen("run", "checks.py")

    assert done.code == 2
    for line in said:
        assert line in done.err.splitlines()
    assert not box.journal.exists()


def test_two_tasks_of_one_key_are_refused_with_the_way_out(box: Box):
    box.file("a.jobs", "one: true\n")
    box.file("b.jobs", "one: false\n")

    done = box.pexen("run", "a.jobs", "b.jobs")

    assert done.code == 2
    assert "two tasks have the key one" in done.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"name": "x"}', "s.jobs, line 2: 'cmd' is missing: the command to run"),
        ('{"cmd": "true", "requres": []}', "s.jobs, line 2: there is no key 'requres'. Did you mean 'requires'?"),
        ('{"cmd": ', "s.jobs, line 2: this is to be a JSON object, and is none"),
        ("name: ", "s.jobs, line 2: there is no command after 'name:'"),
        ("echo \0", "s.jobs, line 2: a command cannot hold a NUL character"),
    ],
)
def test_a_task_list_that_cannot_be_used_is_named_with_its_line(box: Box, text: str, said: str):
    box.file("s.jobs", f"# comment\n{text}\n")

    done = box.pexen("run", "s.jobs")

    assert done.code == 2
    assert said in done.err


def test_an_executable_that_cannot_be_started_is_an_error_of_that_task(box: Box):
    box.file("suite/broken", "#!/no/such/interpreter\n").chmod(0o755)
    box.file("suite/text", "no interpreter at all\n").chmod(0o755)
    box.script("suite/works")

    done = box.pexen("run", "suite")

    assert done.code == 1
    assert box.sql("SELECT task, verdict FROM tasks ORDER BY task") == [
        ("suite/broken", "error"),
        ("suite/text", "error"),
        ("suite/works", "pass"),
    ]
    assert "could not be started" in done.out


# -- the journal


def a_journal(box: Box) -> Path:
    assert box.pexen("run", "suite").code == 0
    return box.journal


LOOKING = (["runs"], ["show"], ["logs"], ["sql", "select * from runs"], ["db", "check"])


def everything_says(box: Box, said: str, code: int = 3) -> None:
    """Every verb tells it, and the file stays as it is."""
    before = box.journal.read_bytes()
    for words in (["run", "suite"], ["resume"], *LOOKING):
        done = box.pexen(*words)
        assert (words, done.code) == (words, code), done.err
        assert said in done.err, words
    assert box.journal.read_bytes() == before


def test_a_journal_that_lost_its_end_is_refused_and_left_alone(suite: Box):
    journal = a_journal(suite)
    os.truncate(journal, journal.stat().st_size - 20_000)

    everything_says(suite, "is damaged")


def test_what_is_no_database_is_refused_and_left_alone(suite: Box):
    journal = a_journal(suite)
    journal.write_bytes(b"dear diary, " * 1000)

    everything_says(suite, "is no SQLite database")


def test_a_database_of_somebody_else_is_refused_and_left_alone(suite: Box):
    journal = a_journal(suite)
    journal.unlink()
    with sqlite3.connect(journal) as connection:
        connection.execute("CREATE TABLE recipes (name)")
    connection.close()

    everything_says(suite, "no journal of pexen")


def test_a_journal_from_the_future_is_refused_and_left_alone(suite: Box):
    journal = a_journal(suite)
    with sqlite3.connect(journal) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()

    everything_says(suite, "was written by a newer pexen")


def test_an_empty_file_becomes_a_journal(suite: Box):
    suite.file("j.db", "")

    assert suite.pexen("run", "suite", "--journal", "j.db").code == 0


@pytest.mark.parametrize("name", ["/proc/journal.db", "file/journal.db", "none/journal.db"])
def test_where_no_journal_can_be_made_is_told(suite: Box, name: str):
    suite.file("file", "in the way")

    done = suite.pexen("run", "suite", "--journal", name)

    assert done.code == 3
    assert "--journal" in done.err


def test_a_root_where_nothing_can_be_written_is_told(suite: Box):
    suite.file(".pexen", "in the way")

    done = suite.pexen("run", "suite")

    assert done.code == 3
    assert "no journal can be made in" in done.err
    assert "or name a file elsewhere with --journal" in done.err


def test_a_journal_on_a_read_only_file_system_can_be_looked_at_and_not_run(suite: Box):
    a_journal(suite)
    mounted = ("unshare", "-m", "sh", "-c", 'mount -o bind,ro "$0" "$0" && cd "$0" && exec "$@"', str(suite.directory))
    if subprocess.run([*mounted, "true"], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")

    for words in LOOKING:
        assert suite.pexen(*words, prefix=mounted).code == 0
    done = suite.pexen("run", "suite", prefix=mounted)

    assert done.code == 3
    assert "cannot be written to" in done.err


def test_a_directory_that_was_deleted_under_us_is_told(suite: Box):
    done = suite.pexen("run", "suite", prefix=("sh", "-c", 'mkdir gone; cd gone; rmdir ../gone; exec "$@"', "sh"))

    assert done.code == 2
    assert "the directory that you are in was deleted" in done.err


def test_a_full_disk_ends_the_run_and_loses_nothing(suite: Box):
    place = suite.directory / "small"
    place.mkdir()
    mounted = ("unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=3m none "$0" && cd "$0" && exec "$@"', str(place))
    if subprocess.run([*mounted, "true"], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    suite.file("s.jobs", "one: true\ntwo: head -c 9000000 /dev/zero > big; true\nthree: true\n")
    options = ("-j1", "--journal", "j.db")
    # The file system lives as long as this shell.
    shell = (
        '"$@"; echo "code $?"; mount -o remount,size=90m .;'
        '"$1" "$2" "$3" resume --journal j.db; echo "code $?"; "$1" "$2" "$3" db check --journal j.db'
    )

    done = suite.pexen("run", "cmds:../s.jobs", *options, prefix=(*mounted, "sh", "-c", shell, "sh"))

    assert [line for line in done.lines if line.startswith("code")] == ["code 3", "code 0"]
    assert "is full. Nothing new was started, and what was committed is safe." in done.err
    assert "run 1: 3 tasks: 3 pass" in done.out
    assert "nothing is wrong" in done.out
