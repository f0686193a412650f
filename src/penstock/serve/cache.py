"""Finished answers, kept while the tables they were read from stand."""

from __future__ import annotations

import asyncio
import hashlib
import re
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.settings import duration

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from penstock.project.objects import Endpoint

# Functions whose value is another one each time, of the engine's own list.
_MOVING = re.compile(
    r"\b(?:now\w*|today|yesterday|(?:utc|current)_?(?:time|date)\w*|curdate|rand\w*|generate\w*id\w*|"
    r"fuzzBits|uptime|dict(?:Get|Has|Is)\w*)\s*\(|\bcurrent_(?:timestamp|date)\b",
    re.IGNORECASE,
)
_ENTRIES, _BYTES = 1000, 64 * 1024 * 1024  # most answers held, most bytes in them


class Versions:
    """How often each table has changed, as this process saw it.

    Args:
        elsewhere: how often somebody else has written to any table.
    """

    def __init__(self, elsewhere: Callable[[], int] = lambda: 0) -> None:
        self.elsewhere = elsewhere
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}

    def bump(self, tables: tuple[str, ...]) -> None:
        """A batch has reached these tables."""
        with self._lock:
            for table in tables:
                self._counts[table] = self._counts.get(table, 0) + 1

    def of(self, tables: tuple[str, ...]) -> tuple[int, ...]:
        """The versions of tables, in their order, and that of all that others wrote."""
        with self._lock:
            return (*(self._counts.get(table, 0) for table in tables), self.elsewhere())


@dataclass(frozen=True, slots=True)
class Answer:
    """The bytes of an answer, and the tag that names them."""

    body: bytes
    etag: str
    versions: tuple[int, ...]
    made: float


class Cache:
    """Answers by endpoint, parameters and format; one query a key, however many wait.

    Args:
        versions: of tables.
    """

    def __init__(self, versions: Versions) -> None:
        self.versions = versions
        self._entries: OrderedDict[tuple[str, ...], Answer] = OrderedDict()
        self._bytes = 0
        self._flights: dict[tuple[tuple[str, ...], tuple[int, ...]], asyncio.Task[Answer]] = {}

    async def get(
        self,
        endpoint: Endpoint,
        key: tuple[str, ...],
        query: Callable[[], Awaitable[bytes]],
        *,
        stale: bool = True,
    ) -> tuple[Answer, str]:
        """The answer of a key, from memory where that is still right.

        Args:
            endpoint: whose header bounds how long an answer is held.
            key: what tells answers of this endpoint apart.
            query: makes the answer.
            stale: False where an answer from before the last change will not do.

        Returns:
            The answer, and where it came from: `hit`, `stale` (from memory, though a table has
            changed: the endpoint's `max_stale` allows it) or `miss`.
        """
        tables = tables_of(endpoint)
        held = self._entries.get(key)
        state = self._judge(endpoint, held, tables) if held is not None else ""
        if held is not None and (state == "hit" or (stale and state)):
            self._entries.move_to_end(key)
            return held, state
        # With the versions in the key, nobody joins a query that began before a change.
        versions = self.versions.of(tables)
        flight = self._flights.get((key, versions))
        if flight is None:
            flight = asyncio.create_task(self._fill(key, versions, query))
            self._flights[key, versions] = flight
            flight.add_done_callback(lambda _: self._flights.pop((key, versions), None))
        return await asyncio.shield(flight), "miss"

    def _judge(self, endpoint: Endpoint, held: Answer, tables: tuple[str, ...]) -> str:
        """`hit` or `stale` where a held answer may still be given, else nothing."""
        age = time.monotonic() - held.made
        bound = endpoint.header.text("cache")
        if age >= duration(bound) if bound else is_moving(endpoint):
            return ""  # a version does not count the clock, so that takes a bound in time
        if self.versions.of(tables) == held.versions:
            return "hit"
        return "stale" if age < duration(endpoint.header.text("max_stale") or "0s") else ""

    async def _fill(
        self, key: tuple[str, ...], versions: tuple[int, ...], query: Callable[[], Awaitable[bytes]]
    ) -> Answer:
        began = time.monotonic()
        body = await query()  # after the versions were read: a change meanwhile is not missed
        etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
        answer = Answer(body, etag, versions, began)
        newer = self._entries.get(key)
        if newer is not None and newer.versions > versions:
            return answer  # a query that began later has ended sooner
        self._forget(key)
        if len(body) <= _BYTES // 8:  # one large export must not drive out everything else
            self._entries[key] = answer
            self._bytes += len(body)
        while len(self._entries) > _ENTRIES or self._bytes > _BYTES:
            self._forget(next(iter(self._entries)))
        return answer

    def _forget(self, key: tuple[str, ...]) -> None:
        held = self._entries.pop(key, None)
        self._bytes -= len(held.body) if held else 0


def tables_of(endpoint: Endpoint) -> tuple[str, ...]:
    """The tables an endpoint reads, as `database.table`."""
    return tuple(t if "." in t else f"{endpoint.database}.{t}" for t in endpoint.reads)


def is_moving(endpoint: Endpoint) -> bool:
    """Whether the answer depends on more than the tables it reads."""
    return _MOVING.search(endpoint.sql) is not None
