"""A request of ClickHouse's HTTP protocol, taken apart: statement, rows, settings, format."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import re
from contextlib import contextmanager
from dataclasses import dataclass
from email import policy
from email.parser import BytesParser
from typing import TYPE_CHECKING

from penstock.engine import guard, hello
from penstock.engine.analysts import MAX_ROWS
from penstock.engine.inserts import split_inline
from penstock.engine.pool import IDENTIFIER
from penstock.errors import EngineError
from penstock.inflate import ENCODINGS, inflate
from penstock.project import lexer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from starlette.requests import Request

# Parameters of a URL that are not settings.
_RESERVED = {
    "query", "database", "default_format", "query_id", "user", "password", "compress", "decompress",
    "session_id", "session_timeout", "session_check", "wait_end_of_query", "buffer_size",
    "client_protocol_version", "quota_key", "role", "enable_http_compression",
    "http_zlib_compression_level", "send_progress_in_http_headers",
    "http_headers_progress_interval_ms", "close_session", "network_compression_method",
    "cancel_http_readonly_queries_on_client_close", "log_comment", "query_cache_tag",
    "readonly", "max_query_size",
}  # fmt: skip
_LEADING = re.compile(r"(?:\s+|--[^\n]*\n|#[ !][^\n]*\n|/\*.*?\*/)+", re.DOTALL)
_INSERT = re.compile(r"INSERT\s", re.IGNORECASE)
_SELECT = re.compile(r"(?:\(\s*)*(?:SELECT|WITH|FROM)\b", re.IGNORECASE)
_READS = re.compile(
    r"(?:\(\s*)*(?:SELECT|WITH|FROM|SHOW|DESC|DESCRIBE|EXISTS|EXPLAIN|CHECK)\b", re.IGNORECASE
)
_NAMED = re.compile(r"\bFORMAT\b", re.IGNORECASE)
# What a statement adds after its rows, which a stream of blocks would lose.
_AFTER_ROWS = re.compile(r"\b(?:TOTALS|extremes|output_format_\w+)\b", re.IGNORECASE)
# Without any of these words a SELECT gives one row, which is one block however it is sent.
_MANY_ROWS = re.compile(r"\b(?:FROM|JOIN|arrayJoin|unnest)\b", re.IGNORECASE)
# Formats whose blocks, one after the other, are one document; of all others each block is one.
_STREAMED = {"native", "jsoneachrow", "jsonlines", "ndjson", "jsoncompacteachrow", "csv",
             "tabseparated", "tsv", "tabseparatedraw", "tsvraw", "rowbinary"}  # fmt: skip
MAX_BODY = 256 * 1024 * 1024
_GUEST_BODY = 4 * guard.MAX_LENGTH  # a visitor sends a statement, no rows
_ALL_BODIES = 2 * MAX_BODY
_SLOWEST = 120.0  # seconds a body may take
_FIELD = re.compile(r"query\Z|param_\w+\Z")
_DIGITS = 18  # of a number of rows
_BAD, _DENIED, _BUSY = 36, 516, 202


@dataclass(frozen=True, slots=True)
class Call:
    """One request, taken apart.

    Attributes:
        sql: the statement.
        body: rows that come with it; empty where there are none.
        keyed: it carries the key.
        readonly: it came by GET, or asks for it by the setting of that name.
        params: values of `{name:Type}`.
        settings: settings for this statement.
        database: where unqualified names are looked up.
        form: format of the answer, by the statement's FORMAT, else by the request; empty where
            the statement says FORMAT in a way that only the engine understands.
        asked: format of the answer unless the statement names one.
        rows: rows announced in `X-Penstock-Rows`, if any.
        whole: the answer is wanted in one piece.
        opening: the client's revision of the native protocol, where this is the question that
            clickhouse-go begins with.
        tables: all that the statement may read, as (database, table), where it is an analyst's;
            None for every other, which the guard's second tier does not see.
        limit: most rows of an analyst's answer.
        explain: how an analyst's statement is to be explained; empty: it is to be run.
    """

    sql: str
    body: bytes
    keyed: bool
    readonly: bool
    params: Mapping[str, str]
    settings: Mapping[str, str]
    database: str
    form: str
    asked: str
    rows: int | None
    whole: bool
    tables: tuple[tuple[str, str], ...] | None
    limit: int
    explain: str
    opening: int | None

    @property
    def reads(self) -> bool:
        """Whether it is of a kind that only reads."""
        return not self.body and _READS.match(self.sql) is not None

    @property
    def streams(self) -> bool:
        """Whether its blocks may go out one by one and still be one document."""
        return (
            not self.whole
            and self.tables is None  # an analyst's answer is small
            and self.form.lower() in _STREAMED
            and _SELECT.match(self.sql) is not None
            and _MANY_ROWS.search(self.sql) is not None
            and _AFTER_ROWS.search(self.sql) is None
            and not any(_AFTER_ROWS.search(name) for name in self.settings)
        )


class Budget:
    """Bounds the bytes of all bodies that are here at once."""

    def __init__(self) -> None:
        self._used = 0

    @contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """What one request takes, by the function it is given; all of it goes back at the end."""
        taken = 0

        def take_more(size: int) -> None:
            nonlocal taken
            if self._used + size > _ALL_BODIES:
                raise EngineError(
                    f"Code: {_BUSY}. DB::Exception: bodies of {_ALL_BODIES} bytes are being "
                    "inserted already; send it again in a moment (TOO_MANY_SIMULTANEOUS_QUERIES)",
                    code=_BUSY,
                )
            taken += size
            self._used += size

        try:
            yield take_more
        finally:
            self._used -= taken


async def take(request: Request, key: str, share: Callable[[int], None]) -> Call:
    """Take a request apart.

    Args:
        request: of a client that may speak to us.
        key: the secret that opens writing.
        share: of the budget of bytes.

    Raises:
        EngineError: a wrong key, a body that cannot be read, or what is not offered here.
    """
    query, headers = dict(request.query_params), dict(request.headers)
    keyed = _keyed(query, headers, key)  # before the body: a wrong key must not cost memory
    for name in ("compress", "decompress"):
        if query.get(name, "0") not in {"0", "false", ""}:
            raise _bad(
                f"{name}=1 is ClickHouse's own framing, which is not offered here; compress with "
                "HTTP's gzip, zstd or lz4 (enable_http_compression=1)"
            )
    try:
        async with asyncio.timeout(_SLOWEST):
            encoding = headers.get("content-encoding", "identity").strip().lower()
            body = await _body(request, encoding, MAX_BODY if keyed else _GUEST_BODY, share)
    except TimeoutError as error:
        raise _bad(f"the body was not here after {_SLOWEST:.0f} s") from error
    words, kind = query, headers.get("content-type", "")
    if kind.startswith("multipart/"):
        words, body = {**query, **_form(body, kind)}, b""
    sql, body = _statement(words.get("query", ""), body)
    tables = _tables(headers.get("x-penstock-tables"))
    asked = query.get("default_format") or headers.get("x-clickhouse-format") or "TabSeparated"
    return Call(
        sql=sql,
        body=body,
        keyed=keyed and tables is None,  # an analyst has less than the key that sends it
        readonly=request.method != "POST" or query.get("readonly", "0") not in {"0", ""},
        params={k[6:]: v for k, v in words.items() if k.startswith("param_")},
        settings=_settings(query),
        database=query.get("database") or headers.get("x-clickhouse-database") or "",
        form=_format(sql, asked),
        asked=asked,
        rows=_whole(headers.get("x-penstock-rows")),
        whole=query.get("wait_end_of_query", "0") == "1",
        opening=_opening(sql, query.get("client_protocol_version", "")),
        tables=tables,
        limit=_whole(headers.get("x-penstock-limit")) or MAX_ROWS,
        explain=headers.get("x-penstock-explain", ""),
    )


def _statement(text: str, body: bytes) -> tuple[str, bytes]:
    """The statement and its rows: one begins in the URL or in the body, and may end in the body."""
    sql = begin(text)
    if not sql:
        sql, body = split_inline(body)
        return begin(sql), body
    if not _INSERT.match(sql):
        return f"{sql}\n{body.decode('utf-8', 'replace')}".rstrip(), b""
    return sql, body


def _settings(query: Mapping[str, str]) -> dict[str, str]:
    return {
        k: v
        for k, v in query.items()
        if k not in _RESERVED and not k.startswith("param_") and v != ""
    }


def _opening(sql: str, protocol: str) -> int | None:
    begins = protocol.isdecimal() and len(protocol) < _DIGITS and sql.strip() == hello.QUESTION
    return int(protocol) if begins else None


def _form(body: bytes, kind: str) -> dict[str, str]:
    """A form's fields: drivers send parameters in one where a URL would be too long."""
    head = f"Content-Type: {kind}\r\n\r\n".encode()
    parts = BytesParser(policy=policy.HTTP).parsebytes(head + body)
    fields: dict[str, str] = {}
    for part in parts.iter_parts() if parts.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        if part.get_filename() or not isinstance(name, str) or not _FIELD.match(name):
            raise _bad("external tables are not offered here: send the values as parameters")
        raw = part.get_payload(decode=True)
        fields[name] = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else ""
    return fields


def _keyed(query: Mapping[str, str], headers: Mapping[str, str], key: str) -> bool:
    given = query.get("password") or headers.get("x-clickhouse-key", "")
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            given = base64.b64decode(value).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            given = "?"
    if not given:
        return False
    if not hmac.compare_digest(given.encode(), key.encode()):
        raise EngineError(
            f"Code: {_DENIED}. DB::Exception: the key is not that of this engine; it is in "
            "engine.key of the data directory (AUTHENTICATION_FAILED)",
            code=_DENIED,
        )
    return True


def _format(sql: str, asked: str) -> str:
    """The format that the answer will have; empty where our reading of the SQL may be wrong."""
    if _INSERT.match(sql) or _NAMED.search(sql) is None:
        return asked
    found = list(lexer.code(sql))
    depths = lexer.depths(found)
    places = [i for i, t in enumerate(found) if t.upper == "FORMAT"]
    if not places:
        return asked  # in a comment or a string
    at = places[-1]
    rest = [t.text for t in found[at + 2 :]]
    if depths[at] or at + 1 >= len(found) or not found[at + 1].is_name or rest not in ([], [";"]):
        return ""
    return found[at + 1].value


def begin(sql: str) -> str:
    """A statement from its first word on: tools put a comment before it.

    Where the engine says that it stumbled at a place, the place counts from there.
    """
    match = _LEADING.match(sql)
    return sql[match.end() :] if match else sql


def _tables(text: str | None) -> tuple[tuple[str, str], ...] | None:
    """`db.table,db.table` as pairs; empty gives none, which is not the same as no header."""
    if text is None:
        return None
    pairs = [word.strip().partition(".")[::2] for word in text.split(",") if word.strip()]
    if not all(IDENTIFIER.fullmatch(name) for pair in pairs for name in pair):
        raise _bad("X-Penstock-Tables is a list of database.table with commas between")
    return tuple(pairs)


def _whole(text: str | None) -> int | None:
    if text is not None and (not text.isdecimal() or len(text) > _DIGITS):
        raise _bad(f"{text[:20]!r} is no number of rows")
    return None if text is None else int(text)


async def _body(request: Request, encoding: str, limit: int, share: Callable[[int], None]) -> bytes:
    if encoding not in {"", "identity", *ENCODINGS}:
        raise _bad(f"Content-Encoding {encoding} is not offered here: use {', '.join(ENCODINGS)}")
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > limit:
            raise _too_large(limit)
        share(len(piece))
        pieces.append(piece)
    body = b"".join(pieces)
    if not body or encoding not in ENCODINGS:
        return body
    try:
        body = await asyncio.to_thread(inflate, body, encoding, limit)
    except ValueError as error:
        raise _bad(str(error)) from error
    if len(body) > limit:
        raise _too_large(limit)
    share(len(body))
    return body


def _too_large(limit: int) -> EngineError:
    return _bad(f"the body is over {limit} bytes; send it in parts, and rows with the key")


def _bad(why: str) -> EngineError:
    return EngineError(f"Code: {_BAD}. DB::Exception: {why} (BAD_ARGUMENTS)", code=_BAD)
