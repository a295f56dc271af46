"""The expressions of `-k` and `-t`: words with `and`, `or`, `not` and parentheses, about keys of tasks, or their tags.

Small and capital letters are alike. A word of `-k` is true of a key that it is a part of. With `*`, `?` or `[` in it
it has to fit the whole key. In quotes it is taken as it stands, so that it may hold anything. A word of `-t` is true
of a task that has a tag which it fits, as a whole.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Generic, NamedTuple, NoReturn, TypeVar

from pexen_state.cli.errors import UsageError
from pexen_state.report.text import safe

Subject = TypeVar("Subject")  #: a key, or the tags of a task

_TOKEN = re.compile(r"""\s*(?:(?P<paren>[()])|(?P<quoted>"[^"]*"|'[^']*')|(?P<word>[^\s()"']+))""")
_GLOB = frozenset("*?[")
_DEEPEST = 100


class _Token(NamedTuple):
    kind: str  #: ( ) and or not word quoted end
    text: str
    at: int


def compile_keyword(expression: str) -> Callable[[str], bool]:
    """About keys. Raises UsageError, which shows the place."""
    return _Parser(expression, "-k", _word, _part).parse()


def compile_tags(expressions: Iterable[str]) -> Callable[[Collection[str]], bool]:
    """About the tags of a task: any of the expressions is enough. Raises UsageError, which shows the place."""
    either = [_Parser(expression, "-t", _tag, _exact_tag).parse() for expression in expressions]
    return lambda tags: any(one(tags) for one in either)


class _Parser(Generic[Subject]):
    """or -> and ("or" and)*; and -> not ("and" not)*; not -> "not" not | "(" or ")" | word"""

    def __init__(
        self,
        expression: str,
        option: str,
        word: Callable[[str], Callable[[Subject], bool]],
        quoted: Callable[[str], Callable[[Subject], bool]],
    ) -> None:
        self._expression = expression
        self._option = option
        self._word = word
        self._quoted = quoted
        self._tokens = list(self._split())
        self._at = 0
        self._depth = 0

    def parse(self) -> Callable[[Subject], bool]:
        if self._next.kind == "end":
            self._fail("it says nothing", self._next)
        matches = self._either()
        token = self._next
        if token.kind == ")":
            self._fail("this parenthesis was never opened", token)
        if token.kind != "end":
            self._fail("'and' or 'or' is missing before this", token)
        return matches

    def _split(self) -> Iterator[_Token]:
        at, text = 0, self._expression.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                at += len(text[at:]) - len(text[at:].lstrip())
                self._fail("this quote is never closed", _Token("quoted", text[at], at))
            kind = str(found.lastgroup)
            word = found[kind]
            if kind == "paren" or (kind == "word" and word in ("and", "or", "not")):
                kind = word
            yield _Token(kind, word, found.start(str(found.lastgroup)))
            at = found.end()
        yield _Token("end", "", len(text))

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._next
        self._at += 1
        return token

    def _either(self) -> Callable[[Subject], bool]:
        parts = [self._both()]
        while self._next.kind == "or":
            self._take()
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else lambda key: any(part(key) for part in parts)

    def _both(self) -> Callable[[Subject], bool]:
        parts = [self._one()]
        while self._next.kind == "and":
            self._take()
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda key: all(part(key) for part in parts)

    def _one(self) -> Callable[[Subject], bool]:
        token = self._take()
        self._depth += 1
        if self._depth > _DEEPEST:
            self._fail("this is nested too deeply", token)
        try:
            match token.kind:
                case "not":
                    inner = self._one()
                    return lambda key: not inner(key)
                case "(":
                    inside = self._either()
                    if self._next.kind != ")":
                        self._fail("this parenthesis is never closed", token)
                    self._take()
                    return inside
                case "word":
                    return self._word(token.text)
                case "quoted" if len(token.text) > 2:
                    return self._quoted(token.text[1:-1])
                case "end":
                    self._fail("a word is missing at the end", token)
                case _:
                    self._fail("a word is missing before this", token)
        finally:
            self._depth -= 1

    def _fail(self, why: str, token: _Token) -> NoReturn:
        expression = self._expression
        if expression != safe(expression):
            raise UsageError(f"{self._option}: {why}: {safe(expression)}")
        raise UsageError(f"{self._option}: {why}:\n  {expression}\n  {' ' * token.at}^")


def _word(word: str) -> Callable[[str], bool]:
    if not _GLOB.intersection(word):
        return _part(word)
    fits = re.compile(fnmatch.translate(word.casefold())).match
    return lambda key: fits(key.casefold()) is not None


def _part(word: str) -> Callable[[str], bool]:
    part = word.casefold()
    return lambda key: part in key.casefold()


def _tag(word: str) -> Callable[[Collection[str]], bool]:
    if not _GLOB.intersection(word):
        return _exact_tag(word)
    fits = re.compile(fnmatch.translate(word.casefold())).match
    return lambda tags: any(fits(tag.casefold()) is not None for tag in tags)


def _exact_tag(word: str) -> Callable[[Collection[str]], bool]:
    wanted = word.casefold()
    return lambda tags: any(tag.casefold() == wanted for tag in tags)
