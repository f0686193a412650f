"""A topic on a real broker, landed exactly once through kills of everything that can be killed."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import TopicPartition
from tests.flow.faults import wait_for
from tests.services.native import Native
from tests.services.topics import Landed, Topic, producing, reading

if TYPE_CHECKING:
    from collections.abc import Iterator

PARTITIONS = 3
COUNT = """/*
description: Readings of each meter.
grain: meter
*/
CREATE TABLE meter_count (meter_id UInt32, readings UInt64)
ENGINE = SummingMergeTree ORDER BY meter_id
SETTINGS non_replicated_deduplication_window = 40000, fsync_after_insert = 1;

CREATE MATERIALIZED VIEW meter_count_mv TO meter_count AS
SELECT meter_id, count() AS readings FROM readings GROUP BY meter_id;
"""
pytestmark = pytest.mark.slow


@pytest.fixture
def topic(kafka: Native, request: pytest.FixtureRequest) -> Topic:
    return Topic(kafka, request.node.name[:60])


@pytest.fixture
def landed(topic: Topic, tmp_path: Path) -> Iterator[Landed]:
    up = Landed(topic, tmp_path)
    with up.process:
        yield up


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
    landed.is_exact(sent())


def test_a_crash_and_a_new_file_go_together(landed: Landed, topic: Topic) -> None:
    """What the crash left open is finished before the new view could take it twice."""
    up = landed.process
    with producing(topic, 0.02) as sent:
        for _ in range(30):
            landed.reaches(sent() + 100)
            up.kill()
            if _open_batches(up.data / "penstock.db"):
                break
            up.start()
        else:
            pytest.fail("no kill has met an open batch")
        (up.project / "meters" / "gold" / "meter_count.sql").write_text(COUNT)
        applied = up.run("apply", "--yes")
        assert applied.returncode == 0, applied.stdout + applied.stderr
        assert not _open_batches(up.data / "penstock.db")
        up.start()
    landed.is_exact(sent())


def _open_batches(store: Path) -> int:
    with closing(sqlite3.connect(store)) as connection:
        found = connection.execute("SELECT count(*) FROM batch WHERE closed_no IS NULL")
        return int(found.fetchone()[0])


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
