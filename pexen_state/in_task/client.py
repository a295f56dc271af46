"""Asks the keeper for something, for the task that calls it. Imports the standard library alone, and little of it.

    client.py NAME ARGUMENT...      NAME is what the task has called

Exit code 2: it is used wrongly, or outside of a task. Whoever asks for a reboot, or for a skip, never gets an answer.
"""

from __future__ import annotations

import json
import os
import socket
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing itself takes as long as all the rest
    from typing import NoReturn

USAGE = """\
in a task: pexen reboot [--mark TEXT] [--timeout SECONDS]   have the box rebooted; the task is called again after that
           pexen fact NAME                                  a fact about the box
           pexen skip "why"                                 it does not apply here
           pexen deadline 10m | +5m                         so much time from now on, or so much more
           pexen heartbeat                                  it lives, though it prints nothing
           pexen checkpoint KEY [VALUE]                     keep a value over crashes, or print what was kept
           pexen result NAME VERDICT [--note TEXT] [--file FILE]... [--metric NAME=NUMBER]... [--partial]
                                                            how a part of the task went"""

#: Helpers of others that ask for a reboot, and whether their one argument is a mark.
_REBOOTS = {"tmt-reboot": False, "rstrnt-reboot": False, "rhts-reboot": False, "autopkgtest-reboot": True}

#: Those that report a result.
_REPORTS = ("tmt-report-result", "rstrnt-report-result", "rhts-report-result")

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Wrong(Exception):
    """The message is a sentence for who called."""


def main(name: str, words: list[str]) -> int:
    try:
        if name in _REPORTS or words[:1] == ["result"]:
            _report(name, words)
            return 0
        if words[:1] == ["fact"] and "PEXEN_TASK" in os.environ:
            return _fact(words[1:])
        if name in _REBOOTS:
            body = _reboot_of_others(name, words)
        elif words and words[0] in _VERBS:
            body = _VERBS[words[0]](words[1:])
        elif not words and "PEXEN_SOCKET" in os.environ:
            print(USAGE)
            return 0
        else:
            _become_the_real_one(words)
        answer = ask(body)
    except Wrong as wrong:
        print(f"{name}: {wrong}", file=sys.stderr)
        return 2
    if not answer["ok"]:
        print(f"{name}: {answer['error']}", file=sys.stderr)
        return 1
    if body["do"] == "checkpoint" and "value" not in body:
        value = answer["value"]
        if value is None:
            return 1  # nothing was kept
        print(value if isinstance(value, str) else json.dumps(value))
    return 0


def ask(body: dict[str, object], path: str | None = None, attempt: str | None = None) -> dict[str, object]:
    """Of the attempt that the environment names, if nothing else is said. Raises Wrong outside of a task."""
    try:
        path, attempt = path or os.environ["PEXEN_SOCKET"], attempt or os.environ["PEXEN_ATTEMPT_ID"]
    except KeyError as missing:
        raise Wrong(f"this is for tasks, while they run: {missing.args[0]} is not set") from None
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(path)
            client.sendall(json.dumps({"attempt": attempt, **body}).encode() + b"\n")
            line = client.makefile("rb").readline()
        except OSError as error:
            raise Wrong(f"nobody answers at {path}: {error.strerror}") from None
    if not line:
        raise Wrong(f"nobody answers at {path}: the run is being ended")
    answer: dict[str, object] = json.loads(line)
    return answer


def _report(name: str, words: list[str]) -> None:
    # Beside this file, which is run by its path: python is told to look nowhere for it. Few need it, so it is apart.
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    reports = __import__("reports")
    try:
        reports.report(name, words)
    except reports.Wrong as wrong:
        raise Wrong(f"{wrong}\n{USAGE}" if wrong.is_usage else str(wrong)) from None


def _fact(words: list[str]) -> int:
    """Exit code 1: nobody knows that here."""
    if len(words) != 1:
        raise Wrong(f"fact: it takes a name\n{USAGE}")
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    try:
        said = __import__("fact").said(words[0])
    except KeyError:
        raise Wrong(f"fact: there is no fact {words[0]!r}; `pexen facts` lists them") from None
    if said is not None:
        print(said)
    return int(said is None)


# -- what is asked for


def _reboot(words: list[str]) -> dict[str, object]:
    body: dict[str, object] = {"do": "reboot", "mark": ""}
    while words:
        word, *words = words
        option, is_joined, value = word.partition("=")
        if option not in ("--mark", "--timeout"):
            raise Wrong(f"reboot: {word!r} is not known\n{USAGE}")
        if not is_joined:
            if not words:
                raise Wrong(f"reboot: {option} needs a value\n{USAGE}")
            value, *words = words
        body[option[2:]] = value if option == "--mark" else _seconds(value)
    return body


def _reboot_of_others(name: str, words: list[str]) -> dict[str, object]:
    body: dict[str, object] = {"do": "reboot", "mark": ""}
    if _REBOOTS[name]:
        if len(words) != 1:
            raise Wrong("it takes one argument, a mark")
        return {**body, "mark": words[0]}
    if name == "tmt-reboot":
        while words:
            word, *words = words
            if word == "-t" and words:
                body["timeout"], *words = float(_seconds(words[0])), *words[1:]
            elif word == "-e":
                pass  # the boot entry of now is kept anyway
            else:
                raise Wrong(f"{word!r} is not known here: how the box is rebooted is said to pexen run")
    elif words:
        raise Wrong("it takes no argument")
    return body


def _skip(words: list[str]) -> dict[str, object]:
    return {"do": "skip", "why": " ".join(words)}


def _deadline(words: list[str]) -> dict[str, object]:
    if len(words) != 1:
        raise Wrong(f"deadline: how long?\n{USAGE}")
    return {"do": "deadline", "seconds": _seconds(words[0].removeprefix("+")), "is_more": words[0].startswith("+")}


def _heartbeat(words: list[str]) -> dict[str, object]:
    if words:
        raise Wrong(f"heartbeat: it takes no argument\n{USAGE}")
    return {"do": "heartbeat"}


def _checkpoint(words: list[str]) -> dict[str, object]:
    if not 1 <= len(words) <= 2:
        raise Wrong(f"checkpoint: it takes a key, and a value to keep\n{USAGE}")
    body: dict[str, object] = {"do": "checkpoint", "key": words[0]}
    return body if len(words) == 1 else {**body, "value": words[1]}


_VERBS = {"checkpoint": _checkpoint, "reboot": _reboot, "skip": _skip, "deadline": _deadline, "heartbeat": _heartbeat}


def _seconds(text: str) -> float:
    """`90`, `5m`, `1h30m`."""
    total, number = 0.0, ""
    for letter in text:
        if letter in "0123456789.":
            number += letter
        elif letter in _UNITS and number:
            total, number = total + _number(number, text) * _UNITS[letter], ""
        else:
            raise Wrong(f"{text!r} is no duration, such as 90, 5m or 1h30m")
    if not number and not total:
        raise Wrong(f"{text!r} is no duration, such as 90, 5m or 1h30m")
    return total + (_number(number, text) if number else 0.0)


def _number(digits: str, text: str) -> float:
    try:
        return float(digits)
    except ValueError:
        raise Wrong(f"{text!r} is no duration, such as 90, 5m or 1h30m") from None


# -- everything else is for the command of that name


def _become_the_real_one(words: list[str]) -> NoReturn:
    """The next `pexen` of PATH, which has a journal and tasks of its own."""
    ours = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin")
    for directory in os.environ.get("PATH", "").split(os.pathsep):
        program = os.path.join(directory, "pexen")
        if os.path.abspath(directory) != ours and os.access(program, os.X_OK) and not os.path.isdir(program):
            os.execv(program, ["pexen", *words])
    os.execv(sys.executable, [sys.executable, "-m", "pexen_state", *words])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
