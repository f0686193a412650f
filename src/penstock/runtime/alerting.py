"""Alerting: each alert is looked at when it is due, and who is due to be told is told."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from penstock.alerts import look
from penstock.alerts.delivery import Deliveries
from penstock.alerts.webhook import Webhook
from penstock.errors import PenstockError
from penstock.store.incidents import Incidents

if TYPE_CHECKING:
    import threading

    from penstock.engine.client import Client
    from penstock.project.objects import Alert, Project
    from penstock.settings import Settings
    from penstock.store.database import Store

_IDLE = 0.5  # seconds between looks for what is due
_LISTED = 200  # incidents of a document
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

    @classmethod
    def of(
        cls, project: Project, settings: Settings, client: Client, store: Store,
        stop: threading.Event,
    ) -> Alerting:  # fmt: skip
        """As the settings say.

        Raises:
            UsageError: the webhook's address is none.
        """
        url = settings.text("webhook_url")
        private = bool(settings.number("webhook_private"))
        webhook = Webhook(url, settings.text("webhook_secret"), private) if url else None
        incidents = Incidents(store)
        return cls(project, client, incidents, Deliveries(incidents, webhook), stop)

    def run(self) -> None:
        """Look and tell until told to stop: a thread's whole life."""
        while not self.stop.wait(_IDLE):
            for alert in self.project.alerts():
                if self._of(alert).due <= time.monotonic() and not self.stop.is_set():
                    self.look(alert)
            try:
                self.deliveries.tell()
            except PenstockError as error:  # the store is away: the next round tries again
                _log.warning("deliveries_wait", reason=error.what)

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

    def document(self) -> dict[str, Any]:
        """Alerts and their newest incidents, as JSON."""
        counts = self.incidents.counts()
        return {
            "alerts": [self._document(alert, counts) for alert in self.project.alerts()],
            "incidents": [
                {name: getattr(incident, name) for name in incident.__slots__}
                for incident in self.incidents.newest(_LISTED)
            ],
        }

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
            "notify": list(alert.notify),
            "looked_ms": mine.at_ms,
            "took_ms": mine.took_ms,
            "error": mine.error,
        }

    def _of(self, alert: Alert) -> _Look:
        return self._looks.setdefault((alert.query.domain, alert.name), _Look())
