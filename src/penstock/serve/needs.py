"""What a person should act on, in short: alerts that fire and checks that fail, as an event."""

from __future__ import annotations

import json
from typing import Any

# Of each so many are named, the newest; all are counted. A map of homes marks each that fires.
_NEWEST_ALERTS, _NEWEST_CHECKS = 100, 8


def needs(alerts: dict[str, Any], checks: dict[str, Any]) -> dict[str, Any]:
    """The part of `/v1/alerts` and `/v1/checks` that every page shows.

    Args:
        alerts: the document of the alerts.
        checks: the document of the checks.

    Returns:
        `firing` and `failed`, how many there are, and the newest of each: `alerts`, `checks`.
    """
    keys = {(alert["domain"], alert["name"]): alert["key"] for alert in alerts["alerts"]}
    firing = [
        i
        for i in alerts["incidents"]
        if i["state"] == "firing" and (i["domain"], i["alert"]) in keys
    ]
    failed = [c for c in checks["checks"] if c["state"] in {"failed", "error"}]
    failed.sort(key=lambda check: -int(check["at_ms"]))
    return {
        "firing": sum(alert["firing"] for alert in alerts["alerts"]),
        "failed": len(failed),
        "alerts": [
            {name: incident[name] for name in ("id", "domain", "alert", "severity", "message")}
            | {"fired_ms": incident["fired_ms"] or incident["since_ms"]}
            | {"about": _about(incident, keys[incident["domain"], incident["alert"]])}
            for incident in firing[:_NEWEST_ALERTS]
        ],
        "checks": [
            {name: check[name] for name in ("domain", "name", "state", "failures", "at_ms")}
            for check in failed[:_NEWEST_CHECKS]
        ],
    }


def _about(incident: dict[str, Any], key: list[str]) -> dict[str, Any]:
    """The key's columns and their values; where none are named, the row's first one."""
    return dict(zip(key or incident["row"], json.loads(incident["key"]), strict=False))
