"""The front: ClickHouse's HTTP protocol over the engine in this process.

Every other part of Penstock, and every ClickHouse tool, speaks to this as to a server.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from penstock.engine import analysts, answers, calls, guard, hello, progress
from penstock.engine.blocks import Blocks
from penstock.engine.inserts import Insert, deduplication, stage_and_write
from penstock.engine.jobs import Job
from penstock.engine.kills import Kill
from penstock.engine.pool import GUEST_LIMITS, Result
from penstock.engine.strangers import is_stranger
from penstock.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator

    from starlette.types import Receive, Scope, Send

    from penstock.engine.calls import Call
    from penstock.engine.leases import Leases
    from penstock.engine.pool import Connection, Pool
    from penstock.engine.writes import Writes

_INSERTS = re.compile(r"\bINSERT\b", re.IGNORECASE)
_NEEDS_SESSION = re.compile(r"(?:SET\s|USE\s|CREATE\s+TEMPORARY\s)", re.IGNORECASE)
_QUERY_ID = re.compile(r"[\w.:-]{1,200}", re.ASCII)
_UNBOUNDED = {"max_result_bytes": "0"}  # a stream is bounded by what its client takes
_HEAD = 1 << 20  # bytes of an answer that are held back until they are there
_SHORT = 0.02  # seconds in which a client's leaving goes unnoticed
_AGAIN = 0.2  # seconds between attempts to end a statement that may not have begun yet


class Front:
    """ASGI application over a pool.

    Args:
        pool: connections of this process.
        key: secret that opens writing.
        leases: highest lease epoch seen of every stream.
        writes: counts what others than the landers write.
    """

    def __init__(self, pool: Pool, key: str, leases: Leases, writes: Writes) -> None:
        self._pool = pool
        self._key = key
        self._leases = leases
        self._writes = writes
        self._threads = ThreadPoolExecutor(pool.size, thread_name_prefix="engine")
        # Their own, so that slow visitors never keep a batch from being landed.
        self._visits = ThreadPoolExecutor(pool.visitors, thread_name_prefix="visitor")
        self._budget = calls.Budget()
        self._jobs: set[Job] = set()
        self._closing = False
        self._ending: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; a router and its layers would take as long as all we do ourselves."""
        request = Request(scope, receive)
        if scope["path"] == "/" and scope["method"] in {"GET", "POST"}:
            response = await self.answer(request)
        elif scope["path"] == "/":
            response = PlainTextResponse("Method Not Allowed\n", 405, {"Allow": "GET, POST"})
        elif scope["path"] in {"/ping", "/replicas_status"}:
            response = _ok()
        else:
            response = PlainTextResponse("Not Found\n", 404)
        await response(scope, receive, send)

    async def answer(self, request: Request) -> Response:
        """Run the statement of a request and answer as a ClickHouse server would."""
        job: Job | None = None
        query_id = request.query_params.get("query_id", "")
        if _QUERY_ID.fullmatch(query_id) is None:  # it goes into a header of the answer
            query_id = str(uuid.uuid4())
        try:
            _refuse_strangers(request)
            with self._budget.share() as share:
                call = await calls.take(request, self._key, share)
                if not call.sql.strip():
                    return _ok()
                lease = request.headers.get("x-penstock-lease") if call.keyed else None
                if lease:
                    await asyncio.to_thread(self._leases.check, lease)  # it may write to the disk
                if (said := await self._at_once(call)) is not None:
                    return answers.whole(request, call, 0, said, query_id)
                job = Job(call, query_id)
                try:
                    outcome = await self._run(request, call, job)
                finally:  # an error may have written something, too
                    # What the platform lands it counts itself; a log may be landed by others.
                    if call.keyed and not call.reads and (not lease or "/" in lease):
                        self._writes.note()
        except EngineError as error:
            return answers.failure(error, query_id, killed=job is not None and job.killed)
        if isinstance(outcome, tuple):
            return answers.whole(request, call, *outcome, query_id)
        return answers.streamed(request, call, outcome, query_id)

    def close(self) -> None:
        """Take nothing more, and end what runs: its clients are told to send it again."""
        self._closing = True
        for job in list(self._jobs):
            job.end(self._pool)

    async def _at_once(self, call: Call) -> Result | None:
        """The answer of what no connection is needed for; None for all else."""
        if call.opening is not None:
            return Result(hello.answer(self._pool.version, call.opening))
        if (name := progress.asked_after(call)) is not None:
            running = next((job for job in self._jobs if job.query_id == name), None)
            return await asyncio.to_thread(progress.answer, self._pool, running, call.asked)
        if (kill := Kill.of(call)) is None:
            return None
        found = [job for job in self._jobs if job.query_id in kill.ids]
        if not call.keyed:
            if any(job.call.keyed for job in found):
                raise guard.refuse("only with the key is a query ended that was sent with it")
            if not found:
                return Result(b"")
        if not found:
            return None  # it may be an id of the engine's
        ending = [] if kill.mode == "TEST" else [self._kill(job) for job in found]
        if kill.mode == "SYNC":
            await asyncio.gather(*ending)
        return await asyncio.to_thread(kill.answer, self._pool, found, call.form or call.asked)

    async def _run(
        self, request: Request, call: Call, job: Job
    ) -> tuple[int, Result] | AsyncIterator[bytes]:
        """Run a statement: rows written and an answer in one piece, or a long one's blocks."""
        loop = asyncio.get_running_loop()
        blocks = Blocks(loop) if call.streams and not call.body else None
        threads = self._threads if call.keyed else self._visits
        work = loop.run_in_executor(threads, self._work, call, job, blocks)
        job.work = work
        self._jobs.add(job)
        work.add_done_callback(lambda _: self._jobs.discard(job))
        waiting: list[asyncio.Future[Any]] = [work] if blocks is None else [work, blocks.begun]
        await _first(waiting, request)
        if blocks is not None and blocks.begun.done():
            return self._rest(job, blocks)
        if not work.done():
            if blocks is not None:
                blocks.leave()
            await self._end(job)
        return work.result()

    async def _rest(self, job: Job, blocks: Blocks) -> AsyncIterator[bytes]:
        """An answer that has begun, block by block; its statement ends where the client leaves."""
        block: bytes | None = blocks.begun.result()
        try:
            while block is not None:
                yield block
                block = await blocks.take()
        finally:
            blocks.leave()
            if not blocks.over:
                self._later(self._end(job))

    def _kill(self, job: Job) -> asyncio.Task[None]:
        """End a statement on purpose: who waits for it is not told to send it again."""
        job.killed = True
        return self._later(self._end(job))

    def _later(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._ending.add(task)  # else nothing would hold it
        task.add_done_callback(self._ending.discard)
        return task

    async def _end(self, job: Job) -> None:
        """End a statement; again and again, as the engine may not have begun it yet."""
        while job.work is not None and not job.work.done():
            await asyncio.to_thread(job.end, self._pool)
            await asyncio.wait({job.work}, timeout=_AGAIN)

    def _work(self, call: Call, job: Job, blocks: Blocks | None) -> tuple[int, Result]:
        """What a thread does for a statement."""
        with self._ready(call, job) as (connection, sql):
            if blocks is not None:
                with closing(connection.stream(sql, call.asked, call.params)) as stream:
                    return 0, _begin(stream, blocks)
            if not call.keyed:
                result = connection.run(sql, call.asked, call.params)
                if call.tables is not None:
                    analysts.check_size(result.body)
                return 0, result
            if call.body:
                insert = Insert.parse(call.sql)
                return stage_and_write(connection, insert, call.body, expected=call.rows)
            if _INSERTS.search(call.sql) is None:
                return 0, connection.run(call.sql, call.asked, call.params)
            changes = deduplication(" ".join([call.sql[:10_000], *call.settings]))
            with connection.settings(changes):
                return 0, connection.run(call.sql, call.asked, call.params)

    @contextmanager
    def _ready(self, call: Call, job: Job) -> Iterator[tuple[Connection, str]]:
        """A connection that stands where the call wants it, and its statement as it may be run."""
        borrowed = self._pool.connection() if call.keyed else self._pool.visitor()
        with borrowed as connection:
            analyst, sql = call.tables is not None, call.sql
            connection.enter(analysts.EMPTY if analyst else call.database)
            if analyst:
                sql, settings = _analyst(connection, call)
            elif call.keyed:
                settings = _keyed_settings(connection, call)
            else:
                settings = _guest(connection, call)
            with connection.only(settings), job.on(connection):
                if job.unwanted or self._closing:
                    raise _again()
                yield connection, sql


def _keyed_settings(connection: Connection, call: Call) -> dict[str, str]:
    guard.check_keyed(connection, call.sql)
    if "allow_ddl" in call.settings:
        raise EngineError(
            "Code: 164. DB::Exception: allow_ddl could not be put back: leave it out (READONLY)",
            code=164,
        )
    if call.readonly:
        guard.check_guest(connection, call.sql, call.database)
    if _NEEDS_SESSION.match(call.sql):
        raise EngineError(
            "Code: 48. DB::Exception: there are no sessions: each statement stands alone. Send "
            "settings and the database with the request (NOT_IMPLEMENTED)",
            code=48,
        )
    return {**(_UNBOUNDED if call.streams else {}), **call.settings}


def _guest(connection: Connection, call: Call) -> dict[str, str]:
    if call.body:
        raise EngineError(
            "Code: 164. DB::Exception: writing needs the key, which is in engine.key of the data "
            "directory; send it as the password (READONLY)",
            code=164,
        )
    guard.check_guest(connection, call.sql, call.database)
    guard.check_guest_settings(call.settings)
    return {k: v for k, v in call.settings.items() if k not in {"readonly", *GUEST_LIMITS}}


def _analyst(connection: Connection, call: Call) -> tuple[str, dict[str, str]]:
    tables = call.tables or ()
    sql = analysts.check(connection, call.sql, tables, database=call.database, limit=call.limit)
    guard.check_guest_settings(call.settings)
    wanted = {k: v for k, v in call.settings.items() if k != "readonly"}
    return analysts.explained(sql, call.explain), {**wanted, **analysts.LIMITS}


def _refuse_strangers(request: Request) -> None:
    """A web page of another origin must not reach the engine, not even to read."""
    if is_stranger(request.headers):
        raise EngineError(
            "Code: 497. DB::Exception: this engine answers programs on this machine, not web pages "
            "of other origins (ACCESS_DENIED)",
            code=497,
        )


def _again() -> EngineError:
    return EngineError(
        f"Code: {answers.RETRY}. DB::Exception: the engine is being restarted, or the client has "
        "left; send it again (QUERY_WAS_CANCELLED)",
        code=answers.RETRY,
    )


def _begin(stream: Iterator[Result], blocks: Blocks) -> Result:
    """The whole answer where it is small; else it goes through the blocks, and nothing is left.

    What goes wrong within the first megabyte is raised here, and so is still an error's status.
    """
    pieces: list[Result] = []
    size = 0
    for piece in stream:
        pieces.append(piece)
        size += len(piece.body)
        if size >= _HEAD:
            break
    else:
        return Result.of(pieces)
    blocks.begin(b"".join(piece.body for piece in pieces))
    pieces.clear()
    try:
        for piece in stream:
            blocks.put(piece.body)
    except EngineError as error:
        blocks.end(error)
    else:
        blocks.end()
    return Result(b"")


async def _first(waiting: list[asyncio.Future[Any]], request: Request) -> None:
    """Wait for one of them, or until the client has left; most are done before we look for that."""
    done, _ = await asyncio.wait(waiting, timeout=_SHORT, return_when=asyncio.FIRST_COMPLETED)
    if done:
        return
    gone = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait([*waiting, gone], return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()


async def _gone(request: Request) -> None:
    """Return when the client has left; its body has been read by then."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _ok() -> Response:
    return PlainTextResponse("Ok.\n")
