"""What needs a person: alerts that fire say what they are about."""

from __future__ import annotations

from typing import Any

from penstock.serve.needs import needs

_CHECKS: dict[str, Any] = {"checks": []}


def _incident(number: int, key: str, row: dict[str, Any], state: str = "firing") -> dict[str, Any]:
    return {
        "id": number, "domain": "homes", "alert": "warm", "key": key, "state": state,
        "severity": "critical", "message": "", "row": row, "since_ms": 1, "fired_ms": number,
    }  # fmt: skip


def _alerts(key: list[str], *incidents: dict[str, Any]) -> dict[str, Any]:
    return {
        "alerts": [{"domain": "homes", "name": "warm", "firing": len(incidents), "key": key}],
        "incidents": list(incidents),
    }


def test_an_alert_is_about_its_key() -> None:
    two = _alerts(["home_id", "room"], _incident(1, '[7, "bath"]', {"t": 50}))
    assert needs(two, _CHECKS)["alerts"][0]["about"] == {"home_id": 7, "room": "bath"}
    none = _alerts([], _incident(1, "[7]", {"home_id": 7, "t": 50}))
    assert needs(none, _CHECKS)["alerts"][0]["about"] == {"home_id": 7}


def test_what_fires_is_named_up_to_a_hundred_and_counted_whole() -> None:
    many = [_incident(n, f"[{n}]", {}, "firing" if n < 150 else "resolved") for n in range(160)]
    told = needs(_alerts(["home_id"], *many), _CHECKS)
    assert (told["firing"], len(told["alerts"])) == (160, 100)
    assert told["alerts"][99]["about"] == {"home_id": 99}


def test_an_alert_that_was_deleted_needs_nobody() -> None:
    told = needs(
        _alerts(
            ["home_id"], {**_incident(1, "[1]", {}), "alert": "deleted"}, _incident(2, "[2]", {})
        ),
        _CHECKS,
    )
    assert [each["alert"] for each in told["alerts"]] == ["warm"]
