"""Statements on their way through the engine, and how each of them is ended."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from penstock.engine.calls import Call
    from penstock.engine.pool import Connection, Pool


@dataclass(slots=True, eq=False)
class Job:
    """A statement, from when it is taken until its connection is free again.

    Attributes:
        call: the request it came with.
        query_id: the client's name for it.
        unwanted: nobody waits for it any more, or somebody wants it ended.
        killed: it was ended by KILL QUERY, so nobody should send it again.
        work: done when its thread is.
    """

    call: Call
    query_id: str
    unwanted: bool = False
    killed: bool = False
    work: asyncio.Future[Any] | None = None
    _connection: Connection | None = None
    _held: threading.Lock = field(default_factory=threading.Lock)

    @property
    def tag(self) -> str:
        """That of the connection it runs on; empty while it waits for one."""
        with self._held:
            return self._connection.tag if self._connection is not None else ""

    @contextmanager
    def on(self, connection: Connection) -> Iterator[None]:
        """Say on which connection it runs inside the block."""
        with self._held:
            self._connection = connection
        try:
            yield
        finally:
            with self._held:  # whoever is ending it has done so before the next statement runs here
                self._connection = None

    def end(self, pool: Pool) -> None:
        """End what runs of it in the engine, if it runs; it raises code 394 where it does."""
        self.unwanted = True
        with self._held:
            if self._connection is not None:
                pool.kill(self._connection.tag)
