"""The broker of `make stack`: it takes and gives back, and keeps what it had through a kill."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services.native import Native

MESSAGES = [b'{"number":%d}' % number for number in range(1000)]
pytestmark = pytest.mark.slow


@pytest.fixture
def topic(kafka: Native, request: pytest.FixtureRequest) -> Iterator[str]:
    admin = AdminClient({"bootstrap.servers": servers(kafka)})
    name = request.node.name
    admin.create_topics([NewTopic(name, num_partitions=3)])[name].result(30)
    yield name
    admin.delete_topics([name])[name].result(30)


def servers(kafka: Native) -> str:
    return kafka.environment["KAFKA_BOOTSTRAP_SERVERS"]


def produce(kafka: Native, topic: str) -> None:
    refused: list[object] = []
    producer = Producer({"bootstrap.servers": servers(kafka), "enable.idempotence": True})
    for message in MESSAGES:
        producer.produce(topic, message, on_delivery=lambda e, _: e and refused.append(e))
    assert producer.flush(30) == 0
    assert refused == []


def consumed(kafka: Native, topic: str) -> list[bytes]:
    """All messages of a topic, by a group of its own; a topic that has more fails."""
    consumer = Consumer({
        "bootstrap.servers": servers(kafka), "group.id": f"{topic}-{time.monotonic_ns()}",
        "auto.offset.reset": "earliest", "fetch.queue.backoff.ms": 10,
    })  # fmt: skip
    consumer.subscribe([topic])
    found: list[bytes] = []
    deadline = time.monotonic() + 30
    while len(found) < len(MESSAGES) and time.monotonic() < deadline:
        for message in consumer.consume(1000, 0.2):
            assert message.error() is None, message.error()
            found.append(message.value())
    found += [message.value() for message in consumer.consume(1, 0.2)]
    consumer.close()
    return sorted(found)


def test_a_thousand_messages_outlive_a_kill(kafka: Native, topic: str) -> None:
    produce(kafka, topic)
    assert consumed(kafka, topic) == sorted(MESSAGES)
    kafka.kill()
    found = kafka.health
    assert (found.state, found.pid) == ("down", 0)
    assert "is gone" in found.said
    kafka.start()
    assert kafka.health.state == "up"
    assert consumed(kafka, topic) == sorted(MESSAGES)
