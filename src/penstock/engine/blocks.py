"""Blocks of an answer on their way from the engine's thread to a client that may be slow."""

from __future__ import annotations

import asyncio
import threading

from penstock.errors import EngineError

_AHEAD = 4  # blocks that may wait for the client
_STALL = 30.0  # seconds a client may take for one block; then others need the connection
_TIMEOUT = 209  # ClickHouse's SOCKET_TIMEOUT


class Blocks:
    """A bounded queue between one thread that puts and one task that takes.

    Args:
        loop: of the task.

    Attributes:
        begun: the beginning of an answer that is too large to wait for its end.
        over: the last one has been taken.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.begun: asyncio.Future[bytes] = loop.create_future()
        self._queue: asyncio.Queue[bytes | EngineError | None] = asyncio.Queue()
        self._room = threading.Semaphore(_AHEAD)
        self._left = self.over = False

    def begin(self, head: bytes) -> None:
        """Hand the beginning over; blocks follow."""
        self._loop.call_soon_threadsafe(self.begun.set_result, head)

    def put(self, block: bytes) -> None:
        """Hand a block over; waits while the client is behind.

        Raises:
            EngineError: the client has left, or takes nothing any more.
        """
        if not self._room.acquire(timeout=_STALL) or self._left:
            raise EngineError(
                f"Code: {_TIMEOUT}. DB::Exception: the client took nothing for {_STALL:.0f} s "
                "(SOCKET_TIMEOUT)",
                code=_TIMEOUT,
            )
        self._send(block)

    def end(self, error: EngineError | None = None) -> None:
        """There are no more blocks, because of an error where one is given."""
        self._send(error)

    def leave(self) -> None:
        """The client has left: a thread that waits for room stops waiting."""
        self._left = True
        self._room.release()

    async def take(self) -> bytes | None:
        """The next block; None at the end, however often it is asked for.

        Raises:
            EngineError: that of the engine.
        """
        if self.over:
            return None
        item = await self._queue.get()
        self.over = not isinstance(item, bytes)
        if isinstance(item, EngineError):
            raise item
        if item is not None:
            self._room.release()
        return item

    def _send(self, item: bytes | EngineError | None) -> None:
        self._loop.call_soon_threadsafe(self._queue.put_nowait, item)
