"""A topic into bronze, silver and golds, against the same staged inserts in the engine's process.

The topic is full before the platform starts: what is measured is from when it is ready until all
of it is landed, counted and ledgered. Broker, platform and engine share the machine's cores; the
baseline has the engine alone, and the records read and packed beforehand.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from deploy.native.kafka import KAFKA
from tests.services.native import Native

from benchmarks.harness import EXAMPLES, Figure, median, running
from penstock.engine.inserts import STAGING, Insert, stage_and_write
from penstock.engine.pool import Connection, Pool
from penstock.layers.statements import fill
from penstock.project import load
from penstock.simulate.producer import TelemetryProducer
from penstock.simulate.stream import Schedule
from penstock.simulate.telemetry import Telemetry
from penstock.sources import records

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS, BLOCK, PARTITIONS, DEVICES = 2_000_000, 200_000, 12, 10_000
ROUNDS = 5


def measure() -> list[Figure]:
    """Rows a second each way, in alternating rounds; the ratio is the median of the rounds' own."""
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder, Native(KAFKA) as kafka:
        servers = kafka.environment["KAFKA_BOOTSTRAP_SERVERS"]
        topic = _filled(servers)
        blocks = list(_blocks(servers, topic))
        pool = Pool(Path(folder) / "engine", size=1, memory=800 << 20)
        with pool.connection() as connection:
            _create(connection)
            _bare(connection, blocks[:1], 0)
            for turn in range(1, ROUNDS + 1):
                theirs.append(_bare(connection, blocks, turn))
                ours.append(_landed(Path(folder) / str(turn), servers, topic))
                print(f"{ours[-1]:,.0f} rows/s from Kafka, {theirs[-1]:,.0f} bare", flush=True)
        pool.close()
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return [
        Figure(
            "Kafka to bronze + silver + golds of telemetry, committed and ledgered",
            median(ours), "rows/s", median(theirs), median(ratios), ">= 0.5",
        )
    ]  # fmt: skip


def _filled(servers: str) -> str:
    """A topic with so many measurements of the last minutes."""
    topic = "bench_telemetry"
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([NewTopic(topic, PARTITIONS)])[topic].result(30)
    now_ms = int(time.time() * 1000)
    telemetry = Telemetry(Schedule.live(now_ms - 200_000, rate=10_000.0), devices=DEVICES, seed=1)
    with TelemetryProducer(servers, topic=topic) as producer:
        for _ in range(ROWS // 10_000):
            batch = telemetry.take(10_000)
            producer.ingest_many(batch.keys, batch.body.split(b"\n")[:-1])
    return topic


def _blocks(servers: str, topic: str) -> Iterator[bytes]:
    """The topic, packed as the source packs it, so many rows a block."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "bench"})
    consumer.assign([TopicPartition(topic, part, 0) for part in range(PARTITIONS)])
    held = []
    for _ in range(ROWS // BLOCK):
        while len(held) < BLOCK:
            held += consumer.consume(min(10_000, BLOCK - len(held)), 1.0)
        yield records.packed(held)
        held = []
    consumer.close()


def _create(connection: Connection) -> None:
    connection.run(f"CREATE DATABASE IF NOT EXISTS {STAGING} ENGINE = Memory")
    connection.run("CREATE DATABASE telemetry")
    connection.enter("telemetry")
    for relation in load(EXAMPLES).domain("telemetry").relations:
        for statement in relation.statements:
            connection.run(statement.sql)


def _bare(connection: Connection, blocks: list[bytes], turn: int) -> float:
    began = time.perf_counter()
    for number, block in enumerate(blocks):
        statement = fill(
            "land_records",
            bronze="raw_telemetry",
            source="'telemetry_stream'",
            batch=turn * 1000 + number,
            ingested_ms=int(time.time() * 1000),
            token=f"'bench-{turn}-{number}'",
            structure=records.STRUCTURE,
        )
        stage_and_write(connection, Insert.parse(statement), block)
    return len(blocks) * BLOCK / (time.perf_counter() - began)


def _landed(folder: Path, servers: str, topic: str) -> float:
    """Rows a second of a new platform that finds the topic full."""
    project = folder / "examples"
    shutil.copytree(EXAMPLES, project, ignore=shutil.ignore_patterns(".data"))
    source = project / "telemetry" / "sources" / "telemetry_stream.toml"
    source.write_text(source.read_text().replace('"telemetry_stream"', f'"{topic}"'))
    with running(project, KAFKA_BOOTSTRAP_SERVERS=servers) as platform:
        began = time.monotonic()
        return ROWS / (platform.drain(ROWS) - began)
