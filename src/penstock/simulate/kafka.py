"""Sends a generator's rows to a topic at its pace, and keeps the account.

Once a second all that was handed over is waited for: what the brokers have acknowledged by then
counts as acknowledged, and where one of it was lost, all of that second stays unacknowledged.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from penstock.errors import PenstockError, SourceDownError
from penstock.simulate.truth import Counts, write_document

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from penstock.simulate.producer import TelemetryProducer
    from penstock.simulate.stream import Stream
    from penstock.simulate.truth import Truth

_BODY_ROWS = 10_000
_BODY_S = 0.1  # seconds of readings to hand over together
_ACCOUNT_S = 1.0
_ASK_S = 5.0  # for an answer of the brokers
_SKIP_AFTER_S = 5.0  # a stream that lags this far behind leaves out what is overdue


class KafkaSender:
    """Hands the rows of one generator to one topic.

    Args:
        producer: to the topic.
        stream: the rows, whose batches tell their keys; its schedule begins with `run`.
        truth: the account to keep.
        truth_file: where to write it each second and at the end.

    Attributes:
        stop: set it to end early; what was handed over is waited for.
        on_account: called with the account each second and at the end.
    """

    def __init__(
        self,
        producer: TelemetryProducer,
        stream: Stream,
        truth: Truth,
        *,
        truth_file: Path | None = None,
    ) -> None:
        self.stop = threading.Event()
        self.on_account: Callable[[Truth], None] | None = None
        self._producer, self._stream, self._truth = producer, stream, truth
        self._truth_file = truth_file
        self._open = Counts()  # handed over, and no word of it yet

    def run(self) -> None:
        """Send until the end, and write the account whatever happens.

        Raises:
            SourceDownError: nothing of a second was delivered.
            OSError: the truth file cannot be written.
        """
        began = accounted = time.monotonic()
        try:
            while not self.stop.is_set() and self._stream.left != 0:
                now = time.monotonic()
                if now >= accounted + _ACCOUNT_S:
                    accounted = now
                    self._account()
                if readings := self._due(now - began):
                    self._send(readings)
                if readings < _BODY_ROWS:
                    self.stop.wait(_BODY_S)
        finally:
            self._truth.final = True
            self._account()

    def _due(self, elapsed_s: float) -> int:
        """Readings that are to go out now; leaves out what is too old."""
        stream = self._stream
        if not stream.schedule.paced:
            return _BODY_ROWS
        overdue = stream.schedule.due(elapsed_s * 1000.0) - stream.next
        period_s = float(stream.schedule.period_ms) / 1000.0
        if overdue > _BODY_ROWS and overdue * period_s > _SKIP_AFTER_S:
            stream.skip(overdue - _BODY_ROWS)
            self._truth.count_skipped(overdue - _BODY_ROWS)
        return min(overdue, _BODY_ROWS)

    def _send(self, readings: int) -> None:
        batch = self._stream.take(readings)
        self._truth.count_sent(batch.counts)
        self._open.add(batch.counts)
        if batch.keys:
            try:
                self._producer.ingest_many(batch.keys, batch.body.split(b"\n")[:-1])
            except PenstockError:
                self._open = Counts()  # some of this second is lost: none of it is acknowledged
                raise

    def _account(self) -> None:
        """Wait for all that is under way, count it, and write down where things stand."""
        try:
            self._producer.flush()
            self._truth.count_acknowledged(self._open, time.time())
        finally:
            self._open = Counts()
            if self._truth_file is not None:
                write_document(self._truth_file, self._truth.document())
            if self.on_account is not None:
                self.on_account(self._truth)


def make_topic(settings: Mapping[str, str], topic: str, partitions: int) -> None:
    """Make a topic where there is none of that name.

    Args:
        settings: of librdkafka, by its names: `bootstrap.servers`, security.
        topic: its name.
        partitions: how many it gets.

    Raises:
        SourceDownError: no broker answers, or it refuses.
    """
    admin = AdminClient({**settings, "log_level": 0})
    try:
        if topic not in admin.list_topics(timeout=_ASK_S).topics:
            admin.create_topics([NewTopic(topic, partitions)])[topic].result(_ASK_S)
    except (KafkaException, TimeoutError) as error:
        raise _silent(settings, error) from error


def ends_of(settings: Mapping[str, str], topic: str) -> dict[int, int]:
    """Where each partition of a topic ends: the offset after its last message.

    Raises:
        SourceDownError: no broker answers.
    """
    consumer = Consumer({**settings, "group.id": "penstock-ends", "log_level": 0})
    try:
        parts = consumer.list_topics(topic, timeout=_ASK_S).topics[topic].partitions
        asked = [TopicPartition(topic, part) for part in parts]
        return {
            one.partition: consumer.get_watermark_offsets(one, timeout=_ASK_S)[1] for one in asked
        }
    except KafkaException as error:
        raise _silent(settings, error) from error
    finally:
        consumer.close()


def _silent(settings: Mapping[str, str], error: Exception) -> SourceDownError:
    cause = error.args[0].str() if isinstance(error, KafkaException) else f"not in {_ASK_S:g} s"
    return SourceDownError(
        f"the brokers do not answer: {cause}",
        where=settings.get("bootstrap.servers", ""),
        next_step='start them: make stack SERVICES="kafka redis"; or correct '
        "KAFKA_BOOTSTRAP_SERVERS",
    )
