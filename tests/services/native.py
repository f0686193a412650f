"""A test's own service, by the program of `make stack`: free ports, a folder to throw away.

Kafka's jars are the stack's: they are fetched once for all.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import signal
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from deploy.native.process import Process
from deploy.native.service import Health, Place, Service, health, launch, stop, wait
from deploy.native.stack import ports

if TYPE_CHECKING:
    from collections.abc import Mapping


class Native:
    """One that is started, stopped, killed and started again; a context manager that ends it.

    Args:
        service: of the stack.
        folder: made and removed by this class where it is None, else kept.
        given: ports by their names in ports.env; the others are free ones.
    """

    def __init__(
        self, service: Service, folder: Path | None = None, given: Mapping[str, int] | None = None
    ) -> None:
        self.service = service
        self._made = None if folder else Path(tempfile.mkdtemp(prefix=f"penstock-{service.name}-"))
        if self._made:
            self._made.chmod(0o711)  # root lends PostgreSQL another user
        self.place = Place(folder or self._made or Path(), {**free_ports(), **(given or {})})
        self.folder = self.place.of(service)
        self.port = self.place.ports[service.port]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._made is not None:
            shutil.rmtree(self._made)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead Penstock to it."""
        return self.service.environment(self.place, self.folder)

    @property
    def health(self) -> Health:
        return health(self.service, self.place)

    @property
    def log(self) -> str:
        return self.place.log(self.service).read_text()

    @property
    def process(self) -> Process:
        found = Process.read(self.place.pid(self.service))
        assert found is not None
        return found

    def start(self) -> None:
        """Start it and wait until it answers; what it had is there again."""
        launch(self.service, self.place)
        wait(self.service, self.place)

    def stop(self) -> None:
        """End it in order; what it has stays."""
        stop(self.service, self.place)

    def kill(self) -> None:
        """SIGKILL, as a crash would, and wait until it is gone."""
        self.process.end(signal.SIGKILL, 10)


def free_ports() -> dict[str, int]:
    """A free port for each name of ports.env, all different.

    They lie below those that the system gives to clients: one of those could be given to a client
    that seeks a killed broker, which would then speak with itself.
    """
    found: dict[str, int] = {}
    while len(found) < len(ports()):
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in found.values():
                found[list(ports())[len(found)]] = port
    return found
