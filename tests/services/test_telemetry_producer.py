"""`TelemetryProducer` against a real broker: in order, once, and honest about what went wrong."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from penstock import TelemetryProducer
from penstock.errors import SourceDownError, UsageError

if TYPE_CHECKING:
    from tests.services.native import Native

pytestmark = pytest.mark.slow
PARTITIONS = 4


@pytest.fixture
def topic(kafka: Native, request: pytest.FixtureRequest) -> str:
    admin = AdminClient({"bootstrap.servers": servers(kafka)})
    name = str(request.node.name)
    admin.create_topics([NewTopic(name, PARTITIONS)])[name].result(30)
    return name


def servers(kafka: Native) -> str:
    return kafka.environment["KAFKA_BOOTSTRAP_SERVERS"]


def stored(kafka: Native, topic: str) -> list[tuple[int, str, dict[str, Any]]]:
    """Partition, key and record of all messages, in the order of each partition."""
    consumer = Consumer({
        "bootstrap.servers": servers(kafka), "group.id": topic, "enable.partition.eof": True,
    })  # fmt: skip
    consumer.assign([TopicPartition(topic, part, 0) for part in range(PARTITIONS)])
    found, ended = [], 0
    while ended < PARTITIONS:
        for message in consumer.consume(1000, 1):
            if message.error():
                ended += 1
                continue
            value, key, part = message.value(), message.key(), message.partition()
            assert value is not None
            assert key is not None
            assert part is not None
            found.append((part, key.decode(), json.loads(value)))
    consumer.close()
    return found


def test_a_devices_measurements_stay_in_order_through_a_kill(kafka: Native, topic: str) -> None:
    start = datetime(2026, 11, 21, tzinfo=UTC)
    with TelemetryProducer(servers(kafka), topic=topic) as producer:
        for number in range(2_000):
            at = start + timedelta(milliseconds=number)
            producer.ingest_telemetry(f"d{number % 50}", number, at, user_id=f"u{number % 7}")
            if number == 1_000:
                kafka.kill()
                kafka.start()
    found = stored(kafka, topic)
    assert sorted(record["energy_watts"] for _, _, record in found) == list(range(2_000))
    for device in (f"d{number}" for number in range(50)):
        own = [(part, record) for part, key, record in found if key == device]
        assert len({part for part, _ in own}) == 1
        assert [record["timestamp"] for _, record in own] == sorted(
            record["timestamp"] for _, record in own
        )
        assert {record["device_id"] for _, record in own} == {device}


def test_measurements_in_bulk_stay_in_order_through_a_full_buffer(
    kafka: Native, topic: str
) -> None:
    settings: dict[str, str | int | float | bool] = {"queue.buffering.max.messages": 300}
    devices = [f"d{number % 50}".encode() for number in range(5_000)]
    records = [json.dumps({"number": number}).encode() for number in range(5_000)]
    with TelemetryProducer(servers(kafka), topic=topic, settings=settings) as producer:
        producer.ingest_telemetry("d7", -1)
        producer.ingest_many(devices, records)
        with pytest.raises(UsageError, match="too large"):
            producer.ingest_many([b"d7"], [b"x" * 2_000_000])
    found = stored(kafka, topic)
    numbers = [record["number"] for _, _, record in found if "number" in record]
    assert sorted(numbers) == list(range(5_000))
    for device in (f"d{number}" for number in range(50)):
        own = [(part, record) for part, key, record in found if key == device]
        assert len({part for part, _ in own}) == 1, "one partition, whichever way it was sent"
        bulk = [record["number"] for _, record in own if "number" in record]
        assert bulk == sorted(bulk)
    first = next(record for _, key, record in found if key == "d7")
    assert first["energy_watts"] == -1


def test_times_are_sent_in_utc_and_a_user_only_where_there_is_one(
    kafka: Native, topic: str
) -> None:
    east = timezone(timedelta(hours=2))
    with TelemetryProducer(servers(kafka), topic=topic) as producer:
        producer.ingest_telemetry("d", 1.5, datetime(2026, 11, 21, 1, 30, tzinfo=east))
        with pytest.raises(UsageError, match="no time zone"):
            producer.ingest_telemetry("d", 1.5, datetime(2026, 11, 21))  # noqa: DTZ001 - the point
        with pytest.raises(ValueError, match="JSON"):
            producer.ingest_telemetry("d", float("nan"))
    ((_, key, record),) = stored(kafka, topic)
    assert (key, record) == (
        "d",
        {"device_id": "d", "energy_watts": 1.5, "timestamp": "2026-11-20T23:30:00.000+00:00"},
    )


def test_what_is_not_delivered_is_said(free_port: Any) -> None:
    settings: dict[str, str | int | float | bool] = {"delivery.timeout.ms": 1_000}
    producer = TelemetryProducer(f"127.0.0.1:{free_port()}", settings=settings)
    producer.ingest_telemetry("d", 1)
    with pytest.raises(SourceDownError, match="1 measurements were not delivered"):
        producer.flush(30)
    producer.flush(1)  # nothing is left, and it was said once


def test_brokers_have_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    with pytest.raises(UsageError, match="no brokers"):
        TelemetryProducer()
