"""A look: one query for all keys of an alert, and what it changes.

::

    row there ──▶ pending ──(there for `for`)──▶ firing ──(gone for `keep`)──▶ resolved
                     └──(gone)──▶ forgotten
    the alert itself is gone ──▶ forgotten or resolved, at once

Pure but for the query: the same rows at the same time give the same changes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from penstock.project import clock
from penstock.project.alerts import filled
from penstock.store.incidents import Event, Incident

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from penstock.engine.client import Client
    from penstock.project.objects import Alert

MOST = 10_000
"""Rows of one look; an alert that gives more is one about everything."""


@dataclass(slots=True)
class Found:
    """What a look has found.

    Attributes:
        changed: incidents that are new, or not as they were.
        forgotten: pending ones whose row is gone.
        tell: an incident, what happened to it, and who is to be told.
    """

    changed: list[Incident] = field(default_factory=list)
    forgotten: list[Incident] = field(default_factory=list)
    tell: list[tuple[Incident, Event, tuple[str, ...]]] = field(default_factory=list)


def ask(
    alert: Alert,
    client: Client,
    at_ms: int | None = None,
    settings: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """The rows of an alert.

    Args:
        alert: that is asked.
        client: to the engine.
        at_ms: the time that it is to be, epoch milliseconds; now by default.
        settings: of the query.

    Raises:
        EngineError: the query fails. EngineDownError: not reached.
    """
    query = alert.query
    text = query.sql if at_ms is None else clock.frozen(query.sql, at_ms)
    sql = f"SELECT * FROM (\n{text}\n) LIMIT {MOST}"  # noqa: S608 - of the project's own file
    params = {param.name: param.default for param in query.params}
    return client.rows(sql, database=query.database, params=params, settings=settings)


def compare(
    alert: Alert, rows: Sequence[Mapping[str, Any]], before: Iterable[Incident], now_ms: int
) -> Found:
    """What the rows of an alert change.

    Args:
        alert: whose rows they are.
        rows: of one look; where two have the same key, the first one counts.
        before: its incidents that are not resolved.
        now_ms: when it looked, epoch milliseconds.
    """
    found = Found()
    left: dict[str, Incident] = {incident.key: incident for incident in before}
    seen: set[str] = set()
    for row in rows:
        key = key_of(alert, row)
        if key in seen:
            continue
        seen.add(key)
        incident = left.pop(key) if key in left else _new(alert, key, now_ms)
        _there(alert, row, incident, now_ms, found)
    for incident in left.values():
        _gone(alert, incident, now_ms, found)
    return found


def let_go(
    opened: Iterable[Incident], told: Mapping[int, Sequence[Mapping[str, Any]]], now_ms: int
) -> Found:
    """What becomes of the incidents of an alert that is there no more.

    Args:
        opened: those of it that are not resolved.
        told: number of an incident → who was to be told of it, as `Incidents.told` gives it.
        now_ms: epoch milliseconds.
    """
    found = Found()
    for incident in opened:
        channels = tuple(dict.fromkeys(each["channel"] for each in told.get(incident.id, ())))
        _over(incident, channels, now_ms, found)
    return found


def key_of(alert: Alert, row: Mapping[str, Any]) -> str:
    """What a row is about, as JSON: the values of the key's columns; else of the first one."""
    names = alert.key or tuple(row)[:1]
    return json.dumps([row.get(name) for name in names], ensure_ascii=False)


def _new(alert: Alert, key: str, now_ms: int) -> Incident:
    query = alert.query
    return Incident(
        0, query.domain, alert.name, key, "pending", alert.severity, "", {}, now_ms, now_ms
    )


def _there(
    alert: Alert, row: Mapping[str, Any], incident: Incident, now_ms: int, found: Found
) -> None:
    words = filled(alert, row)
    now = replace(incident, row=dict(row), message=words, seen_ms=now_ms, severity=alert.severity)
    if now.state == "pending" and now_ms - now.since_ms >= alert.wait * 1000:
        now = replace(now, state="firing", fired_ms=now_ms)
        found.tell.append((now, "fired", alert.notify))
    found.changed.append(now)


def _gone(alert: Alert, incident: Incident, now_ms: int, found: Found) -> None:
    if incident.state == "pending" or now_ms - incident.seen_ms >= alert.keep * 1000:
        _over(incident, alert.notify, now_ms, found)


def _over(incident: Incident, channels: tuple[str, ...], now_ms: int, found: Found) -> None:
    if incident.state == "pending":
        found.forgotten.append(incident)
        return
    ended = replace(incident, state="resolved", resolved_ms=now_ms)
    found.changed.append(ended)
    found.tell.append((ended, "resolved", channels))
