"""Several landers share a topic: each record lands once, whoever comes, goes or wakes too late."""

from __future__ import annotations

import signal
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.flow.faults import wait_for
from tests.services.topics import Companion, Landed, Topic, producing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.services.native import Native

PARTITIONS = 12
SESSION_S = 10.0  # after which a lander that is not heard of loses its partitions
pytestmark = pytest.mark.slow


@pytest.fixture
def topic(kafka: Native, request: pytest.FixtureRequest) -> Topic:
    return Topic(kafka, request.node.name[:60], PARTITIONS)


@pytest.fixture
def landed(topic: Topic, tmp_path: Path) -> Iterator[Landed]:
    up = Landed(topic, tmp_path)
    with up.process:
        yield up


@pytest.fixture
def companions(landed: Landed) -> Iterator[list[Companion]]:
    made = [Companion(landed, number) for number in range(1, 4)]
    yield made
    for each in made:
        each.stop()


def test_each_record_lands_once_while_landers_come_and_go(
    landed: Landed, topic: Topic, companions: list[Companion]
) -> None:
    with producing(topic, 0.02) as sent:
        for each in companions:
            each.start()
        landed.reaches(sent() + 2_000)
        companions[0].send_signal(signal.SIGKILL)
        companions[1].stop()
        companions[0].start()
        # Who looks at all of it has all of them stand still meanwhile, and go on after.
        looked = landed.process.run("reconcile", "--json")
        assert looked.returncode == 0, looked.stdout + looked.stderr
        landed.process.kill_engine()
        companions[1].start()
        landed.reaches(sent() + 2_000)
    landed.is_exact(sent())


def test_a_lander_that_wakes_too_late_lands_nothing_twice(
    landed: Landed, topic: Topic, companions: list[Companion]
) -> None:
    late = companions[0]
    with producing(topic, 0.02) as sent:
        late.start()
        for _ in range(2):
            landed.reaches(sent() + 1_000)
            _put_to_sleep(late, landed)
            until, before = time.monotonic() + SESSION_S + 2, sent()
            # Its partitions go to the platform, which lands what it left open.
            wait_for("its session to be over", lambda t=until: time.monotonic() > t)
            landed.reaches(before)
            wait_for("its partitions to be the platform's", lambda: set(topic.given()) == {0})
            late.send_signal(signal.SIGCONT)
    landed.is_exact(sent())


def _put_to_sleep(late: Companion, landed: Landed) -> None:
    """Stop it, but not while it holds the store's lock: who sleeps with a file's lock holds all."""
    store = landed.process.data / "penstock.db"
    while True:
        late.send_signal(signal.SIGSTOP)
        with closing(sqlite3.connect(store, timeout=1, isolation_level=None)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                late.send_signal(signal.SIGCONT)
                continue
            connection.execute("ROLLBACK")
            return
