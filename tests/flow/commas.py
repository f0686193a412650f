"""Devices that write 21,5 for 21.5: dead letters until bronze's file is mended."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

BRONZE = "homes/bronze/raw_sensors.sql"
_MONTHS = tuple(datetime(2026, month, 20, 12, tzinfo=UTC) for month in (9, 10, 11))
_POINTS = "replaceRegexpAll({}, '\"(-?[0-9]+),([0-9]+)\"', '\"\\\\1.\\\\2\"')"


def commas(first: int, last: int) -> bytes:
    """Rows with the serials [first, last) over three months; each 100th stays a dead letter."""
    lines = []
    for serial in range(first, last):
        at = _MONTHS[serial % 3] + timedelta(seconds=serial)
        row: dict[str, object] = {
            "home_id": serial % 7,
            "ts": at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "region": ("north", "east", "south", "west")[serial % 4],
            "temperature": f"{15 + serial % 10},{serial % 10}" if serial % 100 != 99 else "1,2,3",
            "energy": round(serial % 50 / 7, 3),
            "serial": serial,
        }
        lines.append(json.dumps(row).encode() + b"\n")
    return b"".join(lines)


def mend(project: Path) -> None:
    """Let bronze read a comma within a number as a point, in `doc` and where it is looked at."""
    path = project / BRONZE
    text = path.read_text("utf-8")
    for name in ("_raw", "record"):
        before = f"JSONExtract({name}, 'Tuple"
        assert text.count(before) == 1
        text = text.replace(before, f"JSONExtract({_POINTS.format(name)}, 'Tuple")
    path.write_text(text, "utf-8")
