"""A topic on a real broker, who produces to it, and a platform that lands it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import threading
import urllib.error
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from tests.flow.faults import PlatformProcess, wait_for

from penstock.engine.client import Address, Client
from penstock.engine.datadir import key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.services.native import Native

METERS = Path(__file__).parent.parent / "fixtures" / "projects" / "meters"


class Topic:
    """A topic and who produces to it.

    Args:
        kafka: the broker.
        name: of the topic; it is made.
        partitions: of it.
    """

    def __init__(self, kafka: Native, name: str, partitions: int = 3) -> None:
        self.partitions = partitions
        self.name, self.servers = name, kafka.environment["KAFKA_BOOTSTRAP_SERVERS"]
        self.admin = AdminClient({"bootstrap.servers": self.servers, "log_level": 0})
        self.acknowledged = 0
        self._producer = Producer({
            "bootstrap.servers": self.servers, "enable.idempotence": True, "linger.ms": 5,
            "message.timeout.ms": 120_000, "log_level": 0,
        })  # fmt: skip
        self.make()

    def make(self) -> None:
        self.admin.create_topics([NewTopic(self.name, self.partitions)])[self.name].result(30)

    def delete(self) -> None:
        self.admin.delete_topics([self.name])[self.name].result(30)

    def send(self, *records: tuple[str, bytes | None], **headers: bytes | None) -> None:
        """Produce keys and values; they are acknowledged when this returns."""
        for named, value in records:
            self._producer.produce(
                self.name, value, named, headers=headers, on_delivery=self._delivered
            )
        assert self._producer.flush(120) == 0

    def given(self) -> dict[int, int]:
        """How many partitions each lander has, by its number, as the broker sees it."""
        groups = [g.group_id for g in self.admin.list_consumer_groups().result(10).valid]
        ours = [group for group in groups if group.startswith("penstock.")]
        if not ours:
            return {}
        found = self.admin.describe_consumer_groups(ours).values()
        members = [member for group in found for member in group.result(10).members]
        return {
            int(member.group_instance_id.rpartition(".")[2]): len(places)
            for member in members
            if (places := member.assignment.topic_partitions) and places[0].topic == self.name
        }

    def _delivered(self, error: object, _message: object) -> None:
        assert error is None, error
        self.acknowledged += 1


class Landed:
    """`penstock up` of meters that read a topic."""

    def __init__(self, topic: Topic, folder: Path) -> None:
        self.topic = topic
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

    def is_exact(self, total: int) -> None:
        """Every record has landed once: bronze without a gap, silver, every gold."""
        self.reaches(total)
        bronze = self.rows(
            "SELECT _part, count() AS rows, uniqExact(_pos) AS positions, max(_pos) + 1 AS stop"
            " FROM raw_meters GROUP BY _part ORDER BY _part"
        )
        for part in bronze:
            assert int(part["rows"]) == int(part["positions"]) == int(part["stop"]), part
        assert sum(int(part["rows"]) for part in bronze) == total
        (silver,) = self.rows("SELECT count() AS rows, uniqExact(meter_id) AS ids FROM readings")
        assert int(silver["rows"]) == int(silver["ids"]) == total - total // 100
        reconciled = self.process.run("reconcile", "--json")
        assert reconciled.returncode == 0, reconciled.stdout + reconciled.stderr

    def _landed(self) -> int:
        try:
            return int(self.status()["landed"])
        except (OSError, urllib.error.URLError):
            return 0


def reading(number: int) -> tuple[str, bytes | None]:
    """One in a hundred fits nothing, in turns."""
    if number % 100 == 7:
        return "odd", (b"no JSON\nover two lines", b'{"meter_id": "x"}', b"", None)[
            number // 100 % 4
        ]
    now = datetime.now(UTC).isoformat()
    return f"m{number % 50}", json.dumps({"meter_id": number, "ts": now, "power": 1.0}).encode()


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


class Companion:
    """`penstock up --only landing` beside a platform.

    Args:
        landed: the platform.
        number: of it, in the order they are started.
    """

    def __init__(self, landed: Landed, number: int) -> None:
        up = landed.process
        self._topic, self.number = landed.topic, number
        self._up, self.log = up, up.log.with_name(f"companion-{number}.log")
        self._words = up.command(
            "up", "--only", "landing", "--project", str(up.project), "--data", str(up.data)
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it has been given partitions."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self._up.environment,
            )  # fmt: skip
        wait_for("it to be given partitions", self._is_given_some, seconds=60)

    def send_signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> None:
        """End it in good order; it may have been killed or stopped before."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def _is_given_some(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        return bool(self._topic.given().get(self.number))
