"""The front: ClickHouse's HTTP protocol over the engine in this process.

Every other part of Penstock, and every ClickHouse tool, speaks to this as to a server.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from penstock.engine import guard
from penstock.engine.inserts import Insert, deduplication, split_inline, stage_and_write
from penstock.engine.strangers import is_stranger
from penstock.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from penstock.engine.leases import Leases
    from penstock.engine.pool import Connection, Pool, Result

# Parameters of a URL that are not settings.
_RESERVED = {
    "query", "database", "default_format", "query_id", "user", "password", "compress", "decompress",
    "session_id", "session_timeout", "session_check", "wait_end_of_query", "buffer_size",
    "client_protocol_version", "quota_key", "role", "enable_http_compression",
    "send_progress_in_http_headers", "http_headers_progress_interval_ms", "close_session",
    "cancel_http_readonly_queries_on_client_close",
}  # fmt: skip
_LEADING = re.compile(r"(?:\s+|--[^\n]*\n|#[ !][^\n]*\n|/\*.*?\*/)+", re.DOTALL)
_INSERT = re.compile(r"INSERT\s", re.IGNORECASE)
_INSERTS = re.compile(r"\bINSERT\b", re.IGNORECASE)
_NEEDS_SESSION = re.compile(r"(?:SET\s|USE\s|CREATE\s+TEMPORARY\s)", re.IGNORECASE)
_FORMAT = re.compile(r"\sFORMAT\s+([A-Za-z0-9]+)\s*;?\s*\Z", re.IGNORECASE)
_STATUS = {60: 404, 81: 404, 47: 404, 62: 400, 27: 400, 117: 400, 36: 400, 73: 400, 497: 403,
           516: 403, 164: 403, 159: 408, 241: 503, 394: 499}  # fmt: skip
MAX_BODY = 256 * 1024 * 1024
MAX_ANSWER = 256 * 1024 * 1024
GUEST_LIMITS = {
    "max_execution_time": "10",
    "max_memory_usage": "400000000",
    "max_result_bytes": "100000000",
    "max_threads": "2",
}
_QUERY_ID = re.compile(r"[\w.:-]{1,200}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Call:
    """One request, taken apart.

    Attributes:
        sql: the statement.
        body: rows that come with it; empty where there are none.
        keyed: it carries the key.
        readonly: it came by GET.
        params: values of `{name:Type}`.
        settings: settings for this statement.
        database: where unqualified names are looked up.
        form: format of the answer unless the statement names one.
        rows: rows announced in `X-Penstock-Rows`, if any.
    """

    sql: str
    body: bytes
    keyed: bool
    readonly: bool
    params: Mapping[str, str]
    settings: Mapping[str, str]
    database: str
    form: str
    rows: int | None


class Front:
    """ASGI application over a pool.

    Args:
        pool: connections of this process.
        key: secret that opens writing.
        leases: highest lease epoch seen of every stream.
    """

    def __init__(self, pool: Pool, key: str, leases: Leases) -> None:
        self._pool = pool
        self._key = key
        self._leases = leases
        self._threads = ThreadPoolExecutor(pool.size, thread_name_prefix="engine")
        # Their own, so that slow visitors never keep a batch from being landed.
        self._visits = ThreadPoolExecutor(pool.visitors, thread_name_prefix="visitor")
        self.app = Starlette(
            routes=[
                Route("/ping", _ok),
                Route("/replicas_status", _ok),
                Route("/", self.answer, methods=["GET", "POST"]),
            ]
        )

    async def answer(self, request: Request) -> Response:
        """Run the statement of a request and answer as a ClickHouse server would."""
        query_id = request.query_params.get("query_id", "")
        if _QUERY_ID.fullmatch(query_id) is None:  # it goes into a header of the answer
            query_id = str(uuid.uuid4())
        try:
            _refuse_strangers(request)
            call = await self._take(request)
            if not call.sql.strip():
                return await _ok(request)
            if call.keyed and (lease := request.headers.get("x-penstock-lease")):
                self._leases.check(lease)
            loop = asyncio.get_running_loop()
            if call.keyed:
                answer = loop.run_in_executor(self._threads, self._run, call)
            else:
                answer = loop.run_in_executor(self._visits, self._run_guest, call)
            written, result = await answer
        except EngineError as error:
            return _failure(error, query_id)
        return _success(call, written, result, query_id)

    async def _take(self, request: Request) -> Call:
        query = request.query_params
        keyed = self._keyed(request)  # before the body: a wrong key must not cost memory
        if request.headers.get("content-encoding", "identity") != "identity":
            raise EngineError(
                "Code: 36. DB::Exception: send the body uncompressed (BAD_ARGUMENTS)", code=36
            )
        body = await _body(request)
        sql = _begin(query.get("query", ""))
        if not sql:
            sql, body = split_inline(body)
            sql = _begin(sql)
        elif not _INSERT.match(sql):
            sql, body = f"{sql}\n{body.decode('utf-8', 'replace')}", b""
        rows = request.headers.get("x-penstock-rows")
        return Call(
            sql=sql,
            body=body,
            keyed=keyed,
            readonly=request.method != "POST",
            params={k[6:]: v for k, v in query.items() if k.startswith("param_")},
            settings={
                k: v
                for k, v in query.items()
                if k not in _RESERVED and not k.startswith("param_") and v != ""
            },
            database=query.get("database") or request.headers.get("x-clickhouse-database") or "",
            form=query.get("default_format")
            or request.headers.get("x-clickhouse-format")
            or "TabSeparated",
            rows=_whole(rows),
        )

    def _keyed(self, request: Request) -> bool:
        given = request.query_params.get("password") or request.headers.get("x-clickhouse-key", "")
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                given = base64.b64decode(value).decode().partition(":")[2]
            except (binascii.Error, UnicodeDecodeError):
                given = "?"
        if not given:
            return False
        if not hmac.compare_digest(given.encode(), self._key.encode()):
            raise EngineError(
                "Code: 516. DB::Exception: the key is not that of this engine; it is in engine.key "
                "of the data directory (AUTHENTICATION_FAILED)",
                code=516,
            )
        return True

    def _run(self, call: Call) -> tuple[int, Result]:
        with self._pool.connection() as connection:
            connection.enter(call.database or "default")
            return _run_keyed(connection, call)

    def _run_guest(self, call: Call) -> tuple[int, Result]:
        with self._pool.visitor() as connection:
            connection.enter(call.database or "default")
            return 0, _run_guest(connection, call)


def _run_guest(connection: Connection, call: Call) -> Result:
    if call.body:
        raise EngineError(
            "Code: 164. DB::Exception: writing needs the key, which is in engine.key of the data "
            "directory; send it as the password (READONLY)",
            code=164,
        )
    guard.check_guest(connection, call.sql, call.database)
    guard.check_guest_settings(call.settings)
    wanted = {k: v for k, v in call.settings.items() if k not in {"readonly", *GUEST_LIMITS}}
    with connection.settings({**GUEST_LIMITS, **wanted}):
        return connection.run(call.sql, call.form, call.params)


def _run_keyed(connection: Connection, call: Call) -> tuple[int, Result]:
    guard.check_keyed(connection, call.sql)
    if call.readonly:
        guard.check_guest(connection, call.sql, call.database)
    if _NEEDS_SESSION.match(call.sql):
        raise EngineError(
            "Code: 48. DB::Exception: there are no sessions: each statement stands alone. Send "
            "settings and the database with the request (NOT_IMPLEMENTED)",
            code=48,
        )
    with connection.settings(call.settings):
        if call.body:
            insert = Insert.parse(call.sql)
            return stage_and_write(connection, insert, call.body, expected=call.rows)
        if _INSERTS.search(call.sql) is None:
            return 0, connection.run(call.sql, call.form, call.params)
        changes = deduplication(" ".join([call.sql[:10_000], *call.settings]))
        with connection.settings(changes):
            return 0, connection.run(call.sql, call.form, call.params)


def _refuse_strangers(request: Request) -> None:
    """A web page of another origin must not reach the engine, not even to read."""
    if is_stranger(request.headers):
        raise EngineError(
            "Code: 497. DB::Exception: this engine answers programs on this machine, not web pages "
            "of other origins (ACCESS_DENIED)",
            code=497,
        )


def _begin(sql: str) -> str:
    """A statement from its first word on: tools put a comment before it."""
    match = _LEADING.match(sql)
    return sql[match.end() :] if match else sql


def _whole(text: str | None) -> int | None:
    if text is not None and not text.isdecimal():
        raise EngineError(
            f"Code: 36. DB::Exception: X-Penstock-Rows is {text!r}, no number (BAD_ARGUMENTS)",
            code=36,
        )
    return None if text is None else int(text)


async def _body(request: Request) -> bytes:
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > MAX_BODY:
            raise EngineError(
                f"Code: 36. DB::Exception: the body is over {MAX_BODY} bytes; send it in parts",
                code=36,
            )
        pieces.append(piece)
    return b"".join(pieces)


async def _ok(_request: Request) -> Response:
    return PlainTextResponse("Ok.\n")


def _success(call: Call, written: int, result: Result, query_id: str) -> Response:
    if len(result.body) > MAX_ANSWER:
        return _failure(
            EngineError(
                f"Code: 396. DB::Exception: the answer is over {MAX_ANSWER} bytes; ask for less",
                code=396,
            ),
            query_id,
        )
    named = _FORMAT.search(call.sql) if not _INSERT.match(call.sql) else None
    summary = {
        "read_rows": str(result.rows_read),
        "read_bytes": str(result.bytes_read),
        "written_rows": str(written),
        "elapsed_ns": str(int(result.seconds * 1e9)),
    }
    headers = {
        "X-ClickHouse-Query-Id": query_id,
        "X-ClickHouse-Format": named[1] if named else call.form,
        "X-ClickHouse-Timezone": "UTC",
        "X-ClickHouse-Server-Display-Name": "penstock",
        "X-ClickHouse-Summary": msgspec.json.encode(summary).decode(),
    }
    return Response(result.body, headers=headers, media_type="application/octet-stream")


def _failure(error: EngineError, query_id: str) -> Response:
    headers = {"X-ClickHouse-Exception-Code": str(error.code), "X-ClickHouse-Query-Id": query_id}
    status = _STATUS.get(error.code, 500)
    return PlainTextResponse(f"{error.what}\n", status_code=status, headers=headers)
