"""alerts/*.sql of a project: what is read, and every mistake with its line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from penstock.project.alerts import filled, placeholders

if TYPE_CHECKING:
    from tests.unit.project.conftest import Spoiled

FILE = "meters/alerts/high_power.sql"
GOOD = """/*
description: A meter takes more than it may.
every: 5s
for: 1m
keep: 2m
key: [meter_id]
severity: critical
notify: [log, webhook]
message: Meter {meter_id} takes {power} W
defaults: {most: 3}
*/
SELECT meter_id, power FROM readings WHERE power > {most:Float64}
"""


def test_an_alert_is_read_whole(meters: Spoiled) -> None:
    (alert,) = meters.write(FILE, GOOD).load().alerts()
    assert (alert.name, alert.query.domain) == ("high_power", "meters")
    assert (alert.every, alert.wait, alert.keep) == (5.0, 60.0, 120.0)
    assert (alert.key, alert.severity, alert.notify) == (
        ("meter_id",), "critical", ("log", "webhook"),
    )  # fmt: skip
    assert placeholders(alert.message) == ("meter_id", "power")
    assert filled(alert, {"meter_id": 7, "power": 4.5}) == "Meter 7 takes 4.5 W"


def test_what_is_not_said_is_modest(meters: Spoiled) -> None:
    (alert,) = meters.write(FILE, "SELECT meter_id FROM readings").load().alerts()
    assert (alert.every, alert.wait, alert.keep) == (60.0, 0.0, 0.0)
    assert (alert.key, alert.severity, alert.notify) == ((), "warning", ("log",))
    assert filled(alert, {"meter_id": 7}) == "high_power"


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("every: 5s", "every: soon", "every"),
        ("every: 5s", "every: 100ms", "too often"),
        ("severity: critical", "severity: dire", "severity is 'dire'"),
        ("webhook]", "pigeon]", "notify names 'pigeon'"),
        ("defaults: {most: 3}\n", "", "has no default, and nobody asks an alert"),
        ("FROM readings", "FROM readingz", "readingz"),
        ("for: 1m", "forr: 1m", "unknown key 'forr'"),
    ],
)
def test_a_mistake_is_told(meters: Spoiled, old: str, new: str, cause: str) -> None:
    problems = meters.write(FILE, GOOD).edit(FILE, old, new).problems()
    assert any(cause in p.cause and p.file == FILE for p in problems), [str(p) for p in problems]
