"""One city of those that docs/detection.md reports: most faults are found, few alarms are false."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

import pytest
from benchmarks.detection import (
    END,
    HOMES,
    REPORTED,
    Score,
    Scores,
    city,
    judged,
    land,
    over_threshold,
    score,
    suspected,
)  # fmt: skip

from penstock.simulate.homes import Homes, Schedule
from penstock.simulate.planted import KINDS, Planted, plan, story


def total(scores: Scores) -> Score:
    sums = [
        sum(getattr(score, name) for score in scores.values())
        for name in ("episodes", "found", "right", "wrong")
    ]
    return Score(*sums)


@pytest.mark.slow
def test_the_endpoints_find_planted_faults_better_than_a_fixed_threshold() -> None:
    mine: Scores = defaultdict(Score)
    fixed: Scores = defaultdict(Score)
    with judged() as sandbox:
        faults = land(sandbox, city(REPORTED[0]))
        score(mine, faults, suspected(sandbox), by="kind")
        score(fixed, faults, over_threshold(sandbox), by="channel")
    assert {kind: mine[kind].episodes for kind in KINDS} == dict.fromkeys(KINDS, 2)
    assert total(mine).found >= 17
    assert total(mine).precision >= 0.97
    assert total(mine).f1 > total(fixed).f1 + 0.3
    missed = {fault["kind"] for fault in faults} - {kind for kind in KINDS if mine[kind].right}
    assert not missed


def test_the_drift_of_the_demo_is_told_as_soon_as_a_week_of_its_history_is_there() -> None:
    now_ms = int(END.timestamp() * 1000)

    def past(days: int, end: datetime) -> Homes:
        span = round(end.timestamp() * 1000), days * 86_400, days * 144 * HOMES
        return Homes(
            Schedule.history(*span, HOMES),
            homes=HOMES,
            seed=3,
            plant=lambda city: Planted(city, story(city, now_ms, now_ms)),
        )

    recent, older = past(1, END), past(29, END - timedelta(days=1))
    with judged() as sandbox:
        sandbox.start(END)
        sandbox.given("readings", recent.take(144 * HOMES).body)
        before = sandbox.answer("suspected_sensors", hours=2)
        sandbox.given("readings", older.take(7 * 144 * HOMES).body)
        told = {(r["home_id"], r["suspect"]) for r in sandbox.answer("suspected_sensors", hours=2)}
    (drift,) = recent.faults()
    assert before == [], "no other week is known yet"
    assert drift["kind"] == "drift"
    assert drift["start"] == "2026-11-18T14:00:00.000Z"
    assert told == {(drift["home_id"], "drift")}


def test_an_alarm_is_right_in_its_place_hour_and_kind_only() -> None:
    fault = {"kind": "drift", "channel": "temperature", "home_id": 7, "region": "north",
             "start": "2026-11-21T10:30:00.000Z", "end": "2026-11-21T12:00:00.000Z"}  # fmt: skip
    hour = 1_795_255_200_000  # 10:00
    later = hour + 3_600_000
    cases = {
        ("drift", "7", hour): (1, 1, 0),
        ("drift", "7", hour - 3_600_000): (0, 0, 1),
        ("drift", "7", later + 2 * 3_600_000): (1, 1, 0),
        ("drift", "7", later + 3 * 3_600_000): (0, 0, 1),
        ("drift", "8", hour): (0, 0, 1),
        ("stuck", "7", hour): (0, 0, 0),
    }
    for alarm, wanted in cases.items():
        scores: Scores = defaultdict(Score)
        score(scores, [fault], {alarm}, by="kind")
        drift = scores["drift"]
        assert (drift.found, drift.right, drift.wrong) == wanted, alarm
        assert drift.episodes == 1


def test_a_replay_mends_the_hours_that_an_outage_left_empty() -> None:
    end_ms = int(END.timestamp() * 1000)
    schedule = Schedule.history(end_ms, 2 * 86_400, 10_000, 20)
    span = (schedule.start_ms, end_ms)

    def body(*, outage: bool, replay: bool = False) -> bytes:
        homes = Homes(
            schedule,
            homes=20,
            plant=lambda c: Planted(
                c, plan(c, 1, {"outage": 2} if outage else {}, span), replay=replay
            ),
        )
        return homes.take(20_000).body

    golds = ("hourly_stats", "home_hours", "home_baseline", "home_latest")

    def held() -> list[list[str]]:
        return [sorted(map(str, sandbox.rows(gold))) for gold in golds]

    with judged() as sandbox:
        sandbox.start(END)
        sandbox.given("readings", body(outage=False))
        whole = held()
        sandbox.start(END)
        sandbox.given("readings", body(outage=True))
        assert [a == b for a, b in zip(held(), whole, strict=True)] == [False] * len(golds)
        sandbox.given("readings", body(outage=True, replay=True))
        assert held() == whole
