"""A topic on a real broker, landed exactly once through kills of everything that can be killed."""

from __future__ import annotations

import json
import shutil
import threading
import time
import urllib.error
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from tests.flow.faults import PlatformProcess, wait_for
from tests.services.native import Native

from penstock.engine.client import Address, Client
from penstock.engine.datadir import key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

METERS = Path(__file__).parent.parent / "fixtures" / "projects" / "meters"
PARTITIONS = 3
pytestmark = pytest.mark.slow


class Topic:
    """A topic and who produces to it.

    Args:
        kafka: the broker.
        name: of the topic; it is made.
    """

    def __init__(self, kafka: Native, name: str) -> None:
        self.name, self.servers = name, kafka.environment["KAFKA_BOOTSTRAP_SERVERS"]
        self.admin = AdminClient({"bootstrap.servers": self.servers, "log_level": 0})
        self.acknowledged = 0
        self._producer = Producer({
            "bootstrap.servers": self.servers, "enable.idempotence": True, "linger.ms": 5,
            "message.timeout.ms": 120_000, "log_level": 0,
        })  # fmt: skip
        self.make()

    def make(self) -> None:
        self.admin.create_topics([NewTopic(self.name, PARTITIONS)])[self.name].result(30)

    def delete(self) -> None:
        self.admin.delete_topics([self.name])[self.name].result(30)

    def send(self, *records: tuple[str, bytes | None], **headers: bytes | None) -> None:
        """Produce keys and values; they are acknowledged when this returns."""
        for named, value in records:
            self._producer.produce(
                self.name, value, named, headers=headers, on_delivery=self._delivered
            )
        assert self._producer.flush(120) == 0

    def _delivered(self, error: object, _message: object) -> None:
        assert error is None, error
        self.acknowledged += 1


class Landed:
    """`penstock up` of meters that read a topic."""

    def __init__(self, topic: Topic, folder: Path) -> None:
        project = folder / "meters"
        shutil.copytree(METERS, project)
        for path in (project / "meters" / "sources").iterdir():
            path.unlink()
        source = f'kind = "kafka"\ntopic = "{topic.name}"\ninto = "raw_meters"\n'
        (project / "meters" / "sources" / "readings.toml").write_text(source)
        self.process = PlatformProcess(
            project, folder / "data",
            KAFKA_BOOTSTRAP_SERVERS=topic.servers, PENSTOCK_BATCH_AGE="50ms",
        )  # fmt: skip

    def status(self) -> dict[str, Any]:
        (source,) = self.process.get("/v1/status")["sources"]
        found: dict[str, Any] = source
        return found

    def reaches(self, rows: int) -> None:
        wait_for(f"{rows} rows to be landed", lambda: self._landed() >= rows, seconds=120)

    def blocked(self, words: str) -> None:
        def seen() -> bool:
            status = self.status()
            return status["state"] == "blocked" and words in status["reason"]

        wait_for(f"the source to be blocked: {words}", seen, seconds=60)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        process = self.process
        secret = key(process.data)
        client = Client(Address("127.0.0.1", process.engine_port, "penstock", secret))
        try:
            return client.rows(sql, database="meters")
        finally:
            client.close()

    def _landed(self) -> int:
        try:
            return int(self.status()["landed"])
        except (OSError, urllib.error.URLError):
            return 0


@pytest.fixture
def topic(kafka: Native, request: pytest.FixtureRequest) -> Topic:
    return Topic(kafka, request.node.name[:60])


@pytest.fixture
def landed(topic: Topic, tmp_path: Path) -> Iterator[Landed]:
    up = Landed(topic, tmp_path)
    with up.process:
        yield up


def reading(number: int) -> tuple[str, bytes | None]:
    """One in a hundred fits nothing, in turns."""
    if number % 100 == 7:
        return "odd", (b"no JSON\nover two lines", b'{"meter_id": "x"}', b"", None)[
            number // 100 % 4
        ]
    now = datetime.now(UTC).isoformat()
    return f"m{number % 50}", json.dumps({"meter_id": number, "ts": now, "power": 1.0}).encode()


def test_what_comes_beside_a_record_is_kept(landed: Landed, topic: Topic) -> None:
    before = int(time.time() * 1000)
    topic.send(("k\xe9y", b'{"odd": "\xff\n"}'), trace=b"\x00\x01", none=None)
    topic.send(("gone", None), ("", b""))
    landed.reaches(3)
    found = landed.rows(
        "SELECT _key, hex(_headers['trace']) AS trace, mapKeys(_headers) AS headers, _null,"
        " toUnixTimestamp64Milli(_sent_at) AS sent, hex(_raw) AS raw, _error FROM raw_meters"
        " ORDER BY _null, length(_raw) DESC"
    )
    first, empty, tombstone = found
    assert (first["_key"], first["trace"]) == ("k\xe9y", "0001")
    assert sorted(first["headers"]) == ["none", "trace"]
    assert bytes.fromhex(first["raw"]) == b'{"odd": "\xff\n"}'
    assert before <= int(first["sent"]) <= time.time() * 1000
    assert (empty["raw"], empty["_null"], empty["_error"]) == ("", False, "json")
    assert (tombstone["_key"], tombstone["_null"], tombstone["_error"]) == (
        "gone", True, "tombstone",
    )  # fmt: skip


@contextmanager
def producing(topic: Topic, pause: float) -> Iterator[Callable[[], int]]:
    """Readings that go on while the block runs; gives how many there were."""
    sent, stop, faults = 0, threading.Event(), list[BaseException]()

    def send() -> None:
        nonlocal sent
        try:
            while not stop.wait(pause):
                topic.send(*map(reading, range(sent, sent + 500)))
                sent += 500
        except BaseException as error:  # noqa: BLE001 - told in the test's own thread
            faults.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield lambda: sent
    finally:
        stop.set()
        thread.join()
    assert not faults, faults


def test_each_record_lands_once_through_kills(landed: Landed, topic: Topic, kafka: Native) -> None:
    up = landed.process
    with producing(topic, 0.02) as sent:
        for turn in range(8):
            landed.reaches(sent() + 1_000)
            if turn == 5:
                kafka.kill()
                kafka.start()
            elif turn % 2:
                up.kill_engine()
            else:
                up.kill()
                up.start()
    total = sent()
    landed.reaches(total)
    assert topic.acknowledged == total
    bronze = landed.rows(
        "SELECT _part, count() AS rows, uniqExact(_pos) AS positions, max(_pos) + 1 AS stop"
        " FROM raw_meters GROUP BY _part ORDER BY _part"
    )
    for part in bronze:
        assert int(part["rows"]) == int(part["positions"]) == int(part["stop"])
    assert sum(int(part["rows"]) for part in bronze) == total
    (silver,) = landed.rows("SELECT count() AS rows, uniqExact(meter_id) AS ids FROM readings")
    assert int(silver["rows"]) == int(silver["ids"]) == total - total // 100
    reconciled = up.run("reconcile", "--json")
    assert reconciled.returncode == 0, reconciled.stdout + reconciled.stderr


def test_a_broker_that_is_away_is_met_later(kafka: Native, tmp_path: Path) -> None:
    topic = Topic(kafka, "met_later")
    topic.send(*map(reading, range(300)))
    kafka.stop()
    up = Landed(topic, tmp_path)
    starting = threading.Thread(target=up.process.start)  # it is ready when the source is
    starting.start()
    try:
        wait_for("the page", lambda: _answers(up), seconds=60)
        up.blocked("cannot be read")
        kafka.start()
        up.reaches(300)
    finally:
        starting.join()
        up.process.stop()


def _answers(up: Landed) -> bool:
    try:
        up.status()
    except OSError:
        return False
    return True


def test_a_topic_that_is_made_anew_is_not_taken_for_the_old_one(
    landed: Landed, topic: Topic
) -> None:
    topic.send(*map(reading, range(100)))
    landed.reaches(100)
    topic.delete()
    landed.blocked("cannot be read")
    wait_for("the topic to be gone", lambda: topic.name not in topic.admin.list_topics().topics)
    topic.make()
    topic.send(*map(reading, range(50)))
    landed.blocked("made anew")
    assert landed.rows("SELECT count() AS rows FROM raw_meters") == [{"rows": 100}]
    landed.process.stop()
    with pytest.raises(AssertionError, match="to be ready"):
        landed.process.start()
    landed.blocked("the ledger knows it as")


def test_what_retention_has_removed_stops_the_source(landed: Landed, topic: Topic) -> None:
    topic.send(*map(reading, range(300)))
    landed.reaches(300)
    landed.process.stop()
    topic.send(*map(reading, range(300, 600)))
    ends = [TopicPartition(topic.name, part, -1) for part in range(PARTITIONS)]
    for removed in topic.admin.delete_records(ends).values():
        removed.result(30)
    topic.send(*map(reading, range(600, 700)))
    landed.process.start()
    landed.blocked("does not hold any more")
    assert landed.rows("SELECT count() AS rows FROM raw_meters") == [{"rows": 300}]
