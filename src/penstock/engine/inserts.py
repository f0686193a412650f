"""Inserts in two steps, because `send_insert` says OK even where the engine refused.

The bytes go into a Memory staging table; its rows are counted; then `INSERT … SELECT` by
`query()`, which raises, does the write.
"""

from __future__ import annotations

import itertools
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from penstock.engine.pool import IDENTIFIER, refused
from penstock.errors import EngineError
from penstock.project.lexer import literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.engine.pool import Connection, Result

STAGING = "_staging"  # a database of engine Memory: nothing of it is ever on disk
PIECE = 1 << 20  # bytes handed over at once; larger pieces gain nothing
_NAME = r"(?:`[^`]+`|[A-Za-z_][A-Za-z0-9_]*)"
_INSERT = re.compile(
    rf"\s*INSERT\s+INTO\s+(?:TABLE\s+)?(?:(?P<database>{_NAME})\.)?(?P<table>{_NAME})"
    r"\s*(?:\((?P<columns>[^()]*)\))?",
    re.IGNORECASE,
)
# A statement with its rows behind it, as drivers send them in one body.
_INLINE = re.compile(
    _INSERT.pattern + r"(?:\s*SETTINGS\s[^\n;]*?)?\s*FORMAT\s+(?!VALUES\b)[A-Za-z0-9]+[ \t]*\r?\n",
    re.IGNORECASE,
)
_HEAD = 64 * 1024  # bytes of a body in which its statement ends
_FORMAT = re.compile(r"\s+FORMAT\s+(?P<format>[A-Za-z0-9]+)\s*;?\s*\Z", re.IGNORECASE)
_INPUT = re.compile(r"\binput\s*\(\s*'(?P<structure>(?:[^'\\]|\\.)*)'\s*\)", re.IGNORECASE)
_TOKEN = re.compile(r"\binsert_deduplication_token\b", re.IGNORECASE)
_SYNTAX, _BAD_COUNT = 62, 117
_serial = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Insert:
    """An INSERT whose rows come in the body of the request.

    Attributes:
        database: of the target; empty where the statement does not say.
        table: the target.
        columns: the listed columns as written; empty means all that can be written.
        head: the statement up to its FORMAT clause.
        format: ClickHouse format of the body.
        structure: of `input('…')` where the statement selects from it, else empty.
    """

    database: str
    table: str
    columns: str
    head: str
    format: str
    structure: str

    @classmethod
    def parse(cls, sql: str) -> Insert:
        """Take an INSERT … FORMAT statement apart.

        Raises:
            EngineError: it is no such statement.
        """
        target, form = _INSERT.match(sql), _FORMAT.search(sql)
        if target is None or form is None:
            raise EngineError(
                "Code: 62. DB::Exception: rows need INSERT INTO … FORMAT … (SYNTAX_ERROR)",
                code=_SYNTAX,
            )
        head = sql[: form.start()]
        source = _INPUT.search(head)
        return cls(
            (target["database"] or "").strip("`"),
            target["table"].strip("`"),
            (target["columns"] or "").strip(),
            head,
            form["format"],
            source["structure"].replace("\\'", "'") if source else "",
        )

    def write(self, staging: str) -> str:
        """The statement that copies the staged rows into the target."""
        if self.structure:
            return _INPUT.sub(lambda _: f"{STAGING}.{staging}", self.head, count=1)
        columns = self.columns or "*"
        return f"{self.head} SELECT {columns} FROM {STAGING}.{staging}"


def split_inline(body: bytes) -> tuple[str, bytes]:
    """A body's INSERT … FORMAT and the rows after its line; all of it as text where it is none."""
    match = _INLINE.match(body[:_HEAD].decode("latin-1"))  # one character a byte
    if match is None or match.end() == len(body):
        return body.decode("utf-8", "replace"), b""
    return body[: match.end()].decode("utf-8", "replace"), body[match.end() :]


def stage_and_write(
    connection: Connection, insert: Insert, body: bytes, *, expected: int | None = None
) -> tuple[int, Result]:
    """Stage the body, count it, and write it.

    Args:
        connection: idle, standing in the right database.
        insert: the statement.
        body: rows in `insert.format`.
        expected: rows the sender says it sent; None where it does not say.

    Returns:
        Rows staged, and the engine's result of the write.

    Raises:
        EngineError: unreadable rows, a count that differs, or a refusal of the engine.
    """
    with _staging_table(connection, insert) as staging:
        rows = _stage(connection, staging, insert.format, body)
        if expected is not None and rows != expected:
            raise EngineError(
                f"Code: 117. DB::Exception: {expected} rows were announced, {rows} could be read; "
                "nothing was written (INCORRECT_DATA)",
                code=_BAD_COUNT,
            )
        with connection.settings(deduplication(insert.head)):
            return rows, connection.run(insert.write(staging))


def deduplication(sql: str) -> dict[str, str]:
    """Settings so that only an insert with a token is compared with earlier ones.

    Without a token, two equal inserts are two inserts; the engine would drop the second.
    """
    return {"deduplicate_insert": "enable" if _TOKEN.search(sql) else "disable"}


@contextmanager
def _staging_table(connection: Connection, insert: Insert) -> Iterator[str]:
    name = f"insert_{next(_serial)}"
    structure = insert.structure or _structure(connection, insert)
    connection.run(f"CREATE TABLE {STAGING}.{name} ({structure}) ENGINE = Memory")
    try:
        yield name
    finally:
        connection.run(f"DROP TABLE {STAGING}.{name} SYNC")


def _structure(connection: Connection, insert: Insert) -> str:
    """Columns of the target that a sender may write, with the defaults of those not sent."""
    database = literal(insert.database) if insert.database else "currentDatabase()"
    listed = {c.strip().strip("`") for c in insert.columns.split(",") if c.strip()}
    if any(IDENTIFIER.fullmatch(c) is None for c in listed):
        raise EngineError(
            "Code: 62. DB::Exception: list the columns by name (SYNTAX_ERROR)", code=_SYNTAX
        )
    answer = connection.run(
        "SELECT name, type, if(default_kind = 'DEFAULT', default_expression, '')"
        f" FROM system.columns WHERE database = {database} AND table = {literal(insert.table)}"
        " AND default_kind NOT IN ('MATERIALIZED', 'ALIAS') ORDER BY position",
        "JSONCompactEachRow",
    )
    columns = msgspec.json.decode(b"[" + b",".join(answer.body.splitlines()) + b"]")
    if not columns:
        raise EngineError(
            f"Code: 60. DB::Exception: Table {insert.table} does not exist (UNKNOWN_TABLE)", code=60
        )
    return ", ".join(
        f"`{name}` {kind}" + (f" DEFAULT {default}" if default else "")
        for name, kind, default in columns
        if not listed or name in listed
    )


def _stage(connection: Connection, staging: str, form: str, body: bytes) -> int:
    if body:
        view = memoryview(body)
        try:
            with connection.raw.send_insert(f"INSERT INTO {STAGING}.{staging}", form) as inserter:
                for start in range(0, len(body), PIECE):
                    inserter.append(bytes(view[start : start + PIECE]))
                inserter.finish()
        except (RuntimeError, ValueError) as error:
            raise refused(error) from error
    # `finish` reports what it was given, not what was stored: count.
    return int(connection.run(f"SELECT count() FROM {STAGING}.{staging}").body)
