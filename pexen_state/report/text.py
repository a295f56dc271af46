"""Text from tasks is hostile: this file makes any of it safe for a terminal, a log, and a CI system that reads logs.

Nothing else may print what a task, a file name or an exception said. Safe text holds no control character, no
escape sequence, no mark that reorders or hides text, no lone surrogate, and begins no line that a CI system takes
for a command. The bytes in the journal and in the output files stay as they are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

#: Control characters, line ends of Unicode, lone surrogates (bytes of a file's name that are no text; shown as the
#: journal's views have them). `_is_bad` adds what is invisible.
_SURELY_BAD = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

#: Shape other characters (joiners, in many scripts and in emoji), and neither reorder nor hide them.
_JOINERS = frozenset("\u200c\u200d")

#: Complete escape sequences: colours, cursor movements, titles. They are left out of output; a torn one is shown.
_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC, DCS, SOS, PM, APC
    r"|\x1b[ -/]+[0-~]"  # character sets
    r"|\x1b[0-Z\\^_`-~]"  # the short ones
)

#: GitHub and GitLab (`::error`), Azure (`##vso[`, `##[error]`), TeamCity (`##teamcity[`).
_COMMAND_LINE = re.compile(r"^(\s*)::")
_COMMAND_LINES = re.compile(r"^([^\S\n]*)::", re.MULTILINE)
_COMMAND_ANYWHERE = re.compile(r"##(?=\w*\[)")

TAIL_LINES = 20
TAIL_BYTES = 64 * 1024
LINE_CHARS = 500


def safe(text: str | bytes) -> str:
    """A name, or a sentence, on one line. What is not safe is shown as an escape, for example `\\x1b`."""
    return _no_command(visible(text))


def visible(text: str | bytes) -> str:
    """As `safe`, for a document that has its own way to say what a CI system would take for a command."""
    said = _as_text(text)
    if said.isascii() and said.isprintable():
        return said
    return "".join(_shown(char) if _is_bad(char) else char for char in said)


def safe_line(text: str | bytes) -> str:
    """A line of output: colours are left out, tabs stay, everything else as `safe`."""
    return _no_command(_visible_line(text))


def safe_lines(data: bytes) -> Iterator[str]:
    """The lines of some output, each safe. A carriage return ends a line, too: nothing is written over."""
    return map(_no_command, visible_lines(data))


def visible_lines(data: bytes) -> Iterator[str]:
    """As `safe_lines`, for a document that has its own way to say what a CI system would take for a command."""
    pieces = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    if pieces and not pieces[-1]:
        pieces.pop()
    return map(_visible_line, pieces)


def _visible_line(text: str | bytes) -> str:
    said = _as_text(text)
    if "\x1b" in said:
        said = _SEQUENCE.sub("", said)
    if said.isascii() and said.isprintable():
        return said
    return "".join(_shown(char) if char != "\t" and _is_bad(char) else char for char in said)


def tail(data: bytes, was_cut: bool = False, lines: int = TAIL_LINES) -> list[str]:
    """The last lines of some output, safe, long ones cut. `was_cut`: `data` does not begin at a line's begin."""
    found = [line for line in safe_lines(data) if line.strip()] if data.strip() else []
    if was_cut and len(found) > 1:
        del found[0]
    return [cut(line) for line in found[-lines:]]


def tail_of_file(path: str, lines: int = TAIL_LINES) -> list[str]:
    """The last lines of an output file; none if it is not there, or cannot be read."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            start = max(size - TAIL_BYTES, 0)
            file.seek(start)
            return tail(file.read(TAIL_BYTES), start > 0, lines)
    except OSError:
        return []


def cut(line: str, chars: int = LINE_CHARS) -> str:
    """A line that is not longer than it is useful."""
    if len(line) <= chars:
        return line
    return f"{line[:chars]}... ({len(line) - chars} more characters)"


def safe_json(text: str) -> str:
    """JSON that was made with `ensure_ascii`: one character is left that a terminal does not print, and commands.

    What it says stays the same: escapes are only put where a string is.
    """
    return text.replace("\x7f", "\\u007f").replace("##", "#\\u0023")


def safe_markup(text: str) -> str:
    """XML or HTML text that was escaped: what is not safe becomes a reference to its character.

    What it says stays the same. Lines and tabs are left. No document may hold a control character below a space, or a
    lone surrogate, not even as a reference: whoever escapes has to replace these before.
    """
    if not (text.isascii() and text.replace("\n", "").replace("\t", "").isprintable()):
        text = "".join(f"&#x{ord(char):X};" if char not in "\n\t" and _is_bad(char) else char for char in text)
    if ":" in text:
        text = _COMMAND_LINES.sub(r"\1&#x3A;:", text)
    if "##" in text:
        text = _COMMAND_ANYWHERE.sub("#&#x23;", text)
    return text


def _as_text(text: str | bytes) -> str:
    return text.decode("utf-8", "backslashreplace") if isinstance(text, bytes) else text


def _is_bad(char: str) -> bool:
    if " " <= char <= "~":
        return False
    if _SURELY_BAD.match(char):
        return True
    return char not in _JOINERS and unicodedata.category(char) in ("Cf", "Cc", "Cs", "Cn")


def _shown(char: str) -> str:
    if char in _NAMED:
        return _NAMED[char]
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _no_command(line: str) -> str:
    if ":" in line:
        line = _COMMAND_LINE.sub(r"\1\\::", line)
    if "##" in line:
        line = _COMMAND_ANYWHERE.sub(r"#\\#", line)
    return line
