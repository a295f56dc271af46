"""The settings of a suite: where they are, what they may say, and what is said about mistakes."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from pexen_state.cli import journals, settings
from pexen_state.cli.errors import UsageError
from pexen_state.cli.running import options
from pexen_state.cli.running.environment import read_file, typed
from pexen_state.cli.running.options import Options, terms_of, with_defaults
from pexen_state.factory.metadata.toml_lines import line_of
from pexen_state.root import find_root
from pexen_state.sched.executable import TABLE_NAMES
from pexen_state.util import PexenWarning
from tests.examples import ROOT


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path.parent))
    return tmp_path


def said_by(here: Path, text: str, file: str = "pexen.toml") -> settings.Settings:
    (here / file).write_text(text)
    return settings.of_roots([find_root(here)])


def refusal(here: Path, text: str, file: str = "pexen.toml") -> str:
    with pytest.raises(UsageError) as caught:
        said_by(here, text, file)
    return str(caught.value)


ALL = """
[run]
name = "nightly"
jobs = 4
pool = "thread"
timeout = "1h30m"
retries = 2
max_fail = 3
env = { LANG = "C", EMPTY = "" }
resources = { gpu = 2, disk = "1K" }
env_file = "secrets.env"
exit_codes = "kselftest"
shell = "sh"
show_output = "all"
strict = true
journal = "var/journal.db"
"""


def test_a_suite_says_how_it_is_run(here: Path):
    (here / "secrets.env").touch()
    said = said_by(here, ALL)

    assert said == settings.Settings(
        str(here / "pexen.toml"),
        "nightly",
        str(here / "var/journal.db"),
        Options(
            jobs="4",
            pool="thread",
            timeout="1h30m",
            retries=2,
            max_fail=3,
            env={"LANG": "C", "EMPTY": ""},
            resources={"gpu": 2, "disk": 1024},
            env_file=str(here / "secrets.env"),
            exit_codes="kselftest",
            shell=options.shell_of("sh", "/"),
            show_output="all",
            strict=True,
        ),
    )


def test_every_setting_is_told_of():
    page = (ROOT / "docs/cli.md").read_text()

    assert [key for key in settings._KEYS if f"`{key}`" not in page] == []


def test_a_pyproject_says_it_below_tool_pexen(here: Path):
    said = said_by(
        here, "[project]\nname = 'x'\n[tool.pexen.run]\njobs = 'auto'\n[tool.other]\nrun = 1\n", "pyproject.toml"
    )

    assert (said.file, said.options.jobs) == (str(here / "pyproject.toml"), "auto")


@pytest.mark.parametrize("text", ["", "# nothing\n", "[run]\n"])
def test_an_empty_file_says_nothing(here: Path, text: str):
    assert said_by(here, text).options == Options()


def test_fail_fast_is_a_limit_of_one(here: Path):
    assert said_by(here, "[run]\nfail_fast = true\n").options.max_fail == 1
    assert said_by(here, "[run]\nfail_fast = false\n").options.max_fail is None


def test_the_command_line_comes_first_then_the_settings_then_the_defaults():
    typed = Options(jobs="2", env={"A": "typed"}, resources={"gpu": 1})
    said = Options(jobs="3", retries=1, env={"A": "said", "B": "said"}, resources={"gpu": 2, "disk": 3})

    terms = terms_of(with_defaults(typed.over(said), is_a_list=False))

    assert (terms.workers, terms.retries, terms.timeout, terms.pool) == (2, 1, 3600, "process")
    assert typed.over(said).env == {"A": "typed", "B": "said"}
    assert typed.over(said).resources == {"gpu": 1, "disk": 3}
    assert terms.limits_in_words() == "timeout 1h, 1 retry"
    assert terms_of(with_defaults(Options(max_fail=5), is_a_list=True)).limits_in_words() == (
        "no timeout, no retries, given up after 5 failures"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[run]\njbos = 3\n",
            "pexen.toml, line 2: there is no key 'jbos'. Did you mean 'jobs'? [run] knows: name jobs",
        ),
        ("[run]\n'jb os' = 3\n", "pexen.toml, line 2: there is no key 'jb os'."),
        ("run.jbos = 3\n", "pexen.toml, line 1: there is no key 'jbos'."),
        ("run = { name = 'x', jbos = 3 }\n", "pexen.toml, line 1: there is no key 'jbos'."),
        (
            "[rnu]\njobs = 3\n",
            "pexen.toml, line 1: there is no key 'rnu'. Did you mean 'run'? Known are: after always",
        ),
        ("jobs = 5\n[run]\n", "pexen.toml, line 1: 'jobs' is a setting of the run: it belongs into the table [run]"),
        ("run = 3\n", "pexen.toml, line 1: [run] is to be a table, not the number 3"),
        ("[[run]]\njobs = 3\n", "pexen.toml, line 1: [run] is to be a table, not an array"),
        (
            "[run]\njobs = 0\n",
            'pexen.toml, line 2: jobs: write a number of tasks to run at once, or "auto", not the number 0',
        ),
        (
            "[run]\njobs = true\n",
            'pexen.toml, line 2: jobs: write a number of tasks to run at once, or "auto", not true',
        ),
        (
            "[run]\npool = 'proces'\n",
            "pexen.toml, line 2: pool: write one of process, thread, not the string 'proces'.",
        ),
        ("[run]\n\ntimeout = 'soon'\n", 'pexen.toml, line 3: timeout: write a duration, such as 90, "5m"'),
        ("[run]\ntimeout = -3\n", "pexen.toml, line 2: timeout: write a duration"),
        ("[run]\nretries = '2'\n", "pexen.toml, line 2: retries: write a number, 0 or more, not the string '2'"),
        ("[run]\nretries = 1.5\n", "pexen.toml, line 2: retries: write a number, 0 or more, not the number 1.5"),
        ("[run]\nstrict = 'yes'\n", "pexen.toml, line 2: strict: write true or false, not the string 'yes'"),
        ("[run]\nname = ' '\n", "pexen.toml, line 2: name: write a string that says something, not the string ' '"),
        ('[run]\nname = "a\\u0000"\n', "pexen.toml, line 2: name: a string here cannot hold a NUL character"),
        (
            "[run]\njournal = 1979-05-27\n",
            "pexen.toml, line 2: journal: write a string that says something, not a time",
        ),
        (
            "[run]\nresources = { gpu = 2, disk = 'much' }\n",
            'pexen.toml, line 2: resources: disk is to be a whole number above zero, or for example "4G", not',
        ),
        (
            "[run]\nresources = 4\n",
            "pexen.toml, line 2: resources: write a table of how much there is, such as { gpu = 2",
        ),
        (
            "[run]\nenv = 'A=1'\n",
            "pexen.toml, line 2: env: write a table of strings, such as { LANG = \"C\" }, not the string 'A=1'",
        ),
        ("[run]\n[run.env]\nA = 'x'\nB = 3\n", "pexen.toml, line 4: env: B is to be a string, not the number 3"),
        ('[run.env]\nB = "a\\u0000"\n', "pexen.toml, line 2: env: B holds a NUL character, and no variable can"),
        ("[run]\nenv = { PEXEN_RUN = '3' }\n", "pexen.toml, line 2: env: PEXEN_RUN is set by pexen itself"),
        ("[run.env]\n\n'1st' = 'x'\n", "pexen.toml, line 3: env: '1st' is no name of a variable"),
        (
            "[run]\nexit_codes = 'kselftset'\n",
            "pexen.toml, line 2: exit_codes: write one of automake, plain, kselftest, ltp, not the string 'kselftset'.",
        ),
        ("[run]\nshell = 'no-such-shell'\n", "pexen.toml, line 2: shell: there is no program 'no-such-shell'."),
        (
            "[run]\nenv_file = 'no.env'\n",
            "pexen.toml, line 2: env_file: there is no file no.env that can be read. Put it",
        ),
        ("[run]\nfail_fast = true\nmax_fail = 3\n", "pexen.toml, line 3: fail_fast is max_fail = 1: say one of them"),
        ("[run]\nallow_reboot = true\n", "pexen.toml, line 2: allow_reboot: no file of a tree can permit a reboot"),
        ("[run]\njobs = \n", "pexen.toml, line 2: this is no TOML: Invalid value"),
        ("[run]\njobs = 3\njobs = 4\n", "pexen.toml, line 3: this is no TOML: Cannot overwrite a value"),
        ("[run]\nname = '''x\n\n", "pexen.toml, line 2: this is no TOML: Expected \"'''\""),
        ("[run]\n\njobs = 1" + "0" * 5000, "pexen.toml, line 3: this is no TOML: Exceeds the limit"),
        ("[run]\njobs = " + "[" * 5000, "pexen.toml, line 2: this is no TOML: "),
        ('[run]\nname = "\x1b[31m"\n', "pexen.toml, line 2: this is no TOML: Illegal character '\\x1b'"),
    ],
)
def test_a_mistake_is_told_with_file_line_and_key(here: Path, text: str, said: str):
    assert refusal(here, text).startswith(said)


def test_a_mistake_in_a_pyproject_is_told_with_its_line(here: Path):
    text = '[project]\nname = """\n[tool.pexen.run]\njobs = 0"""\n\n[tool.pexen.run]\nname = "x"\njobs = 0\n'

    assert refusal(here, text, "pyproject.toml").startswith("pyproject.toml, line 8: jobs: write a number")
    assert refusal(here, "[tool.pexen]\njobs = 3\n", "pyproject.toml").startswith(
        "pyproject.toml, line 2: 'jobs' is a setting of the run: it belongs into the table [run]"
    )
    assert refusal(here, "[tool]\npexen = 3\n", "pyproject.toml") == (
        "pyproject.toml, line 2: [tool.pexen] is to be a table"
    )


def test_a_broken_pyproject_is_ours_only_if_our_table_is_in_it(here: Path):
    assert said_by(here, "[project\nname = 3\n", "pyproject.toml") == settings.NOTHING_SAID

    assert refusal(here, "[project\n[tool.pexen.run]\n", "pyproject.toml").startswith(
        "pyproject.toml, line 1: this is no TOML: "
    )


def test_bytes_that_are_no_text_are_told_with_their_line(here: Path):
    (here / "pexen.toml").write_bytes(b"[run]\n\nname = '\xff'\n")

    with pytest.raises(UsageError, match=r"pexen\.toml, line 3: this is no UTF-8, as TOML has to be"):
        settings.of_roots([find_root(here)])


def test_settings_in_two_files_beside_each_other_are_one_too_many(here: Path):
    (here / "pyproject.toml").write_text("[tool.pexen.run]\njobs = 3\n")

    assert refusal(here, "") == (
        "pyproject.toml has a table [tool.pexen.run], and pexen.toml beside it is where settings belong. "
        "Move them there."
    )


def test_settings_deeper_in_the_tree_are_told_where_they_belong(here: Path):
    (here / "pexen.toml").touch()
    (here / "net/dhcp").mkdir(parents=True)
    (here / "net/pexen.toml").write_text("\n[run]\njobs = 3\n")
    root = find_root(here / "net/dhcp")

    with pytest.raises(UsageError) as caught:
        settings.check_deeper(root, [str(here / "net/dhcp")])
    assert str(caught.value) == (
        "net/pexen.toml, line 2: settings hold for the whole suite, and belong into the file of its root: pexen.toml"
    )

    (here / "net/pexen.toml").write_text("requries = ['x']\n")
    with pytest.raises(UsageError, match=r"net/pexen\.toml, line 1: there is no key 'requries'"):
        settings.check_deeper(root, [str(here / "net/dhcp")])
    settings.check_deeper(root, [str(here), "/usr"])


def test_two_suites_with_settings_of_their_own_do_not_go_together(here: Path):
    for name in ("a", "b"):
        (here / name).mkdir()
        (here / name / "pexen.toml").write_text("[run]\njobs = 3\n")
    roots = [find_root(here / "a"), find_root(here / "b")]

    with pytest.raises(UsageError, match=r"settings of their own, a/pexen\.toml and b/pexen\.toml, and one run cannot"):
        settings.of_roots(roots)
    (here / "b/pexen.toml").write_text("")
    assert settings.of_roots(roots).file == str(here / "a/pexen.toml")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_settings_of_somebody_else_are_left_alone(here: Path):
    (here / "pexen.toml").write_text("[run]\njournal = 'j.db'\nenv = { LD_PRELOAD = '/tmp/x.so' }\n")
    os.chown(here / "pexen.toml", 4711, -1)

    with pytest.warns(PexenWarning, match=r"the settings in pexen\.toml are left alone: the file belongs to somebody"):
        assert settings.of_roots([find_root(here)]) == settings.NOTHING_SAID
    assert journals.find(None) is None
    assert settings.of_roots([find_root(here)], owners=[4711]).journal == str(here / "j.db")


def test_whoever_looks_finds_the_journal_that_the_suite_names(here: Path, monkeypatch: pytest.MonkeyPatch):
    (here / "deep/er").mkdir(parents=True)
    (here / "pexen.toml").write_text("[run]\njournal = 'var/j.db'\n[soon]\n")  # what else is wrong is no matter here
    monkeypatch.chdir(here / "deep/er")

    assert journals.find(None) == journals.Found(str(here / "var/j.db"), True)
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/pexen")
    assert journals.for_run(None, str(here)) == str(here / "var/j.db")
    assert journals.for_run(None, str(here), "/other/j.db") == "/other/j.db"
    monkeypatch.setenv("PEXEN_JOURNAL", "/x/y.db")
    assert journals.for_run(None, str(here), "/other/j.db") == "/x/y.db"


def test_settings_above_a_home_directory_name_no_journal_for_those_in_it(here: Path, monkeypatch: pytest.MonkeyPatch):
    (here / "home/me").mkdir(parents=True)
    (here / "pexen.toml").write_text("[run]\njournal = 'j.db'\n")
    monkeypatch.setenv("HOME", str(here / "home"))
    monkeypatch.chdir(here / "home/me")

    assert journals.find(None) is None


def test_a_line_is_found_whatever_stands_around_it():
    text = (
        '# [run]\nother = [\n  "[run]",\n]\n["run"]\n"a.b" = 1 # x\n'
        'env.LANG = """\njobs = 3\n"""\n\'jobs\' = 3\n[z]\njobs = 1\n'
    )

    assert line_of(text, ("run", "a.b")) == 6
    assert line_of(text, ("run", "env", "LANG")) == 7
    assert line_of(text, ("run", "jobs")) == 10
    assert line_of(text, ("z", "jobs")) == 12
    assert line_of(text, ("run", "nowhere")) == 5
    assert line_of(text, ("nowhere",)) is None


def test_the_names_of_exit_status_tables_are_those_that_there_are():
    assert set(options.EXIT_CODES) == set(TABLE_NAMES)


# -- files of variables

ENV = """
# a comment
; another
export A=plain words # and a comment
B='single # "quoted" \\n $x'
C="double \\"quoted\\"\\tand
two lines" # and a comment
EMPTY=
D = spaced
E=a#b\r
"""


def test_a_file_of_variables_is_read_as_others_read_it(tmp_path: Path):
    (tmp_path / "env").write_text(ENV)

    assert read_file(str(tmp_path / "env")) == {
        "A": "plain words",
        "B": 'single # "quoted" \\n $x',
        "C": 'double "quoted"\tand\ntwo lines',
        "EMPTY": "",
        "D": "spaced",
        "E": "a#b",
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A=1\nhunter2\n", "env, line 2: this is to be NAME=VALUE, and has no '='"),
        ("\nA='x\n\n", "env, line 2: the ' that opens the value is never closed"),
        ('A="x" y\n', "env, line 1: something follows the quoted value; only a comment may"),
        ("1A=x\n", "env, line 1: '1A' is no name of a variable: letters, digits and _, and no digit first"),
        ("PEXEN_RUN=1\n", "env, line 1: PEXEN_RUN is set by pexen itself: names that begin with PEXEN_ are its own"),
        ("A=x\0y\n", "env, line 1: a value cannot hold a NUL character"),
    ],
)
def test_a_broken_file_of_variables_is_told_with_its_line_and_without_its_secrets(here: Path, text: str, said: str):
    (here / "env").write_text(text)

    with pytest.raises(UsageError) as caught:
        read_file("env")

    assert str(caught.value) == said


def test_a_missing_file_of_variables_is_told_with_the_way_out(here: Path):
    with pytest.raises(UsageError) as caught:
        read_file("gone")

    assert str(caught.value) == (
        "cannot read the environment file gone: No such file or directory. Put it there again, or name another one "
        "with --env-file."
    )


def test_variables_are_typed_with_their_value_or_keep_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KNOWN", "a=b")

    assert typed(["A=1=2", "KNOWN", "E="]) == {"A": "1=2", "KNOWN": "a=b", "E": ""}
    for word, said in (
        ("UNKNOWN", "-e UNKNOWN: no variable of that name is set here. Say UNKNOWN=VALUE."),
        ("PEXEN_TASK=x", "-e PEXEN_TASK=x: PEXEN_TASK is set by pexen itself"),
        ("a b=c", "-e a b=c: 'a b' is no name of a variable"),
    ):
        with pytest.raises(UsageError, match=re.escape(said)):
            typed([word])
