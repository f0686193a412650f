"""Mail over SMTP: each delivery one message, with an id that stays where it is sent again."""

from __future__ import annotations

import json
import smtplib
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import structlog

from penstock.alerts import addresses
from penstock.errors import DeliveryError, UsageError

if TYPE_CHECKING:
    from penstock.store.incidents import Delivery

_SECONDS = 10.0
_SUBJECT = 150  # signs
_PORTS = {"smtp": 587, "smtps": 465}
_HERE = {"127.0.0.1", "::1", "localhost"}
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Mail:
    """A server that takes mail, and who is written to.

    Attributes:
        url: `smtp://[user:password@]host[:587]` (with STARTTLS where it is offered), or `smtps://`.
        sender: address that it comes from.
        to: addresses.
    """

    url: str = field(repr=False)
    sender: str
    to: tuple[str, ...]

    def __post_init__(self) -> None:
        if wrong := addresses.wrong(self.url, _PORTS):
            raise UsageError(
                f"PENSTOCK_SMTP_URL is no server for mail: {wrong}",
                next_step="PENSTOCK_SMTP_URL=smtp://user:password@host:587",
            )
        if not self.to or not all(map(addresses.mailbox, (self.sender, *self.to))):
            raise UsageError(
                "a server for mail is set, and not from whom and to whom, each one address",
                next_step="PENSTOCK_MAIL_FROM=penstock@example.org, and PENSTOCK_MAIL_TO=a@…,b@…",
            )

    def send(self, delivery: Delivery) -> None:
        """Hand a message over.

        Raises:
            DeliveryError: the server took it for none of the addresses. Who is refused while
                others are not is only logged: sent again, the others would have it twice.
        """
        host = urlsplit(self.url).hostname or ""
        try:
            with self._connected(host) as server:
                refused = server.send_message(self._message(delivery))
        except (smtplib.SMTPException, OSError) as error:
            raise DeliveryError(f"{type(error).__name__}: {error}", where=host) from error
        if refused:
            _log.warning("mail_refused", host=host, to=sorted(refused), delivery=delivery.id)

    def _connected(self, host: str) -> smtplib.SMTP:
        parts = urlsplit(self.url)
        port, safe = parts.port or _PORTS[parts.scheme], ssl.create_default_context()
        if parts.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=_SECONDS, context=safe)
        else:
            server = smtplib.SMTP(host, port, timeout=_SECONDS)
            server.ehlo()
            if server.has_extn("starttls"):
                server.starttls(context=safe)
            elif parts.username and host not in _HERE:
                server.close()
                raise DeliveryError(
                    "it offers no TLS: the password is not sent", where=host,
                    next_step="use smtps://, or a server with STARTTLS",
                )  # fmt: skip
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        return server

    def _message(self, delivery: Delivery) -> EmailMessage:
        incident = delivery.incident
        name = f"{incident.domain}/{incident.alert}"
        subject = f"[{incident.severity}] {name} {delivery.event}: {incident.message}"
        message = EmailMessage()
        message["From"], message["To"] = self.sender, ", ".join(self.to)
        # Data has no part in the structure of a message: no line of it begins a header, not even
        # one that is written as an encoded word (=?…?=), which would be decoded here.
        message["Subject"] = " ".join(subject.replace("=?", "= ?").split())[:_SUBJECT]
        message["Date"] = format_datetime(datetime.now(UTC))
        domain = parseaddr(self.sender)[1].rpartition("@")[2]
        message["Message-ID"] = f"<penstock-{incident.id}-{delivery.id}-{delivery.event}@{domain}>"
        lines = [incident.message, "", f"alert     {name}", f"event     {delivery.event}"]
        lines += [f"since     {_when(incident.since_ms)}", f"fired     {_when(incident.fired_ms)}"]
        lines += [f"resolved  {_when(incident.resolved_ms)}", ""]
        lines += [
            f"{column}: {json.dumps(v, ensure_ascii=False)}" for column, v in incident.row.items()
        ]
        message.set_content("\n".join(lines) + "\n")
        return message


def _when(at_ms: int | None) -> str:
    if at_ms is None:
        return "-"
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
