"""Alerting: each alert is looked at when it is due, and who is due to be told is told."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from penstock.alerts import look
from penstock.alerts.delivery import Deliveries
from penstock.alerts.mail import Mail
from penstock.alerts.slack import Slack
from penstock.alerts.webhook import Webhook
from penstock.errors import BadInputError, DeliveryError, PenstockError, UsageError
from penstock.project.alerts import filled
from penstock.store.incidents import Delivery, Incident, Incidents
from penstock.store.silences import Silence, Silences

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping, Sequence

    from penstock.alerts.delivery import Channel
    from penstock.engine.client import Client
    from penstock.project.objects import Alert, Project
    from penstock.settings import Settings
    from penstock.store.database import Store

_IDLE = 0.5  # seconds between looks for what is due
_LISTED = 200  # incidents of a document
_MOST = 10_000  # incidents of a history
_LONGEST_S = 366 * 86_400  # of a silence
_NEVER = 2**53
_TESTED = 20  # rows of a test
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Look:
    """The last look of an alert: when, what was wrong with it, and when the next one is due."""

    at_ms: int = 0
    took_ms: float = 0.0
    error: str = ""
    due: float = 0.0


@dataclass
class Alerting:
    """The alerts of a platform.

    Attributes:
        project: whose they are; may be replaced while it runs.
        client: to the engine.
        incidents: in the store.
        deliveries: of incidents.
        stop: is set when it is to end.
    """

    project: Project
    client: Client
    incidents: Incidents
    deliveries: Deliveries
    stop: threading.Event
    _looks: dict[tuple[str, str], _Look] = field(default_factory=dict)
    _kept: int = 0
    _made: tuple[int, Project, dict[str, Any]] | None = None
    _swept: Project | None = None

    @classmethod
    def of(
        cls, project: Project, settings: Settings, client: Client, store: Store,
        stop: threading.Event,
    ) -> Alerting:  # fmt: skip
        """As the settings say.

        Raises:
            UsageError: an address of a channel is none.
        """
        incidents = Incidents(store)
        deliveries = Deliveries(incidents, Silences(store), _channels(settings))
        return cls(project, client, incidents, deliveries, stop)

    def run(self) -> None:
        """Look and tell until told to stop: a thread's whole life."""
        while not self.stop.wait(_IDLE):
            for alert in self.project.alerts():
                if self._of(alert).due <= time.monotonic() and not self.stop.is_set():
                    self.look(alert)
            try:
                self.let_go()
                if self.deliveries.tell():
                    self._kept += 1
            except PenstockError as error:  # the store is away: the next round tries again
                _log.warning("deliveries_wait", reason=error.what)

    def let_go(self) -> None:
        """End what alerts have said that are not in the project any more; once a version of it.

        Raises:
            StoreError: the store refuses. StoreDownError: it is away.
        """
        project = self.project
        if self._swept is project:
            return
        now = time.time_ns() // 1_000_000
        there = {(a.query.domain, a.name) for a in project.alerts()}
        for domain, name in self.incidents.counts().keys() - there:
            opened = self.incidents.open(domain, name)
            told = self.incidents.told(incident.id for incident in opened)
            found = look.let_go(opened, told, now)
            self.incidents.change(found.changed, found.forgotten, found.tell)
            self._kept += 1
        self._swept = project

    def look(self, alert: Alert) -> None:
        """Look once; what goes wrong is kept, shown, and changes no incident."""
        mine, now = self._of(alert), time.time_ns() // 1_000_000
        began = time.monotonic()
        try:
            rows = look.ask(alert, self.client)
            before = self.incidents.open(alert.query.domain, alert.name)
            found = look.compare(alert, rows, before, now)
            self.incidents.change(found.changed, found.forgotten, found.tell)
        except PenstockError as error:
            if mine.error != error.what:
                _log.warning("alert_failed", alert=alert.name, reason=error.what)
            mine.error = error.what
        else:
            mine.error = ""
        mine.at_ms, mine.took_ms = now, round((time.monotonic() - began) * 1000, 1)
        mine.due = began + alert.every
        self._kept += 1

    def test(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Ask an alert now: what would fire, in its words; nothing of it is kept.

        Args:
            asked: `alert`, as domain/name; `send`, whether each who is named is sent a test.

        Returns:
            `rows` (key, message, row), and `sent` (channel, error) where tests were sent.

        Raises:
            UsageError: there is no such alert. EngineError: its query fails.
        """
        name, alert = self._named(asked)
        rows = [
            {"key": look.key_of(alert, row), "message": filled(alert, row), "row": row}
            for row in look.ask(alert, self.client)
        ]
        wanted = alert.notify if asked.get("send") else ()
        sent = [{"channel": each, "error": self._sent(alert, each, rows)} for each in wanted]
        return {"alert": name, "rows": rows[:_TESTED], "total": len(rows), "sent": sent}

    def silence(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Tell nobody of an alert for a time.

        Args:
            asked: `alert`, as domain/name; `key`, the values that an incident is about, all of the
                alert's where it is left out; `seconds`, 0 to lift it; `reason`.

        Returns:
            `silences`, those that have not ended.

        Raises:
            UsageError: there is no such alert, or no such time.
        """
        _, alert = self._named(asked)
        seconds, key = asked.get("seconds"), asked.get("key")
        if not isinstance(seconds, (int, float)) or not 0 <= seconds <= _LONGEST_S:
            raise UsageError(
                f"{seconds!r} is no number of seconds", next_step="from 0 to a year; 0 lifts it"
            )
        now = time.time_ns() // 1_000_000
        about = json.dumps(key, ensure_ascii=False) if key else ""
        until, reason = now + int(seconds * 1000), str(asked.get("reason", ""))
        silence = Silence(alert.query.domain, alert.name, about, until, reason)
        self.deliveries.silences.put(silence, now)
        self.incidents.go_on()  # what is silent still waits again
        self._kept += 1
        return {"silences": self._silences()}

    def history(self, asked: Mapping[str, str]) -> dict[str, Any]:
        """Incidents that fired in a span of time, and who was told, as JSON.

        Args:
            asked: `alert`, as domain/name, of all where it is left out; `from` and `to`, epoch
                milliseconds; `limit`, 200 unless said.

        Raises:
            UsageError: there is no such alert. BadInputError: a number is none.
        """
        try:
            first, last = (int(asked.get(name, "0")) for name in ("from", "to"))
            limit = min(int(asked.get("limit", _LISTED)), _MOST)
        except ValueError as error:
            raise BadInputError(
                400, "Bad parameter", f"{error}", next_step="ms since 1970"
            ) from error
        about = None
        if asked.get("alert"):
            _, alert = self._named(asked)
            about = (alert.query.domain, alert.name)
        found = self.incidents.history(about, first, last or _NEVER, limit)
        return {"incidents": self._incidents(found)}

    def _named(self, asked: Mapping[str, Any]) -> tuple[str, Alert]:
        name = str(asked.get("alert", ""))
        alerts = {f"{a.query.domain}/{a.name}": a for a in self.project.alerts()}
        if name not in alerts:
            known = ", ".join(sorted(alerts)) or "none"
            raise UsageError(f"there is no alert called {name!r}", next_step=f"known: {known}")
        return name, alerts[name]

    def _silences(self) -> list[dict[str, Any]]:
        active = self.deliveries.silences.active(time.time_ns() // 1_000_000)
        return [asdict(silence) for silence in active]

    def _incidents(self, incidents: Sequence[Incident]) -> list[dict[str, Any]]:
        told = self.incidents.told(incident.id for incident in incidents)
        return [
            {name: getattr(incident, name) for name in incident.__slots__}
            | {"told": told.get(incident.id, [])}
            for incident in incidents
        ]

    def document(self) -> dict[str, Any]:
        """Alerts and their newest incidents, as JSON."""
        kept, project = self._kept, self.project
        if self._made is None or self._made[0] != kept or self._made[1] is not project:
            # Asked for each second by every page, and another one only after a look or a delivery.
            self._made = kept, project, self._whole(project)
        return self._made[2]

    def _whole(self, project: Project) -> dict[str, Any]:
        counts = self.incidents.counts()
        return {
            "alerts": [self._document(alert, counts) for alert in project.alerts()],
            "incidents": self._incidents(self.incidents.newest(_LISTED)),
            "silences": self._silences(),
        }

    def _sent(self, alert: Alert, channel: str, rows: Sequence[dict[str, Any]]) -> str:
        """Send a test, about the first row where there is one; gives why that failed."""
        now = time.time_ns() // 1_000_000
        nothing: dict[str, Any] = {"key": "[]", "message": "nothing would fire now", "row": {}}
        about = rows[0] if rows else nothing
        incident = Incident(
            0, alert.query.domain, alert.name, about["key"], "firing", alert.severity,
            f"Test: {about['message']}", about["row"], now, now, now,
        )  # fmt: skip
        try:
            self.deliveries.send(Delivery(0, channel, "test", 0, incident))
        except DeliveryError as error:
            return f"{error.what}; {error.next_step}" if error.next_step else error.what
        return ""

    def _document(
        self, alert: Alert, counts: dict[tuple[str, str], dict[str, int]]
    ) -> dict[str, Any]:
        query, mine = alert.query, self._of(alert)
        number = counts.get((query.domain, alert.name), {})
        firing, pending = number.get("firing", 0), number.get("pending", 0)
        state = "error" if mine.error else "firing" if firing else "pending" if pending else "ok"
        return {
            "domain": query.domain,
            "name": alert.name,
            "description": query.header.description,
            "severity": alert.severity,
            "state": state,
            "firing": firing,
            "pending": pending,
            "every_s": alert.every,
            "for_s": alert.wait,
            "keep_s": alert.keep,
            "key": list(alert.key),
            "notify": list(alert.notify),
            "webhook": "webhook" in self.deliveries.channels,
            "file": query.path.relative_to(self.project.root).as_posix(),
            "sql": query.sql,
            "database": query.database,
            "defaults": {p.name: p.default for p in query.params if p.default is not None},
            "looked_ms": mine.at_ms,
            "took_ms": mine.took_ms,
            "error": mine.error,
        }

    def _of(self, alert: Alert) -> _Look:
        return self._looks.setdefault((alert.query.domain, alert.name), _Look())


def _channels(settings: Settings) -> dict[str, Channel]:
    """Those that the settings name.

    Raises:
        UsageError: an address of one is none.
    """
    found: dict[str, Channel] = {}
    private = bool(settings.number("webhook_private"))
    if url := settings.text("webhook_url"):
        found["webhook"] = Webhook(url, settings.text("webhook_secret"), private)
    if url := settings.text("slack_url"):
        found["slack"] = Slack(url, private)
    if url := settings.text("smtp_url"):
        listed = settings.text("mail_to").split(",")
        to = tuple(address.strip() for address in listed if address.strip())
        found["mail"] = Mail(url, settings.text("mail_from"), to)
    return found
