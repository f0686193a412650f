"""Finished answers in Redis, behind those in process: they outlive a restart of the platform.

A key is an endpoint's name and the values of its parameters, `energy_summary:ann:last_hour`. It
holds a hash: a field for each form of the answer (database, format, SELECT), in it the answer with
the versions of the tables it was read from and the epoch that these count in. Whether it may still
be given is for the cache to judge; here it is only kept, for 300 s at most.

Redis may go away, be emptied and come back. Whoever asks meanwhile is answered without it: a look
waits for half a second at most, the first that fails ends all looks, and one PING a second finds
out when it is there again.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import quote

import msgspec
import structlog

from penstock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

LONGEST_S = 300
"""Seconds that an answer is kept at most."""

COUNTED = ("found", "missing", "written", "failed", "skipped")
"""What is counted: looks that found an answer, and none; writes; those that failed; not asked."""

OFF: dict[str, Any] = {"state": "off", "reason": "", "since_ms": 0, **dict.fromkeys(COUNTED, 0)}
"""The document where there is no Redis."""

# Together, or nothing stays for ever; a script ends where the first of them is refused, so that the
# key of somebody else is given no end.
_PUT = "redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) redis.call('EXPIRE', KEYS[1], ARGV[3])"
_NOT_ASKED = object()
_PATIENCE_S = 0.5  # for one look
_EVERY_S = 1.0  # between two PINGs
_BUSY = 64  # looks at once; who comes then does without
_LARGEST = 1024 * 1024  # bytes of an answer
_LONG = 200  # signs of a value that is written out in a key
_log = structlog.get_logger(__name__)

RedisState = Literal["off", "up", "down"]
"""Not set up; answers; does not, and is not asked."""


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """What a field holds.

    Attributes:
        epoch: that `versions` count in.
        versions: of the tables it was read from.
        made: when its query began, seconds since 1970.
        etag: of the body.
        body: of the answer.
    """

    epoch: str
    versions: tuple[int, ...]
    made: float
    etag: str
    body: bytes


class Place(NamedTuple):
    """Where an answer is kept, and for how many seconds."""

    key: str
    field: str
    seconds: int


def place(name: str, values: Sequence[str | None], form: Sequence[str], seconds: float) -> Place:
    """Where an answer is kept.

    Args:
        name: of the endpoint.
        values: of its parameters, in the order in which they are shown.
        form: what else tells answers apart.
        seconds: that it is kept.
    """
    key = ":".join([name, *map(_shown, values)])
    digest = hashlib.blake2b("\0".join(form[2:]).encode(), digest_size=8).hexdigest()
    return Place(key, ":".join([*form[:2], digest]), min(LONGEST_S, max(1, round(seconds))))


class RedisTier:
    """A Redis server that answers are kept in; used by one event loop.

    Args:
        url: `redis://[user:password@]host:6379/0`.

    Raises:
        UsageError: the driver is not here, or the address is none.
    """

    def __init__(self, url: str) -> None:
        try:
            from redis import asyncio as driver  # noqa: PLC0415 - only where one is named
            from redis.backoff import NoBackoff  # noqa: PLC0415
            from redis.exceptions import RedisError, ResponseError  # noqa: PLC0415
            from redis.retry import Retry  # noqa: PLC0415
        except ImportError as error:
            raise UsageError(
                "REDIS_URL is set and the driver redis is not here",
                next_step="pip install 'penstock[redis]', or unset REDIS_URL",
            ) from error
        self._errors, self._refusals = (RedisError, OSError), ResponseError
        try:
            self._client: Any = driver.Redis.from_url(
                url, socket_timeout=_PATIENCE_S, socket_connect_timeout=_PATIENCE_S,
                max_connections=2 * _BUSY, retry=Retry(NoBackoff(), 0),
            )  # fmt: skip
        except ValueError as error:
            raise UsageError(
                f"REDIS_URL: {error}", next_step="write redis://[user:password@]host:6379/0"
            ) from error
        self._decoder = msgspec.msgpack.Decoder(Kept)
        self._busy = 0
        self._waiting: dict[Place, Kept] = {}
        self._writes: set[asyncio.Task[None]] = set()
        self._watch: asyncio.Task[None] | None = None
        self.state: RedisState = "down"
        self._reason, self._since, self._refused = "it has not been asked yet", time.time(), ""
        self.counts = dict.fromkeys(COUNTED, 0)

    async def open(self) -> None:
        """Ask whether it is there, and go on asking until `close`."""
        await self._ping()
        self._watch = asyncio.create_task(self._watching())

    async def close(self) -> None:
        """Let go of it; what is being written is given the time for it."""
        if self._watch is not None:
            self._watch.cancel()
        await self.settle()
        await self._client.aclose()

    async def settle(self) -> None:
        """Wait for what is being written."""
        while self._writes:
            await asyncio.wait(list(self._writes))

    async def get(self, where: Place) -> Kept | None:
        """What is kept at a place; None where nothing is, or Redis is away."""
        found = await self._asked(self._client.hget, where.key, where.field)
        if found is _NOT_ASKED:
            return None
        try:
            kept = self._decoder.decode(found or b"")
        except msgspec.DecodeError:  # nothing, or somebody else's: it is written over
            self.counts["missing"] += 1
            return None
        self.counts["found"] += 1
        return kept

    def put(self, where: Place, kept: Kept) -> None:
        """Keep an answer, without waiting until it is kept."""
        if len(kept.body) > _LARGEST:
            return
        writes = self._waiting.get(where) is None
        self._waiting[where] = kept
        if writes:
            task = asyncio.create_task(self._write(where))
            self._writes.add(task)
            task.add_done_callback(self._writes.discard)

    def document(self) -> dict[str, Any]:
        """How it is, as a part of the status."""
        return {
            "state": self.state,
            "reason": self._reason or self._refused,
            "since_ms": int(self._since * 1000),
            **self.counts,
        }

    async def _write(self, where: Place) -> None:
        """Write what waits for a place, one after the other: the newest stays."""
        written: Kept | None = None
        try:
            while (kept := self._waiting[where]) is not written:
                await self._put(where, msgspec.msgpack.encode(kept))
                written = kept
        finally:
            del self._waiting[where]

    async def _put(self, where: Place, body: bytes) -> None:
        async def write() -> None:
            await self._client.eval(_PUT, 1, where.key, where.field, body, where.seconds)

        if await self._asked(write) is not _NOT_ASKED:
            self.counts["written"] += 1
            self._refused = ""

    async def _asked(self, ask: Callable[..., Awaitable[Any]], *words: str) -> Any:  # noqa: ANN401
        """What Redis answers; `_NOT_ASKED` where it is away or busy, or refuses."""
        if self.state != "up" or self._busy >= _BUSY:
            self.counts["skipped"] += 1
            return _NOT_ASKED
        self._busy += 1
        try:
            return await ask(*words)
        except self._refusals as error:  # it is there: full, read-only, a key of somebody else
            self._refused = f"it refuses: {error}"
        except self._errors as error:
            self._is("down", f"{type(error).__name__}: {error}")
        finally:
            self._busy -= 1
        self.counts["failed"] += 1
        return _NOT_ASKED

    async def _watching(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            await self._ping()

    async def _ping(self) -> None:
        try:
            await self._client.ping()
        except self._errors as error:
            self._is("down", f"{type(error).__name__}: {error}")
        else:
            self._is("up", "")

    def _is(self, state: RedisState, reason: str) -> None:
        if state != self.state:
            self._since = time.time()
            say = _log.info if state == "up" else _log.warning
            say(f"redis_{state}", reason=reason or "it answers")
        self.state, self._reason = state, reason


def _shown(value: str | None) -> str:
    """A value as a part of a key: what separates parts is written otherwise."""
    if value is None:
        return "%"  # which no text becomes
    text = quote(value, safe="@+,/=[]'\" ")
    if len(text) <= _LONG:
        return text
    return "%~" + hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
