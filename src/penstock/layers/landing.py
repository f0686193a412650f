"""Landing: the one algorithm that brings every source's records into bronze, exactly once.

::

    cut → intent written → inserted under its token → counted → intent closed → acknowledged

A kill at any point leaves either no intent (the records are cut again, any way) or an open one:
it is rebuilt from the same ranges, its fingerprint compared, and inserted again under the same
token, which the engine drops wherever it already has it.
"""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import structlog

from penstock.engine.client import literal
from penstock.errors import (
    EngineError,
    LandingBlockedError,
    LedgerError,
    PenstockError,
    StaleLeaseError,
)
from penstock.layers.statements import fill
from penstock.store.ledger import Span

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from penstock.engine.client import Client
    from penstock.project.objects import Project, Relation
    from penstock.sources.replayable import Frame, Replayable
    from penstock.store.ledger import Batch, Intent, Ledger

StateName = Literal["idle", "live", "recovering", "blocked"]
"""How a source's landing is."""

_ATTEMPTS = 5  # failures of one batch before its source counts as blocked
_IDLE = 0.02  # seconds between looks at a source that has nothing
_BLOCKED_PAUSE = 10.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a source lands.

    Attributes:
        database: of its domain.
        bronze: table of the records.
        silver: the 1:1 table of the good ones.
        tables: every table that a landed batch changes, as `database.table`.
    """

    database: str
    bronze: str
    silver: str
    tables: tuple[str, ...]

    @classmethod
    def of(cls, project: Project, domain: str, source: str) -> Target:
        """The target of a source, by the project's graph."""
        into: Relation = project.relation(domain, project.source(domain, source).into)
        silver = project.first_silver(into)
        if silver is None:
            raise LedgerError(
                f"nothing reads {into.name}: without a silver table no batch can be counted",
                where=str(into.path),
                next_step=f"write silver/….sql with a view FROM {into.name} WHERE _error = ''",
            )
        names = [into.name, *(r.name for r in project.downstream(into))]
        tables = tuple(f"{into.database}.{name}" for name in dict.fromkeys(names))
        return cls(into.database, into.name, silver.name, tables)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a batch: rows, bytes, and seconds its oldest record may have waited."""

    rows: int = 200_000
    size: int = 32 * 1024 * 1024
    age: float = 0.4


@dataclass(slots=True)
class State:
    """What is known of a source's landing, for people.

    Attributes:
        name: how it is, in a word.
        reason: why it is blocked.
        good: rows landed in silver, ever.
        dead: rows landed as dead letters, ever.
        last_ms: when the last batch was closed, epoch milliseconds.
    """

    name: StateName = "idle"
    reason: str = ""
    good: int = 0
    dead: int = 0
    last_ms: int = 0


@dataclass(slots=True)
class Hooks:
    """What landing tells and asks of those above it.

    Attributes:
        engine_starts: how often the engine has been started.
        restart_engine: heal the engine after a failed insert; gets the reason and `starts`.
        closed: a batch of a lander can be queried; gets the time its oldest record was received.
    """

    engine_starts: Callable[[], int] = lambda: 0
    restart_engine: Callable[[str, int], None] = lambda _reason, _seen: None
    closed: Callable[[Lander, Batch, int], None] = lambda _lander, _batch, _received: None


@dataclass
class Lander:
    """Lands one source; `run` is a thread's whole life.

    Attributes:
        source: gives records and can give them again.
        target: tables they go to.
        ledger: remembers what has landed.
        client: to the engine.
        limits: of a batch.
        hooks: to those above.
        hold: taken while batches must stand still (reconcile).
        settled: open batches that were seen to be stored whole, in gold too; they are not
            inserted again, because after a power cut the engine may not know their tokens.
        counting: taken while counts of source and state are read together.
        state: for people.
    """

    source: Replayable
    target: Target
    ledger: Ledger
    client: Client
    limits: Limits = field(default_factory=Limits)
    hooks: Hooks = field(default_factory=Hooks)
    hold: threading.Lock = field(default_factory=threading.Lock)
    settled: set[int] = field(default_factory=set)
    counting: threading.Lock = field(default_factory=threading.Lock)
    state: State = field(default_factory=State)

    def start(self) -> None:
        """Take the stream over and tell the source where to go on.

        Raises:
            IncarnationError: the source is not the one the ledger knows.
        """
        stream = self.ledger.stream(self.source.domain, self.source.name, self.source.incarnation)
        self._stream = replace(stream, epoch=self.ledger.lease(stream.id))
        self.source.resume(self.ledger.positions(stream.id))

    def run(self, stop: threading.Event) -> None:
        """Land batches until told to stop; nothing is ever skipped."""
        while not stop.is_set():
            try:
                self.recover()
                while not stop.is_set():
                    with self.hold:
                        landed = self.step()
                    if not landed:
                        self.state.name = "idle" if self.state.name == "live" else self.state.name
                        stop.wait(_IDLE)
            except StaleLeaseError as error:
                self._block(str(error))
                return
            except PenstockError as error:
                self._block(str(error))
                stop.wait(_BLOCKED_PAUSE)

    def recover(self) -> int:
        """Finish what a crash left open, from the same ranges and under the same tokens.

        Returns:
            Batches finished.

        Raises:
            LandingBlockedError: the records are no longer those that were written down.
        """
        intents = self.ledger.open_intents(self._stream.id)
        for intent in intents:
            if self.state.name != "blocked":  # which it stays until the batch is landed
                self.state.name = "recovering"
            with self.hold:
                adopted = self.ledger.adopt(intent, self._stream)
                body, frames = self._rebuild(adopted)
                if _fingerprint(frames) != adopted.fingerprint:
                    raise LandingBlockedError(
                        f"batch {adopted.batch} holds other records than were written down",
                        where=f"{self.source.domain}/{self.source.name} {adopted.spans}",
                        next_step="restore the spool folder from a backup",
                    )
                self._land(adopted, body, frames)
        self.state.name, self.state.reason = "idle", ""
        return len(intents)

    def step(self) -> bool:
        """Land the next batch if there is one; True where one was landed."""
        limits = self.limits
        frames = self.source.cut(rows=limits.rows, size=limits.size, age=limits.age)
        if not frames:
            return False
        span = Span(frames[0].segment, frames[0].start, frames[-1].stop)
        body, read = self.source.read(span.part, span.start, span.stop)
        intent = self.ledger.open(
            self._stream,
            spans=(span,),
            rows=sum(f.rows for f in frames),
            size=len(body),
            fingerprint=_fingerprint(read),
            ingested_ms=int(time.time() * 1000),
        )
        self.state.name = "live"
        self._land(intent, body, read)
        return True

    def _land(self, intent: Intent, body: bytes, frames: Sequence[Frame]) -> None:
        while True:
            seen = self.hooks.engine_starts()
            try:
                if intent.batch not in self.settled:
                    self._insert(intent, body)
                good = self._count(intent)
                break
            except StaleLeaseError:
                raise
            except EngineError as error:
                intent = self.ledger.failed(intent, str(error))
                _log.warning("batch_failed", batch=intent.batch, attempts=intent.attempts)
                # Whatever the engine left half done is healed before the same token goes again.
                self.hooks.restart_engine(f"batch {intent.batch}: {error.what}", seen)
                if intent.attempts >= _ATTEMPTS and intent.attempts % _ATTEMPTS == 0:
                    raise LandingBlockedError(
                        f"batch {intent.batch} failed {intent.attempts} times: {error.what}",
                        where=f"{self.source.domain}/{self.source.name} into {self.target.bronze}",
                        next_step="mend the view it names; nothing is skipped meanwhile",
                    ) from error
        batch = self.ledger.close(
            intent, good=good, dead=intent.rows - good, tables=self.target.tables
        )
        with self.counting:
            for span in intent.spans:
                self.source.landed(span.part, span.stop)
            self.state.good += batch.good
            self.state.dead += batch.dead
        self.state.last_ms = batch.closed_ms
        self.hooks.closed(self, batch, frames[0].received_ms)

    def _insert(self, intent: Intent, body: bytes) -> None:
        stops, shifts, total = [], [], 0
        for span in intent.spans:
            shifts.append(span.start - total)
            total += span.stop - span.start
            stops.append(total)
        statement = fill(
            "land",
            bronze=f"`{self.target.bronze}`",
            source=literal(self.source.name),
            parts="[" + ",".join(f"toUInt32({s.part})" for s in intent.spans) + "]",
            shifts="[" + ",".join(f"toInt64({n})" for n in shifts) + "]",
            stops=str(stops),
            batch=intent.batch,
            ingested_ms=intent.ingested_ms,
            token=literal(intent.token),
        )
        lease = f"{self.source.domain}.{self.source.name}={intent.epoch}"
        self.client.insert(
            statement, body, rows=intent.rows, database=self.target.database, lease=lease
        )

    def _count(self, intent: Intent) -> int:
        """Rows of the batch in silver, after bronze and silver were seen to be right."""
        rows, good, silver = self.counts(intent)
        if rows != intent.rows or good != silver:
            raise EngineError(
                f"batch {intent.batch} of {intent.rows} rows: {rows} in {self.target.bronze} "
                f"({good} good), {silver} in {self.target.silver}",
                next_step="it is inserted again under its token",
            )
        return good

    def counts(self, intent: Intent) -> tuple[int, int, int]:
        """Rows of a batch in bronze, good ones among them, and rows in silver."""
        found = self.client.rows(
            fill("landed", bronze=f"`{self.target.bronze}`", silver=f"`{self.target.silver}`"),
            database=self.target.database,
            params={
                "source": self.source.name,
                "batch": str(intent.batch),
                "parts": str([s.part for s in intent.spans]),
                "first": str(min(s.start for s in intent.spans)),
            },
        )[0]
        return int(found["rows"]), int(found["good"]), int(found["silver"])

    def _rebuild(self, intent: Intent) -> tuple[bytes, list[Frame]]:
        pieces: list[bytes] = []
        frames: list[Frame] = []
        for span in intent.spans:
            body, read = self.source.read(span.part, span.start, span.stop)
            pieces.append(body)
            frames += read
        return b"".join(pieces), frames

    def _block(self, reason: str) -> None:
        self.state.name, self.state.reason = "blocked", reason
        _log.error("landing_blocked", source=self.source.name, reason=reason)


def _fingerprint(frames: Sequence[Frame]) -> str:
    """Of the content: each frame's checksum was compared with its bytes when it was read."""
    text = ";".join(f"{f.segment}:{f.start}:{f.rows}:{f.size}:{f.crc}" for f in frames)
    return hashlib.sha256(text.encode()).hexdigest()
