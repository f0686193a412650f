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

_MOVING = re.compile(r"\b(?:now|now64|today|yesterday|rand\w*|dictGet\w*)\s*\(", re.IGNORECASE)
_ENTRIES = 1000


class Versions:
    """How often each table has changed, as this process saw it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}

    def bump(self, tables: tuple[str, ...]) -> None:
        """A batch has reached these tables."""
        with self._lock:
            for table in tables:
                self._counts[table] = self._counts.get(table, 0) + 1

    def of(self, tables: tuple[str, ...]) -> tuple[int, ...]:
        """The versions of tables, in their order."""
        with self._lock:
            return tuple(self._counts.get(table, 0) for table in tables)


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
        self._flights: dict[tuple[str, ...], asyncio.Task[Answer]] = {}

    async def get(
        self, endpoint: Endpoint, key: tuple[str, ...], query: Callable[[], Awaitable[bytes]]
    ) -> tuple[Answer, bool]:
        """The answer of a key, from memory where that is still right.

        Returns:
            The answer, and whether it came from memory.
        """
        tables = tables_of(endpoint)
        held = self._entries.get(key)
        if held is not None and self._holds(endpoint, held, tables):
            self._entries.move_to_end(key)
            return held, True
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(self._fill(key, tables, query))
            self._flights[key] = flight
            flight.add_done_callback(lambda _: self._flights.pop(key, None))
        return await asyncio.shield(flight), False

    def _holds(self, endpoint: Endpoint, held: Answer, tables: tuple[str, ...]) -> bool:
        age = time.monotonic() - held.made
        bound = endpoint.header.text("cache")
        if is_moving(endpoint):
            # The clock is one of its inputs: no version can say that it still holds.
            return bool(bound) and age < duration(bound)
        stale = duration(endpoint.header.text("max_stale") or "0s")
        if self.versions.of(tables) != held.versions:
            return age < stale
        return not bound or age < duration(bound)

    async def _fill(
        self, key: tuple[str, ...], tables: tuple[str, ...], query: Callable[[], Awaitable[bytes]]
    ) -> Answer:
        versions = self.versions.of(tables)  # before the query: a change meanwhile is not missed
        body = await query()
        etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
        answer = Answer(body, etag, versions, time.monotonic())
        self._entries[key] = answer
        while len(self._entries) > _ENTRIES:
            self._entries.popitem(last=False)
        return answer


def tables_of(endpoint: Endpoint) -> tuple[str, ...]:
    """The tables an endpoint reads, as `database.table`."""
    return tuple(t if "." in t else f"{endpoint.database}.{t}" for t in endpoint.reads)


def is_moving(endpoint: Endpoint) -> bool:
    """Whether the answer depends on more than the tables it reads."""
    return _MOVING.search(endpoint.sql) is not None
