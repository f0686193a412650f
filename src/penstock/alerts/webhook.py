"""Webhooks: a signed POST to an address outside, and never to one inside.

A name is looked up once, each of its addresses is judged, and the connection goes to the very
address that was judged: a name that points elsewhere a moment later leads nowhere. Redirects are
not followed. The body is signed with the time it was sent, so that a receiver can refuse copies:
`X-Penstock-Signature: t=<seconds>,v1=<HMAC-SHA256 of "<t>.<body>", hex>`.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from penstock.alerts import addresses
from penstock.errors import DeliveryError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from httpcore2 import NetworkStream
    from httpcore2._types import SOCKET_OPTION

    from penstock.store.incidents import Delivery

_TIMEOUT = {"connect": 5.0, "read": 10.0, "write": 10.0, "pool": 5.0}


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where deliveries are posted.

    Attributes:
        url: `https://…` or `http://…`.
        secret: signs them; empty leaves them unsigned.
        private: whether addresses of this machine and of private networks may be told.
    """

    url: str = field(repr=False)
    secret: str = field(default="", repr=False)
    private: bool = False

    def __post_init__(self) -> None:
        checked(self.url, "PENSTOCK_WEBHOOK_URL")

    def send(self, delivery: Delivery) -> None:
        """Post a delivery.

        Raises:
            DeliveryError: it could not be told; says whether to try again.
        """
        body = json.dumps(document(delivery), ensure_ascii=False).encode()
        headers: dict[bytes | str, bytes | str] = {
            "Content-Type": "application/json",
            "User-Agent": "penstock",
            "X-Penstock-Delivery": str(delivery.id),
            "X-Penstock-Event": delivery.event,
        }
        if self.secret:
            headers["X-Penstock-Signature"] = signature(self.secret, body, int(time.time()))
        post(self.url, body, headers, private=self.private)


def post(url: str, body: bytes, headers: dict[bytes | str, bytes | str], *, private: bool) -> None:
    """Post to an address that is judged first; no redirect is followed.

    Args:
        url: where to.
        body: what.
        headers: with it.
        private: whether addresses of this machine and of private networks may be told.

    Raises:
        DeliveryError: it was not answered with 2xx.
    """
    import httpcore2  # noqa: PLC0415 - paid by who sends

    host = urlsplit(url).hostname or ""  # a path may hold a secret
    extensions = {"timeout": _TIMEOUT}
    try:
        with httpcore2.ConnectionPool(network_backend=_guarded(private)) as pool:
            answer = pool.request("POST", url, headers=headers, content=body, extensions=extensions)
    except (httpcore2.NetworkError, httpcore2.TimeoutException, OSError) as error:
        raise DeliveryError(f"{type(error).__name__}: {error}", where=host) from error
    except httpcore2.ProtocolError as error:
        raise DeliveryError(f"no HTTP came back: {error}", where=host) from error
    if not 200 <= answer.status < 300:  # noqa: PLR2004 - success
        raise DeliveryError(f"it answered {answer.status}", where=host)


def checked(url: str, variable: str) -> None:
    """Make sure that an address is one of HTTP.

    Raises:
        UsageError: it is none; the rest of it may hold a secret and is not shown.
    """
    wrong = addresses.wrong(url, ("https", "http"))
    if not wrong and not (url.isascii() and url.isprintable() and " " not in url):
        wrong = "it has signs that are written as %C3%A4 or %20 in an address"
    if wrong:
        raise UsageError(
            f"{variable} is no address of a webhook: {wrong}",
            next_step=f"{variable}=https://host/path",
        )


def document(delivery: Delivery) -> dict[str, Any]:
    """What is told, as JSON."""
    incident = delivery.incident
    return {
        "delivery": delivery.id,
        "event": delivery.event,
        "incident": incident.id,
        "alert": f"{incident.domain}/{incident.alert}",
        "severity": incident.severity,
        "key": json.loads(incident.key),
        "message": incident.message,
        "row": incident.row,
        "since_ms": incident.since_ms,
        "fired_ms": incident.fired_ms,
        "resolved_ms": incident.resolved_ms,
    }


def signature(secret: str, body: bytes, seconds: int) -> str:
    """The value of `X-Penstock-Signature` for a body sent at a time."""
    signed = f"{seconds}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


def outside(address: str) -> bool:
    """Whether an IP address is one of the public internet."""
    found = ipaddress.ip_address(address)
    mapped = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
    return (mapped or found).is_global and not found.is_multicast


def _guarded(private: bool) -> Any:  # noqa: ANN401 - a backend of httpcore2
    import httpcore2  # noqa: PLC0415

    class Guarded(httpcore2.SyncBackend):
        """Connects to addresses it has judged, and to no other."""

        def connect_tcp(
            self,
            host: str,
            port: int,
            timeout: float | None = None,
            local_address: str | None = None,
            socket_options: Iterable[SOCKET_OPTION] | None = None,
        ) -> NetworkStream:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
            inside = [address for address in addresses if not private and not outside(address)]
            if inside:
                raise DeliveryError(
                    f"{host} is {inside[0]}, an address inside: it is not told",
                    where=host,
                    next_step="PENSTOCK_WEBHOOK_PRIVATE=1 where that is meant",
                )
            return super().connect_tcp(addresses[0], port, timeout, local_address, socket_options)

    return Guarded()
