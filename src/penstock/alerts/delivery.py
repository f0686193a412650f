"""Deliveries: who is due to be told is told, again and again where that fails, then given up."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from penstock.errors import DeliveryError

if TYPE_CHECKING:
    from penstock.alerts.webhook import Webhook
    from penstock.store.incidents import Delivery, Incidents

_PAUSES = (5, 30, 120, 600, 1800, 3600, 7200)  # seconds before each new attempt
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Tells who is due.

    Attributes:
        incidents: knows who is.
        webhook: where one is set.
    """

    incidents: Incidents
    webhook: Webhook | None = None

    def tell(self, now_ms: int | None = None) -> int:
        """Tell everybody who is due; gives how many that were, told or not."""
        now = now_ms if now_ms is not None else time.time_ns() // 1_000_000
        due = self.incidents.waiting(now)
        for delivery in due:
            try:
                self.send(delivery)
            except DeliveryError as error:
                self._failed(delivery, error, now)
            else:
                self.incidents.sent(delivery, now)
        return len(due)

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
        elif self.webhook is None:
            raise DeliveryError(
                "there is no webhook",
                next_step="PENSTOCK_WEBHOOK_URL=https://host/path, and PENSTOCK_WEBHOOK_SECRET",
            )
        else:
            self.webhook.send(delivery)

    def _failed(self, delivery: Delivery, error: DeliveryError, now: int) -> None:
        again = delivery.attempts < len(_PAUSES)
        following = now + _PAUSES[delivery.attempts] * 1000 if again else None
        _log.warning("delivery_failed", delivery=delivery.id, reason=str(error), again=again)
        self.incidents.failed(delivery, error.what, next_ms=following, now_ms=now)
