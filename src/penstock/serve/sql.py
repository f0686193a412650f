"""`/v1/sql`: a SELECT that somebody typed, through the guard's second tier, as bytes.

It reads silver and gold and nothing else, within the tier's limits; so it takes no key. Whoever
sends it may give it a name, ask by it how far it is, and end it.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from starlette.responses import JSONResponse, Response

from penstock.engine.analysts import MAX_LENGTH, MAX_ROWS
from penstock.engine.guard import GUEST_SETTINGS
from penstock.engine.questions import EXPLANATIONS, Question
from penstock.errors import BadInputError, EngineDownError, EngineError
from penstock.serve.mistakes import refusal
from penstock.serve.schema import open_tables

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future

    from starlette.requests import Request

    from penstock.engine.client import Client
    from penstock.engine.questions import Explanation
    from penstock.project.objects import Project

# Suffix → ClickHouse format and media type. A format not here would be read by nobody we know.
FORMATS: Final = {
    "json": ("JSON", "application/json"),
    "compact": ("JSONCompact", "application/json"),
    "columns": ("JSONColumns", "application/json"),
    "ndjson": ("JSONEachRow", "application/x-ndjson"),
    "csv": ("CSVWithNames", "text/csv; charset=utf-8"),
    "tsv": ("TabSeparatedWithNames", "text/tab-separated-values; charset=utf-8"),
    "parquet": ("Parquet", "application/vnd.apache.parquet"),
    "arrow": ("Arrow", "application/vnd.apache.arrow.file"),
    "orc": ("ORC", "application/vnd.apache.orc"),
    "avro": ("Avro", "application/vnd.apache.avro"),
    "native": ("Native", "application/octet-stream"),
    "msgpack": ("MsgPack", "application/vnd.msgpack"),
    "xml": ("XML", "application/xml"),
    "md": ("Markdown", "text/markdown; charset=utf-8"),
    "sql": ("SQLInsert", "application/sql"),
}
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_MOST_BYTES: Final = 4 * MAX_LENGTH  # of a body
_AT_ONCE: Final = 2  # the engine has three connections for visitors: one is left to them
_WAITING: Final = 8
_AGAIN: Final = 0.2  # seconds between attempts to end what may not have begun yet
_CANCELLED: Final = 394


@dataclass(slots=True, eq=False)
class Run:
    """A statement on its way.

    Attributes:
        question: what is asked.
        since: when it was taken, by the monotonic clock, in seconds.
        thread: of the engine's answer; while it waits for its turn it can be taken back.
        work: the same for the event loop.
    """

    question: Question
    since: float = field(default_factory=time.monotonic)
    thread: Future[bytes] | None = None
    work: asyncio.Future[bytes] | None = None


class Sql:
    """Statements of people, and how each of them goes.

    Args:
        project: whose silver and gold may be read.
        client: to the engine.
    """

    def __init__(self, project: Project, client: Client) -> None:
        self._project, self._client = project, client
        self._runs: dict[str, Run] = {}
        # Their own, so that a page of slow statements holds up nobody else's answer.
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="sql")

    def adopt(self, project: Project) -> None:
        """Open the relations of another version of the project."""
        self._project = project

    async def ask(self, request: Request) -> Response:
        """`POST /v1/sql`: the statement is the body; the answer is the engine's, unparsed."""
        form, question, name = await self._question(request)
        run = self._taken(name, question)
        try:
            body = await self._answered(request, run)
        except EngineDownError:
            raise
        except EngineError as error:
            return refusal(error, question.sql)
        finally:
            self._runs.pop(name, None)
        headers = {"X-Penstock-Query-Id": name, "Cache-Control": "no-store",
                   "X-Content-Type-Options": "nosniff"}  # fmt: skip
        return Response(body, headers=headers, media_type=FORMATS[form][1])

    def _taken(self, name: str, question: Question) -> Run:
        """Note that a statement is on its way; nothing may come between the checks and that.

        Raises:
            BadInputError: 409 where one of that name is, 429 where there are too many.
        """
        if name in self._runs:
            raise _bad(409, "Already running", f"{name} runs", "use another id")
        if len(self._runs) >= _AT_ONCE + _WAITING:
            raise _bad(429, "Busy", "ten statements run or wait", "try again shortly")
        run = self._runs[name] = Run(question)
        return run

    async def progress(self, request: Request) -> Response:
        """`GET /v1/sql/{id}`: how far a statement is; who asks may be later than its answer."""
        run = self._runs.get(request.path_params["id"])
        found = None
        if run is not None:
            found = await asyncio.to_thread(self._client.progress, run.question.query_id)
        state = "running" if found else "waiting" if run is not None else "ended"
        document: dict[str, Any] = {
            "state": state,
            "elapsed_ms": round(1000 * (time.monotonic() - run.since)) if run else 0,
            **{
                key: int((found or {}).get(key, 0))
                for key in ("read_rows", "read_bytes", "total_rows", "memory")
            },
        }
        return JSONResponse(document, headers={"Cache-Control": "no-store"})

    async def cancel(self, request: Request) -> Response:
        """`DELETE /v1/sql/{id}`: answers when none of that name runs any more."""
        if (run := self._runs.get(request.path_params["id"])) is not None:
            await self._end(run)
        return Response(status_code=204)

    def close(self) -> None:
        """Begin nothing more; what runs ends with the engine."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _answered(self, request: Request, run: Run) -> bytes:
        """The answer's bytes; the statement ends where the client leaves."""
        run.thread = self._threads.submit(self._client.analyse, run.question)
        run.work = asyncio.wrap_future(run.thread)
        gone = asyncio.create_task(_gone(request))
        try:
            waiting: list[asyncio.Future[Any]] = [run.work, gone]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if not run.work.done():
                await self._end(run)
                await asyncio.wait({run.work})  # what never began is told so a moment later
            if run.work.cancelled():
                raise EngineError("it was cancelled before it began", code=_CANCELLED)
            return run.work.result()
        finally:
            gone.cancel()

    async def _end(self, run: Run) -> None:
        """End a statement; again and again, as the engine may not have it yet."""
        if run.thread is not None and run.thread.cancel():
            return
        while run.work is not None and not run.work.done():
            await asyncio.to_thread(self._client.end, run.question.query_id)
            await asyncio.wait({run.work}, timeout=_AGAIN)

    async def _question(self, request: Request) -> tuple[str, Question, str]:
        """A request's format, what it asks, and its name.

        Raises:
            BadInputError: it cannot be taken as it is.
        """
        given = dict(request.query_params)
        name = given.pop("id", "") or uuid.uuid4().hex
        form = given.pop("format", "json")
        explain = given.pop("explain", "")
        database = given.pop("database", "")
        limit = given.pop("limit", str(MAX_ROWS))
        params = {k[6:]: given.pop(k) for k in list(given) if k.startswith("param_")}
        _check(given, {"id": name, "format": form, "explain": explain, "limit": limit})
        question = Question(
            await _statement(request),
            open_tables(self._project),
            FORMATS[form][0],
            database,
            params,
            int(limit),
            given,
            cast("Explanation", explain),
            f"sql-{name}",
        )
        return form, question, name


async def _statement(request: Request) -> str:
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > _MOST_BYTES:
            raise _bad(413, "Too long", f"a statement has at most {MAX_LENGTH:,} characters",
                       "make it shorter")  # fmt: skip
        pieces.append(piece)
    try:
        sql = b"".join(pieces).decode()
    except UnicodeDecodeError as error:
        raise _bad(400, "Bad text", f"the body is no UTF-8: {error}", "send it as UTF-8") from error
    if not sql.strip(" \t\r\n;"):
        raise _bad(400, "No statement", "the body is empty", "send one SELECT as the body")
    return sql


def _check(settings: Mapping[str, str], words: Mapping[str, str]) -> None:
    known = "id, format, database, limit, explain, param_…, output_format_…"
    for setting in settings:
        if not setting.startswith("output_format_") or GUEST_SETTINGS.fullmatch(setting) is None:
            raise _bad(400, "Unknown parameter", f"there is no parameter {setting[:60]!r}",
                       f"known: {known}")  # fmt: skip
    if words["format"] not in FORMATS:
        raise _bad(400, "Unknown format", f"there is no format {words['format'][:20]!r}",
                   f"known: {', '.join(FORMATS)}")  # fmt: skip
    if words["explain"] and words["explain"] not in EXPLANATIONS:
        raise _bad(400, "Bad parameter", f"explain is {words['explain'][:20]!r}",
                   f"one of: {', '.join(EXPLANATIONS)}")  # fmt: skip
    number = words["limit"]
    if (
        not number.isdecimal()
        or len(number) > len(str(MAX_ROWS))
        or not (1 <= int(number) <= MAX_ROWS)
    ):
        raise _bad(400, "Bad parameter", f"limit is {number[:20]!r}",
                   f"a whole number from 1 to {MAX_ROWS:,}")  # fmt: skip
    if _ID.fullmatch(words["id"]) is None:
        raise _bad(400, "Bad parameter", "that is no id", "letters, digits, - and _, at most 64")


def _bad(status: int, title: str, what: str, next_step: str) -> BadInputError:
    return BadInputError(status, title, what, next_step=next_step)


async def _gone(request: Request) -> None:
    """Return when the client has left; its body has been read by then."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
