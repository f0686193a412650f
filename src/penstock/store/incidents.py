"""Incidents of alerts and their deliveries, in the store.

An alert's look is one transaction: what begins, fires and ends, and who is to be told of it, are
written together. A delivery is told at least once, and carries its number so that the receiver can
tell a second time from the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa

from penstock.store.schema import DELIVERY, INCIDENT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock.store.database import Store

IncidentState = Literal["pending", "firing", "resolved"]
Event = Literal["fired", "resolved", "test"]
"""What is told of an incident; a `test` is told of one that is not there, and is not stored."""


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that an alert says of a key, from its first row to its end.

    Attributes:
        id: its number; 0 while it is not stored.
        domain: of the alert.
        alert: its name.
        key: what it is about: the values of the key's columns, as JSON.
        state: `pending` until it has been there for long enough, then `firing`, then `resolved`.
        severity: of the alert.
        message: for people.
        row: the last one: its evidence.
        since_ms: when its first row was seen, epoch milliseconds.
        seen_ms: when its last row was seen.
        fired_ms: when it fired; None while it is pending.
        resolved_ms: when it was resolved; None before.
    """

    id: int
    domain: str
    alert: str
    key: str
    state: IncidentState
    severity: str
    message: str
    row: dict[str, Any]
    since_ms: int
    seen_ms: int
    fired_ms: int | None = None
    resolved_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """Something that somebody is to be told.

    Attributes:
        id: its number; the receiver knows it by that.
        channel: `log`, `webhook`, `slack` or `mail`.
        event: what happened to the incident.
        attempts: how often it was tried.
        incident: as it is now.
    """

    id: int
    channel: str
    event: Event
    attempts: int
    incident: Incident


class Incidents:
    """All of them; safe to share between threads.

    Args:
        store: where they are kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def open(self, domain: str, alert: str) -> list[Incident]:
        """Those of an alert that have not been resolved."""
        mine = (INCIDENT.c.domain == domain) & (INCIDENT.c.alert == alert)
        query = sa.select(INCIDENT).where(mine, INCIDENT.c.state != "resolved")
        with self._store.reading() as connection:
            return [_read(row) for row in connection.execute(query.order_by(INCIDENT.c.id))]

    def newest(self, limit: int) -> list[Incident]:
        """Those that fired last, of all alerts; those that fire still come first."""
        query = sa.select(INCIDENT).where(INCIDENT.c.state != "pending")
        order = (INCIDENT.c.state != "firing", INCIDENT.c.fired_ms.desc())
        with self._store.reading() as connection:
            rows = connection.execute(query.order_by(*order).limit(limit))
            return [_read(row) for row in rows]

    def counts(self) -> dict[tuple[str, str], dict[str, int]]:
        """(domain, alert) → state → how many are open."""
        columns = (INCIDENT.c.domain, INCIDENT.c.alert, INCIDENT.c.state)
        query = sa.select(*columns, sa.func.count()).where(INCIDENT.c.state != "resolved")
        found: dict[tuple[str, str], dict[str, int]] = {}
        with self._store.reading() as connection:
            for domain, alert, state, number in connection.execute(query.group_by(*columns)):
                found.setdefault((domain, alert), {})[state] = number
        return found

    def change(
        self,
        changed: Iterable[Incident],
        forgotten: Iterable[Incident] = (),
        tell: Iterable[tuple[Incident, Event, tuple[str, ...]]] = (),
    ) -> None:
        """Write down what a look has found, all of it or nothing.

        Args:
            changed: new ones, and those that are not as they were.
            forgotten: pending ones that never fired.
            tell: an incident, what happened to it, and the channels that are to be told.
        """
        with self._store.writing() as connection:
            for each in forgotten:
                connection.execute(sa.delete(INCIDENT).where(INCIDENT.c.id == each.id))
            ids = {each.key: _write(connection, each) for each in changed}
            rows = [
                {"incident_id": incident.id or ids[incident.key], "channel": channel,
                 "event": event, "state": "waiting", "attempts": 0, "next_ms": 0, "error": ""}
                for incident, event, channels in tell
                for channel in channels
            ]  # fmt: skip
            if rows:
                connection.execute(sa.insert(DELIVERY), rows)

    def waiting(self, now_ms: int, limit: int = 100) -> list[Delivery]:
        """Deliveries that are due, the oldest first, at most `limit` of each channel.

        While one of an incident waits to be tried again, later ones of it by that channel are
        held: nobody is told of an end before the beginning. What waits for the end of a silence
        holds nothing, as the end of what ended in it is to be muted.
        """
        due = (DELIVERY.c.state == "waiting") & (DELIVERY.c.next_ms <= now_ms)
        before = DELIVERY.alias()
        held = sa.exists().where(
            before.c.incident_id == DELIVERY.c.incident_id,
            before.c.channel == DELIVERY.c.channel,
            before.c.id < DELIVERY.c.id,
            before.c.state == "waiting",
            before.c.error != "silenced",
        )
        # Counted by channel: however much waits for one that hangs, others have their turn.
        nth = sa.func.row_number().over(partition_by=DELIVERY.c.channel, order_by=DELIVERY.c.id)
        ranked = sa.select(DELIVERY, nth.label("nth")).where(due, ~held).subquery()
        query = sa.select(ranked).where(ranked.c.nth <= limit).order_by(ranked.c.id)
        with self._store.reading() as connection:
            rows = list(connection.execute(query))
            ids = {row.incident_id for row in rows}
            known = sa.select(INCIDENT).where(INCIDENT.c.id.in_(ids))
            of = {row.id: _read(row) for row in connection.execute(known)}
        return [
            Delivery(row.id, row.channel, row.event, row.attempts, of[row.incident_id])
            for row in rows
        ]

    def sent(self, delivery: Delivery, now_ms: int) -> None:
        """Note that somebody has been told."""
        self._delivery(delivery, state="sent", ended_ms=now_ms, error="")

    def failed(self, delivery: Delivery, error: str, *, next_ms: int | None, now_ms: int) -> None:
        """Note that somebody could not be told; None for `next_ms` gives it up."""
        values: dict[str, Any] = {"attempts": delivery.attempts + 1, "error": error}
        if next_ms is None:
            values |= {"state": "failed", "ended_ms": now_ms}
        else:
            values["next_ms"] = next_ms
        self._delivery(delivery, **values)

    def wait(self, delivery: Delivery, until_ms: int) -> None:
        """Let one wait for the end of a silence."""
        self._delivery(delivery, next_ms=until_ms, error="silenced")

    def go_on(self) -> None:
        """Let nothing wait for the end of a silence any longer: one was lifted."""
        waits = (DELIVERY.c.state == "waiting") & (DELIVERY.c.error == "silenced")
        with self._store.writing() as connection:
            connection.execute(sa.update(DELIVERY).where(waits).values(next_ms=0))

    def mute(self, delivery: Delivery, now_ms: int) -> None:
        """Tell nobody of what began and ended in a silence, or ended in it."""
        with self._store.writing() as connection:
            mine = (DELIVERY.c.incident_id == delivery.incident.id) & (
                DELIVERY.c.channel == delivery.channel
            )
            connection.execute(
                sa.update(DELIVERY)
                .where(mine, DELIVERY.c.state == "waiting")
                .values(state="silenced", ended_ms=now_ms)
            )

    def history(
        self, alert: tuple[str, str] | None, first_ms: int, last_ms: int, limit: int
    ) -> list[Incident]:
        """Those that fired in a span of time, the newest first.

        Args:
            alert: domain and name; None: of all alerts.
            first_ms: epoch milliseconds, in it.
            last_ms: epoch milliseconds, no longer in it.
            limit: how many at most.
        """
        query = sa.select(INCIDENT).where(
            INCIDENT.c.fired_ms >= first_ms, INCIDENT.c.fired_ms < last_ms
        )
        if alert is not None:
            query = query.where(INCIDENT.c.domain == alert[0], INCIDENT.c.alert == alert[1])
        order = (INCIDENT.c.fired_ms.desc(), INCIDENT.c.id.desc())
        with self._store.reading() as connection:
            return [_read(row) for row in connection.execute(query.order_by(*order).limit(limit))]

    def told(self, incidents: Iterable[int]) -> dict[int, list[dict[str, Any]]]:
        """Number of an incident → who was to be told of it, and whether they were."""
        query = sa.select(DELIVERY).where(DELIVERY.c.incident_id.in_(list(incidents)))
        found: dict[int, list[dict[str, Any]]] = {}
        with self._store.reading() as connection:
            for row in connection.execute(query.order_by(DELIVERY.c.id)):
                found.setdefault(row.incident_id, []).append(_shown(row))
        return found

    def _delivery(self, delivery: Delivery, **values: object) -> None:
        with self._store.writing() as connection:
            one = DELIVERY.c.id == delivery.id
            connection.execute(sa.update(DELIVERY).where(one).values(**values))


def _shown(delivery: sa.Row[Any]) -> dict[str, Any]:
    names = ("id", "channel", "event", "state", "attempts", "error", "ended_ms")
    return {name: getattr(delivery, name) for name in names}


def _write(connection: sa.Connection, incident: Incident) -> int:
    names = [column.name for column in INCIDENT.columns if column.name != "id"]
    values = {name: getattr(incident, name) for name in names}
    if incident.id:
        one = INCIDENT.c.id == incident.id
        connection.execute(sa.update(INCIDENT).where(one).values(**values))
        return incident.id
    made = connection.execute(sa.insert(INCIDENT).values(**values).returning(INCIDENT.c.id))
    number: int = made.scalar_one()
    return number


def _read(row: sa.Row[Any]) -> Incident:
    return Incident(**{name: getattr(row, name) for name in Incident.__slots__})
