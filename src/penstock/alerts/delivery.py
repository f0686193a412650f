"""Deliveries: who is due to be told is told, again and again where that fails, then given up."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import structlog

from penstock.errors import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.store.incidents import Delivery, Incidents
    from penstock.store.silences import Silences

_PAUSES = (5, 30, 120, 600, 1800, 3600, 7200)  # seconds before each new attempt
_log = structlog.get_logger(__name__)


_UNSET = {
    "webhook": "PENSTOCK_WEBHOOK_URL=https://host/path, and PENSTOCK_WEBHOOK_SECRET",
    "slack": "PENSTOCK_SLACK_URL=https://hooks.slack.com/services/…",
    "mail": "PENSTOCK_SMTP_URL=smtp://user:password@host:587, PENSTOCK_MAIL_FROM, PENSTOCK_MAIL_TO",
}


class Channel(Protocol):
    """A way to tell somebody."""

    def send(self, delivery: Delivery) -> None:
        """Tell one, now.

        Raises:
            DeliveryError: it could not be told; says why.
        """


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Tells who is due.

    Attributes:
        incidents: knows who is.
        silences: of what nobody is to be told.
        channels: those that are set, by name; the log always is.
        stop: is set when nobody is to be told any more.
    """

    incidents: Incidents
    silences: Silences
    channels: Mapping[str, Channel] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)

    def tell(self, now_ms: int | None = None) -> int:
        """Tell everybody who is due, the log first; gives how many were told, or could not be.

        A channel that fails is left alone until the next round: one that hangs costs the others
        one attempt, not one for each that is due.
        """
        now = now_ms if now_ms is not None else time.time_ns() // 1_000_000
        due = self.incidents.waiting(now)
        silent = self.silences.active(now) if due else []
        away: set[str] = set()
        done = 0
        for delivery in sorted(due, key=lambda each: each.channel != "log"):
            if self.stop.is_set():
                break
            if delivery.channel in away:
                continue
            done += 1
            ends = [each.until_ms for each in silent if each.covers(delivery.incident)]
            if ends and delivery.incident.state == "resolved":
                self.incidents.mute(delivery, now)
                continue
            if ends:  # what still fires when it ends is told then
                self.incidents.wait(delivery, max(ends))
                continue
            try:
                self.send(delivery)
            except DeliveryError as error:
                away.add(delivery.channel)
                self._failed(delivery, error, now)
            else:
                self.incidents.sent(delivery, now)
        return done

    def send(self, delivery: Delivery) -> None:
        """Tell one, now; nothing is written down and nothing is tried again.

        Raises:
            DeliveryError: it could not be told; says why.
        """
        incident = delivery.incident
        if delivery.channel == "log":
            _log.warning(
                f"alert_{delivery.event}",
                alert=f"{incident.domain}/{incident.alert}",
                key=incident.key,
                message=incident.message,
                severity=incident.severity,
            )
        elif delivery.channel not in self.channels:
            raise DeliveryError(
                f"there is no {delivery.channel}", next_step=_UNSET.get(delivery.channel, "")
            )
        else:
            self.channels[delivery.channel].send(delivery)

    def _failed(self, delivery: Delivery, error: DeliveryError, now: int) -> None:
        again = delivery.attempts < len(_PAUSES)
        following = now + _PAUSES[delivery.attempts] * 1000 if again else None
        _log.warning("delivery_failed", delivery=delivery.id, reason=str(error), again=again)
        self.incidents.failed(delivery, error.what, next_ms=following, now_ms=now)
