"""Planted faults: seeded, told in full, visible in their own channel, and nowhere else."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from penstock.errors import UsageError
from penstock.simulate.city import City
from penstock.simulate.homes import Faults, Homes, Schedule
from penstock.simulate.planted import KINDS, Fault, Planted, plan, story, wanted
from penstock.simulate.rows import DECIMALS

END_MS = 1_795_269_600_000  # 2026-11-21T14:00:00Z
DAYS, HOMES = 14, 40
QUIET = Faults(0, 0, 0)


def history(plant=None, rows: int = 60_000, faults: Faults = QUIET) -> Homes:
    schedule = Schedule.history(END_MS, DAYS * 86_400, rows, HOMES)
    return Homes(schedule, homes=HOMES, seed=4, plant=plant, faults=faults, serial=True)


def planned(amounts: dict[str, int], *, replay: bool = False):
    span = (END_MS - DAYS * 86_400_000, END_MS)
    return lambda city: Planted(city, plan(city, 4, amounts, span), replay=replay)


def rows_of(homes: Homes) -> dict[int, dict[str, Any]]:
    lines = b"".join(batch.body for batch in homes.batches()).splitlines()
    return {row["serial"]: row for row in map(json.loads, lines)}


def within(row: dict[str, Any], fault: dict[str, Any]) -> bool:
    """Of this home (or region), in this time; a reading's jitter reaches 64 ms back."""
    ts = datetime.fromisoformat(row["ts"]).timestamp()
    start, end = (datetime.fromisoformat(fault[key]).timestamp() for key in ("start", "end"))
    here = row["region"] if fault["home_id"] is None else row["home_id"]
    there = fault["region"] if fault["home_id"] is None else fault["home_id"]
    return bool(here == there and start - 0.1 <= ts < end)


@pytest.fixture(scope="module")
def sound() -> dict[int, dict[str, Any]]:
    return rows_of(history())


@pytest.fixture(scope="module")
def broken() -> tuple[dict[int, dict[str, Any]], list[dict[str, Any]]]:
    homes = history(planned(wanted("all:2")))
    return rows_of(homes), homes.faults()


def test_the_truth_lists_what_was_asked_for_and_is_the_same_again(broken):
    _, faults = broken
    assert Counter(fault["kind"] for fault in faults) == dict.fromkeys(KINDS, 2)
    again = history(planned(wanted("all:2")))
    again.take(60_000)
    assert again.faults() == faults
    assert all(fault["start"] < fault["end"] for fault in faults)
    homes = [fault["home_id"] for fault in faults if fault["home_id"] is not None]
    assert len(set(homes)) == len(homes), "one fault a home, so that each can be told apart"


def test_readings_differ_within_their_fault_and_nowhere_else(sound, broken):
    rows, faults = broken
    changed = defaultdict(set)
    for serial, row in rows.items():
        for column in DECIMALS:
            if row[column] != sound[serial][column]:
                kinds = [fault["kind"] for fault in faults if within(row, fault)]
                assert kinds, (row, sound[serial])
                changed[kinds[0]].add(column)
    for kind in set(KINDS) - {"outage"}:
        channel = next(fault["channel"] for fault in faults if fault["kind"] == kind)
        assert channel in changed[kind]
        assert changed[kind] <= {channel, "energy"}
    assert "energy" in changed["overheating"]
    assert {k for k in changed if "energy" in changed[k]} <= {"overheating", "draught"}


def test_faults_are_as_large_as_the_truth_says(sound, broken):
    rows, faults = broken
    for fault in faults:
        inside = [s for s, row in rows.items() if within(row, fault)]
        if fault["kind"] == "outage":
            assert inside == []
            continue
        channel = fault["channel"]
        off = np.array([rows[s][channel] - sound[s][channel] for s in inside])
        if fault["kind"] in ("overheating", "drift", "spikes", "power_dips"):
            last = np.abs(off).max()
            assert last == pytest.approx(abs(fault["size"]), rel=0.05), fault
        if fault["kind"] == "stuck":
            assert len({rows[s][channel] for s in inside}) == 1
        if fault["kind"] == "spikes":
            assert 0 < np.count_nonzero(off) / len(off) < 0.3


def test_a_city_without_faults_sends_the_bytes_it_always_sent(sound):
    assert rows_of(history(lambda city: Planted(city, []))) == sound


def test_a_replay_is_exactly_what_the_outages_kept_back():
    amounts = {"outage": 3}
    mishaps = Faults(late=0.05, duplicates=0.02, malformed=0.02)
    whole, cut, late = (
        history(plant, 20_000, mishaps)
        for plant in (None, planned(amounts), planned(amounts, replay=True))
    )
    bodies = [b"".join(b.body for b in homes.batches(777)) for homes in (whole, cut, late)]
    texts = [Counter(body.splitlines()) for body in bodies]
    assert texts[0] == texts[1] + texts[2]
    assert 100 < texts[2].total() < texts[1].total()


def test_silent_readings_are_no_rows_and_are_counted():
    homes = history(planned({"outage": 3}), 20_000, Faults(0.05, 0.02, 0.02))
    batch = homes.take(20_000)
    assert batch.counts.silent == len(batch.silent) > 0
    lines = batch.body.splitlines()
    assert len(lines) == batch.counts.rows
    assert batch.counts.rows == 20_000 - len(batch.silent) + len(batch.duplicates)
    assert not set(batch.silent) & (set(batch.duplicates) | set(batch.malformed))


def test_the_story_comes_again_and_again():
    homes = Homes(
        Schedule.live(END_MS, 100.0, 60_000),
        homes=100,
        faults=QUIET,
        plant=lambda city: Planted(city, story(city, END_MS)),
    )
    counts = homes.take(60_000).counts
    ids = City(100, 1).home_ids.tolist()
    faults = homes.faults()
    starts = [f["start"][11:19] for f in faults if f["kind"] == "overheating"]
    assert starts == ["14:00:15", "14:03:15", "14:06:15", "14:09:15"]
    assert {f["home_id"] for f in faults} == set(ids[:4])
    assert counts.silent == 30, "a reading a second for half a minute comes later"
    assert 600 / 2 * 0.8 < counts.malformed["wrong_type"] < 600 / 2 * 1.2
    assert counts.malformed.total() == counts.malformed["wrong_type"]


def test_what_creeps_away_in_the_story_began_before_it_and_goes_on_in_later_runs():
    day = 86_400_000

    def told(schedule: Schedule, start_ms: int) -> dict[str, dict[str, Any]]:
        homes = Homes(schedule, homes=40, plant=lambda c: Planted(c, story(c, start_ms, END_MS)))
        homes.take(4000)
        return {fault["kind"]: fault for fault in homes.faults()}

    past = told(Schedule.history(END_MS, 86_400, 4000, 40), END_MS)
    first = told(Schedule.live(END_MS, 40.0, 4000), END_MS)
    later = told(Schedule.live(END_MS + 2 * day, 40.0, 4000), END_MS + 2 * day)
    assert list(past) == ["drift"], "a history has what lasts, and nothing of the run itself"
    assert past["drift"] == first["drift"] == later["drift"]
    assert past["drift"]["start"] == "2026-11-18T14:00:00.000Z"
    assert first["wrong_type"] != later["wrong_type"]


@pytest.mark.parametrize("homes", [20, 60, 200, 1000])
def test_the_story_overheats_enough_for_its_alert_at_any_hour(homes):
    city = City(homes, 3)
    fault = story(city, END_MS)[0]
    hours_s = END_MS / 1000 + 3600.0 * np.arange(168)
    still = np.full((168, 4), 0x7FF8, np.uint16)
    slot = np.full(168, fault.slot)
    rooms = city.readings(slot, hours_s, 1.0, still)["temperature"] / 100
    assert rooms.min() + fault.size > 40, "what examples/homes/alerts/overheating.sql looks for"


def test_a_replay_of_the_story_is_what_came_late():
    def stream(*, replay: bool) -> Homes:
        return Homes(
            Schedule.live(END_MS, 20.0, 1200),
            homes=20,
            faults=QUIET,
            plant=lambda city: Planted(city, story(city, END_MS), replay=replay),
        )

    first, late = stream(replay=False).take(1200), stream(replay=True).take(1200)
    whole = Homes(Schedule.live(END_MS, 20.0, 1200), homes=20, faults=QUIET).take(1200)
    home = City(20, 1).home_ids[3]
    mine = [line for line in whole.body.splitlines() if f'"home_id":{home},'.encode() in line]
    assert late.counts.rows == first.counts.silent == 30
    assert late.body.splitlines() == mine[5:35], "from the fifth second, for half a minute"


def test_a_fault_that_comes_again_is_whole_at_any_border():
    fault = Fault("overheating", 0, 1000, 1400, 1.0, 1000)
    assert list(fault.within(0, 900)) == []
    assert list(fault.within(1399, 1399)) == [(1000, 1400)]
    assert list(fault.within(1400, 1999)) == []
    assert list(fault.within(1399, 3000)) == [(1000, 1400), (2000, 2400), (3000, 3400)]
    assert list(fault.within(10_399, 10_400)) == [(10_000, 10_400)]


def test_a_small_city_can_break_too():
    city = City(1, 1)
    assert len(story(city, END_MS)) == 1
    assert len(plan(city, 1, wanted("all:3"), (0, 86_400_000))) == 3 * len(KINDS)


@pytest.mark.parametrize("text", ["fire", "drift:0", "drift:x", "drift,drift", "all,drift", ":2"])
def test_what_cannot_be_planted_is_refused(text):
    with pytest.raises(UsageError):
        wanted(text)


def test_amounts_are_read():
    assert wanted("drift, spikes:3") == {"drift": 1, "spikes": 3}
    assert wanted("all:2") == dict.fromkeys(KINDS, 2)
    assert wanted("") == {}
