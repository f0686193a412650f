"""Forms: what a table, a view or a dictionary is, in the engine's own normal form.

The engine writes every statement back in one spelling (`create_table_query`, its keys in
`system.tables`). A form is that text cut into pieces, so that two of them can be compared piece by
piece: a column, an index, a setting, a key. Nothing is normalised here; the engine has done it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from penstock.project import lexer
from penstock.project.lexer import QUOTED, STRING, WORD, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from penstock.project.lexer import Token

KINDS = {"MaterializedView": "materialized_view", "View": "view", "Dictionary": "dictionary"}
REMEMBERED = (
    "database", "name", "engine", "created", "query", "partition_key", "sorting_key",
    "primary_key", "sampling_key", "comment",
)  # fmt: skip
"""The columns of `forms.sql` that say what something is; the others say how large it is."""

_DEFAULTS = ("DEFAULT", "MATERIALIZED", "ALIAS", "EPHEMERAL")
_PROPERTIES = ("COMMENT", "CODEC", "STATISTICS", "TTL", "SETTINGS")
_PARTS = ("INDEX", "CONSTRAINT", "PROJECTION")
_CLAUSES = ("ENGINE", "PARTITION", "PRIMARY", "ORDER", "SAMPLE", "TTL", "SETTINGS", "COMMENT")


@dataclass(frozen=True, slots=True)
class ColumnForm:
    """One column.

    Attributes:
        name: without quotes.
        type: as the engine writes it.
        properties: `DEFAULT` (of whatever kind), `COMMENT`, `CODEC`, `STATISTICS`, `TTL` and
            `SETTINGS`, where it has them, each as the text of a column's declaration.
    """

    name: str
    type: str
    properties: Mapping[str, str]

    @property
    def text(self) -> str:
        """The column's declaration."""
        return " ".join((quoted(self.name), self.type, *self.properties.values()))

    @property
    def kind(self) -> str:
        """`DEFAULT`, `MATERIALIZED`, `ALIAS`, `EPHEMERAL`, or an empty text."""
        return self.properties.get("DEFAULT", "").partition(" ")[0]

    @property
    def stored(self) -> bool:
        """Whether it holds values of its own."""
        return self.kind not in ("ALIAS", "EPHEMERAL")


@dataclass(frozen=True, slots=True)
class Form:
    """A table, a view or a dictionary.

    Attributes:
        database: it lives in.
        name: its own.
        kind: `table`, `materialized_view`, `view` or `dictionary`.
        created: the whole CREATE.
        columns: by name, in order; empty for a dictionary.
        parts: (`INDEX`, `CONSTRAINT` or `PROJECTION`, name) → its declaration.
        keys: `ENGINE`, `PARTITION BY`, `ORDER BY`, `PRIMARY KEY` and `SAMPLE BY` of a table.
        ttl: of a table; empty where it keeps its rows.
        settings: of a table.
        comment: in the author's words.
        query: a view's SELECT.
        head: what else stands before a view's AS: its target, its rights.
        rows: it holds; 0 where that is not known.
        bytes: it holds on disk.
    """

    database: str
    name: str
    kind: str
    created: str = field(repr=False)
    columns: Mapping[str, ColumnForm] = field(repr=False)
    parts: Mapping[tuple[str, str], str] = field(repr=False)
    keys: Mapping[str, str] = field(repr=False)
    ttl: str
    settings: Mapping[str, str] = field(repr=False)
    comment: str
    query: str
    head: str
    rows: int = 0
    bytes: int = 0

    @property
    def full_name(self) -> str:
        """`database.name`."""
        return f"{self.database}.{self.name}"

    def pieces(self) -> dict[str, str]:
        """What it is made of, by name: equal forms have equal pieces."""
        found = {"kind": self.kind, "ttl": self.ttl, "comment": self.comment}
        found |= {"query": self.query, "head": self.head, "columns": ", ".join(self.columns)}
        if self.kind == "dictionary":
            return {**found, "dictionary": self.created}
        found |= {f"column {c.name}": c.text for c in self.columns.values()}
        found |= {f"{kind.lower()} {name}": text for (kind, name), text in self.parts.items()}
        found |= {f"setting {name}": value for name, value in self.settings.items()}
        return found | {key.lower(): value for key, value in self.keys.items()}


def table(database: str, name: str) -> str:
    """A table's full name as it stands in a statement."""
    return f"{quoted(database)}.{quoted(name)}"


def differing(one: Form, other: Form) -> dict[str, tuple[str, str]]:
    """Piece → its two texts, where they differ; a missing one is empty."""
    mine, theirs = one.pieces(), other.pieces()
    names = dict.fromkeys([*mine, *theirs])
    pairs = {name: (mine.get(name, ""), theirs.get(name, "")) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def read(row: Mapping[str, Any]) -> Form:
    """The form of a row of `forms.sql`."""
    kind = KINDS.get(row["engine"], "table")
    text = str(row["created"])
    tokens = list(lexer.code(text))
    cut = _Cut(text, tokens)
    columns, parts = cut.columns() if kind != "dictionary" else ({}, {})
    clauses = cut.clauses() if kind == "table" else {}
    keys = {
        "ENGINE": clauses.get("ENGINE", "").removeprefix("= "),
        "PARTITION BY": row["partition_key"],
        "ORDER BY": row["sorting_key"],
        "PRIMARY KEY": row["primary_key"],
        "SAMPLE BY": row["sampling_key"],
    }
    return Form(
        database=row["database"],
        name=row["name"],
        kind=kind,
        created=text,
        columns=MappingProxyType(columns),
        parts=MappingProxyType(parts),
        keys=MappingProxyType(keys if kind == "table" else {}),
        ttl=clauses.get("TTL", ""),
        settings=MappingProxyType(cut.settings(clauses.get("SETTINGS", ""))),
        comment=row["comment"],
        query=row["query"],
        head=cut.head() if kind in ("materialized_view", "view") else "",
        rows=int(row.get("rows", 0)),
        bytes=int(row.get("bytes", 0)),
    )


class _Cut:
    """Cuts one CREATE; its tokens are of the engine's writing: keywords in capitals, one order."""

    def __init__(self, text: str, tokens: list[Token]) -> None:
        self._text, self._tokens = text, tokens
        self._deep = lexer.depths(tokens)
        self._as = self._find("AS", 0) if tokens else 0
        self._open = next(
            (i for i, t in enumerate(tokens[: self._as]) if t.text == "(" and self._deep[i] == 0),
            -1,
        )
        self._close = lexer.closing(tokens, self._open) if self._open >= 0 else -1

    def _find(self, word: str, start: int) -> int:
        """Index of a keyword outside of brackets; the end where it is not there."""
        for index in range(start, len(self._tokens)):
            token = self._tokens[index]
            if self._deep[index] == 0 and token.kind == WORD and token.text == word:
                return index
        return len(self._tokens)

    def _slice(self, found: Sequence[Token]) -> str:
        return self._text[found[0].start : found[-1].end] if found else ""

    def columns(self) -> tuple[dict[str, ColumnForm], dict[tuple[str, str], str]]:
        columns: dict[str, ColumnForm] = {}
        parts: dict[tuple[str, str], str] = {}
        if self._open < 0:
            return columns, parts
        for item in lexer.split(self._tokens[self._open + 1 : self._close], ","):
            if item[0].kind == QUOTED:
                column = self._column(item)
                columns[column.name] = column
            elif item[0].text in _PARTS:
                parts[item[0].text, item[1].value] = self._slice(item)
        return columns, parts

    def _column(self, item: list[Token]) -> ColumnForm:
        """Cut a declaration at its keywords, each of which comes once and in this order."""
        deep = lexer.depths(item)
        starts = [1]
        names = ["TYPE"]
        order = ("DEFAULT", *_PROPERTIES)
        for index in range(2, len(item)):
            token = item[index]
            if deep[index] or token.kind != WORD:
                continue
            name = "DEFAULT" if token.text in _DEFAULTS else token.text
            if name in order and (names[-1] == "TYPE" or order.index(name) > _at(order, names[-1])):
                starts.append(index)
                names.append(name)
        ends = [*starts[1:], len(item)]
        cut = {
            name: self._slice(item[start:end])
            for name, start, end in zip(names, starts, ends, strict=True)
        }
        kind = cut.pop("TYPE")
        return ColumnForm(item[0].value, kind, MappingProxyType(cut))

    def clauses(self) -> dict[str, str]:
        """The clauses after the columns of a table, without their first word."""
        starts = [
            index
            for index in range(self._close + 1, len(self._tokens))
            if self._deep[index] == 0
            and self._tokens[index].kind == WORD
            and self._tokens[index].text in _CLAUSES
        ]
        ends = [*starts[1:], len(self._tokens)]
        return {
            self._tokens[start].text: self._slice(self._tokens[start + 1 : end])
            for start, end in zip(starts, ends, strict=True)
        }

    @staticmethod
    def settings(text: str) -> dict[str, str]:
        found = {}
        for item in lexer.split(list(lexer.code(text)), ","):
            found[item[0].value] = text[item[2].start : item[-1].end]
        return found

    def head(self) -> str:
        """What stands between a view's name and its AS, without columns and comment."""
        keep = [
            t
            for i, t in enumerate(self._tokens[: self._as])
            if not self._open <= i <= self._close or self._open < 0
        ]
        for index, token in enumerate(keep[:-1]):
            if token.text == "COMMENT" and keep[index + 1].kind == STRING:
                keep = keep[:index] + keep[index + 2 :]
                break
        return lexer.plain(keep)


def _at(order: Sequence[str], name: str) -> int:
    return order.index(name)
