"""Slack, and what takes the same webhooks: Mattermost, Rocket.Chat, Discord's `/slack`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from penstock.alerts.webhook import checked, post

if TYPE_CHECKING:
    from penstock.store.incidents import Delivery

_SIGNS: Final = {
    "info": ":information_source:",
    "warning": ":warning:",
    "critical": ":rotating_light:",
}
_ENTITIES: Final = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}


@dataclass(frozen=True, slots=True)
class Slack:
    """An incoming webhook of a channel.

    Attributes:
        url: `https://…`, which holds the secret.
        private: whether addresses of this machine and of private networks may be told.
    """

    url: str = field(repr=False)
    private: bool = False

    def __post_init__(self) -> None:
        checked(self.url, "PENSTOCK_SLACK_URL")

    def send(self, delivery: Delivery) -> None:
        """Post a delivery.

        Raises:
            DeliveryError: it could not be told.
        """
        body = json.dumps({"text": words(delivery)}, ensure_ascii=False).encode()
        headers: dict[bytes | str, bytes | str] = {
            "Content-Type": "application/json",
            "User-Agent": "penstock",
        }
        post(self.url, body, headers, private=self.private)


def words(delivery: Delivery) -> str:
    """What is said, in Slack's own marks; what stands in the data can make none."""
    incident = delivery.incident
    sign = ":white_check_mark:" if delivery.event == "resolved" else _SIGNS[incident.severity]
    # One line, and nobody is called: Slack-compatible servers take a bare @all for everybody.
    message = " ".join(incident.message.split()).translate(_ENTITIES).replace("@", "@\u200b")
    return f"{sign} *{incident.domain}/{incident.alert}* {delivery.event}: {message}"
