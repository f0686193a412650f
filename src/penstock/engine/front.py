"""The front: ClickHouse's HTTP protocol over the engine in this process.

Every other part of Penstock, and every ClickHouse tool, speaks to this as to a server.
"""

from __future__ import annotations

import asyncio
import re
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from penstock.engine import analysts, answers, calls, guard
from penstock.engine.blocks import Blocks
from penstock.engine.inserts import Insert, deduplication, stage_and_write
from penstock.engine.strangers import is_stranger
from penstock.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request

    from penstock.engine.calls import Call
    from penstock.engine.leases import Leases
    from penstock.engine.pool import Connection, Pool, Result
    from penstock.engine.writes import Writes

_INSERTS = re.compile(r"\bINSERT\b", re.IGNORECASE)
_NEEDS_SESSION = re.compile(r"(?:SET\s|USE\s|CREATE\s+TEMPORARY\s)", re.IGNORECASE)
_QUERY_ID = re.compile(r"[\w.:-]{1,200}", re.ASCII)
GUEST_LIMITS = {
    "max_execution_time": "10",
    "max_memory_usage": "150000000",  # all visitors together leave the lander its share
    "max_result_bytes": "100000000",
    "max_threads": "2",
}
_UNBOUNDED = {"max_result_bytes": "0"}  # a stream is bounded by what its client takes
T = TypeVar("T")
_HEAD = 1 << 20  # bytes of an answer that are held back until they are there
_AGAIN = 0.2  # seconds between attempts to end a statement whose client has left


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A statement on its way through a thread of the engine.

    Attributes:
        tag: by which the engine finds it, to end it.
        unwanted: set when nobody waits for it any more.
    """

    tag: str = field(default_factory=lambda: f"front-{uuid.uuid4()}")
    unwanted: threading.Event = field(default_factory=threading.Event)


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
            with self._budget.share() as share:
                call = await calls.take(request, self._key, share)
                if not call.sql.strip():
                    return await _ok(request)
                lease = request.headers.get("x-penstock-lease") if call.keyed else None
                if lease:
                    self._leases.check(lease)
                if call.streams and not call.body:
                    blocks = await self._stream(request, call)
                    return answers.streamed(request, call, blocks, query_id)
                try:
                    written, result = await self._whole(request, call)
                finally:  # an error may have written something, too
                    if call.keyed and not lease and not call.reads:
                        self._writes.note()
        except EngineError as error:
            return answers.failure(error, query_id)
        return answers.whole(request, call, written, result, query_id)

    def close(self) -> None:
        """Take nothing more, and end what runs: its clients are told to send it again."""
        self._closing = True
        for job in list(self._jobs):
            job.unwanted.set()
            self._pool.kill(job.tag)

    async def _whole(self, request: Request, call: Call) -> tuple[int, Result]:
        """Run a statement whose answer goes out in one piece."""
        job = Job()
        threads = self._threads if call.keyed else self._visits
        work = asyncio.get_running_loop().run_in_executor(threads, self._run, call, job)
        return await self._watched(request, work, job)

    async def _stream(self, request: Request, call: Call) -> AsyncIterator[bytes]:
        """Run a SELECT whose answer goes out block by block; returns once there is a first."""
        loop = asyncio.get_running_loop()
        job, blocks = Job(), Blocks(loop)
        threads = self._threads if call.keyed else self._visits
        work = loop.run_in_executor(threads, self._produce, call, job, blocks)
        head = await self._watched(request, asyncio.ensure_future(_head(blocks)), job)

        async def send() -> AsyncIterator[bytes]:
            block: bytes | None = head
            try:
                while block is not None:
                    yield block
                    block = await blocks.take()
            finally:
                blocks.leave()
                if not work.done():
                    ending = asyncio.create_task(self._end(work, job))
                    self._ending.add(ending)  # else nothing would hold it
                    ending.add_done_callback(self._ending.discard)

        return send()

    async def _watched(self, request: Request, work: asyncio.Future[T], job: Job) -> T:
        """Wait for work; end its statement where the client leaves before."""
        gone = asyncio.create_task(_gone(request))
        both: list[asyncio.Future[Any]] = [work, gone]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                await self._end(work, job)
            return work.result()
        finally:
            gone.cancel()

    async def _end(self, work: asyncio.Future[T], job: Job) -> None:
        """End a statement; again and again, as the engine may not have begun it yet."""
        job.unwanted.set()
        while not work.done():
            await asyncio.to_thread(self._pool.kill, job.tag)
            await asyncio.wait({work}, timeout=_AGAIN)

    def _run(self, call: Call, job: Job) -> tuple[int, Result]:
        with self._ready(call, job) as (connection, sql):
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

    def _produce(self, call: Call, job: Job, blocks: Blocks) -> None:
        try:
            with (
                self._ready(call, job) as (connection, sql),
                connection.settings(_UNBOUNDED if call.keyed else {}),
                closing(connection.stream(sql, call.asked, call.params)) as stream,
            ):
                for block in stream:
                    blocks.put(block)
        except EngineError as error:
            blocks.end(error)
        else:
            blocks.end()

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
            self._jobs.add(job)
            try:
                with connection.settings({"log_comment": job.tag, **settings}):
                    if job.unwanted.is_set() or self._closing:
                        raise _again()
                    yield connection, sql
            finally:
                self._jobs.discard(job)


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
    return dict(call.settings)


def _guest(connection: Connection, call: Call) -> dict[str, str]:
    if call.body:
        raise EngineError(
            "Code: 164. DB::Exception: writing needs the key, which is in engine.key of the data "
            "directory; send it as the password (READONLY)",
            code=164,
        )
    guard.check_guest(connection, call.sql, call.database)
    guard.check_guest_settings(call.settings)
    wanted = {k: v for k, v in call.settings.items() if k not in {"readonly", *GUEST_LIMITS}}
    return {**GUEST_LIMITS, **wanted}


def _analyst(connection: Connection, call: Call) -> tuple[str, dict[str, str]]:
    tables = call.tables or ()
    sql = analysts.check(connection, call.sql, tables, database=call.database, limit=call.limit)
    guard.check_guest_settings(call.settings)
    wanted = {k: v for k, v in call.settings.items() if k != "readonly"}
    return sql, {**wanted, **analysts.LIMITS}


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


async def _head(blocks: Blocks) -> bytes:
    """The first megabyte: what goes wrong within it is still an error's status."""
    pieces: list[bytes] = []
    size = 0
    while size < _HEAD and (block := await blocks.take()) is not None:
        pieces.append(block)
        size += len(block)
    return b"".join(pieces)


async def _gone(request: Request) -> None:
    """Return when the client has left; its body has been read by then."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _ok(_request: Request) -> Response:
    return PlainTextResponse("Ok.\n")
