"""The parts of a SELECT, by its tokens: clauses, the columns it gives, the casts it makes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.project import lexer
from penstock.project.lexer import NUMBER, OP, STRING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from penstock.project.lexer import Token

_CLAUSES = {
    "WITH": 1,
    "SELECT": 1,
    "FROM": 1,
    "PREWHERE": 1,
    "WHERE": 1,
    "GROUP": 2,
    "HAVING": 1,
    "WINDOW": 1,
    "QUALIFY": 1,
    "ORDER": 2,
    "LIMIT": 1,
    "OFFSET": 1,
    "SETTINGS": 1,
    "UNION": 1,
    "INTERSECT": 1,
}
_CAST_NAME = re.compile(
    r"to(?:U?Int\d+|B?Float\d+|Decimal\d+|Date(?:32)?|DateTime(?:32|64)?|Time(?:64)?"
    r"|UUID|IPv[46]|Bool|FixedString|UnixTimestamp)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Item:
    """One column that a SELECT gives: its name (empty where it has none) and its tokens."""

    name: str
    tokens: tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class Cast:
    """One conversion whose outcome depends on the value.

    Attributes:
        name: the function as written, `CAST` or `::`.
        argument: what is converted.
        target: the type, in one spelling, where it is written out; else empty.
        line: line of the file.
    """

    name: str
    argument: tuple[Token, ...]
    target: str
    line: int


def clauses(query: Sequence[Token]) -> dict[str, list[Token]]:
    """The clauses of a SELECT by first word (`GROUP` for GROUP BY), outside of brackets.

    Of a union only the first SELECT is taken apart; `UNION` then holds the rest.
    """
    deep = lexer.depths(query)
    result: dict[str, list[Token]] = {}
    current, skip = "", 0
    for index, token in enumerate(query):
        word = token.upper
        if skip:
            skip -= 1
        elif "UNION" not in result and deep[index] == 0 and _starts(query, index):
            current, skip = word, _CLAUSES[word] - 1
            result.setdefault(current, [])
        elif current:
            result[current].append(token)
    return result


def items(query: Sequence[Token]) -> list[Item]:
    """The columns a SELECT gives, in order."""
    selected = clauses(query).get("SELECT", [])
    if selected and selected[0].upper == "DISTINCT":
        selected = selected[1:]
    return [_item(piece) for piece in lexer.split(selected, ",")]


def casts(found: Sequence[Token]) -> Iterator[Cast]:
    """Every conversion by name, CAST or `::` whose argument is not a literal."""
    for index, name in lexer.called(found):
        arguments = lexer.arguments(found, index)
        if not arguments or _literal(arguments[0]):
            continue
        line = found[index].line
        if name.upper() in ("CAST", "_CAST"):
            argument, target = _cast_parts(arguments)
            yield Cast("CAST", tuple(argument), target, line)
        elif _CAST_NAME.fullmatch(name):
            yield Cast(name, tuple(arguments[0]), "", line)
    for index, token in enumerate(found):
        if token.kind == OP and token.text == "::" and index:
            start = _operand(found, index - 1)
            argument = list(found[start:index])
            if not _literal(argument):
                target = lexer.plain(found[index + 1 : _type_end(found, index + 1)])
                yield Cast("::", tuple(argument), target, token.line)


def scope(query: Sequence[Token], token: Token) -> Sequence[Token]:
    """The innermost SELECT of a query that holds a token; the query itself by default."""
    result = query
    for index, opening in enumerate(query[:-1]):
        if opening.text != "(" or query[index + 1].upper not in ("SELECT", "WITH"):
            continue
        end = lexer.closing(query, index)
        if opening.start < token.start < query[end].start:
            result = query[index + 1 : end]
    return result


def _starts(query: Sequence[Token], index: int) -> bool:
    word = query[index].upper
    length = _CLAUSES.get(word, 0)
    if not length or (index and query[index - 1].text == "."):
        return False
    after = query[index + 1].upper if index + 1 < len(query) else ""
    if word == "WITH" and index:
        return False  # ORDER BY … WITH FILL, GROUP BY … WITH TOTALS
    return length == 1 or after == "BY"


def _item(piece: list[Token]) -> Item:
    deep = lexer.depths(piece)
    for index in range(len(piece) - 2, 0, -1):
        if deep[index] == 0 and piece[index].upper == "AS" and index == len(piece) - 2:
            return Item(piece[-1].value, tuple(piece[:index]))
    bare = all(t.is_name or t.text == "." for t in piece)
    return Item(piece[-1].value if bare else "", tuple(piece))


def _literal(found: Sequence[Token]) -> bool:
    return all(t.kind in (NUMBER, STRING) or t.text == "-" for t in found)


def _cast_parts(arguments: list[list[Token]]) -> tuple[list[Token], str]:
    first = arguments[0]
    if len(arguments) > 1:
        written = "".join(t.value for t in arguments[1])
        return first, lexer.plain(list(lexer.code(written)))
    deep = lexer.depths(first)
    for index in range(len(first) - 1, 0, -1):
        if deep[index] == 0 and first[index].upper == "AS":
            return first[:index], lexer.plain(first[index + 1 :])
    return first, ""


def _operand(found: Sequence[Token], end: int) -> int:
    """Where the operand that ends at `end` starts: a name, a call or a bracketed expression."""
    at = end
    if found[at].text in (")", "]"):
        depth = 0
        while at >= 0:
            depth += {")": 1, "]": 1, "(": -1, "[": -1}.get(found[at].text, 0)
            if depth == 0:
                break
            at -= 1
        if at > 0 and found[at - 1].is_name:
            at -= 1
    while at > 1 and found[at - 1].text == ".":
        at -= 2
    return max(at, 0)


def _type_end(found: Sequence[Token], at: int) -> int:
    if at + 1 < len(found) and found[at + 1].text == "(":
        return lexer.closing(found, at + 1) + 1
    return at + 1
