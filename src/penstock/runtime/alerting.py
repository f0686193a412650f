"""Alerting: each alert is looked at when it is due, and who is due to be told is told."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from functools import partial
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
    from collections.abc import Callable, Mapping, Sequence

    from penstock.alerts.delivery import Channel
    from penstock.engine.client import Client
    from penstock.project.objects import Alert, Project
    from penstock.settings import Settings
    from penstock.store.database import Store

_IDLE = 0.5  # seconds between looks for what is due
_PAUSE = 5.0  # seconds after what nobody foresaw
_LISTED = 200  # incidents of a document
_MOST = 10_000  # incidents of a history
_LONGEST_S = 366 * 86_400  # of a silence
_NEVER = 2**53  # epoch milliseconds; as far as JSON's numbers go
_SPAN = ("from", "to")  # of a history
_TESTED = 20  # rows of a test
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Look:
    """The last look of an alert: when, what was wrong with it, and when the next one is due."""

    at_ms: int = 0
    took_ms: float = 0.0
    error: str = ""
    due: float = 0.0


@dataclass(frozen=True, slots=True)
class _Supervised:
    """A channel of which one message that nobody foresaw does not keep the others back."""

    channel: Channel

    def send(self, delivery: Delivery) -> None:
        try:
            self.channel.send(delivery)
        except PenstockError:
            raise
        except Exception as error:  # no trace of it is logged: its frames hold secrets
            raise DeliveryError(f"{type(error).__name__}: {error}") from error


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
    _kept: object = field(default_factory=object)  # another one after each change
    _made: tuple[object, Project, dict[str, Any]] | None = None
    _swept: Project | None = None
    _letting_go: _Look = field(default_factory=_Look)
    _telling: _Look = field(default_factory=_Look)

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
        deliveries = Deliveries(incidents, Silences(store), _channels(settings), stop)
        return cls(project, client, incidents, deliveries, stop)

    def run(self) -> None:
        """Look until told to stop: a thread's whole life."""
        while not self.stop.wait(_IDLE):
            for alert in self.project.alerts():
                if not self.stop.is_set():
                    self._supervise(partial(self.look, alert), self._of(alert))
            self._supervise(self.let_go, self._letting_go)

    def tell(self) -> None:
        """Tell who is due until told to stop: a thread's whole life, as a channel may hang."""
        while not self.stop.wait(_IDLE):
            self._supervise(self._tell, self._telling)

    def _tell(self) -> None:
        if self.deliveries.tell() or self._telling.error:
            self._kept = object()
        self._telling.error = ""

    def _supervise(self, work: Callable[[], None], mark: _Look) -> None:
        """Do what is due: what nobody foresaw is logged and shown, and ends no thread."""
        if mark.due > time.monotonic():
            return
        try:
            work()
        except PenstockError as error:  # the store is away: the next round tries again
            _log.warning("alerting_waits", reason=error.what)
        except Exception as error:  # noqa: BLE001 - the supervisor: it logs, marks, goes on
            mark.error, mark.due = f"{type(error).__name__}: {error}", time.monotonic() + _PAUSE
            self._kept = object()
            _log.exception("alerting_failed")

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
            self._kept = object()
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
        self._kept = object()

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
            asked: `alert`, as domain/name; `key`, the values that an incident is about, as such or
                as texts, all of the alert's where it is left out; `seconds`, 0 to lift it;
                `reason`.

        Returns:
            `silences`, those that have not ended.

        Raises:
            UsageError: there is no such alert, no such time, or the key has other values.
        """
        _, alert = self._named(asked)
        seconds, about = asked.get("seconds"), _about(alert, asked.get("key"))
        if not isinstance(seconds, (int, float)) or not 0 <= seconds <= _LONGEST_S:
            raise UsageError(
                f"{seconds!r} is no number of seconds", next_step="from 0 to a year; 0 lifts it"
            )
        now = time.time_ns() // 1_000_000
        until, reason = now + int(seconds * 1000), str(asked.get("reason", ""))
        silence = Silence(alert.query.domain, alert.name, about, until, reason)
        self.deliveries.silences.put(silence, now)
        self.incidents.go_on()  # what is silent still waits again
        self._kept = object()
        return {"silences": self._silences()}

    def history(self, asked: Mapping[str, str]) -> dict[str, Any]:
        """Incidents that fired in a span of time, and who was told, as JSON.

        Args:
            asked: `alert`, as domain/name, of all where it is left out; `from` and `to`, epoch
                milliseconds; `limit`, 200 unless said, and 10,000 at most.

        Raises:
            UsageError: there is no such alert. BadInputError: a number is none that can be.
        """
        first, last = (_number(asked, name, 0, "milliseconds since 1970") for name in _SPAN)
        limit = min(_number(asked, "limit", _LISTED, f"from 1 to {_MOST:,}", least=1), _MOST)
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
        if self._made is None or self._made[0] is not kept or self._made[1] is not project:
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
            "error": mine.error or self._telling.error,
        }

    def _of(self, alert: Alert) -> _Look:
        return self._looks.setdefault((alert.query.domain, alert.name), _Look())


def _about(alert: Alert, key: object) -> str:
    """What a silence is of, as JSON; empty: all of the alert's.

    Raises:
        UsageError: the key has not as many values as the alert's.
    """
    if key is None or key == []:
        return ""
    names = ", ".join(alert.key) or "its first column"
    if not isinstance(key, list) or len(key) != max(1, len(alert.key)):
        raise UsageError(
            f"{json.dumps(key, ensure_ascii=False)} is no key of {alert.name}",
            next_step=f"one value each, in this order: {names}",
        )
    return json.dumps(key, ensure_ascii=False)


def _number(
    asked: Mapping[str, str], name: str, default: int, wanted: str, *, least: int = 0
) -> int:
    """A parameter that is a whole number.

    Raises:
        BadInputError: it is none, or none that the store can compare with.
    """
    text = asked.get(name, str(default))
    try:
        number = int(text)
    except ValueError:
        number = -1
    if not least <= number <= _NEVER:
        raise BadInputError(
            400, "Bad parameter", f"{name}={text[:40]} is no such number", next_step=wanted
        )
    return number


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
    return {name: _Supervised(channel) for name, channel in found.items()}
