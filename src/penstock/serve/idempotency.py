"""The keys of requests that are being worked on, and their way into the store and back.

Steps that wait go to the store together, in one transaction, as bodies go to the spool.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import structlog

from penstock.errors import BadInputError

if TYPE_CHECKING:
    from penstock.store.idempotency import IdempotencyKeys, Post

_LONGEST = 255
_PAUSE = 1.0  # seconds before answers that could not be written are written again
_log = structlog.get_logger(__name__)


class Idempotency:
    """Takes and settles keys; used from the event loop alone.

    Args:
        keys: the store's.
    """

    def __init__(self, keys: IdempotencyKeys) -> None:
        self._keys = keys
        # A thread of its own: while the store is away, bodies without a key must not wait for it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="idempotency")
        self._running: dict[str, int] = {}  # claim → when it was taken, epoch milliseconds
        self._taking: list[tuple[Post, asyncio.Future[Post]]] = []
        self._settling: list[tuple[Post, asyncio.Future[None]]] = []
        self._unsettled: list[Post] = []  # the store was away: they go with the next ones
        self._task: asyncio.Task[None] | None = None

    @property
    def since_ms(self) -> int:
        """Since when a key has been running, epoch milliseconds; now where none is.

        The store lacks the answers of these: their tags must stay in the spool.
        """
        return min(list(self._running.values()), default=_now())

    async def take(self, post: Post) -> Post:
        """Write a key down; see `IdempotencyKeys.write` for what comes back.

        Raises:
            StoreDownError, StoreError, DataDirError: it could not be written; nothing was taken.
        """
        self._running[post.claim] = _now()
        future: asyncio.Future[Post] = asyncio.get_running_loop().create_future()
        self._taking.append((post, future))
        self._start()
        mine = False
        try:
            found = await future
            mine = found.claim == post.claim
        finally:
            if not mine:
                self._running.pop(post.claim, None)
        return found

    async def settle(self, post: Post) -> None:
        """Write down what became of a key; where the store is away, as soon as it is back."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._settling.append((post, future))
        self._start()
        await future

    def close(self) -> None:
        """End the thread; what is not written is judged by the spool at the next start."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _start(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write())

    async def _write(self) -> None:
        """One transaction for everything that waits; then again while more has come."""
        loop = asyncio.get_running_loop()
        while self._taking or self._settling or self._unsettled:
            taking, self._taking = self._taking, []
            settling, self._settling = self._settling, []
            settled = [*self._unsettled, *(post for post, _ in settling)]
            step = loop.run_in_executor(
                self._thread,
                self._keys.write,
                [post for post, _ in taking],
                settled,
                self._running.keys() - {post.claim for post in settled},
            )
            await asyncio.wait([step])
            error = step.exception()
            self._unsettled = settled if error else []
            for post in () if error else settled:
                self._running.pop(post.claim, None)
            for number, (_, taker) in enumerate(taking):
                if taker.cancelled():
                    continue
                if error is None:
                    taker.set_result(step.result()[number])
                else:
                    taker.set_exception(error)
            for _, settler in settling:
                if not settler.cancelled():
                    settler.set_result(None)
            if error is not None and self._unsettled:
                _log.warning("answers_not_written", count=len(settled), reason=str(error))
                await asyncio.sleep(_PAUSE)


def _now() -> int:
    return time.time_ns() // 1_000_000


def key_of(text: str | None) -> str:
    """The key in the header `Idempotency-Key`, bare or in quotes; empty where there is no header.

    Raises:
        BadInputError: status 400.
    """
    if text is None:
        return ""
    key = text.strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    if not 0 < len(key) <= _LONGEST or not key.isascii() or not key.isprintable():
        raise BadInputError(
            400,
            "Bad Idempotency-Key",
            f"an Idempotency-Key has 1 to {_LONGEST} printable ASCII characters",
            next_step="make a new UUID for each body, and send it again with each retry",
        )
    return key
