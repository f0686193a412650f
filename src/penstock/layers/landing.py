"""Landing: the one algorithm that brings every source's records into bronze, exactly once.

::

    cut → intent written → inserted under its token → counted → intent closed → acknowledged

A kill at any point leaves either no intent (the records are cut again, any way) or an open one:
it is rebuilt from the same ranges, its fingerprint compared, and inserted again under the same
token, which the engine drops wherever it already has it. Before anything is inserted after a write
that may have been cut short, the engine is healed.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import structlog

from penstock.errors import (
    EngineError,
    LandingBlockedError,
    LedgerError,
    PenstockError,
    SourceDownError,
    StaleLeaseError,
    StoreDownError,
)
from penstock.layers.expiry import Counted, Expiry
from penstock.layers.hold import Hold
from penstock.layers.insertion import statement
from penstock.layers.judging import like_bronze
from penstock.layers.statements import fill
from penstock.store.ledger import Span

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from penstock.engine.client import Client
    from penstock.project.objects import Project, Relation
    from penstock.sources.replayable import Frame, Replayable
    from penstock.store.ledger import Batch, Intent, Ledger, Stream

StateName = Literal["idle", "live", "recovering", "blocked"]
"""How a source's landing is."""

_ATTEMPTS = 5  # failures of one batch before its source counts as blocked
_IDLE = 0.02  # seconds between looks at a source that has nothing
_BLOCKED_PAUSE = 10.0
_AWAY_PAUSE = 0.5  # the ledger itself waits for its server
_BREATH = 0.5  # seconds before a batch goes again to an engine that is not restarted in between
# The front's own refusals: it says so before the first row is written.
_UNWRITTEN = ("nothing was written", "the body is over")
_MEMORY = 241  # the engine's own limit: the next try may find room
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a source lands.

    Attributes:
        database: of its domain.
        bronze: table of the records.
        silver: the 1:1 table of the good ones.
        tables: every table and view that a landed batch changes, as `database.table`.
        expiry: when bronze and silver let rows go.
    """

    database: str
    bronze: str
    silver: str
    tables: tuple[str, ...]
    expiry: Expiry = field(default_factory=Expiry)

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
        tables = tuple(f"{into.database}.{r.name}" for r in project.changing(into))
        return cls(into.database, into.name, silver.name, tables, Expiry.of(into, silver))


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


@dataclass(frozen=True, slots=True)
class Passage:
    """When a batch was where, in epoch milliseconds.

    Attributes:
        batch: its number.
        rows: how many.
        received_ms: its oldest record was being written to the disk.
        cut_ms: it was cut; that of its rows' `_ingested_at`.
        inserted_ms: it was in bronze and, by the views, in silver and gold: one statement.
        counted_ms: bronze and silver were seen to hold it.
        closed_ms: it was closed, and could be asked for.
    """

    batch: int
    rows: int
    received_ms: int
    cut_ms: int
    inserted_ms: int
    counted_ms: int
    closed_ms: int


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
        counting: taken while counts of source and state are read together.
        state: for people.
        unsure: the batch that is being closed, and when its oldest record was received: where the
            ledger's server goes away meanwhile, it may be closed or not.
        passage: of the newest batch; None before the first since the start.
        doubt: of a write that did not end well: why, and how often the engine had been started;
            it has to be healed before the next one. None where all is well.
    """

    source: Replayable
    target: Target
    ledger: Ledger
    client: Client
    limits: Limits = field(default_factory=Limits)
    hooks: Hooks = field(default_factory=Hooks)
    hold: Hold = field(default_factory=Hold)
    counting: threading.Lock = field(default_factory=threading.Lock)
    state: State = field(default_factory=State)
    unsure: tuple[Intent, int] | None = None
    passage: Passage | None = None
    doubt: tuple[str, int] | None = field(default=None, init=False)
    _tight: bool = field(default=False, init=False)  # the last try met the engine's memory limit
    _stored: tuple[int, int] = field(default=(0, 0), init=False)  # inserted and counted, epoch ms

    def start(self) -> None:
        """Take the stream over and tell the source where to go on.

        Raises:
            IncarnationError: the source is not the one the ledger knows.
        """
        stream = self.ledger.stream(self.source.domain, self.source.name, self.source.incarnation)
        self._stream = replace(stream, epoch=self.ledger.lease(stream.id))
        self.source.resume(self.ledger.positions(stream.id))

    @property
    def turn(self) -> Hold:
        """What is taken for each batch."""
        return self.hold

    @property
    def stream(self) -> Stream:
        """The stream, under the lease that `start` has taken."""
        return self._stream

    def meet(self) -> None:
        """Join those who land the same log, where there are such; this one's is its own."""

    def run(self, stop: threading.Event) -> None:
        """Land batches until told to stop; nothing is ever skipped."""
        while not stop.is_set():
            try:
                self.meet()
                self.recover()
                while not stop.is_set():
                    with self.turn:
                        # Who held it may have stopped half way, as everything stops.
                        landed = not stop.is_set() and self.step()
                    if not landed:
                        self.state.name = "idle" if self.state.name == "live" else self.state.name
                        stop.wait(_IDLE)
            except StaleLeaseError as error:
                if not self._goes_on(error):
                    return
            except PenstockError as error:
                self._block(str(error))
                away = isinstance(error, StoreDownError | SourceDownError)
                stop.wait(_AWAY_PAUSE if away else _BLOCKED_PAUSE)

    def recover(self) -> int:
        """Finish what a crash left open, from the same ranges and under the same tokens.

        Returns:
            Batches finished.

        Raises:
            LandingBlockedError: the records are no longer those that were written down.
        """
        self._settle_closing()
        intents = self.ledger.open_intents(self._stream.id)
        for intent in intents:
            if self.state.name != "blocked":  # which it stays until the batch is landed
                self.state.name = "recovering"
            with self.turn:
                self._land_again(self.ledger.adopt(intent, self._stream))
        self.state.name, self.state.reason = "idle", ""
        return len(intents)

    def _land_again(self, adopted: Intent) -> None:
        """Land an open batch from the records that were written down."""
        body, frames = self._read(adopted.spans)
        if _fingerprint(frames) != adopted.fingerprint:
            raise LandingBlockedError(
                f"batch {adopted.batch} holds other records than were written down",
                where=f"{self.source.domain}/{self.source.name} {adopted.spans}",
                next_step="restore what it is read from: the spool folder, or the topic",
            )
        self._land(adopted, body, frames)

    def step(self) -> bool:
        """Land the next batch if there is one; True where one was landed."""
        limits = self.limits
        frames = self.source.cut(rows=limits.rows, size=limits.size, age=limits.age)
        if not frames:
            return False
        spans = _spans(frames)
        body, read = self._read(spans)
        intent = self.ledger.open(
            self._stream,
            spans=spans,
            rows=sum(f.rows for f in frames),
            size=len(body),
            fingerprint=_fingerprint(read),
            ingested_ms=_now_ms(),
        )
        self.state.name = "live"
        self._land(intent, body, read)
        return True

    def settle(self, intent: Intent, good: int) -> None:
        """Close an open batch that was seen to be stored whole, without inserting it again."""
        adopted = self.ledger.adopt(intent, self._stream)
        batch = self.ledger.close(
            adopted, good=good, dead=adopted.rows - good, tables=self.target.tables
        )
        self._closed(batch, intent.ingested_ms)

    def judge(self, intent: Intent) -> int | None:
        """Good ones among the records of an open batch, where bronze may have let rows go.

        Returns:
            None where bronze itself is to be asked.
        """
        if not self.target.expiry.bronze(intent.ingested_ms):
            return None
        body, _ = self._read(intent.spans)
        return self._judged(intent, body)

    def _land(self, intent: Intent, body: bytes, frames: Sequence[Frame]) -> None:
        while True:
            self._heal()
            try:
                good = self._attempt(intent, body)
                break
            except StaleLeaseError:
                raise
            except EngineError as error:
                intent = self.ledger.failed(intent, str(error))
                _log.warning("batch_failed", batch=intent.batch, attempts=intent.attempts)
                if intent.attempts >= _ATTEMPTS:  # from then on one try a pause
                    raise LandingBlockedError(
                        f"batch {intent.batch} failed {intent.attempts} times: {error.what}",
                        where=f"{self.source.domain}/{self.source.name} into {self.target.bronze}",
                        next_step="mend the view it names; nothing is skipped meanwhile",
                    ) from error
                if self.doubt is None:
                    time.sleep(_BREATH)
        self.unsure = (intent, frames[0].received_ms)
        batch = self.ledger.close(
            intent, good=good, dead=intent.rows - good, tables=self.target.tables
        )
        received = frames[0].received_ms
        times = (received, intent.ingested_ms, *self._stored, batch.closed_ms)
        self.passage = Passage(batch.batch, batch.rows, *times)
        self._closed(batch, received)

    def _settle_closing(self) -> None:
        """Go on from a batch that was closed, though the ledger could not say so any more."""
        if self.unsure is None:
            return
        intent, received_ms = self.unsure
        found = self.ledger.batches(intent.stream_id, after=intent.batch - 1, limit=1)
        if found and found[0].batch == intent.batch:
            self._closed(found[0], received_ms)
        self.unsure = None

    def _attempt(self, intent: Intent, body: bytes) -> int:
        """Insert and count once; gives the good rows.

        The doubt stands before the first byte goes out, and whatever ends this but success or a
        refusal that wrote nothing leaves it standing.
        """
        self.doubt = (f"batch {intent.batch} was cut short", self.hooks.engine_starts())
        try:
            aged = self.target.expiry.bronze(intent.ingested_ms)
            judged = self._judged(intent, body) if aged else None
            self._insert(intent, body)
            inserted = _now_ms()
            good = self._count(intent, judged)
            self._stored = (inserted, _now_ms())
            self.doubt, self._tight = None, False
        except StaleLeaseError:
            self.doubt = None  # the front says so before it writes
            raise
        except EngineError as error:
            self.doubt = (f"batch {intent.batch}: {error.what}", 0) if self._began(error) else None
            raise
        finally:
            if self.doubt is not None:
                # As it stands now: a restart meanwhile may have come before the write itself.
                self.doubt = (self.doubt[0], self.hooks.engine_starts())
        return good

    def _began(self, error: EngineError) -> bool:
        """Whether a failed write may have begun; at the memory limit the first try is forgiven."""
        tight, self._tight = self._tight, error.code == _MEMORY
        if self._tight and not tight:
            return False
        return not any(words in error.what for words in _UNWRITTEN)

    def _heal(self) -> None:
        """Whatever the engine left half done is healed before the same token goes again."""
        if self.doubt is not None:
            self.hooks.restart_engine(*self.doubt)
            self.doubt = None

    def _closed(self, batch: Batch, received_ms: int) -> None:
        """Acknowledge the source and tell the others."""
        self.unsure = None
        # Before anybody is told that it is done: no answer from before it may count as a hit then.
        self.hooks.closed(self, batch, received_ms)
        with self.counting:
            for span in batch.spans:
                self.source.landed(span.part, span.stop)
            self.state.good += batch.good
            self.state.dead += batch.dead
        self.state.last_ms = batch.closed_ms

    def _insert(self, intent: Intent, body: bytes) -> None:
        self.client.insert(
            statement(self.target, self.source.name, intent, self.source.form),
            body,
            rows=intent.rows,
            database=self.target.database,
            lease=self._shown(intent),
        )

    def _shown(self, intent: Intent) -> str:
        """The lease that a batch is inserted under."""
        return self.lease(intent.epoch)

    def _goes_on(self, error: StaleLeaseError) -> bool:
        """Whether there is anything left to land where another holds what this one held."""
        self._block(str(error))
        return False

    def lease(self, epoch: int) -> str:
        """What a write of an epoch shows the engine, which refuses an older one's."""
        return f"{self.source.domain}.{self.source.name}={epoch}"

    def _judged(self, intent: Intent, body: bytes) -> int:
        """Count the good ones among records in a table like bronze that keeps them long enough."""
        with like_bronze(self.client, self.target, "judged") as apart:
            insert = statement(apart, self.source.name, intent, self.source.form)
            self.client.insert(insert, body, rows=intent.rows, database=apart.database)
            sql = f"SELECT countIf(_error = '') FROM `{apart.bronze}`"  # noqa: S608 - checked names
            return int(self.client.value(sql, database=apart.database))

    def _count(self, intent: Intent, judged: int | None = None) -> int:
        """Good rows of the batch, after bronze and silver were seen to be right."""
        found = self.counts(intent)
        good = self.target.expiry.good_of(intent.rows, intent.ingested_ms, found, judged)
        if good is None:
            raise EngineError(
                f"batch {intent.batch} of {intent.rows} rows: {found.rows} in "
                f"{self.target.bronze} ({found.good} good), {found.silver} in {self.target.silver}",
                next_step="it is inserted again under its token",
            )
        return good

    def counts(self, intent: Intent) -> Counted:
        """Rows of a batch as the engine has them."""
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
        return Counted(*(int(found[name]) for name in Counted._fields))

    def _read(self, spans: Sequence[Span]) -> tuple[bytes, list[Frame]]:
        pieces: list[bytes] = []
        frames: list[Frame] = []
        for span in spans:
            body, read = self.source.read(span.part, span.start, span.stop)
            pieces.append(body)
            frames += read
        return b"".join(pieces), frames

    def _block(self, reason: str) -> None:
        self.state.name, self.state.reason = "blocked", reason
        _log.error("landing_blocked", source=self.source.name, reason=reason)


def _spans(frames: Sequence[Frame]) -> tuple[Span, ...]:
    """The range of each part that frames are of, which stand part by part."""
    parts = [list(group) for _, group in itertools.groupby(frames, lambda frame: frame.segment)]
    return tuple(Span(each[0].segment, each[0].start, each[-1].stop) for each in parts)


def _now_ms() -> int:
    return int(time.time() * 1000)


def _fingerprint(frames: Sequence[Frame]) -> str:
    """Of the content: each frame's checksum was compared with its bytes when it was read."""
    text = ";".join(f"{f.segment}:{f.start}:{f.rows}:{f.size}:{f.crc}" for f in frames)
    return hashlib.sha256(text.encode()).hexdigest()
