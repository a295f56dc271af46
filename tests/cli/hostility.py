"""Text that is meant to do harm to a terminal, a log, a CI system or a parser: more than two hundred pieces of it.

Bytes, because the worst of it is no text. `is_harmless` says what may be shown of it.
"""

from __future__ import annotations

import re
import unicodedata

_CONTROLS = [f"c{code:02x}{chr(code)}c" for code in (*range(1, 0x20), *range(0x7F, 0xA0))]
_SEQUENCES = [
    "\x1b[2J\x1b[H",
    "\x1b[31mred\x1b[0m",
    "\x1b[1;1H\x1b[K",
    "\x1b[?1049h",
    "\x1b[?25l",
    "\x1b[6n",
    "\x1b[c",
    "\x1b[>c",
    "\x1b[21t",
    "\x1b[8m hidden",
    "\x1b[5A up",
    "\x1b[99999;99999H",
    "\x1b[3J",
    "\x1b[!p",
    "\x1b[20h",
    "\x1b[200~pasted\x1b[201~",
    "\x1b]0;owned\x07",
    "\x1b]2;owned\x1b\\",
    "\x1b]52;c;cm0gLXJmIC8=\x07",
    "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "\x1b]4;1;rgb:ff/00/00\x07",
    "\x1b]50;?\x07",
    "\x1b]1337;File=inline=1:AAAA\x07",
    "\x1bP$q q\x1b\\",
    "\x1bP+q544e\x1b\\",
    "\x1b_application\x1b\\",
    "\x1b^private\x1b\\",
    "\x1bXstring\x1b\\",
    "\x1bc",
    "\x1b#8",
    "\x1b(0lqqk\x1b(B",
    "\x1b%G",
    "\x1b=",
    "\x1b[",
    "\x1b]",
    "\x1b",
    "\x1b\x1b[31m",
    "\x1b[\x1b[31m",
    "\x1b[31\x18m",
    "\x9b31mc1",
    "\x9d0;owned\x9c",
    "\x90q\x9c",
    "\x0e\x0fshifted",
    "over\rwritten",
    "back\x08\x08\x08\x08space",
    "bell\x07\x07",
    "tab\tulator",
    "form\x0cfeed",
    "vertical\x0btab",
    "two\nlines",
    "two\r\nlines",
    "three\n\n\nlines",
    "\nbefore",
]
_INVISIBLE = [
    f"u{code:04x}{chr(code)}gnp.exe"
    for code in (
        *(0xAD, 0x061C, 0x180E, 0x200B, 0x200E, 0x200F, 0x2028, 0x2029, 0x202A, 0x202B, 0x202C, 0x202D, 0x202E),
        *(0x2060, 0x2061, 0x2062, 0x2063, 0x2064, 0x2066, 0x2067, 0x2068, 0x2069, 0x206A, 0x206F, 0xFEFF, 0xFFF9),
        *(0xFFFA, 0xFFFB, 0xFFFE, 0xFFFF, 0x110BD, 0x1D173, 0xE0001, 0xE0041, 0xE007F),
    )
]
_COMMANDS = [
    "::error::owned",
    "::error file=a.py,line=1::owned",
    "  ::warning::owned",
    "::set-output name=a::b",
    "::add-mask::secret",
    "::stop-commands::x",
    "::group::x",
    "::debug::x",
    "two\n::error::lines",
    "two\r::error::lines",
    "##[error]owned",
    "##[group]x",
    "##vso[task.setvariable variable=a]b",
    "##teamcity[testFailed name='a']",
    "##teamcity[buildStop]",
    "section_start:1560896352:x\r\x1b[0K",
]
_PARSED = [
    "'; rm -rf $HOME; '",
    '"; DROP TABLE task; --',
    "$(touch owned)",
    "`touch owned`",
    "${HOME}",
    "%s%n%00%d",
    "{0.__class__}",
    "{}",
    "[bold]rich[/bold]",
    "[/]",
    "[link=http://evil.example]x[/link]",
    "<script>alert(1)</script>",
    "</td><img src=x onerror=alert(1)>",
    "&lt;&#27;",
    "]]>",
    "]]]]><![CDATA[>",
    "<!-- --",
    "</script><script>alert(1)</script>",
    "</system-out></testcase>",
    "&#0;&#x1b;",
    "x # SKIP owned",
    "x \\# TODO owned",
    "1..0 # SKIP owned",
    "Bail out! owned",
    "| a | b |",
    "[x](http://evil.example)![y](http://evil.example/z)",
    "@everyone #1",
    "```",
    "*?[a]",
    "--all",
    "-r",
    "--",
    "-",
    "~root",
    "!history",
    "#comment",
    "=cmd|' /C calc'!A0",
    "@SUM(1)",
    "+1",
    "-2+3+cmd|' /C calc'!A0",
    '=HYPERLINK("http://evil.example")',
    "\uff1d1+1",
    "\t=1+1",
    "\r=1+1",
    "..",
    ".",
    "../../../../etc/passwd",
    "/etc/passwd",
    "a//b",
    "a/",
    "//",
    "\\x1b[31m",
    "\\",
    "\\u202e",
    "%1B[31m",
    "latest",
    "latest-1",
    "1",
    "-1",
    "99999999999999999999999",
    "²",
    "٣",
    "null",
    "None",
    "true",
    " ",
    " lead",
    "trail ",
    "\u3000",
    "\u00a0",
    "Z̸̡̢̛̗̘̙̜̝̞̟̠̣̤̥̦̩̪̫̬̭̮̯̰̱̲̳̹̺̻̼",
    "👨‍👩‍👧‍👦",
    "e\u0301",
    "ﷺ",
    "x" * 300,
]
_NO_TEXT = [
    b"caf\xe9",
    b"\xff\xfe",
    b"\xc0\x80",
    b"\xc1\xbf",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xf4\x90\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xe2\x80",
    b"\x80\x81\x82",
    b"\xe2\x28\xa1",
    b"ok\xff\x1b[31mred",
    b"\xc2\x9b31m\xff",
    b"\xf0\x9f\x98",
]

STRINGS: tuple[bytes, ...] = tuple(
    dict.fromkeys(
        [
            *(text.encode() for text in (*_CONTROLS, *_SEQUENCES, *_INVISIBLE, *_COMMANDS, *_PARSED)),
            *_NO_TEXT,
        ]
    )
)
assert len(STRINGS) >= 200

#: What only output can hold.
OUTPUTS: tuple[bytes, ...] = (
    *STRINGS,
    b"NUL \0 in the middle\n\0\0",
    b"\x1b[31m" + b"m" * (1 << 20) + b"\n",
    b"\x1b]0;" + b"t" * (1 << 20),
    b"\xff" * (1 << 20),
    b"\r" * 1000 + b"::error::x",
)

_JOINERS = "\u200c\u200d"
_CI = re.compile(r"^\s*::|##\w*\[")


def is_harmless(text: str) -> bool:
    """Lines and tabs, and besides nothing that moves, hides or reorders what is shown; no command to a CI system."""
    for line in text.split("\n"):
        if _CI.search(line):
            return False
        if not line.isascii() or not line.replace("\t", "").isprintable():
            for char in line:
                if char not in "\t" + _JOINERS and unicodedata.category(char) in ("Cc", "Cs", "Cf", "Zl", "Zp"):
                    return False
    return True
