"""Sends a generator's rows to an HTTP source, as a fleet of devices would, and keeps the account.

What a sender may conclude from an answer:

- 2xx: the rows are safe. They are acknowledged.
- 429: nothing was stored. The same body is sent again after `Retry-After`.
- 5xx, a broken connection, no answer in time: the rows may be stored or not. They stay
  unacknowledged and are never sent again (there is no key by which the receiver could tell a
  repetition from two equal readings); after a pause the sender goes on with new rows.
- any other answer: the request itself is wrong. The sender stops and says so.
"""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import httpx2

from penstock.errors import BadInputError, EngineDownError
from penstock.simulate.truth import write_document

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from penstock.simulate.stream import Batch, Stream
    from penstock.simulate.truth import BatchLog, Truth

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_BACKOFF_S = (0.25, 5.0)
_ACCOUNT_S = 1.0  # how often the truth file is written
_TOO_MANY, _SERVER_ERROR, _OK = 429, 500, range(200, 300)


@dataclass(frozen=True, slots=True)
class Pace:
    """How to send.

    Attributes:
        for_s: end after this many seconds; None to send all there is.
        body_rows: readings a body at most.
        body_s: of a paced stream, seconds of readings to gather in a body.
        connections: bodies on their way at the same time.
        skip_after_s: a paced stream that lags this far behind leaves out what is overdue.
        most_rows_s: of a stream that is not paced, readings a second at most; None for no bound.
        grace_s: after the end, how long a 429 is still answered by another try.
        give_up_s: end with an error when nobody has ever answered for this long.
    """

    for_s: float | None = None
    body_rows: int = 10_000
    body_s: float = 0.1
    connections: int = 4
    skip_after_s: float = 5.0
    most_rows_s: float | None = None
    grace_s: float = 10.0
    give_up_s: float = 15.0


class HttpSender:
    """Posts the rows of one generator to one address.

    Args:
        url: the source's address.
        stream: the rows; a paced stream starts to fall due when `run` is called.
        truth: the account to keep.
        pace: how to send.
        truth_file: where to write the account each second and at the end.
        batch_log: where to list acknowledged bodies.

    Attributes:
        stop: set it to end early: what is on its way is waited for, nothing new is sent.
        on_account: called with the account each second and at the end.
    """

    def __init__(
        self,
        url: str,
        stream: Stream,
        truth: Truth,
        *,
        pace: Pace | None = None,
        truth_file: Path | None = None,
        batch_log: BatchLog | None = None,
    ) -> None:
        self.stop = asyncio.Event()
        self.on_account: Callable[[Truth], None] | None = None
        self._url = httpx2.URL(url)
        self._stream = stream
        self._first = stream.next
        self._truth = truth
        self._pace = pace or Pace()
        self._truth_file = truth_file
        self._batch_log = batch_log
        self._turn = asyncio.Lock()  # bodies are cut one after the other
        self._writing = threading.Lock()
        self._bodies = 0
        self._began = 0.0
        self._not_before = 0.0
        self._backoff_s = _BACKOFF_S[0]
        self._answered = False
        self._failure: BadInputError | EngineDownError | None = None

    async def run(self) -> None:
        """Send until the end, and write the account whatever happens.

        Raises:
            BadInputError: the receiver refuses such requests.
            EngineDownError: nobody has ever answered, at the end or after `give_up_s`.
            OSError: the truth file cannot be written.
        """
        self._began = time.monotonic()
        limits = httpx2.Limits(
            max_connections=self._pace.connections,
            max_keepalive_connections=self._pace.connections,
            keepalive_expiry=2.0,  # below any server's own, which would cut a request short
        )
        # A proxy of the environment has no business between two processes of one machine.
        remote = self._url.host not in _LOOPBACK
        try:
            async with (
                httpx2.AsyncClient(limits=limits, timeout=30.0, trust_env=remote) as client,
                asyncio.TaskGroup() as group,
            ):
                accounts = group.create_task(self._account())
                senders = [
                    group.create_task(self._send(client)) for _ in range(self._pace.connections)
                ]
                await asyncio.wait(senders)
                accounts.cancel()
        finally:
            self._truth.final = True
            self._write(self._truth.document())
            if self.on_account is not None:
                self.on_account(self._truth)
        if self._failure is None and self._truth.sent and not self._answered:
            self._failure = self._nobody("no answer to any of the rows")
        if self._failure is not None:
            raise self._failure

    async def _account(self) -> None:
        while True:
            await asyncio.sleep(_ACCOUNT_S)
            # The document is made here and only written aside: no count moves meanwhile.
            await asyncio.to_thread(self._write, self._truth.document())
            if self.on_account is not None:
                self.on_account(self._truth)

    def _write(self, document: dict[str, object]) -> None:
        if self._truth_file is None:
            return
        with self._writing:  # a cancelled task leaves its thread behind
            if document["final"] or not self._truth.final:
                write_document(self._truth_file, document)

    async def _send(self, client: httpx2.AsyncClient) -> None:
        while True:
            async with self._turn:
                batch = await self._next()
                number = self._bodies
            if batch is None:
                return
            if batch.counts.rows:
                await self._post(client, number, batch)
            else:  # an outage keeps all of it back
                self._truth.count_sent(batch.counts)

    async def _next(self) -> Batch | None:
        """Wait until the next body is due and cut it; None at the end."""
        stream, pace = self._stream, self._pace
        while not self.stop.is_set() and self._left() != 0:
            now = time.monotonic()
            if now < self._not_before:
                await self._rest(self._not_before - now)
            elif not stream.schedule.paced:
                if pace.for_s is not None and now >= self._began + pace.for_s:
                    return None
                if (hold_s := self._hold_s(now)) <= 0:
                    return self._cut(pace.body_rows)
                await self._rest(hold_s)
            elif (wait_s := self._wait_s(now)) > 0:
                await self._rest(wait_s)
            else:
                return self._cut(min(max(1, self._overdue(now)), pace.body_rows))
        return None

    def _hold_s(self, now: float) -> float:
        """Seconds until the next body of a bounded stream may go."""
        most = self._pace.most_rows_s
        sent = self._stream.next - self._first
        return 0.0 if most is None else self._began + sent / most - now

    def _left(self) -> int | None:
        """Readings still to be sent; of a paced stream those that fall due before the end."""
        stream, for_s = self._stream, self._pace.for_s
        if not stream.schedule.paced or for_s is None:
            return stream.left
        return max(0, stream.schedule.due(for_s * 1000.0) - stream.next)

    def _overdue(self, now: float) -> int:
        """Readings of a paced stream that have fallen due and were not taken."""
        due = self._stream.schedule.due((now - self._began) * 1000.0) - self._stream.next
        left = self._left()
        return due if left is None else min(due, left)

    def _wait_s(self, now: float) -> float:
        """Seconds until a full body of a paced stream has fallen due; skips what is too old."""
        stream, pace = self._stream, self._pace
        period_s = float(stream.schedule.period_ms) / 1000.0
        body = min(max(1, round(pace.body_s / period_s)), pace.body_rows)
        overdue = self._overdue(now)
        if overdue * period_s > pace.skip_after_s and overdue > body:
            stream.skip(overdue - body)
            self._truth.count_skipped(overdue - body)
        left = self._left()
        last = stream.next + (body if left is None else min(body, left)) - 1
        return self._began + last * period_s - now

    def _cut(self, readings: int) -> Batch:
        self._bodies += 1
        return self._stream.take(readings)

    async def _rest(self, seconds: float) -> None:
        """Sleep, but wake at once when asked to stop."""
        try:
            await asyncio.wait_for(self.stop.wait(), max(0.0, seconds))
        except TimeoutError:
            return

    async def _post(self, client: httpx2.AsyncClient, number: int, batch: Batch) -> None:
        """Hand one body over, and count what became of it."""
        self._truth.count_sent(batch.counts)
        while True:
            sent_at_s = time.time()
            try:
                response = await client.post(
                    self._url,
                    content=batch.body,
                    headers={"content-type": "application/x-ndjson"},
                )
            except httpx2.TransportError as error:
                self._lost(f"{type(error).__name__}: {error}")
                return
            self._answered = True
            if response.status_code in _OK:
                self._backoff_s = _BACKOFF_S[0]
                self._acknowledge(number, batch, sent_at_s)
                return
            if response.status_code >= _SERVER_ERROR:
                self._lost(f"status {response.status_code}")
                return
            if response.status_code != _TOO_MANY or not await self._held_up(response):
                break
        self._truth.count_refused(batch.counts)
        # A receiver may well refuse a body that holds nothing but malformed rows.
        if response.status_code != _TOO_MANY and batch.counts.good:
            self._refuse(response)

    def _acknowledge(self, number: int, batch: Batch, sent_at_s: float) -> None:
        self._truth.count_acknowledged(batch.counts, sent_at_s)
        if self._batch_log is not None:
            self._batch_log.append(
                {
                    "batch": number,
                    "first": batch.first,
                    "last": batch.first + batch.readings - 1,
                    "rows": batch.counts.rows,
                    "duplicates": batch.duplicates,
                    "malformed": batch.malformed,
                }
            )

    async def _held_up(self, response: httpx2.Response) -> bool:
        """Wait as a 429 asks, all connections together; false when it is too late to try again."""
        pause_s = _retry_after_s(response.headers.get("retry-after"))
        now = time.monotonic()
        pace = self._pace
        if pace.for_s is not None and now + pause_s > self._began + pace.for_s + pace.grace_s:
            return False
        self._not_before = max(self._not_before, now + pause_s)
        await self._rest(pause_s)
        return not self.stop.is_set()

    def _lost(self, reason: str) -> None:
        """No word whether the rows are stored: pause, a little longer each time."""
        now = time.monotonic()
        if not self._answered and now > self._began + self._pace.give_up_s:
            self._failure = self._nobody(reason)
            self.stop.set()
        if now >= self._not_before:  # several connections break together: that is one outage
            self._not_before = now + self._backoff_s
            self._backoff_s = min(2 * self._backoff_s, _BACKOFF_S[1])

    def _nobody(self, reason: str) -> EngineDownError:
        return EngineDownError(
            f"nobody answers: {reason}",
            where=str(self._url),
            next_step="start the platform with `penstock up`, or name another --url",
        )

    def _refuse(self, response: httpx2.Response) -> None:
        self._failure = BadInputError(
            response.status_code,
            "refused",
            f"{self._url} answers {response.status_code}: {response.text[:500]}",
            next_step="/openapi.json there lists the addresses that take rows",
        )
        self.stop.set()


def _retry_after_s(value: str | None) -> float:
    """Seconds of a `Retry-After` header (RFC 9110, 10.2.3): a number or a date; else 1."""
    if value is None:
        return 1.0
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return 1.0
