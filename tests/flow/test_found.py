"""Planted faults are listed whether or not the project has what could find them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from penstock.runtime.found import found

from .faults import homes, wait_for
from .test_reconcile import land_all, platform_of

if TYPE_CHECKING:
    from pathlib import Path

_FAULT = {"home_id": 1, "start": "2026-01-01T00:00:00+00:00", "end": "2026-01-02T00:00:00+00:00"}
_ALERT = """/*
description: A home is hot.
every: 1s
for: 0s
key: home_id
message: Home {home_id} is hot
*/
SELECT 1 AS home_id FROM readings LIMIT 1
"""
_SUSPECTED = """/*
description: Sensors that creep away.
*/
SELECT 'drift' AS suspect, -4.5 AS sigma FROM home_latest
WHERE {home_id:UInt32} = 1 AND {hours:UInt32} = 2 LIMIT 1
"""
_KINDS = ("overheating", "wrong_type", "drift", "delayed", "outage")


def test_a_project_without_alert_or_endpoint_has_found_nothing(tmp_path: Path) -> None:
    with platform_of(homes(tmp_path / "project"), tmp_path / "data") as platform:
        land_all(platform, 20)
        told = found(platform, [{"kind": kind, **_FAULT} for kind in _KINDS])
    assert [fault["kind"] for fault in told] == list(_KINDS)
    assert not any(fault["found"] for fault in told), told
    whys = {fault["kind"]: fault["why"] for fault in told}
    assert "has not fired" in whys["overheating"]
    assert "no gold of this project" in whys["drift"]
    assert all(whys.values())


def test_what_an_alert_and_an_endpoint_say_is_found(tmp_path: Path) -> None:
    root, began = homes(tmp_path / "project"), datetime.now(UTC)
    for folder in ("alerts", "serve"):
        (root / "homes" / folder).mkdir()
    (root / "homes/alerts/overheating.sql").write_text(_ALERT)
    (root / "homes/serve/suspected_sensors.sql").write_text(_SUSPECTED)
    with platform_of(root, tmp_path / "data") as platform:
        land_all(platform, 20)
        alerting = platform.alerting
        wait_for("it to fire", lambda: alerting.document()["alerts"][0]["firing"])
        fault = {**_FAULT, "start": began.isoformat(), "end": datetime.now(UTC).isoformat()}
        told = {
            (each["kind"], each["home_id"]): each["evidence"]
            for each in found(
                platform,
                [{**fault, "kind": kind, "home_id": n} for kind in _KINDS[::2] for n in (1, 2)],
            )
        }
    assert told["overheating", 1].startswith("Home 1 is hot, "), told
    assert told["drift", 1] == "4.5 bands off"
    assert told["overheating", 2] == told["drift", 2] == ""
