"""What a person should act on: of alerts and checks that are there."""

from __future__ import annotations

from typing import Any

from penstock.serve.needs import needs


def incident(alert: str) -> dict[str, Any]:
    return {"id": 1, "domain": "homes", "alert": alert, "severity": "critical", "message": "hot",
            "state": "firing", "fired_ms": 7, "since_ms": 5, "key": "[7]", "row": {}}  # fmt: skip


def test_an_alert_that_was_deleted_needs_nobody() -> None:
    alerts = {
        "alerts": [{"domain": "homes", "name": "hot", "firing": 1, "key": ["home"]}],
        "incidents": [incident("deleted"), incident("hot")],
    }
    told = needs(alerts, {"checks": []})
    assert told["firing"] == 1
    assert [each["alert"] for each in told["alerts"]] == ["hot"]
