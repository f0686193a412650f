"""A private PostgreSQL server in a folder of its own, started as `make stack` does."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from deploy.native.postgres import programs, service, url
from tests.services.native import Native

__all__ = ["Postgres", "programs"]

SECONDS = 60


class Postgres(Native):
    """A server on 127.0.0.1 that asks for a password; a context manager that ends it.

    Args:
        folder: made and removed by this class where it is None, else kept. Where root starts it,
            the user postgres must be able to reach it.
        port: a free one where it is 0.
        settings: of postgresql.conf, such as `wal_level="logical"`.
    """

    def __init__(self, folder: Path | None = None, port: int = 0, **settings: str) -> None:
        super().__init__(service(settings), folder, {"POSTGRES_PORT": port} if port else None)

    def url(self, database: str = "postgres", schema: str = "") -> str:
        """What goes into DATABASE_URL."""
        options = f"?options=-csearch_path%3D{schema}" if schema else ""
        return url(self.folder, self.port, database) + options

    def kill(self) -> None:
        """SIGKILL to the server and all its processes, as a crash would (Linux only)."""
        server = self.process
        server.send(signal.SIGSTOP)  # it must not start others meanwhile
        children = _children(server.pid)
        super().kill()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        deadline = time.monotonic() + SECONDS
        while any(_lives(child) for child in children) and time.monotonic() < deadline:
            time.sleep(0.005)


def _children(pid: int) -> list[int]:
    """Each leads a group of its own, so no signal to a group reaches them."""
    found = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return [child for child in found if _stat(child)[1:2] == [str(pid)]]


def _stat(pid: int) -> list[str]:
    """State, parent and so on; empty where there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _lives(pid: int) -> bool:
    """Whether it runs: one that nobody has reaped yet does not."""
    return _stat(pid)[:1] not in ([], ["Z"], ["X"])
