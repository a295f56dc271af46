"""The factory that makes tasks of a list of commands."""

from __future__ import annotations

import os
import subprocess

import pytest

from pexen_state import PexenError
from pexen_state.core.spec import Declared
from pexen_state.factory import TaskListFactory, get_callpath
from pexen_state.sched.identity import key_of
from pexen_state.sched.specs import spec_of


def read(text, **settings):
    return list(TaskListFactory(**settings).from_text(text, "nightly.jobs"))


def outputs(tasks):
    return [one().stdout.decode() for one in tasks]


def test_each_line_is_a_command_for_a_shell_in_the_order_of_the_list():
    tasks = read("echo b; echo c\n\n  # a comment\n   echo $((1 + 1))  \r\n", stdout=subprocess.PIPE)

    assert [key_of(one) for one in tasks] == ["echo b; echo c", "echo $((1 + 1))"]
    assert outputs(tasks) == ["b\nc\n", "2\n"]
    assert all(spec_of(one, "k").declared is Declared.EXECUTABLE for one in tasks)


def test_a_name_before_a_command_is_its_key():
    tasks = read(
        "net/dhcp.d/renew@2+x-y: echo a: b\nhttp://host is no name\ntwo words: is a command\nx:y\n",
        stdout=subprocess.PIPE,
    )

    assert [key_of(one) for one in tasks] == [
        "net/dhcp.d/renew@2+x-y",
        "http://host is no name",
        "two words: is a command",
        "x:y",
    ]
    assert outputs(tasks[:1]) == ["a: b\n"]
    assert get_callpath(tasks[0]) == ["net/dhcp.d/renew@2+x-y"]


def test_repeats_are_numbered():
    tasks = read("true\ntrue\nit: true\nit: false\ntrue#2\ntrue\ntrue\n")

    assert [key_of(one) for one in tasks] == ["true", "true#2", "it", "it#2", "true#2#2", "true#3", "true#4"]


def test_ten_thousand_repeats_have_ten_thousand_keys():
    keys = [key_of(one) for one in read("true\n" * 10_000)]

    assert len(set(keys)) == 10_000
    assert keys[-1] == "true#10000"


def test_a_json_line_carries_metadata():
    (build, report) = read(
        '{"name": "build", "cmd": "make", "provides": ["built", ["vm", 1]], "timeout": "5m", "retries": 2}\n'
        '{"cmd": ["printf", "%s", "a b"], "requires": ["built"], "claims": ["/dev/sda"], "uses": ["cpu"],'
        ' "priority": -1, "after": ["b*"], "always": true, "retry_on": ["exited"], "max_crashes": null,'
        ' "idle_timeout": 9, "requires_all": [], "on_fail": {"locks": "hold"}, "tags": ["slow"], "summary": "s"}\n',
        stdout=subprocess.PIPE,
    )

    first, second = spec_of(build, key_of(build)), spec_of(report, key_of(report))
    assert (first.key, first.provides, first.timeout, first.retries) == ("build", ("built", ("vm", 1)), 300.0, 2)
    assert (second.key, second.requires, second.claims, second.uses) == (
        "printf %s a b",
        ("built",),
        ("/dev/sda",),
        ("cpu",),
    )
    assert (second.priority, second.after, second.always, second.max_crashes) == (-1, ("b*",), True, None)
    assert outputs([report]) == ["a b"]


def test_a_group_of_shell_commands_is_no_json():
    tasks = read("{ echo a; echo b; }\n{ true; }\n", stdout=subprocess.PIPE)

    assert outputs(tasks) == ["a\nb\n", ""]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"cmd": "a", "require": ["b"]}', "there is no key 'require'. Did you mean 'requires'?"),
        ('{"cmd": "a", "kwargs": {}}', "there is no key 'kwargs'."),
        ('{"cmd": "a", "requires": "b"}', "<class 'str'> cannot be used for requires"),
        ('{"cmd": "a", "requires": [{}]}', "requires takes only names that are hashable"),
        ('{"cmd": "a", "timeout": "soon"}', "timeout: 'soon' is not a duration"),
        ('{"cmd": "a", "priority": NaN}', "give a number, lower runs first"),
        ('{"cmd": "a", "cmd": "b"}', "the key 'cmd' is there twice"),
        ('{"name": "a"}', "'cmd' is missing"),
        ("{}", "'cmd' is missing"),
        ('{"cmd": " "}', "'cmd' is to be a command or a list of words, not ' '"),
        ('{"cmd": []}', "'cmd' is to be a command or a list of words, not []"),
        ('{"cmd": ["a", 1]}', "'cmd' is to be a command or a list of words, not ['a', 1]"),
        ('{"cmd": "a", "name": 3}', "'name' is to be a string, not 3"),
        ('{"cmd": "a"', "this is to be a JSON object, and is none: "),
        ('{"cmd": "\\u0000"}', "a command cannot hold a NUL character"),
        ('{"cmd": "\\ud800"}', "the command cannot be given to a program"),
        ("echo \0", "a command cannot hold a NUL character"),
        ("name:", "there is no command after 'name:'"),
        ('{"":' + "[" * 100_000, "this JSON object is nested too deeply"),
    ],
)
def test_what_is_wrong_with_a_line_is_said_with_the_file_and_the_line(line, message):
    with pytest.raises(PexenError) as refused:
        read("true\n" + line + "\n")

    assert str(refused.value).startswith("nightly.jobs, line 2: ")
    assert message in str(refused.value)


def test_bytes_that_are_not_utf8_reach_the_command_as_they_are():
    (only,) = read(b"\xef\xbb\xbfprintf '\xff\xe9'\n", stdout=subprocess.PIPE)

    assert only().stdout == b"\xff\xe9"
    assert os.fsencode(key_of(only)) == b"printf '\xff\xe9'"


def test_characters_that_only_python_takes_for_line_ends_stay_in_the_command():
    (only,) = read("printf 'a\u2028b\x0bc'", stdout=subprocess.PIPE)

    assert outputs([only]) == ["a\u2028b\x0bc"]


def test_a_file_is_read_and_one_that_cannot_be_is_named(tmp_path):
    (tmp_path / "n.jobs").write_text("one: true\n")

    assert [key_of(one) for one in TaskListFactory()(tmp_path / "n.jobs")] == ["one"]
    with pytest.raises(PexenError, match=r"cannot read the task list .*gone\.jobs: No such file or directory"):
        list(TaskListFactory()(tmp_path / "gone.jobs"))
    with pytest.raises(PexenError, match="Is a directory"):
        list(TaskListFactory()(tmp_path))


def test_every_line_of_a_jsonl_file_is_json(tmp_path):
    (tmp_path / "n.jsonl").write_text('{"cmd": "true"}\n{ true; }\n')

    with pytest.raises(PexenError, match=r"n\.jsonl, line 2: this is to be a JSON object"):
        list(TaskListFactory()(tmp_path / "n.jsonl"))


def test_another_shell_and_directory_are_used(tmp_path):
    (only,) = read("echo $0; pwd", shell="/bin/bash", cwd=str(tmp_path), stdout=subprocess.PIPE)

    assert outputs([only]) == [f"/bin/bash\n{tmp_path}\n"]
