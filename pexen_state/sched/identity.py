"""Who a task is, from one process to the next: its key, and the fingerprint that tells that it changed.

The key is the name; it decides which results of an earlier session belong to the task. The fingerprint only
says that what stands behind the name is not what it was; nothing is run again for it unless a person asks.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import linecache
import textwrap
import types
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeGuard

from pexen_state.sched.executable import Executable
from pexen_state.sched.meta import ATTRIBUTE, DECLARED, SchedMeta, Task, find_meta

CALLPATH = "__pexen_callpath__"  #: where a factory found the task: a list of names
KEY = "__pexen_key__"  #: what a factory says the key is, where the callpath alone would not do

FINGERPRINT_BYTES = 16


def key_of(task: Task) -> str:
    """What a task is known by.

    Its `name=` wins; then what the factory that found it says: the place of its file below the root of the
    suite, or its callpath within a package tree; otherwise `module/qualname`. Two tasks may have one key
    (two closures of one function have): whoever needs keys to be different has to look.
    """
    meta = find_meta(task)
    if meta is not None and (name := meta.__dict__.get("name")) is not None:
        return str(name)
    key = getattr(task, KEY, None)
    if isinstance(key, str):
        return key
    callpath = getattr(task, CALLPATH, None)
    if isinstance(callpath, list) and callpath:
        return "/".join(map(str, callpath))
    return where_defined(task)


def is_silent(task: Task) -> bool:
    """Whether it is a function that nobody said anything of: its key is where it is defined, all else is usual."""
    return (
        type(task) is types.FunctionType
        and getattr(task, ATTRIBUTE, None) is None
        and getattr(task, KEY, None) is None
        and getattr(task, CALLPATH, None) is None
        and getattr(task, DECLARED, None) is None
        and getattr(task, "declared", None) is None
    )


def only_name_of(task: Task) -> str | None:
    """The name of a function that says nothing but its name. None: it says more, or less."""
    meta = getattr(task, ATTRIBUTE, None) if type(task) is types.FunctionType else None
    if type(meta) is not SchedMeta or len(task.__dict__) != 1 or len(said := meta.__dict__) != 1:
        return None
    return said.get("name")


def where_defined(task: Task) -> str:
    if type(task) is types.FunctionType and task.__module__ and task.__qualname__:  # nearly always
        return f"{task.__module__}/{task.__qualname__}"
    while isinstance(task, functools.partial):
        task = task.func
    named: Any = task if getattr(task, "__qualname__", None) else type(task)
    module = getattr(named, "__module__", None) or "builtins"
    return f"{module}/{named.__qualname__}"


def fingerprint(task: Task) -> bytes:
    """16 bytes that change when the code of a task does; its decorators, and so its metadata, do not count.

    For a function they are of its source. A partial adds its plain arguments. Where there is no source (it
    was made by `exec`) the compiled code is taken, which also changes with the version of Python. What has
    no code of its own (builtins) has a fingerprint of its name. For an executable they are of the file's
    content, or of the command line.
    """
    return Fingerprints()(task)


class Fingerprints:
    """The fingerprints of many tasks, as of one moment: each file of source is looked at once, and so is each
    code, of which a hundred thousand tasks may be closures.
    """

    def __init__(self) -> None:
        self._codes: dict[tuple[int, int], _Code] = {}
        self._checked: set[str] = set()  # files of source that are known to be as linecache has them

    def __call__(self, task: Task) -> bytes:
        if _stands_for_itself(task):  # nearly always
            known = self._codes.get((id(task.__code__), id(task.__globals__)))
            if known is not None:
                return known.fingerprint
        if isinstance(task, functools.partial):
            return _digest(self._parts(task))
        function = None if isinstance(task, Executable) else _function_of(task)
        return _digest(self._parts(task)) if function is None else self._code_of(function).fingerprint

    def of_all(self, tasks: Iterable[Task]) -> list[bytes]:
        """One by one. Neighbours are often closures of one function: that is seen at a glance."""
        found: list[bytes] = []
        code = names = None
        latest = b""
        for task in tasks:
            alike = _stands_for_itself(task)
            if not alike or task.__code__ is not code or task.__globals__ is not names:
                latest = self(task)
                code, names = (task.__code__, task.__globals__) if alike else (None, None)
            found.append(latest)
        return found

    def _parts(self, task: Task) -> Iterator[bytes]:
        while isinstance(task, functools.partial):
            yield _bytes(repr([_plain(value) for value in task.args]))
            yield _bytes(repr([(name, _plain(task.keywords[name])) for name in sorted(task.keywords)]))
            task = task.func
        if isinstance(task, Executable):
            yield from _executable_parts(task)
            return
        function = _function_of(task)
        if function is None:
            yield _bytes(where_defined(task))
        else:
            yield from self._code_of(function).parts

    def _code_of(self, function: types.FunctionType) -> _Code:
        code, names = function.__code__, function.__globals__
        known = self._codes.get((id(code), id(names)))
        if known is None:
            file_name = code.co_filename
            if file_name not in self._checked:
                linecache.checkcache(file_name)
                self._checked.add(file_name)
            source = _source_of(function)
            parts = tuple(_code_parts(code)) if source is None else (_bytes(source),)
            known = self._codes[id(code), id(names)] = _Code(parts, _digest(parts), (code, names))
        return known


class _Code(NamedTuple):
    """What is known about the code of functions."""

    parts: tuple[bytes, ...]
    fingerprint: bytes
    kept: object  #: what it was found by, so that nothing else takes its place in memory


def _digest(parts: Iterable[bytes]) -> bytes:
    digest = hashlib.blake2b(digest_size=FINGERPRINT_BYTES)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def _executable_parts(task: Executable) -> Iterator[bytes]:
    yield _bytes(repr(task.argv))
    yield _bytes(repr(task.shell))
    # With `shell` it is the shell: of no interest, and another one on another day.
    if task.executable is None or task.shell:
        return
    try:
        with open(task.executable, "rb") as file:
            yield hashlib.file_digest(file, "blake2b").digest()
    except OSError:
        pass  # may be executed, but not read


def _stands_for_itself(task: Task) -> TypeGuard[types.FunctionType]:
    """A plain function that wraps no other."""
    return type(task) is types.FunctionType and getattr(task, "__wrapped__", None) is None


def _function_of(task: Task) -> types.FunctionType | None:
    for _ in range(100):  # deep enough for any chain of wrappers that is not an accident
        inner = getattr(task, "__wrapped__", None) or getattr(task, "__func__", None)
        if inner is None:
            break
        task = inner
    if isinstance(task, types.FunctionType):
        return task
    if isinstance(task, type):
        return None
    call = type(task).__call__
    return call if isinstance(call, types.FunctionType) else None


def _plain(value: object) -> object:
    """A value whose repr says what it is, and never an address."""
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return type(value).__qualname__


def _source_of(function: types.FunctionType) -> str | None:
    """The source of a function or lambda without its decorators, or None where there is none."""
    # `inspect.getsource` reads and parses the file again for every function, which is too slow for a
    # hundred thousand tasks.
    code = function.__code__
    lines = linecache.getlines(code.co_filename, function.__globals__)
    if not lines:
        return None
    spans = _spans_of(code.co_filename, lines).get((code.co_name == "<lambda>", code.co_firstlineno), [])
    if len(spans) > 1:  # lambdas that begin on one line: the innermost that holds the code's first expression
        at = next(((line, column) for line, _, column, _ in code.co_positions() if line and column), None)
        # Some versions of Python do not tell where a constant stands.
        spans = sorted((s for s in spans if s[:2] <= at < s[2:]), reverse=True)[:1] if at else []
    if not spans:
        return None
    first, start, last, end = spans[0]
    text = [_bytes(line) for line in lines[first - 1 : last]]
    text[-1] = text[-1][:end]
    text[0] = b" " * start + text[0][start:] if code.co_name != "<lambda>" else text[0][start:]
    return textwrap.dedent(b"".join(text).decode("utf-8", "surrogateescape"))


Span = tuple[int, int, int, int]  # first line, column in bytes, last line, column after it


Spans = dict[tuple[bool, int], list[Span]]
_parsed: dict[str, tuple[list[str], Spans]] = {}  # file name -> its lines as they were parsed, and the outcome


def _spans_of(file_name: str, lines: list[str]) -> Spans:
    """Where each function of a file stands, by what its code knows: lambda or not, and its first line."""
    known = _parsed.get(file_name)
    if known is None or known[0] is not lines:  # linecache gives the same list until the file changes
        if len(_parsed) > 256:
            _parsed.clear()
        _parsed[file_name] = known = (lines, _parse("".join(lines)))
    return known[1]


def _parse(source: str) -> Spans:
    spans: Spans = {}
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return spans  # the file is not what it was when it was imported
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            # The code of a decorated function begins at its first decorator.
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        elif isinstance(node, ast.Lambda):
            first = node.lineno
        else:
            continue
        span = (node.lineno, node.col_offset, node.end_lineno or node.lineno, node.end_col_offset or 0)
        spans.setdefault((isinstance(node, ast.Lambda), first), []).append(span)
    return spans


def _code_parts(code: types.CodeType) -> Iterator[bytes]:
    yield code.co_code
    yield _bytes(repr((code.co_names, code.co_varnames, code.co_freevars)))
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _code_parts(constant)
        elif isinstance(constant, frozenset):
            yield _bytes(repr(sorted(map(repr, constant))))
        else:
            yield _bytes(repr(constant))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
