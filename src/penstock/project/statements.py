"""SQL files cut into statements: what each creates, where it writes, its columns and clauses."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from penstock.errors import Problem
from penstock.project import lexer
from penstock.project.lexer import COMMENT, OP, Token
from penstock.project.objects import Column, Statement, StatementKind, TableShape
from penstock.project.reads import tables_read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CLAUSES = {
    ("ENGINE",): "ENGINE",
    ("PARTITION", "BY"): "PARTITION BY",
    ("PRIMARY", "KEY"): "PRIMARY KEY",
    ("ORDER", "BY"): "ORDER BY",
    ("SAMPLE", "BY"): "SAMPLE BY",
    ("TTL",): "TTL",
    ("SETTINGS",): "SETTINGS",
    ("COMMENT",): "COMMENT",
    ("AS",): "AS",
    ("CLONE", "AS"): "AS",
}
_NO_COLUMN = {"INDEX", "PROJECTION", "CONSTRAINT", "PRIMARY", "FOREIGN"}
_AFTER_TYPE = {"NOT", "NULL", "CODEC", "TTL", "COMMENT", "STATISTICS", "SETTINGS", "PRIMARY"}
_AFTER_EXPRESSION = _AFTER_TYPE - {"NOT", "NULL"}
_COLUMN_KINDS = {"DEFAULT", "MATERIALIZED", "ALIAS", "EPHEMERAL"}
_KINDS: dict[str, StatementKind] = {"TABLE": "table", "VIEW": "view", "DICTIONARY": "dictionary"}


@dataclass(slots=True)
class Text:
    """An SQL file being read.

    Attributes:
        file: path relative to the project's root, for messages.
        sql: the file's text.
        comments: its comments, in order.
        pieces: the tokens of each statement, in order.
        problems: what is wrong with it so far.
    """

    file: str
    sql: str
    comments: list[Token] = field(default_factory=list)
    pieces: list[list[Token]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def problem(self, line: int, cause: str, hint: str = "") -> None:
        """Note a mistake in this file."""
        self.problems.append(Problem(self.file, line, cause, hint))

    def body(self, piece: Sequence[Token]) -> str:
        """The text of a statement as written."""
        return self.sql[piece[0].start : piece[-1].end]


def read(file: str, sql: str) -> Text:
    """Cut a file into statements at its semicolons, minding quotes, brackets and comments."""
    text = Text(file, sql)
    found = list(lexer.tokens(sql))
    mark = lexer.unclosed(found)
    if mark:
        kind = lexer.unclosed_kind(mark)
        text.problem(mark.line, f"a {kind} is opened here and never closed", f"close the {kind}")
        return text
    text.comments = [t for t in found if t.kind == COMMENT]
    piece: list[Token] = []
    for token in (t for t in found if t.kind != COMMENT):
        if token.kind == OP and token.text == ";":
            text.pieces.append(piece)
            piece = []
        else:
            piece.append(token)
    text.pieces = [p for p in [*text.pieces, piece] if p]
    return text


def create(text: Text, piece: list[Token]) -> Statement | None:
    """Read one CREATE; None, with the mistake noted, where the statement is something else."""
    walk = _Walk(piece)
    first = piece[0]
    if not walk.take("CREATE"):
        cause = f"a relation's file only creates; this statement starts with {first.text!r}"
        text.problem(first.line, cause, "leave CREATE statements only")
        return None
    replaces = walk.take("OR", "REPLACE")
    materialized = walk.take("MATERIALIZED")
    word = walk.word()
    if word not in _KINDS:
        cause = f"CREATE {word} is not something a relation's file may hold"
        text.problem(first.line, cause, "use TABLE, MATERIALIZED VIEW … TO, VIEW or DICTIONARY")
        return None
    kind: StatementKind = "materialized_view" if materialized else _KINDS[word]
    if replaces and kind != "view":
        text.problem(
            first.line,
            f"CREATE OR REPLACE {word} would drop what is stored",
            "write CREATE; `penstock apply` compares it with what is there",
        )
    walk.take("IF", "NOT", "EXISTS")
    name = walk.name(text)
    if name is None:
        text.problem(first.line, f"the name after CREATE {word} is missing", "name it as the file")
        return None
    if kind == "materialized_view":
        return _view(text, piece, walk, name)
    if kind == "view":
        return _plain_view(text, piece, walk, name)
    shape = _shape(text, walk) if kind == "table" else None
    reads = tables_read("", walk.rest()) if kind == "dictionary" else ()
    if shape is not None:
        reads = _dictionaries(shape)
    return Statement(
        text.body(piece), first.line, kind, name, "", reads, table=shape, tokens=tuple(piece)
    )


def _view(text: Text, piece: list[Token], walk: _Walk, name: str) -> Statement:
    line = piece[0].line
    if walk.take("REFRESH"):
        text.problem(
            line,
            "the engine's own REFRESH is refused: it runs unseen and beside the checks",
            "make it a view that is fed by inserts, or a table that Penstock refreshes",
        )
    query = walk.query()
    head = piece[: len(piece) - len(query)]
    words = [t.upper for t in head]
    target = ""
    if "TO" in words[walk.at :]:
        walk.at = words.index("TO", walk.at) + 1
        target = walk.name(text) or ""
    if not target:
        text.problem(
            line,
            "a materialized view without TO keeps its rows in a hidden table",
            f"create the table and write CREATE MATERIALIZED VIEW {name} TO <table> AS …",
        )
    if "POPULATE" in words:
        text.problem(
            line,
            "POPULATE misses the rows that arrive while it runs, or stores them twice",
            "leave it out; backfill with Penstock",
        )
    reads = tables_read(text.sql[query[0].start : query[-1].end], query) if query else ()
    return Statement(
        text.body(piece),
        line,
        "materialized_view",
        name,
        target,
        reads,
        tokens=tuple(piece),
        query=tuple(query),
    )


def _plain_view(text: Text, piece: list[Token], walk: _Walk, name: str) -> Statement:
    query = walk.query()
    reads = tables_read(text.sql[query[0].start : query[-1].end], query) if query else ()
    return Statement(
        text.body(piece),
        piece[0].line,
        "view",
        name,
        "",
        reads,
        tokens=tuple(piece),
        query=tuple(query),
    )


def _shape(text: Text, walk: _Walk) -> TableShape | None:
    found = walk.found
    if walk.at >= len(found) or found[walk.at].text != "(":
        text.problem(
            found[0].line,
            "the columns of the table are not written out",
            "list them: CREATE TABLE name (column Type, …) ENGINE = …",
        )
        return None
    end = lexer.closing(found, walk.at)
    columns = [_column(item) for item in lexer.split(found[walk.at + 1 : end], ",")]
    clauses = _clauses(found[end + 1 :])
    if "AS" in clauses:
        text.problem(
            clauses["AS"][0].line if clauses["AS"] else found[0].line,
            "CREATE TABLE … AS fills or copies a table outside of the landing",
            "list the columns and feed the table by a materialized view",
        )
    engine = next((t.value for t in clauses.get("ENGINE", ()) if t.is_name), "")
    return TableShape(
        tuple(c for c in columns if c),
        engine,
        MappingProxyType(clauses),
        _settings(clauses.get("SETTINGS", ())),
    )


def _column(item: list[Token]) -> Column | None:
    if not item[0].is_name or item[0].upper in _NO_COLUMN:
        return None
    deep = lexer.depths(item)
    at = 1

    def until(stop: set[str], start: int) -> int:
        for index in range(start, len(item)):
            if deep[index] == 0 and item[index].upper in stop:
                return index
        return len(item)

    type_end = until(_AFTER_TYPE | _COLUMN_KINDS, at)
    kind_at = until(_COLUMN_KINDS, at)
    kind = ""
    expression: tuple[Token, ...] = ()
    if kind_at < len(item) and kind_at < until(_AFTER_EXPRESSION, at):
        kind = item[kind_at].upper
        expression = tuple(item[kind_at + 1 : until(_AFTER_EXPRESSION, kind_at + 1)])
    return Column(item[0].value, lexer.plain(item[1:type_end]), kind, expression, item[0].line)


def _clauses(found: list[Token]) -> dict[str, tuple[Token, ...]]:
    deep = lexer.depths(found)
    starts: list[tuple[int, int, str]] = []
    for index, token in enumerate(found):
        after = found[index + 1].upper if index + 1 < len(found) else ""
        name = _CLAUSES.get((token.upper, after)) or _CLAUSES.get((token.upper,))
        if deep[index] == 0 and name:
            starts.append((index, 2 if (token.upper, after) in _CLAUSES else 1, name))
    ends = [start for start, _, _ in starts[1:]] + [len(found)]
    result: dict[str, tuple[Token, ...]] = {}
    for (start, length, name), end in zip(starts, ends, strict=True):
        result.setdefault(name, tuple(found[start + length : end]))
    return result


def _settings(found: Sequence[Token]) -> Mapping[str, str]:
    pairs = (lexer.split(item, "=") for item in lexer.split(found, ","))
    return MappingProxyType(
        {lexer.plain(p[0]): "".join(t.value for t in p[1]) for p in pairs if len(p) == 2}  # noqa: PLR2004 - a name and a value
    )


def _dictionaries(shape: TableShape) -> tuple[str, ...]:
    used = (tables_read("", list(c.expression)) for c in shape.columns if c.expression)
    return tuple(dict.fromkeys(name for names in used for name in names))


class _Walk:
    """A place in the tokens of one statement that moves forward over what it recognises."""

    def __init__(self, found: list[Token]) -> None:
        self.found = found
        self.at = 0

    def take(self, *words: str) -> bool:
        """Step over these words where they come next."""
        here = [t.upper for t in self.found[self.at : self.at + len(words)]]
        if here != list(words):
            return False
        self.at += len(words)
        return True

    def word(self) -> str:
        """Step over the next token and return it in capitals."""
        self.at += 1
        return self.found[self.at - 1].upper if self.at <= len(self.found) else ""

    def name(self, text: Text) -> str | None:
        """Step over a name; one with a database is noted as a mistake."""
        if self.at >= len(self.found) or not self.found[self.at].is_name:
            return None
        token = self.found[self.at]
        self.at += 1
        if self.at + 1 < len(self.found) and self.found[self.at].text == ".":
            database, token = token, self.found[self.at + 1]
            self.at += 2
            text.problem(
                token.line,
                f"{database.value}.{token.value} names its database",
                f"write {token.value}: the same file runs in any database",
            )
        return token.value

    def rest(self) -> list[Token]:
        """The tokens not yet stepped over."""
        return self.found[self.at :]

    def query(self) -> list[Token]:
        """The tokens after the first AS outside of brackets, or none."""
        deep = lexer.depths(self.found)
        for index in range(self.at, len(self.found)):
            if deep[index] == 0 and self.found[index].upper == "AS":
                return self.found[index + 1 :]
        return []
