"""What is posted, how it is signed, and where it never goes."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from penstock.alerts.webhook import Webhook, outside
from penstock.errors import DeliveryError, UsageError
from penstock.store.incidents import Delivery, Incident

HOT = Incident(3, "homes", "hot", "[7]", "firing", "critical", "Home 7", {"home": 7}, 1, 2, 2)
FIRED = Delivery(11, "webhook", "fired", 0, HOT)


class Receiver(HTTPServer):
    answer = 200
    headers: dict[str, str]
    got: list[tuple[dict[str, str], bytes]]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
        self.send_response(self.server.answer)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver(("127.0.0.1", 0), _Handler)
    server.got, server.headers = [], {}
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def url(receiver: Receiver) -> str:
    return f"http://127.0.0.1:{receiver.server_port}/hook?secret=1"


def test_it_is_signed_and_carries_its_number(receiver: Receiver) -> None:
    Webhook(url(receiver), "key", private=True).send(FIRED)
    ((headers, body),) = receiver.got
    assert headers["x-penstock-delivery"] == "11"
    seconds, _, digest = headers["x-penstock-signature"].removeprefix("t=").partition(",v1=")
    signed = hmac.new(b"key", f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(digest, signed)
    told = json.loads(body)
    assert (told["event"], told["alert"], told["key"]) == ("fired", "homes/hot", [7])


@pytest.mark.parametrize("status", [301, 404, 500])
def test_what_is_no_success_is_a_failure_and_no_redirect_is_followed(
    receiver: Receiver, status: int
) -> None:
    receiver.answer, receiver.headers = status, {"Location": url(receiver)}
    with pytest.raises(DeliveryError, match=f"answered {status}") as failed:
        Webhook(url(receiver), private=True).send(FIRED)
    assert "secret" not in str(failed.value)
    assert len(receiver.got) == 1


INSIDE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0",
    "100.64.0.1", "224.0.0.1", "::1", "fe80::1", "fc00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "2002:7f00:1::", "::",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_is_known(address: str) -> None:
    assert not outside(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888"])
def test_an_address_outside_is_known(address: str) -> None:
    assert outside(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1"])
def test_nothing_inside_is_told(receiver: Receiver, host: str) -> None:
    with pytest.raises(DeliveryError):
        Webhook(f"http://{host}:{receiver.server_port}/").send(FIRED)
    assert receiver.got == []


def test_the_address_that_was_judged_is_the_one_connected_to(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that points elsewhere at a second look leads nowhere: there is no second look."""
    answers = iter([["127.0.0.2"], ["127.0.0.1"]])
    asked: list[str] = []
    real = socket.getaddrinfo

    def rebinding(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        if host != "rebind.example":
            return real(host, port, *args, **kwargs)
        asked.append(host)
        found = next(answers)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in found]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    monkeypatch.setattr("penstock.alerts.webhook.outside", lambda address: address == "127.0.0.2")
    with pytest.raises(DeliveryError):
        Webhook(f"http://rebind.example:{receiver.server_port}/").send(FIRED)
    assert asked == ["rebind.example"]
    assert receiver.got == []


@pytest.mark.parametrize(
    "address",
    ["ftp://host/", "host/path", "https://", "https://h:abc/", "https://h:65536/", "https://h:0/",
     "https://a..b/", "https://h\xe4user.example/", "https://h/p\xe4th", "https://h/a b",
     "https://[::1/", f"https://{'a' * 64}.example/"],
)  # fmt: skip
def test_what_is_no_address_is_refused_at_once(address: str) -> None:
    with pytest.raises(UsageError):
        Webhook(address)
