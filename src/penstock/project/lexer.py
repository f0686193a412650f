"""ClickHouse SQL cut into tokens, each with its place in the file; nothing is ever refused here.

The engine is the judge of SQL. What the loader and the rules need is less: where a statement ends,
which functions it calls, what stands in a clause, and on which line. Tokens give that for text
that no parser but the engine's own understands, so a rule never depends on a parser's gaps.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WORD, QUOTED, STRING, NUMBER, PARAM, OP, COMMENT = (
    "word",
    "quoted",
    "string",
    "number",
    "param",
    "op",
    "comment",
)

_TOKEN = re.compile(
    r"""
    (?P<comment>--[^\n]*|\#[ !][^\n]*|/\*.*?\*/)
  | (?P<string>'(?:[^'\\]|\\.|'')*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
  | (?P<quoted>`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*")
  | (?P<param>\{\s*[A-Za-z_]\w*\s*:[^{}]+\})
  | (?P<number>0x[0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
  | (?P<word>[^\W\d]\w*)
  | (?P<op>::|->|<=>|<=|>=|!=|<>|==|\|\||/\*|[^\s])
    """,
    re.VERBOSE | re.DOTALL,
)
_PARAM = re.compile(r"\{\s*(\w+)\s*:\s*(.+?)\s*\}", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)|''", re.DOTALL)
_OPENERS = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}
_UNCLOSED = {"'": "string", "`": "quoted name", '"': "quoted name", "/*": "comment"}


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a file.

    Attributes:
        kind: one of `word quoted string number param op comment`.
        text: as written.
        start: offset of its first character in the file.
        end: offset after its last character.
        line: line of the file it starts on, from 1.
    """

    kind: str
    text: str
    start: int
    end: int
    line: int

    @property
    def upper(self) -> str:
        """The text in capitals where it is a bare word, else as written: for keywords."""
        return self.text.upper() if self.kind == WORD else self.text

    @property
    def is_name(self) -> bool:
        """Whether it can name something: a bare word or a quoted identifier."""
        return self.kind in (WORD, QUOTED)

    @property
    def value(self) -> str:
        """The name or the string that it stands for, without quotes and escapes."""
        if self.kind == STRING and self.text.startswith("'"):
            return _ESCAPE.sub(lambda m: m[1] or "'", self.text[1:-1])
        if self.kind == STRING:
            return self.text.split("$", 2)[2].rsplit("$", 2)[0]
        if self.kind == QUOTED:
            return self.text[1:-1].replace("``", "`").replace("\\", "")
        return self.text

    @property
    def parameter(self) -> tuple[str, str]:
        """Name and type of a `{name:Type}`; two empty texts for any other token."""
        match = _PARAM.fullmatch(self.text) if self.kind == PARAM else None
        return (match[1], " ".join(match[2].split())) if match else ("", "")


def tokens(text: str) -> Iterator[Token]:
    """Cut a file into tokens, comments among them, in order."""
    line, counted = 1, 0
    for match in _TOKEN.finditer(text):
        line += text.count("\n", counted, match.start())
        counted = match.start()
        kind = match.lastgroup if match.lastgroup != "tag" else STRING
        yield Token(kind or OP, match[0], match.start(), match.end(), line)


def code(text: str) -> Iterator[Token]:
    """The tokens of a text that are not comments."""
    return (token for token in tokens(text) if token.kind != COMMENT)


def unclosed(found: Sequence[Token]) -> Token | None:
    """The quote or comment mark that is never closed, or None."""
    return next((t for t in found if t.kind == OP and t.text in _UNCLOSED), None)


def unclosed_kind(token: Token) -> str:
    """What an unclosed mark opens, in words."""
    return _UNCLOSED[token.text]


def quoted(name: str) -> str:
    """A name as it stands in a statement."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def literal(value: str) -> str:
    """A text as it stands in a statement."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def unwrapped(found: Sequence[Token]) -> list[Token]:
    """Tokens without the brackets around all of them."""
    inner = list(found)
    while inner and inner[0].text == "(" and closing(inner, 0) == len(inner) - 1:
        inner = inner[1:-1]
    return inner


def split(found: Sequence[Token], separator: str) -> list[list[Token]]:
    """Cut tokens at a separator outside of all brackets; empty pieces are left out."""
    pieces: list[list[Token]] = [[]]
    depth = 0
    for token in found:
        depth += _OPENERS.get(token.text, 0) if token.kind == OP else 0
        if token.kind == OP and token.text == separator and depth == 0:
            pieces.append([])
        else:
            pieces[-1].append(token)
    return [piece for piece in pieces if piece]


def closing(found: Sequence[Token], at: int) -> int:
    """Index of the bracket that closes the one at `at`; the last index where none does."""
    depth = 0
    for index in range(at, len(found)):
        depth += _OPENERS.get(found[index].text, 0) if found[index].kind == OP else 0
        if depth == 0:
            return index
    return len(found) - 1


def depths(found: Sequence[Token]) -> list[int]:
    """How many brackets each token stands in; a bracket counts as outside of itself."""
    result, depth = [], 0
    for token in found:
        step = _OPENERS.get(token.text, 0) if token.kind == OP else 0
        if step < 0:
            depth += step
        result.append(depth)
        if step > 0:
            depth += step
    return result


def plain(found: Sequence[Token]) -> str:
    """The tokens as one line in one spelling, so that two layouts of the same text are equal.

    A space stands only between two tokens that would else become one; names lose their quotes.
    """
    parts: list[str] = []
    glued = True
    for token in found:
        wordy = token.kind != OP
        if not glued and wordy:
            parts.append(" ")
        parts.append(token.value if token.kind == QUOTED else token.text)
        glued = not wordy
    return "".join(parts)


def called(found: Sequence[Token]) -> Iterator[tuple[int, str]]:
    """Every function call as (index of the name's token, name as written)."""
    for index in range(len(found) - 1):
        token, after = found[index], found[index + 1]
        if token.kind == WORD and after.text == "(" and after.kind == OP:
            yield index, token.text


def arguments(found: Sequence[Token], at: int) -> list[list[Token]]:
    """The arguments of the call whose name stands at `at`."""
    return split(found[at + 2 : closing(found, at + 1)], ",")
