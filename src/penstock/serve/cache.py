"""Finished answers, kept while the tables they were read from stand: in process, then in Redis.

Versions count from the start of a process, so the same numbers mean another state in another one.
What is kept outside the process therefore names the epoch that its versions count in. A process
begins an epoch of its own; only where the one before it ended in order, and nobody has touched the
data since, does it take that one's epoch and counts over, and finds its answers right.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import re
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from penstock.serve.redis_tier import LONGEST_S, Kept, place
from penstock.settings import duration

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from penstock.project.objects import Endpoint
    from penstock.serve.redis_tier import Place, RedisTier

# Functions whose value is another one each time, of the engine's own list.
_MOVING = re.compile(
    r"\b(?:now\w*|today|yesterday|(?:utc|current|local)_?(?:time|date)\w*|curdate|\w*rand\w*|"
    r"generate\w*id\w*|fuzzBits|uptime|dictionary|dict(?:Get|Has|Is)\w*)`?\s*\(|"
    r"\b(?:current_(?:timestamp|date)|localtimestamp)\b",
    re.IGNORECASE,
)
State = Literal["hit", "stale", "miss"]
"""Where an answer came from."""

_RENEWED = 0.5  # of the time that an answer may be stale: what is left is the query's
_ENTRIES, _BYTES = 1000, 64 * 1024 * 1024  # most answers held, most bytes in them


class Versions:
    """How often each table has changed, as this process saw it.

    Args:
        elsewhere: how often somebody else has written to any table.

    Attributes:
        epoch: names the count; versions of another epoch say nothing of this one's.
    """

    def __init__(self, elsewhere: Callable[[], int] = lambda: 0) -> None:
        self.elsewhere = elsewhere
        self.epoch = secrets.token_hex(8)
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

    def note(self, where: str) -> str:
        """What the next process needs to go on with this count, once nothing is written any more.

        Args:
            where: names the data: a copy of them goes ways of its own.
        """
        with self._lock:
            return json.dumps([where, self.epoch, self._counts, self.elsewhere()])

    def resume(self, noted: str, where: str) -> None:
        """Go on with the count of the process before, where the data are as that one left them.

        Args:
            noted: by its `note`; empty where it left none.
            where: names the data.
        """
        if not noted:
            return
        there, epoch, counts, elsewhere = json.loads(noted)
        if there == where and elsewhere == self.elsewhere():
            with self._lock:
                self.epoch, self._counts = epoch, counts


class Key(NamedTuple):
    """What tells answers apart.

    Attributes:
        domain: of the endpoint.
        name: of the endpoint.
        form: ClickHouse's name of the format.
        values: of the parameters, by their names.
        sql: the SELECT: no answer outlives a change of the file, not even one whose query had
            begun before.
    """

    domain: str
    name: str
    form: str
    values: tuple[tuple[str, str | None], ...] = ()
    sql: str = ""


class Terms(NamedTuple):
    """When an endpoint's answers may be given again.

    Attributes:
        tables: that it reads.
        longest: seconds that an answer is held at most.
        stale: seconds that an answer is given though a table has changed.
    """

    tables: tuple[str, ...]
    longest: float
    stale: float

    @classmethod
    def of(cls, endpoint: Endpoint) -> Terms:
        """As its header says."""
        bound = endpoint.header.text("cache")
        # A version does not count the clock, so that takes a bound in time.
        longest = duration(bound) if bound else 0.0 if is_moving(endpoint) else math.inf
        stale = duration(endpoint.header.text("max_stale") or "0s")
        return cls(tables_of(endpoint), longest, stale)


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
        tier: where answers are kept besides; None: in process alone.
    """

    def __init__(self, versions: Versions, tier: RedisTier | None = None) -> None:
        self.versions, self._tier = versions, tier
        self._entries: OrderedDict[Key, Answer] = OrderedDict()
        self._bytes = 0
        self._flights: dict[_Flight, asyncio.Task[tuple[Answer, State]]] = {}
        self._renewed: set[Key] = set()

    async def get(
        self,
        endpoint: Endpoint,
        key: Key,
        query: Callable[[], Awaitable[bytes]],
        *,
        stale: bool = True,
    ) -> tuple[Answer, State]:
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
        terms = Terms.of(endpoint)
        held = self.peek(terms, key)
        if held is not None and held[1] == "hit":
            return held
        if held is not None and stale:
            self.renew(endpoint, key, held[0], query)
            return held
        late = stale and self._tier is not None and terms.stale > 0
        one = _Flight(key, self.versions.of(terms.tables), late)
        return await asyncio.shield(self._flight(endpoint, one, query))

    def peek(self, terms: Terms, key: Key) -> tuple[Answer, State] | None:
        """What is held in process of a key and may be given; nothing is asked."""
        held = self._entries.get(key)
        state = self._judge(terms, held) if held is not None else ""
        if held is None or not state:
            return None
        self._entries.move_to_end(key)
        return held, state

    def renew(
        self, endpoint: Endpoint, key: Key, held: Answer, query: Callable[[], Awaitable[bytes]]
    ) -> None:
        """Have a stale answer made anew in the background, so that nobody waits for it.

        From half the time on that it may be stale; of a key one at a time.
        """
        terms = Terms.of(endpoint)
        if key in self._renewed or time.monotonic() - held.made < terms.stale * _RENEWED:
            return
        one = _Flight(key, self.versions.of(terms.tables), late=False)
        self._renewed.add(key)
        flight = self._flight(endpoint, one, query)
        flight.add_done_callback(lambda done: self._has_renewed(key, done))

    def _has_renewed(self, key: Key, done: asyncio.Task[tuple[Answer, State]]) -> None:
        self._renewed.discard(key)
        if not done.cancelled():
            done.exception()  # who asks when the answer may be stale no longer meets it

    def _flight(
        self, endpoint: Endpoint, one: _Flight, query: Callable[[], Awaitable[bytes]]
    ) -> asyncio.Task[tuple[Answer, State]]:
        """The one that is under way, else a new one."""
        # With the versions in the key, nobody joins a query that began before a change.
        found = self._flights.get(one) or self._flights.get(one._replace(late=False))
        if found is None:
            found = asyncio.create_task(self._fly(endpoint, one, query))
            self._flights[one] = found
            found.add_done_callback(lambda _: self._flights.pop(one, None))
        return found

    def _judge(self, terms: Terms, held: Answer) -> State | Literal[""]:
        """`hit` or `stale` where a held answer may still be given, else nothing."""
        age = time.monotonic() - held.made
        if age >= terms.longest:
            return ""
        if self.versions.of(terms.tables) == held.versions:
            return "hit"
        return "stale" if age < terms.stale else ""

    async def _fly(
        self, endpoint: Endpoint, one: _Flight, query: Callable[[], Awaitable[bytes]]
    ) -> tuple[Answer, State]:
        """From Redis where that has it, else by the query."""
        where = self._place(endpoint, one.key)
        answer, state = await self._found(endpoint, where)
        if answer is not None and (state == "hit" or (state == "stale" and one.late)):
            self._hold(one.key, answer)
            return answer, state
        began, at = time.monotonic(), time.time()
        body = await query()  # after the versions were read: a change meanwhile is not missed
        etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
        answer = Answer(body, etag, one.versions, began)
        if self._hold(one.key, answer) and where is not None and self._tier is not None:
            self._tier.put(where, Kept(self.versions.epoch, one.versions, at, etag, body))
        return answer, "miss"

    def _place(self, endpoint: Endpoint, key: Key) -> Place | None:
        """Where Redis has an answer; None where it must not, or there is no use in it."""
        bound = endpoint.header.text("cache")
        alone = endpoint.header.values.get("row_policy")  # what one may see is not another's
        if self._tier is None or alone or (not bound and is_moving(endpoint)):
            return None
        seconds = duration(bound) if bound else LONGEST_S
        first = endpoint.header.values.get("params")
        order = list(first) if isinstance(first, dict) else []
        values = dict(key.values)
        shown = [values[name] for name in sorted(values, key=_at(order))]
        names = repr(sorted(values))
        form = (endpoint.database, key.form, key.domain, names, key.sql)
        return place(key.name, shown, form, seconds)

    async def _found(
        self, endpoint: Endpoint, where: Place | None
    ) -> tuple[Answer | None, State | Literal[""]]:
        """What Redis has, and whether it may be given."""
        kept = await self._tier.get(where) if self._tier and where else None
        if kept is None or kept.epoch != self.versions.epoch:
            return None, ""
        age = time.time() - kept.made
        if not 0 <= age < LONGEST_S:  # a clock was set
            return None, ""
        answer = Answer(kept.body, kept.etag, kept.versions, time.monotonic() - age)
        return answer, self._judge(Terms.of(endpoint), answer)

    def _hold(self, key: Key, answer: Answer) -> bool:
        """Hold an answer in process, unless a newer one is held; gives whether it is the newest."""
        newer = self._entries.get(key)
        if newer is not None and newer.versions > answer.versions:
            return False  # a query that began later has ended sooner
        self._forget(key)
        if len(answer.body) <= _BYTES // 8:  # one large export must not drive out everything else
            self._entries[key] = answer
            self._bytes += len(answer.body)
        while len(self._entries) > _ENTRIES or self._bytes > _BYTES:
            self._forget(next(iter(self._entries)))
        return True

    def _forget(self, key: Key) -> None:
        held = self._entries.pop(key, None)
        self._bytes -= len(held.body) if held else 0


class _Flight(NamedTuple):
    """A query under way: for whom, begun at which versions, and whether a stale answer will do."""

    key: Key
    versions: tuple[int, ...]
    late: bool


def _at(order: list[str]) -> Callable[[str], int]:
    """Where a name stands in a list; behind all where it does not."""
    return lambda name: order.index(name) if name in order else len(order)


def tables_of(endpoint: Endpoint) -> tuple[str, ...]:
    """The tables an endpoint reads, as `database.table`."""
    return tuple(t if "." in t else f"{endpoint.database}.{t}" for t in endpoint.reads)


def is_moving(endpoint: Endpoint) -> bool:
    """Whether the answer depends on more than the tables it reads."""
    return _MOVING.search(endpoint.sql) is not None
