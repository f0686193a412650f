"""Messages of a topic that fit nothing: each is kept with its place, its reason and its bytes."""

from __future__ import annotations

import base64
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from tests.flow.faults import PlatformProcess, wait_for

if TYPE_CHECKING:
    from tests.services.native import Native

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
TOPIC = "bad_messages"
NOW = datetime.now(UTC)
pytestmark = pytest.mark.slow


def message(**fields: object) -> bytes:
    """A good one, but for these fields; None takes a field away."""
    whole = {"device_id": "d1", "user_id": "u1", "energy_watts": 5, "timestamp": NOW.isoformat()}
    return json.dumps({k: v for k, v in {**whole, **fields}.items() if v is not None}).encode()


BAD: list[tuple[str, bytes | None]] = [
    ("tombstone", None),
    ("empty", b""),
    ("empty", b" \n\t"),
    ("too_large", message(note="x" * 1_048_577)),
    ("not_utf8", message(user_id="u").replace(b'"u"', b'"\xff\xfe"')),
    ("not_json", b"meter restarting"),
    ("not_json", message()[:-1]),
    ("not_json", b"\x00\x00\x00\x00\x07avro?"),
    ("not_object: Array", b"[" + message() + b"]"),
    ("not_object: Int64", b"5"),
    ("not_object: Null", b"null"),
    ("not_object: String", b'"d1"'),
    ("device_id_missing", message(device_id=None)),
    ("device_id_missing", message(device_id="")),
    ("device_id_value", message(device_id="d" * 65)),
    ("timestamp_missing", message(timestamp=None)),
    ("timestamp_unparsable", message(timestamp="yesterday")),
    ("timestamp_unparsable", message(timestamp="2026-02-30T10:00:00Z")),
    ("timestamp_unparsable", message(timestamp=NOW.date().isoformat())),
    ("timestamp_range", message(timestamp="1990-01-01T00:00:00Z")),
    ("timestamp_range", message(timestamp=(NOW + timedelta(days=3)).isoformat())),
    ("user_id_value", message(user_id="u" * 65)),
    ("energy_watts_missing", message(energy_watts=None)),
    ("energy_watts_value", message(energy_watts="much")),
    ("energy_watts_value", message(energy_watts=1e12)),
    ("energy_watts_value", message().replace(b": 5", b": NaN").replace(b"NaN", b'"nan"')),
]


def test_each_kind_is_a_dead_letter_with_its_place_reason_and_bytes(
    kafka: Native, tmp_path: Path
) -> None:
    servers = kafka.environment["KAFKA_BOOTSTRAP_SERVERS"]
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
    admin.create_topics([NewTopic(TOPIC, 2)])[TOPIC].result(30)
    project = tmp_path / "examples"
    shutil.copytree(EXAMPLES, project, ignore=shutil.ignore_patterns(".data"))
    source = project / "telemetry" / "sources" / "telemetry_stream.toml"
    source.write_text(source.read_text().replace('"telemetry_stream"', f'"{TOPIC}"'))
    places = _produce(servers)
    up = PlatformProcess(project, tmp_path / "data", KAFKA_BOOTSTRAP_SERVERS=servers)
    with up:
        wait_for("all to be landed", lambda: _telemetry(up)["landed"] >= 2 * len(BAD), seconds=60)
        assert (_telemetry(up)["good"], _telemetry(up)["dead"]) == (len(BAD), len(BAD))
        for (reason, value), (part, offset) in zip(BAD, places, strict=True):
            letter = up.get(f"/v1/dead-letters/telemetry/telemetry_stream/{part}/{offset}")
            assert letter["reason"].startswith(reason), letter["reason"][:200]
            assert (letter["topic"], letter["part"], letter["pos"]) == (TOPIC, part, offset)
            assert letter["key"] == f"k{places.index((part, offset))}"
            assert letter["headers"] == {"kind": reason}
            assert letter["words"]
            said = base64.b64decode(letter["base64"]) or letter["raw"].encode()
            assert said == (value or b"")
        reconciled = up.run("reconcile", "--json")
        assert reconciled.returncode == 0, reconciled.stdout + reconciled.stderr


def _telemetry(up: PlatformProcess) -> dict[str, Any]:
    found: dict[str, Any] = next(
        s for s in up.get("/v1/status")["sources"] if s["domain"] == "telemetry"
    )
    return found


def _produce(servers: str) -> list[tuple[int, int]]:
    """Produce each bad one, a good one after it; gives the partitions and offsets of the bad."""
    places: dict[int, tuple[int, int]] = {}
    producer = Producer({
        "bootstrap.servers": servers, "compression.type": "lz4", "message.max.bytes": 2_000_000,
        "log_level": 0,
    })  # fmt: skip

    def noting(number: int) -> Any:
        def note(error: object, told: Any) -> None:
            assert error is None, error
            places[number] = (told.partition(), told.offset())

        return note

    for number, (reason, value) in enumerate(BAD):
        producer.produce(
            TOPIC, value, f"k{number}", headers={"kind": reason}, on_delivery=noting(number)
        )
        producer.produce(TOPIC, message(), "good")
    assert producer.flush(30) == 0
    return [places[number] for number in range(len(BAD))]
