"""A platform's HTTP as a command meets it, with answers that a test chooses."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Door:
    """What a platform would answer.

    Attributes:
        url: where it answers.
        project: whose title its status gives.
        source: the status of homes/readings; `landed` grows by `pace` each time it is asked for.
        answers: to the posts, in order: status and document; the last one stands for the rest.
        bodies: what was posted.
    """

    url: str = ""
    project: str = "A city"
    source: dict[str, Any] = field(
        default_factory=lambda: {
            "domain": "homes",
            "source": "readings",
            "state": "live",
            "reason": "",
            "accepted": 0,
            "landed": 0,
            "good": 0,
            "dead": 0,
        }
    )
    pace: int = 0
    answers: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def get(self, path: str) -> tuple[int, str]:
        if path == "/healthz":
            return 200, "ok\n"
        waiting = self.source["accepted"] - self.source["landed"]
        self.source["landed"] += min(self.pace, waiting)
        return 200, json.dumps({"project": self.project, "sources": [self.source]})

    def post(self, body: bytes) -> tuple[int, str]:
        self.bodies.append(body)
        status, document = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if status in {200, 202}:
            self.source["accepted"] += body.count(b"\n")
        return status, json.dumps(document)


@pytest.fixture
def door() -> Iterator[Door]:
    found = Door()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._give(found.get(self.path))

        def do_POST(self) -> None:
            self._give(found.post(self.rfile.read(int(self.headers["Content-Length"]))))

        def _give(self, answer: tuple[int, str]) -> None:
            body = answer[1].encode()
            self.send_response(answer[0])
            self.send_header("Content-Length", str(len(body)))
            if answer[0] == 429:
                self.send_header("Retry-After", "0.01")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}"
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, free_port: Any) -> None:
    """No setting of this machine; and nobody at the default address."""
    for name in list(os.environ):
        if name.startswith(("PENSTOCK_", "CLICKHOUSE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PENSTOCK_PORT", str(free_port()))
