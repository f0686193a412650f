"""A producer of telemetry for users' programs: into Kafka, in order, each measurement once."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from confluent_kafka import KafkaError, Producer

from penstock.errors import SourceDownError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from confluent_kafka import Message

_WAIT_S = 0.1
_DELIVERED_S = 120.0


class TelemetryProducer:
    """Sends measurements of devices to a topic, which Penstock lands.

    A device's measurements stay in their order: the device is the key, and the producer is
    idempotent, so that what it sends again arrives once. It buffers; `flush`, or the end of a
    `with` block, waits until all is acknowledged::

        with TelemetryProducer("127.0.0.1:9092") as producer:
            producer.ingest_telemetry("meter-17", 431.25, user_id="ann")

    Args:
        servers: brokers, as `host:9092,host:9092`; by default KAFKA_BOOTSTRAP_SERVERS.
        topic: where to.
        settings: further ones of librdkafka, by its names: `{"security.protocol": "SSL"}`.

    Raises:
        UsageError: no brokers are named.
    """

    def __init__(
        self,
        servers: str = "",
        *,
        topic: str = "telemetry_stream",
        settings: dict[str, str | int | float | bool] | None = None,
    ) -> None:
        servers = servers or os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "")
        if not servers:
            raise UsageError(
                "no brokers are named",
                next_step='TelemetryProducer("127.0.0.1:9092"), or set KAFKA_BOOTSTRAP_SERVERS',
            )
        self.topic, self.servers = topic, servers
        self._failed: list[str] = []
        self._lost = 0
        self._producer = Producer({
            "linger.ms": 20, "compression.type": "lz4",
            "delivery.timeout.ms": int(_DELIVERED_S * 1000),
            "delivery.report.only.error": True,  # what arrived needs no Python
            **(settings or {}),
            "bootstrap.servers": servers, "enable.idempotence": True,
        })  # fmt: skip

    def ingest_telemetry(
        self,
        device_id: str,
        energy_watts: float,
        timestamp: datetime | None = None,
        *,
        user_id: str = "",
    ) -> None:
        """Hand over one measurement; it waits where the buffer is full.

        Args:
            device_id: of the device, its key.
            energy_watts: what it draws, W.
            timestamp: when that was, with its zone; now by default.
            user_id: whose device it is; left out where it is empty.

        Raises:
            UsageError: the time has no zone.
            SourceDownError: measurements handed over before could not be delivered.
        """
        at = timestamp or datetime.now(UTC)
        if at.tzinfo is None:
            raise UsageError(
                f"{at.isoformat()} has no time zone",
                next_step="datetime.now(UTC), or .replace(tzinfo=UTC) where it is in UTC",
            )
        record: dict[str, str | float] = {
            "device_id": device_id,
            "energy_watts": energy_watts,
            "timestamp": at.astimezone(UTC).isoformat(timespec="milliseconds"),
        }
        if user_id:
            record["user_id"] = user_id
        body = json.dumps(record, allow_nan=False).encode()
        while True:
            try:
                self._producer.produce(
                    self.topic, body, device_id.encode(), on_delivery=self._delivered
                )
                break
            except BufferError:  # full: what is under way makes room
                self._producer.poll(_WAIT_S)
        self._producer.poll(0)
        self._raise()

    def ingest_many(self, device_ids: Sequence[bytes], records: Sequence[bytes]) -> None:
        """Hand over measurements that are JSON already, as quickly as that goes.

        They are taken as they are, some 400,000 a second of a core; a device's stay in order,
        also with those of `ingest_telemetry`.

        Args:
            device_ids: of each measurement the device.
            records: of each the JSON object, as `ingest_telemetry` would write it.

        Raises:
            UsageError: one is larger than the brokers take; others may be handed over.
            SourceDownError: measurements could not be delivered, of these or of those before.
        """
        both = zip(device_ids, records, strict=True)
        left: list[dict[str, Any]] = [{"key": device, "value": record} for device, record in both]
        send = self._producer.produce_batch
        while send(self.topic, left, on_delivery=self._delivered) < len(left):
            # From the first one on that finds the buffer full, none is taken: order stays.
            left = [message for message in left if self._waits(message.pop("_error", None))]
            self._producer.poll(_WAIT_S)
            if self._failed:
                self._lost += len(left)
            self._raise()
        self._producer.poll(0)
        self._raise()

    def flush(self, timeout: float = _DELIVERED_S) -> None:
        """Wait until all that was handed over is acknowledged.

        Args:
            timeout: seconds at most.

        Raises:
            SourceDownError: something was not delivered, or not in time.
        """
        left = self._producer.flush(timeout)
        self._raise()
        if left:
            raise self._down(f"{left} measurements wait after {timeout:g} s")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.flush()
        else:  # what went wrong first is told; what was handed over still goes out
            self._producer.flush(_WAIT_S)

    @staticmethod
    def _waits(error: KafkaError | None) -> bool:
        """Whether a message is to be handed over again; what will never be taken is refused."""
        if error is None:
            return False
        if error.code() == KafkaError._QUEUE_FULL:  # noqa: SLF001 - its public name
            return True
        raise UsageError(
            f"a measurement cannot be sent: {error.str()}", next_step="send less in one record"
        )

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._lost += 1
            self._failed = [error.str()]

    def _raise(self) -> None:
        if self._failed:
            lost, why, self._lost, self._failed = self._lost, self._failed[0], 0, []
            raise self._down(f"{lost} measurements were not delivered: {why}")

    def _down(self, why: str) -> SourceDownError:
        return SourceDownError(
            why,
            where=f"the topic {self.topic} at {self.servers}",
            next_step="check the broker; what was not delivered is to be sent again",
        )
