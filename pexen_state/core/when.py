"""Conditions: where a task applies. A small language of its own, read and decided here; nothing of it is ever evaluated
as python.

    os.id == 'debian' and os.version >= '12' and arch in ['x86_64', 'aarch64'] and not param.quick

Names are facts about the box and parameters of the run (`param.NAME`); values are text in quotes, numbers, true, false,
and lists of them. `< <= > >=` compare versions, and so do `==` and `!=` between a number and text. A name alone is true
if it is there and neither false, 0 nor empty; what is not there is like nothing, neither smaller nor larger.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple

LONGEST = 2000
_DEEPEST = 50

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'[^']*'|"[^"]*")|(?P<number>-?\d+(?:\.\d+)?(?![\w.]))|(?P<op>==|!=|<=|>=|<|>|\(|\)|\[|\]|,)
    |(?P<name>[A-Za-z_][\w-]*(?:\.[\w-]+)*))""",
    re.VERBOSE | re.ASCII,
)
_WORDS = frozenset({"and", "or", "not", "in", "true", "false"})
_PIECES = re.compile(r"\d+|[A-Za-z]+|~", re.ASCII)


class WhenError(ValueError):
    """The text is no condition. `column` counts from 1."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(f"column {column}: {message}")
        self.column = column


class Decided(NamedTuple):
    """Whether a condition holds, and the part of it that says so, as a person would."""

    holds: bool
    because: str


class Name(NamedTuple):
    name: str
    column: int


class Compare(NamedTuple):
    left: Any  #: a Name, or a value
    op: str
    right: Any
    text: str


class Truth(NamedTuple):
    of: Any
    text: str


class Not(NamedTuple):
    of: Condition
    text: str


class All(NamedTuple):
    of: tuple[Condition, ...]


class AnyOf(NamedTuple):
    of: tuple[Condition, ...]


Condition = Compare | Truth | Not | All | AnyOf


class _Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


def parse(text: str) -> Condition:
    """Raises WhenError."""
    if len(text) > LONGEST:
        raise WhenError(f"a condition has at most {LONGEST} characters", LONGEST)
    reading = _Reading(text, list(_tokens(text)))
    found = reading.either(0)
    if (token := reading.peek()) is not None:
        raise WhenError(f"{token.text!r} stands where 'and', 'or' or the end was expected", token.start + 1)
    return found


def names_in(condition: Condition) -> Iterator[Name]:
    """Every name that it asks for."""
    match condition:
        case Compare(left, _, right):
            yield from (one for one in (left, *(right if isinstance(right, tuple) else ())) if type(one) is Name)
            if type(right) is Name:
                yield right
        case Truth(of):
            if type(of) is Name:
                yield of
        case Not(of):
            yield from names_in(of)
        case All(of) | AnyOf(of):
            for one in of:
                yield from names_in(one)


def decide(condition: Condition, facts: Mapping[str, Any]) -> Decided:
    """Whether it holds where these are the facts; parameters are among them, as `param.NAME`."""
    match condition:
        case Compare(left, op, right, text):
            return _compared(left, op, right, text, facts)
        case Truth(of, text):
            value = _value_of(of, facts)
            return Decided(bool(value), _says(of, text, facts))
        case Not(of, _):
            inner = decide(of, facts)
            return Decided(not inner.holds, inner.because)
        case All(of):
            parts = [decide(one, facts) for one in of]
            wrong = [part for part in parts if not part.holds]
            return Decided(not wrong, "; ".join(part.because for part in wrong[:1] or parts))
        case AnyOf(of):
            parts = [decide(one, facts) for one in of]
            right = [part for part in parts if part.holds]
            return Decided(bool(right), "; ".join(part.because for part in right[:1] or parts))


# -- deciding


_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MISSING = object()


def _compared(left: Any, op: str, right: Any, text: str, facts: Mapping[str, Any]) -> Decided:
    one = _value_of(left, facts, _MISSING)
    others = [_value_of(each, facts, _MISSING) for each in right] if type(right) is tuple else []
    other = _value_of(right, facts, _MISSING) if type(right) is not tuple else _MISSING
    if op in ("in", "not in"):
        if type(right) is not tuple:  # a fact that is a list, or text that may hold another
            others = list(other) if isinstance(other, list | tuple) else []
            among = isinstance(other, str) and isinstance(one, str) and one in other
        else:
            among = False
        found = one is not _MISSING and (among or any(_is_same(one, each) for each in others))
        return Decided(found == (op == "in"), _says(left, text, facts, right))
    if one is _MISSING or other is _MISSING:
        return Decided(op == "!=", _says(left, text, facts, right))
    if op in ("==", "!="):
        return Decided(_is_same(one, other) == (op == "=="), _says(left, text, facts, right))
    return Decided(_ORDER[op](_version(one), _version(other)), _says(left, text, facts, right))


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool) or type(one) is type(other):
        return bool(one == other) and type(one) is type(other)
    return _version(one) == _version(other)


def _version(value: Any) -> tuple[tuple[int, int, str], ...]:
    """`6.1.0-rc2` in pieces that compare: numbers by their value, words before numbers, `~` before all."""
    pieces = _PIECES.findall(str(value))
    made = [
        (-2, 0, "") if piece == "~" else (1, *_number(piece)) if piece.isdigit() else (-1, 0, piece.lower())
        for piece in pieces
    ]
    made.append((0, 0, ""))
    # 6.1 is 6.1.0, and before both comes 6.1.0-rc1: what is 0 counts only before another number.
    kept, is_followed = [], False
    for piece in reversed(made):
        if piece != _ZERO or is_followed:
            kept.append(piece)
        is_followed = piece[0] == 1 and (is_followed or piece != _ZERO)
    return tuple(reversed(kept))


_ZERO = (1, 0, "")


def _number(digits: str) -> tuple[int, str]:
    """Sorts numbers by their value, without making one of digits of which there may be thousands: by their length."""
    plain = digits.lstrip("0")
    return len(plain), plain


def _value_of(operand: Any, facts: Mapping[str, Any], missing: Any = None) -> Any:
    return facts.get(operand.name, missing) if type(operand) is Name else operand


def _says(left: Any, text: str, facts: Mapping[str, Any], right: Any = None) -> str:
    """`os.version >= '12'`: os.version is '11'."""
    names = [one for one in (left, right, *(right if type(right) is tuple else ())) if type(one) is Name]
    said = [
        f"{one.name} is {_shown(facts[one.name])}" if one.name in facts else f"there is no {one.name}" for one in names
    ]
    return f"{text} ({', '.join(said)})" if said else text


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


# -- reading


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            start = at + len(text[at:]) - len(text[at:].lstrip())
            if text[start] in "'\"":
                raise WhenError("this text has no end", start + 1)
            raise WhenError(f"{text[start]!r} means nothing here", start + 1)
        kind = match.lastgroup
        word = match[kind]
        if kind == "name" and word in _WORDS:
            kind = "word"
        yield _Token(kind, word, match.start(match.lastgroup), match.end())
        at = match.end()


class _Reading:
    def __init__(self, text: str, tokens: list[_Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._at = 0

    def peek(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def take(self) -> _Token:
        token = self.peek()
        if token is None:
            raise WhenError("something is missing at the end", len(self._text) + 1)
        self._at += 1
        return token

    def is_next(self, *words: str) -> bool:
        token = self.peek()
        return token is not None and token.kind in ("word", "op") and token.text in words

    def either(self, depth: int) -> Condition:
        parts = [self.both(depth)]
        while self.is_next("or"):
            self.take()
            parts.append(self.both(depth))
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def both(self, depth: int) -> Condition:
        parts = [self.one(depth)]
        while self.is_next("and"):
            self.take()
            parts.append(self.one(depth))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def one(self, depth: int) -> Condition:
        token = self.peek()
        if depth > _DEEPEST:
            raise WhenError("this is nested too deeply", token.start + 1 if token is not None else len(self._text))
        if self.is_next("not"):
            start = self.take().start
            inner = self.one(depth + 1)
            return Not(inner, self._since(start))
        if self.is_next("("):
            self.take()
            inner = self.either(depth + 1)
            closing = self.take()
            if closing.text != ")":
                raise WhenError(f"{closing.text!r} stands where ')' was expected", closing.start + 1)
            return inner
        return self.comparison()

    def comparison(self) -> Condition:
        start = token.start if (token := self.peek()) is not None else len(self._text)
        left = self.operand()
        op = None
        if self.is_next("==", "!=", "<", "<=", ">", ">=", "in"):
            op = self.take().text
        elif self.is_next("not"):
            self.take()
            after = self.take()
            if after.text != "in":
                raise WhenError(f"{after.text!r} stands where 'in' was expected", after.start + 1)
            op = "not in"
        if op is None:
            if type(left) is tuple:
                raise WhenError("a list alone says nothing", start + 1)
            return Truth(left, self._since(start))
        right_at = token.start if (token := self.peek()) is not None else len(self._text)
        right = self.operand()
        if type(left) is tuple or (type(right) is tuple) > (op in ("in", "not in")):
            raise WhenError("a list can stand behind 'in' alone", (start if type(left) is tuple else right_at) + 1)
        return Compare(left, op, right, self._since(start))

    def operand(self) -> Any:
        token = self.take()
        if token.kind == "text":
            return token.text[1:-1]
        if token.kind == "number":
            return float(token.text) if "." in token.text else int(token.text)
        if token.kind == "name":
            return Name(token.text, token.start + 1)
        if token.text in ("true", "false"):
            return token.text == "true"
        if token.text == "[":
            return self._list()
        raise WhenError(f"{token.text!r} stands where a name or a value was expected", token.start + 1)

    def _list(self) -> tuple[Any, ...]:
        found: list[Any] = []
        while not self.is_next("]"):
            token = self.peek()
            if token is not None and token.text == "[":
                raise WhenError("a list holds no lists", token.start + 1)
            found.append(self.operand())
            if not self.is_next("]"):
                comma = self.take()
                if comma.text != ",":
                    raise WhenError(f"{comma.text!r} stands where ',' or ']' was expected", comma.start + 1)
        self.take()
        return tuple(found)

    def _since(self, start: int) -> str:
        return " ".join(self._text[start : self._tokens[self._at - 1].end].split())


def unknown_name(condition: Condition, known: Collection[str]) -> Name | None:
    """The first name that is neither a fact nor a parameter."""
    return next(
        (one for one in names_in(condition) if not one.name.startswith("param.") and one.name not in known), None
    )
