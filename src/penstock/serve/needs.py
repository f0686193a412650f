"""What a person should act on, in short: alerts that fire and checks that fail, as an event."""

from __future__ import annotations

from typing import Any

_NEWEST = 8  # of each that are named; all are counted


def needs(alerts: dict[str, Any], checks: dict[str, Any]) -> dict[str, Any]:
    """The part of `/v1/alerts` and `/v1/checks` that every page shows.

    Args:
        alerts: the document of the alerts.
        checks: the document of the checks.

    Returns:
        `firing` and `failed`, how many there are, and the newest of each: `alerts`, `checks`.
    """
    known = {(alert["domain"], alert["name"]) for alert in alerts["alerts"]}
    firing = [
        i
        for i in alerts["incidents"]
        if i["state"] == "firing" and (i["domain"], i["alert"]) in known
    ]
    failed = [c for c in checks["checks"] if c["state"] in {"failed", "error"}]
    failed.sort(key=lambda check: -int(check["at_ms"]))
    return {
        "firing": sum(alert["firing"] for alert in alerts["alerts"]),
        "failed": len(failed),
        "alerts": [
            {name: incident[name] for name in ("id", "domain", "alert", "severity", "message")}
            | {"fired_ms": incident["fired_ms"] or incident["since_ms"]}
            for incident in firing[:_NEWEST]
        ],
        "checks": [
            {name: check[name] for name in ("domain", "name", "state", "failures", "at_ms")}
            for check in failed[:_NEWEST]
        ],
    }
