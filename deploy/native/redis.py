"""Redis, as a cache: nothing is written to disk, and it asks for no password on 127.0.0.1."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from deploy.native.service import HOST, Place, Service, SilentError, on_path

if TYPE_CHECKING:
    from pathlib import Path

_SECONDS = 5


def _command(place: Place, folder: Path) -> list[str]:
    return [
        *(on_path("redis-server")(), "--bind", HOST, "--port", str(place.ports["REDIS_PORT"])),
        *("--dir", str(folder), "--save", "", "--appendonly", "no"),
    ]


def _ask(place: Place) -> str:
    """PING, and which version it is."""
    try:
        with socket.create_connection((HOST, place.ports["REDIS_PORT"]), _SECONDS) as link:
            link.sendall(b"PING\r\nINFO server\r\nQUIT\r\n")
            said = b"".join(iter(lambda: link.recv(65536), b"")).decode()
    except OSError as error:
        raise SilentError(f"no answer to PING: {error}") from error
    if not said.startswith("+PONG"):
        raise SilentError(f"PING was answered {said[:80]!r}")
    facts = dict(line.split(":", 1) for line in said.splitlines() if ":" in line)
    return f"PONG, Redis {facts.get('redis_version', '?')}"


REDIS = Service(
    name="redis",
    needs=("redis-server",),
    present=on_path("redis-server"),
    prepare=lambda _, __: None,
    command=_command,
    ask=_ask,
    environment=lambda place, _: {"REDIS_URL": f"redis://{HOST}:{place.ports['REDIS_PORT']}/0"},
)
