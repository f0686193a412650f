"""The Kafka source: a topic is a log already; what is not landed stays there and is read again.

Positions are the ledger's. Kafka's own commits are made for lag tools alone, after a batch is
closed, and never read. A thread of its own fetches and packs while the batch before is landed.

Which partitions are fetched Kafka's group says: all of them where one platform runs, a share each
where other landers have joined. What is given is fetched only when landing has leased it, and what
is taken away is let go of between two batches.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import zlib
from itertools import groupby
from typing import TYPE_CHECKING, Final

import structlog
from confluent_kafka import (
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from penstock.errors import LandingBlockedError, PenstockError, SourceDownError
from penstock.sources import records
from penstock.sources.buffer import Buffer, Piece
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
_LEAVE_S: Final = 20.0  # that a batch may take to its end before its partitions go
_SESSION_MS: Final = 10_000  # after which a lander that is gone loses its partitions
_BREATH_S: Final = 0.5  # after a failure
_GONE: Final = (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE)  # noqa: SLF001
_log = structlog.get_logger(__name__)
_librdkafka = logging.getLogger("penstock.kafka")


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
    """One source of kind `kafka`: a topic, and the partitions of it that the group gives.

    Args:
        domain: name of its domain.
        name: name of the source.
        topic: that is read.
        settings: of librdkafka, by its names: `bootstrap.servers`, security.
        group: of all who land it into the same tables.
        member: of the group; the same one after a restart.
    """

    def __init__(
        self, domain: str, name: str, topic: str, settings: Mapping[str, str],
        *, group: str, member: str,
    ) -> None:  # fmt: skip
        self.domain, self.name, self.topic = domain, name, topic
        self.form: Form = "records"
        self._settings: dict[str, str | int | float | bool] = {
            "client.id": f"penstock-{domain}-{name}",
            **settings,
        }
        self._group, self._member = group, member
        self.incarnation = ""
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._held = Buffer()
        self._parts: dict[int, Part] = {}  # that are fetched
        self._given: frozenset[int] = frozenset()
        self._giving = 0  # how often that has changed
        self._busy: set[int] = set()  # of a batch that is being landed
        self._starts: dict[int, int] = {}  # where to fetch from; the consumer's thread does it
        self._fetched = 0  # records since the start
        self._untold: dict[int, int] = {}  # landed up to, and not said to Kafka yet
        self._fault: Exception | None = None
        self._stuck = False  # by a fault that does not pass by itself
        self._stop = threading.Event()
        self._consumer = self._connect(**{"group.instance.id": member})
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
        asking = self._connect()  # the other one is busy fetching, which a call would wait for
        try:
            with self._asking("its oldest offsets"):
                known = asking.list_topics(self.topic, timeout=_ASK_S).topics[self.topic]
                return {
                    part: asking.get_watermark_offsets(self._at(part), timeout=_ASK_S)[0]
                    for part in known.partitions
                    if part not in positions
                }
        finally:
            asking.close()

    def join(self, incarnation: str) -> None:
        """Ask the group for partitions of this topic, and fetch those that landing has leased."""
        self._consumer.subscribe(
            [self.topic], on_assign=self._gain, on_revoke=self._leave, on_lost=self._lose
        )
        self.incarnation = incarnation
        self._run()

    def given(self) -> tuple[int, frozenset[int]]:
        """The partitions it has now, and how often that has changed; asked between batches."""
        with self._room:
            self._busy.clear()
            self._room.notify_all()
            return self._giving, self._given

    def resume(self, positions: dict[int, int]) -> None:
        """Fetch partitions from the ledger's positions on; who stands there already goes on."""
        with self._lock:
            for part, row in positions.items():
                at = self._parts.get(part)
                if part in self._given and (self._stuck or at is None or at.landed != row):
                    self._held.drop(part)
                    self._parts[part] = Part(part, row, row)
                    self._starts[part] = row
            self._fault, self._stuck = None, False
        if self._has_ended():
            self._run()

    def cut(self, *, rows: int, size: int, age: float) -> list[Frame]:
        """The next batch over all partitions, if it is full or a record is older than `age` s.

        Raises:
            LandingBlockedError: the topic is another one now, or does not hold any more what comes
                next. SourceDownError: no broker answers.
        """
        if self._has_ended():
            raise LandingBlockedError(
                "the thread that fetches has ended by an error that nobody foresaw",
                where=f"{self.domain}/{self.name}",
                next_step="see the log; it is started again meanwhile",
            )
        with self._lock:
            if self._fault is not None and (self._stuck or not self._held.pieces):
                raise self._fault
            taken = self._held.first(rows, size)
        if not taken:
            return []
        held, filled = sum(p.rows for p in taken), sum(len(p.body) for p in taken)
        full = held >= rows // 2 or filled >= size // 2
        waited = time.time() - taken[0].received_ms / 1000
        if not full and 0 <= waited < age:
            return []
        taken.sort(key=lambda piece: piece.part)  # stable: of a part they stay in their order
        with self._lock:
            if not {p.part for p in taken} <= self._parts.keys():
                return []  # one has been taken away meanwhile
            self._busy = {p.part for p in taken}
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
            self._busy.discard(part)
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

    def _run(self) -> None:
        self._thread = threading.Thread(target=self._fetch, name=f"kafka-{self.name}", daemon=True)
        self._thread.start()

    def _has_ended(self) -> bool:
        """Whether the thread that fetches is gone though nobody stopped it."""
        gone = self._thread is not None and not self._thread.is_alive()
        return gone and not self._stop.is_set()

    def _halt(self) -> None:
        self._stop.set()
        with self._room:
            self._room.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _gain(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Be given partitions: fetched from nowhere yet, until landing has leased them."""
        places = [self._at(p.partition, OFFSET_END) for p in partitions]
        consumer.incremental_assign(places)
        consumer.pause(places)
        with self._lock:
            self._change(self._given | {p.partition for p in partitions})

    def _leave(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Let partitions go, after the batch that has records of them."""
        gone = {p.partition for p in partitions}
        with self._room:
            # No next batch has them, and that one is waited for.
            self._forget(gone)
            self._room.wait_for(lambda: not self._busy & gone or self._stop.is_set(), _LEAVE_S)
        consumer.incremental_unassign(partitions)

    def _lose(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Another has them already: what is being landed of them finds its lease gone."""
        with self._lock:
            self._forget({p.partition for p in partitions})
        consumer.incremental_unassign(partitions)

    def _forget(self, gone: set[int]) -> None:
        """Under the lock: nobody may ask for them again before they are said to be gone."""
        for part in gone:
            self._parts.pop(part, None)
            self._starts.pop(part, None)
            self._held.drop(part)
        self._change(self._given - gone)

    def _change(self, given: frozenset[int]) -> None:
        self._given, self._giving = given, self._giving + 1
        _log.info("partitions_given", source=self.name, member=self._member, parts=sorted(given))

    def _connect(self, **more: str) -> Consumer:
        return Consumer({
            **self._settings,
            **more,
            "group.id": self._group,
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": _SESSION_MS,
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

    def _fetch(self) -> None:
        """Fetch for as long as there is room; the thread's whole life."""
        looked, paused = time.monotonic(), False
        while not self._stop.is_set():
            try:
                paused = self._make_room(paused=paused)
                self._pull()
                if self._start():
                    paused = False
                self._tell()
                if time.monotonic() - looked > _LOOK_S:
                    looked = time.monotonic()
                    self._look()
                    self._fault = self._fault if self._stuck else None
            except LandingBlockedError as error:
                self._fail(error, stuck=True)
            except SourceDownError as error:
                self._fail(error)
            except KafkaException as error:
                self._fail(self._down(error.args[0].str()))

    def _fail(self, error: PenstockError, *, stuck: bool = False) -> None:
        self._fault, self._stuck = error, stuck or self._stuck
        self._stop.wait(_BREATH_S)

    def _make_room(self, *, paused: bool) -> bool:
        """Fetch nothing more while too much is held; the group is heard all the same."""
        with self._lock:
            full = self._held.size >= (_HELD_BYTES // 2 if paused else _HELD_BYTES)
            fetched = [self._at(part) for part in self._parts.keys() - self._starts.keys()]
        if full != paused:
            (self._consumer.pause if full else self._consumer.resume)(fetched)
        return full

    def _start(self) -> bool:
        """Fetch what has been leased from where the ledger says; whether there was any."""
        if not self._starts:
            return False
        self._check_identity()  # or another topic's records would go on where this one ended
        with self._lock:
            starts, self._starts = self._starts, {}
        places = [self._at(part, row) for part, row in starts.items()]
        self._consumer.incremental_unassign(places)
        self._consumer.incremental_assign(places)
        self._consumer.resume(places)
        return True

    def _pull(self) -> None:
        """Keep what has come, and say what has not."""
        messages = self._consumer.consume(_ONCE, _WAIT_S)
        self._hold([message for message in messages if message.error() is None])
        # What is gone first: it is said once.
        for message in sorted(messages, key=_is_passing):
            self._sound(message)

    def _at(self, part: int, row: int = 0) -> TopicPartition:
        return TopicPartition(self.topic, part, row)

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
                place = self._parts.get(part)
                if place is None or part in self._starts:
                    continue  # of before it was leased
                start, place.received = place.received, _offset(last) + 1
                place.sent_ms = last.timestamp()[1]
                self._held.add(Piece(part, start, place.received, len(run), body, now))
                self._fetched += len(run)

    def _look(self) -> None:
        """See whether it is the same topic still, and how far it reaches."""
        self._check_identity()
        for partition in self.parts():
            place = self._at(partition.part)
            partition.high = self._consumer.get_watermark_offsets(place, cached=True)[1]

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
        if error.fatal():
            raise LandingBlockedError(
                f"the brokers let this process read no more: {error.str()}",
                where=f"{self.domain}/{self.name} as {self._member} of {self._group}",
                next_step="see that no other process runs on a copy of this data directory, and "
                "start this one again",
            )
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
            consumer.assign([TopicPartition(self.topic, part, start)])
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


def _is_passing(message: Message) -> bool:
    """Whether it is no error, or one that may pass by itself."""
    error = message.error()
    return error is None or error.code() not in _GONE


def _offset(message: Message) -> int:
    offset = message.offset()
    assert offset is not None  # noqa: S101 - only what was produced has none
    return offset


def _now_ms() -> int:
    return int(time.time() * 1000)
