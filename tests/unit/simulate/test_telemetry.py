"""Telemetry of meters: seeded, counted, keyed by device, with incidents that show."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from penstock.errors import UsageError
from penstock.simulate.incidents import KINDS, Incidents, plan, story
from penstock.simulate.planted import wanted
from penstock.simulate.stream import Faults, Schedule
from penstock.simulate.telemetry import MALFORMED, MAX_DEVICES, Meters, Telemetry

START_MS = 1_795_269_600_000  # 2026-11-21T14:00:00Z
QUIET = Faults(0, 0, 0)
DEVICES = 50


def telemetry(
    seconds: int = 60, faults: Faults = QUIET, *, seed: int = 3, plant: Any = None
) -> Telemetry:
    schedule = Schedule.live(START_MS, DEVICES, seconds * DEVICES)
    return Telemetry(schedule, devices=DEVICES, seed=seed, faults=faults, plant=plant)


def told(meters: Meters) -> Incidents:
    return Incidents(meters, story(meters, START_MS))


def rows_of(stream: Telemetry) -> dict[str, list[dict[str, Any]]]:
    """The rows of each device, in their order."""
    found = defaultdict(list)
    for batch in stream.batches(999):
        for line in batch.body.splitlines():
            row = json.loads(line, parse_float=Decimal)
            found[row["device_id"]].append(row)
    return found


def test_the_same_arguments_give_the_same_bytes_however_they_are_cut() -> None:
    faults = Faults(0.05, 0.05, 0.05)
    one = b"".join(b.body for b in telemetry(faults=faults).batches(7))
    assert one == b"".join(b.body for b in telemetry(faults=faults).batches(1000))
    assert one != b"".join(b.body for b in telemetry(faults=faults, seed=4).batches())


def test_each_row_has_its_devices_key_and_all_is_counted() -> None:
    stray = Faults(late=0.05, duplicates=0.05, malformed=0.05)
    good = bad = 0
    total = Decimal(0)
    kinds = set()
    for batch in telemetry(200, stray, plant=told).batches(777):
        lines = batch.body.splitlines()
        assert len(lines) == len(batch.keys) == batch.counts.rows
        kinds |= set(batch.counts.malformed)
        bad += batch.counts.malformed.total()
        total += Decimal(batch.counts.sums["energy_watts"]).scaleb(-3)
        for key, line in zip(batch.keys, lines, strict=True):
            try:
                row = json.loads(line, parse_float=Decimal)
                datetime.fromisoformat(row["timestamp"])
                assert row["device_id"].encode() == key
                total -= row["energy_watts"]
            except (ValueError, TypeError, KeyError):
                bad -= 1
            else:
                good += 1
    assert kinds == set(MALFORMED)
    assert good > 9000
    assert bad == 0
    assert total == 0


def test_incidents_show_in_their_meters_and_nowhere_else() -> None:
    sound, stream = rows_of(telemetry()), telemetry(plant=told)
    broken = rows_of(stream)
    listed = {one["kind"]: one["device_id"] for one in stream.faults()}
    assert set(listed) == {*KINDS, "wrong_type"}
    for device in sound.keys() - set(listed.values()):
        assert broken[device] == sound[device]
    surge = [
        b["energy_watts"] / a["energy_watts"]
        for a, b in zip(sound[listed["surge"]], broken[listed["surge"]], strict=True)
    ]
    assert surge[:15] == [1] * 15
    assert all(9.9 < times < 10.1 for times in surge[16:])
    assert len({row["energy_watts"] for row in broken[listed["stuck"]]}) == 1
    assert len(broken[listed["silent"]]) == 5
    words = [row["energy_watts"] == "high" for row in broken[listed["wrong_type"]]]
    assert 10 < sum(words) < 50


def test_incidents_that_are_asked_for_are_drawn_from_the_seed() -> None:
    meters = Meters(DEVICES, 1)
    span = (START_MS, START_MS + 3_600_000)
    drawn = plan(meters, 1, wanted("all:2", KINDS), span)
    assert drawn == plan(meters, 1, wanted("all:2", KINDS), span)
    assert drawn != plan(meters, 2, wanted("all:2", KINDS), span)
    assert sorted(fault.kind for fault in drawn) == sorted(KINDS * 2)
    assert len({fault.slot for fault in drawn}) == len(drawn)
    assert all(span[0] <= f.start_ms < f.end_ms <= span[1] for f in drawn)
    surges = [f.end_ms - f.start_ms for f in drawn if f.kind == "surge"]
    assert surges == [300_000, 300_000]


def test_what_cannot_be_simulated_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot be simulated"):
        Meters(MAX_DEVICES + 1, 1)
    with pytest.raises(UsageError, match="negative"):
        telemetry(seed=-1)
    with pytest.raises(UsageError, match="no fault to plant"):
        wanted("drift", KINDS)
