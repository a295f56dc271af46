"""Reports a result of a part of the task that calls it: a line in the file of PEXEN_RESULTS.

For `pexen result`, and for the commands of others that mean the same. Imports the standard library alone.
"""

from __future__ import annotations

import json
import os
import sys


class Wrong(Exception):
    """The message is a sentence for who called. `is_usage`: it helps to know what may be typed."""

    def __init__(self, message: str, is_usage: bool = False) -> None:
        super().__init__(message)
        self.is_usage = is_usage


def report(name: str, words: list[str]) -> None:
    """Append what was typed to the file of the attempt. Files that it names are copied first: they may be gone soon.

    Raises Wrong.
    """
    said = _result(words[1:]) if name not in _OF_OTHERS else _OF_OTHERS[name](words)
    path = os.environ.get("PEXEN_RESULTS")
    if path is None:
        raise Wrong("this is for tasks, while they run: PEXEN_RESULTS is not set")
    files = said.get("files")
    if isinstance(files, list) and files:
        sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
        from pexen_state.subresults.attachments import NotTaken, taken

        artifacts = os.path.join(os.path.dirname(path), "artifacts")
        try:
            said = {**said, "files": [taken(os.path.join(os.getcwd(), file), artifacts, None) for file in files]}
        except NotTaken as error:
            raise Wrong(f"result: {error}") from None
    try:
        append(path, said)
    except OSError as error:
        raise Wrong(f"{path}: {error.strerror}") from None


def append(path: str, said: dict[str, object]) -> None:
    """One line, by one call: whoever else writes at the same time writes before or after it. Raises OSError."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(path, flags, 0o600)
    try:
        os.write(file, json.dumps({name: value for name, value in said.items() if value is not None}).encode() + b"\n")
    finally:
        os.close(file)


_VERDICTS = "skip info pass warn fail error timeout crash"


def _result(words: list[str]) -> dict[str, object]:
    files: list[str] = []
    metrics: dict[str, float] = {}
    said: dict[str, object] = {}
    names: list[str] = []
    while words:
        word, *words = words
        option, is_joined, value = word.partition("=")
        if word == "--partial":
            said["partial"] = True
        elif option in ("--note", "--file", "--metric"):
            if not is_joined:
                if not words:
                    raise Wrong(f"result: {option} needs a value", is_usage=True)
                value, *words = words
            if option == "--note":
                said["note"] = value
            elif option == "--file":
                files.append(value)
            else:
                metric, _, number = value.rpartition("=")
                metrics[metric] = _metric(number, value) if metric else _metric("", value)
        elif word.startswith("--") and len(word) > 2:
            raise Wrong(f"result: {word!r} is not known", is_usage=True)
        else:
            names.append(word)
    if len(names) != 2 or not names[0]:
        raise Wrong("result: it takes a name and a verdict", is_usage=True)
    said |= {"name": names[0], "verdict": _verdict(names[1])}
    return {**said, "files": files or None, "metrics": metrics or None}


def _result_of_tmt(words: list[str]) -> dict[str, object]:
    files, names = [], []
    while words:
        word, *words = words
        option, is_joined, value = word.partition("=")
        if option in ("-o", "--output-file", "-s", "--submit"):
            if not is_joined:
                if not words:
                    raise Wrong(f"{option} needs a value")
                value, *words = words
            files.append(value)
        else:
            names.append(word)
    if len(names) < 2:
        raise Wrong("it takes a name and a result")
    return {"name": names[0], "verdict": _verdict(names[1]), "files": files or None}


def _result_of_restraint(words: list[str]) -> dict[str, object]:
    """Its options, a name, a result, and perhaps a score. The older command has a file before the score."""
    files, names = [], []
    while words:
        word, *words = words
        option, is_joined, value = word.partition("=")
        if option in ("-o", "--outputfile", "-t", "--disable-plugin", "-p", "--port", "-s", "--server"):
            if not is_joined:
                if not words:
                    raise Wrong(f"{option} needs a value")
                value, *words = words
            if option in ("-o", "--outputfile"):
                files.append(value)
        elif word != "--no-plugins":
            names.append(word)
    if len(names) < 2:
        raise Wrong("it takes a name and a result")
    said: dict[str, object] = {"name": names[0], "verdict": _verdict(names[1])}
    for word in names[2:]:
        try:
            said["metrics"] = {"score": float(word)}
        except ValueError:
            files.append(word)
    return {**said, "files": files or None}


_OF_OTHERS = {
    "tmt-report-result": _result_of_tmt,
    "rstrnt-report-result": _result_of_restraint,
    "rhts-report-result": _result_of_restraint,
}


def _verdict(word: str) -> str:
    if word.lower() not in _VERDICTS.split():
        raise Wrong(f"{word!r} is no verdict; there are: {_VERDICTS}")
    return word.lower()


def _metric(number: str, typed: str) -> float:
    try:
        value = float(number)
    except ValueError:
        raise Wrong(f"result: {typed!r} is no metric, such as mb_s=412.5") from None
    if value - value != 0:  # nor is what is not finite
        raise Wrong(f"result: {typed!r} is no metric, such as mb_s=412.5")
    return value
