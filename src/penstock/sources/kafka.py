"""The Kafka source: a topic is a log already; what is not landed stays there and is read again.

Positions are the ledger's. Kafka's own commits are made for lag tools alone, after a batch is
closed, and never read. A thread of its own fetches and packs while the batch before is landed.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import zlib
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Final

import structlog
from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from penstock.errors import LandingBlockedError, SourceDownError
from penstock.sources import records
from penstock.sources.replayable import Frame, Part

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from penstock.settings import Settings
    from penstock.sources.replayable import Form

_ONCE: Final = 10_000  # messages of one call; a thousand to ten thousand are taken quickest
_HELD_BYTES: Final = 64 * 1024 * 1024  # fetched and not landed: at most two batches
_WAIT_S: Final = 0.05  # for messages, before what there is is given
_ASK_S: Final = 5.0  # for an answer of the broker
_LOOK_S: Final = 5.0  # between looks at the topic itself: its id, its partitions
_AGAIN_S: Final = 30.0  # for records that are read again
_GONE: Final = (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE)  # noqa: SLF001
_log = structlog.get_logger(__name__)
_librdkafka = logging.getLogger("penstock.kafka")


@dataclass(slots=True)
class _Held:
    """Packed records of one partition, in a row: from `start`, where those before ended."""

    part: int
    start: int
    stop: int
    rows: int
    body: bytes
    received_ms: int


@dataclass(slots=True)
class _Buffer:
    """What was fetched and is not landed."""

    pieces: list[_Held] = field(default_factory=list)
    size: int = 0
    rows: int = 0

    def add(self, piece: _Held) -> None:
        self.pieces.append(piece)
        self.size += len(piece.body)
        self.rows += piece.rows

    def drop(self, part: int, stop: int) -> None:
        gone = [p for p in self.pieces if p.part == part and p.stop <= stop]
        self.pieces = [p for p in self.pieces if p.part != part or p.stop > stop]
        self.size -= sum(len(p.body) for p in gone)
        self.rows -= sum(p.rows for p in gone)


def brokers(settings: Settings) -> dict[str, str]:
    """What is said of the brokers, by the names of librdkafka; empty where none is named."""
    names = (
        "bootstrap_servers", "security_protocol", "ssl_ca_location",
        "sasl_mechanism", "sasl_username", "sasl_password",
    )  # fmt: skip
    said = {name.replace("_", "."): settings.text(f"kafka_{name}") for name in names}
    if not said["bootstrap.servers"]:
        return {}
    return {name: value for name, value in said.items() if value}


class KafkaSource:
    """One source of kind `kafka`: a topic, all its partitions.

    Args:
        domain: name of its domain.
        name: name of the source.
        topic: that is read.
        settings: of librdkafka, by its names: `bootstrap.servers`, security.

    """

    def __init__(self, domain: str, name: str, topic: str, settings: Mapping[str, str]) -> None:
        self.domain, self.name, self.topic = domain, name, topic
        self.form: Form = "records"
        self._settings: dict[str, str | int | float | bool] = {
            "client.id": f"penstock-{domain}-{name}",
            **settings,
        }
        self.incarnation = ""
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._held = _Buffer()
        self._parts: dict[int, Part] = {}
        self._fetched = 0  # records since the start
        self._untold: dict[int, int] = {}  # landed up to, and not said to Kafka yet
        self._fault: Exception | None = None
        self._stop = threading.Event()
        self._consumer = self._connect()
        self._admin = AdminClient(self._settings, logger=_librdkafka)
        self._thread: threading.Thread | None = None

    def identify(self) -> str:
        """Topic and its id: one that was made anew under the same name is another.

        Raises:
            SourceDownError: no broker answers, or there is no such topic.
        """
        asked = TopicCollection([self.topic])
        with self._asking("what topic it is"):
            found = self._admin.describe_topics(asked, request_timeout=_ASK_S)
            return f"kafka:{self.topic}:{found[self.topic].result(_ASK_S).topic_id}"

    def origins(self, positions: Mapping[int, int]) -> dict[int, int]:
        """The oldest offsets of partitions that the ledger does not know."""
        with self._asking("its oldest offsets"):
            return {
                part: self._consumer.get_watermark_offsets(
                    TopicPartition(self.topic, part), timeout=_ASK_S
                )[0]
                for part in self._partitions()
                if part not in positions
            }

    def resume(self, positions: dict[int, int]) -> None:
        """Fetch from the ledger's positions on; what was fetched before is dropped."""
        self._halt()
        self._stop = threading.Event()
        with self._lock:
            self._held = _Buffer()
            self._parts = {part: Part(part, row, row) for part, row in positions.items()}
            self._fault = None
        self._assign(self._consumer, positions)
        self._thread = threading.Thread(
            target=self._fetch, args=(self._stop,), name=f"kafka-{self.name}", daemon=True
        )
        self._thread.start()

    def cut(self, *, rows: int, size: int, age: float) -> list[Frame]:
        """The next batch over all partitions, if it is full or a record is older than `age` s.

        Raises:
            LandingBlockedError: the topic is another one now, or does not hold any more what comes
                next. SourceDownError: no broker answers.
        """
        with self._lock:
            if not self._held.pieces and self._fault is not None:
                raise self._fault
            taken = _take(self._held.pieces, rows, size)
        if not taken:
            return []
        held, filled = sum(p.rows for p in taken), sum(len(p.body) for p in taken)
        full = held >= rows // 2 or filled >= size // 2
        waited = time.time() - taken[0].received_ms / 1000
        if not full and 0 <= waited < age:
            return []
        taken.sort(key=lambda piece: piece.part)  # stable: of a part they stay in their order
        return [
            Frame(p.part, p.start, p.stop, p.rows, 0, len(p.body), 0, p.received_ms) for p in taken
        ]

    def read(self, part: int, start: int, stop: int) -> tuple[bytes, list[Frame]]:
        """Records [start, stop) of a partition: those held, else from the topic once more.

        Raises:
            LandingBlockedError: the topic does not hold them any more.
            SourceDownError: no broker answers.
        """
        with self._lock:
            held = [p for p in self._held.pieces if p.part == part and start <= p.start < stop]
        whole = bool(held) and held[0].start == start and held[-1].stop == stop
        body = b"".join(p.body for p in held) if whole else b""
        rows, received = sum(p.rows for p in held), held[0].received_ms if held else _now_ms()
        if not whole:
            again = list(self._again(part, start, stop))
            body, rows = records.packed(again), len(again)
        return body, [Frame(part, start, stop, rows, 0, len(body), zlib.crc32(body), received)]

    def landed(self, part: int, stop: int) -> None:
        """Drop what is landed; who fetches tells Kafka."""
        with self._room:
            self._held.drop(part, stop)
            if part in self._parts:
                self._parts[part].landed = stop
            self._untold[part] = stop
            self._room.notify_all()

    def counts(self) -> tuple[int, int]:
        """Records fetched since the start, and those of them not landed."""
        with self._lock:
            return self._fetched, self._held.rows

    def parts(self) -> list[Part]:
        """How far each partition is, by number."""
        with self._lock:
            return [self._parts[part] for part in sorted(self._parts)]

    def forget(self, *, older_ms: int) -> None:
        """Kafka lets go of records by its own rules."""

    def close(self) -> None:
        """Leave the brokers."""
        self._halt()
        self._consumer.close()

    def _halt(self) -> None:
        self._stop.set()
        with self._room:
            self._room.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _connect(self) -> Consumer:
        return Consumer({
            **self._settings,
            "group.id": f"penstock.{self.domain}.{self.name}",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "isolation.level": "read_committed",
            # A position that is gone must be said, not skipped.
            "auto.offset.reset": "error",
            # A full local queue must not stall the next fetch for a second.
            "fetch.queue.backoff.ms": 10,
            "queued.max.messages.kbytes": 32 * 1024,
            "topic.metadata.refresh.interval.ms": int(_LOOK_S * 1000),
        }, logger=_librdkafka)  # fmt: skip

    def _assign(self, consumer: Consumer, positions: Mapping[int, int]) -> None:
        consumer.assign([TopicPartition(self.topic, p, row) for p, row in positions.items()])

    def _partitions(self) -> list[int]:
        known = self._consumer.list_topics(self.topic, timeout=_ASK_S).topics[self.topic]
        return sorted(known.partitions)

    def _fetch(self, stop: threading.Event) -> None:
        """Fetch for as long as there is room; the thread's whole life."""
        looked = time.monotonic()
        while not stop.is_set():
            with self._room:
                self._room.wait_for(lambda: stop.is_set() or self._held.size < _HELD_BYTES)
            try:
                self._hold([m for m in self._consumer.consume(_ONCE, _WAIT_S) if self._sound(m)])
                self._tell()
                if time.monotonic() - looked > _LOOK_S:
                    looked = time.monotonic()
                    self._look()
                    self._fault = None
            except LandingBlockedError as error:
                self._fault = error
                return
            except SourceDownError as error:
                self._fault = error

    def _tell(self) -> None:
        """Tell Kafka what is landed, for those who watch its lag; nobody else reads it.

        By the thread that fetches: from another one this call waits for as long as there is
        nothing to fetch, as the consumer is one thread's at a time.
        """
        with self._lock:
            untold, self._untold = self._untold, {}
        if untold:
            with contextlib.suppress(KafkaException):
                offsets = [TopicPartition(self.topic, part, stop) for part, stop in untold.items()]
                self._consumer.commit(offsets=offsets)

    def _hold(self, messages: Sequence[Message]) -> None:
        """Pack messages, which come partition by partition, and keep them."""
        now = _now_ms()
        for part, group in groupby(messages, lambda message: message.partition()):
            run = list(group)
            last = run[-1]
            body = records.packed(run)
            with self._lock:
                place = self._parts.setdefault(part, Part(part, 0, 0))
                start, place.received = place.received, _offset(last) + 1
                place.sent_ms = last.timestamp()[1]
                self._held.add(_Held(part, start, place.received, len(run), body, now))
                self._fetched += len(run)

    def _look(self) -> None:
        """Take up partitions that are new; refuse a topic that is another one by now."""
        self._check_identity()
        with self._asking("its partitions"):
            new = [part for part in self._partitions() if part not in self._parts]
        if new:
            self._consumer.incremental_assign([TopicPartition(self.topic, p, 0) for p in new])
            with self._lock:
                self._parts.update({part: Part(part, 0, 0) for part in new})
            _log.info("partitions_added", source=self.name, partitions=new)
        for partition in self.parts():
            one = TopicPartition(self.topic, partition.part)
            partition.high = self._consumer.get_watermark_offsets(one, cached=True)[1]

    def _check_identity(self) -> None:
        if (identity := self.identify()) != self.incarnation:
            raise LandingBlockedError(
                f"the topic {self.topic} was made anew: it is {identity} now",
                where=f"{self.domain}/{self.name}, landed as {self.incarnation}",
                next_step="give the new topic a source of another name: its positions start afresh",
            )

    def _sound(self, message: Message) -> bool:
        """Whether it is a record; raises what an error among them means."""
        error = message.error()
        if error is None:
            return True
        if error.code() in _GONE:
            self._check_identity()  # of a topic that was made anew nothing is missing
            raise LandingBlockedError(
                f"the topic {self.topic} does not hold any more what comes next: {error.str()}",
                where=f"{self.domain}/{self.name}, partition {message.partition()}",
                next_step="these records are lost to Penstock: give what is there a source of "
                "another name, whose positions start afresh",
            )
        raise self._down(error.str())

    def _again(self, part: int, start: int, stop: int) -> Iterator[Message]:
        """Messages [start, stop) of a partition, by a consumer of their own."""
        consumer = self._connect()
        try:
            self._assign(consumer, {part: start})
            deadline = time.monotonic() + _AGAIN_S
            while True:
                for message in consumer.consume(_ONCE, _WAIT_S):
                    if not self._sound(message):
                        continue
                    if _offset(message) < stop:
                        yield message
                    if _offset(message) >= stop - 1:
                        return
                if time.monotonic() > deadline:
                    raise self._down(f"offsets {start} to {stop} of partition {part} do not come")
        finally:
            consumer.close()

    @contextlib.contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        try:
            yield
        except KafkaException as error:
            raise self._down(f"{what}: {error.args[0].str()}") from error
        except TimeoutError as error:
            raise self._down(f"{what}: no broker answers within {_ASK_S:g} s") from error

    def _down(self, why: str) -> SourceDownError:
        return SourceDownError(
            f"the topic {self.topic} cannot be read: {why}",
            where=f"{self.domain}/{self.name} at {self._settings.get('bootstrap.servers')}",
            next_step="start the broker, or make the topic; it is tried again meanwhile",
        )


def _take(pieces: Sequence[_Held], rows: int, size: int) -> list[_Held]:
    taken: list[_Held] = []
    for piece in pieces:
        rows, size = rows - piece.rows, size - len(piece.body)
        if taken and (rows < 0 or size < 0):
            break
        taken.append(piece)
    return taken


def _offset(message: Message) -> int:
    offset = message.offset()
    assert offset is not None  # noqa: S101 - only what was produced has none
    return offset


def _now_ms() -> int:
    return int(time.time() * 1000)
