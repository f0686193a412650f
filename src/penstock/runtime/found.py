"""Which of the demo's planted faults the platform has found, by what it tells everybody.

An overheating home by the incidents of its alert, records of a wrong type by the dead letters, what
creeps away by the endpoint of suspected sensors, what came late by the gold that has it all the
same. Each fault is listed, found or not, and where it is not, with the reason.
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from penstock.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from penstock.runtime.platform import Platform

_ALERT, _ENDPOINT = "overheating", "suspected_sensors"
_LATE_MS = 60_000  # an alert may fire so long after a fault has ended
_LATE: Final = resources.files("penstock.runtime").joinpath("late.sql").read_text("utf-8")
_HOURS = "2"  # back, that the endpoint is asked for
_NORMED = (
    "SELECT countIf(temperature_norm IS NOT NULL) AS normed, count() AS hours FROM judged_hours "
    "WHERE home_id = {home:UInt32} AND hour > now('UTC') - toIntervalHour({hours:UInt32})"
)
_LETTERS = (
    "SELECT count() AS rows FROM raw_sensors WHERE _error != '' "
    "AND JSONExtractUInt(_raw, 'home_id') = {home:UInt32} "
    "AND _ingested_at >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')"
)

_WAITS = {
    "overheating": f"the alert {_ALERT} has not fired: it does so some 20 s after the fault began",
    "wrong_type": "none of its records has landed",
    "delayed": "what was kept back has not landed: it is sent 45 s into the run",
}


def found(platform: Platform, faults: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The faults of a truth file, each with `found`, `by` (what tells), `evidence` and `why` not.

    Args:
        platform: of any project; what it has neither alert nor endpoint for is not found.
        faults: as `simulate.planted` describes them; times are ISO 8601.
    """
    incidents = [
        incident
        for incident in platform.alerting.document()["incidents"]
        if incident["alert"] == _ALERT and incident["fired_ms"]
    ]
    looks = {
        "overheating": lambda fault: _incident(fault, incidents),
        "wrong_type": lambda fault: _letters(platform, fault),
        "drift": lambda fault: _suspected(platform, fault),
        "delayed": lambda fault: _corrected(platform, fault),
    }
    told = []
    for fault in faults:
        by, evidence = looks.get(fault["kind"], lambda _: ("", ""))(fault)
        why = "" if evidence else _why_not(platform, fault)
        told.append({**fault, "found": bool(evidence), "by": by, "evidence": evidence, "why": why})
    return told


def _why_not(platform: Platform, fault: Mapping[str, Any]) -> str:
    """What a fault that was not found waits for."""
    if fault["kind"] != "drift":
        return _WAITS.get(fault["kind"], "nothing in this project looks for it")
    params = {"home": str(fault["home_id"]), "hours": _HOURS}
    for row in _asked(platform, _NORMED, params):
        if int(row["normed"]):
            return "the home's last hours are not far enough from what it does otherwise"
        if int(row["hours"]):
            return (
                "no other week of the home has landed to tell what it does otherwise: that is in "
                "the history, which fills in the background (--no-history leaves it out)"
            )
    return "no gold of this project has judged the home's last hours"


def _incident(fault: Mapping[str, Any], incidents: Iterable[Mapping[str, Any]]) -> tuple[str, str]:
    first, last = _ms(fault["start"]), _ms(fault["end"]) + _LATE_MS
    for incident in incidents:
        here = json.loads(incident["key"]) == [fault["home_id"]]
        if here and first <= incident["fired_ms"] <= last:
            after = (incident["fired_ms"] - first) / 1000
            return f"alert {_ALERT}", f"{incident['message']}, {after:.0f} s after it began"
    return f"alert {_ALERT}", ""


def _letters(platform: Platform, fault: Mapping[str, Any]) -> tuple[str, str]:
    params = {"home": str(fault["home_id"]), "start": str(_ms(fault["start"]))}
    rows = sum(int(row["rows"]) for row in _asked(platform, _LETTERS, params))
    return "dead letters", f"{rows:,} of this home" if rows else ""


def _suspected(platform: Platform, fault: Mapping[str, Any]) -> tuple[str, str]:
    """Needs another week of the home's own history to know what it does otherwise."""
    params = {"hours": _HOURS, "home_id": str(fault["home_id"])}
    rows: list[dict[str, Any]] = []
    for endpoint in (e for e in platform.project.endpoints() if e.name == _ENDPOINT):
        with suppress(EngineError):  # what can't be asked has found nothing
            rows += platform.client.rows(endpoint.sql, params=params, database=endpoint.database)
    sigmas = [abs(float(row["sigma"] or 0)) for row in rows if row["suspect"] == fault["kind"]]
    return f"endpoint {_ENDPOINT}", f"{max(sigmas):.1f} bands off" if sigmas else ""


def _corrected(platform: Platform, fault: Mapping[str, Any]) -> tuple[str, str]:
    """The hours of the readings that came late: without them, and as gold has them now."""
    params = {
        "home": str(fault["home_id"]),
        "start": str(_ms(fault["start"])),
        "end": str(_ms(fault["end"])),
    }
    evidence = ""
    for row in _asked(platform, _LATE, params):
        if int(row["late"]) and int(row["stored"]) == int(row["counted"]):
            part, whole = float(row["part"]), float(row["whole"])
            evidence = (
                f"{row['late']} readings came up to {row['late_s']} s late: their hour has "
                f"{whole:,.1f} Wh of {row['stored']} readings now, {part:,.1f} Wh without them"
            )
    return "gold home_hours", evidence


def _asked(platform: Platform, sql: str, params: Mapping[str, str]) -> list[dict[str, Any]]:
    """What the domain homes answers; nothing where there is none, or it cannot be asked."""
    rows: list[dict[str, Any]] = []
    for domain in (d for d in platform.project.domains if d.name == "homes"):
        with suppress(EngineError):
            rows += platform.client.rows(sql, params=params, database=domain.database)
    return rows


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
