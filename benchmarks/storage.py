"""Bytes on disk of a silver reading, against zstd -3 of the same readings as NDJSON."""

from __future__ import annotations

from backports import zstd

from benchmarks.harness import EXAMPLES, Figure, Running, bodies, running, send
from penstock.layers.convert import FileFormat, records
from penstock.project import load

ROWS = 1_000_000


def measure() -> list[Figure]:
    """On a million simulated readings and on a real house."""
    project = load(EXAMPLES)
    source = project.source("homes", "household_power")
    path = project.domain("homes").root / str(source.options["path"])
    house = [body for body, _ in records(path, FileFormat.of(source))]
    return [
        _figure("1 M simulated", bodies(ROWS, each=50_000)),
        _figure("household_power", house),
    ]


def _figure(name: str, parts: list[bytes]) -> Figure:
    rows = sum(part.count(b"\n") for part in parts)
    with running() as platform:
        for part in parts:
            send(platform.url, part)
        platform.drain(rows)
        ours = _silver_bytes(platform) / rows
    theirs = len(zstd.compress(b"".join(parts), 3)) / rows
    return Figure(f"bytes a silver reading, {name}", ours, "B/row", theirs, ours / theirs, "<= 0.5")


def _silver_bytes(platform: Running) -> int:
    """Of the table merged into as few parts as it has partitions."""
    client = platform.client()
    client.execute("OPTIMIZE TABLE homes.readings FINAL")
    return int(
        client.value(
            "SELECT sum(bytes_on_disk) FROM system.parts"
            " WHERE active AND database = 'homes' AND table = 'readings'"
        )
    )
