"""A private PostgreSQL server in a folder of its own; `make stack` and the tests start it alike."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

USER = "penstock"
SECONDS = 60
_DEBIAN = Path("/usr/lib/postgresql")  # which keeps the server's programs off PATH


def programs() -> Path | None:
    """The folder that holds `initdb` and `postgres`, of the newest version; None without one."""
    versions = sorted(_DEBIAN.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if versions:
        return versions[-1].parent
    found = shutil.which("postgres")
    return Path(found).parent if found and shutil.which("initdb") else None


class Postgres:
    """A server on 127.0.0.1 that asks for a password; a context manager that ends it.

    Args:
        folder: made and removed by this class where it is None, else kept. Where root starts it,
            the user postgres must be able to reach it.
        port: a free one where it is 0.
        settings: of postgresql.conf, such as `wal_level="logical"`.
    """

    def __init__(self, folder: Path | None = None, port: int = 0, **settings: str) -> None:
        found = programs()
        if found is None:
            raise FileNotFoundError("PostgreSQL is not installed: apt-get install postgresql")
        self._bin, self._settings = found, settings
        self._made = None if folder else Path(tempfile.mkdtemp(prefix="penstock-pg-"))
        self.folder = folder or self._made or Path()
        self.port = port or _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._made is not None:
            shutil.rmtree(self._made)

    def url(self, database: str = "postgres", schema: str = "") -> str:
        """What goes into DATABASE_URL."""
        word = (self.folder / "password").read_text()
        options = f"?options=-csearch_path%3D{schema}" if schema else ""
        return f"postgresql://{USER}:{word}@127.0.0.1:{self.port}/{database}{options}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def start(self) -> None:
        """Make the cluster where there is none, start the server, wait until it answers."""
        if not (self.folder / "data").exists():
            self._initialise()
        settings = {"listen_addresses": "127.0.0.1", **self._settings}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        words = [
            *(str(self._bin / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port)),
            *("-k", str(self.folder), *options),
        ]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                words, stdout=log, stderr=log, cwd=self.folder, start_new_session=True, **_owner()
            )
        self._wait()

    def stop(self) -> None:
        """End it, and whoever is connected; what is committed stays."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(SECONDS)
            self._process = None

    def kill(self) -> None:
        """SIGKILL to the server and all its processes, as a crash would."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)  # it must not start others meanwhile
        children = _children(self._process.pid)
        self._process.kill()
        self._process.wait()
        self._process = None
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        deadline = time.monotonic() + SECONDS
        while any(_lives(child) for child in children) and time.monotonic() < deadline:
            time.sleep(0.005)

    def _initialise(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        word = self.folder / "password"
        word.touch(mode=0o600)
        word.write_text(secrets.token_urlsafe(12))
        owner = _owner()
        if owner:
            shutil.chown(self.folder, owner["user"])
            shutil.chown(word, owner["user"])
        subprocess.run(
            [
                *(str(self._bin / "initdb"), "-D", str(self.folder / "data"), "-U", USER),
                *("--auth-local=peer", "--auth-host=scram-sha-256", "--pwfile", str(word)),
                *("-E", "UTF8", "--locale=C", "--no-sync"),
            ],
            check=True, capture_output=True, cwd=self.folder, **owner,
        )  # fmt: skip

    def _wait(self) -> None:
        """Until it takes connections: the server itself writes so into its first file."""
        assert self._process is not None
        status = self.folder / "data" / "postmaster.pid"
        deadline = time.monotonic() + SECONDS
        while True:
            with contextlib.suppress(FileNotFoundError):
                lines = status.read_text().splitlines()
                if lines[0] == str(self._process.pid) and lines[7:] and lines[7].strip() == "ready":
                    return
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{self.log[-4000:]}")
            time.sleep(0.01)


def _owner() -> dict[str, Any]:
    """The server refuses to run as root: root lends it the user that comes with the package."""
    root = os.geteuid() == 0
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if root else {}


def _children(pid: int) -> list[int]:
    """Each leads a group of its own, so no signal to a group reaches them (Linux only)."""
    return [child for child in _processes() if _stat(child)[1:2] == [str(pid)]]


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def _stat(pid: int) -> list[str]:
    """State, parent and so on; empty where there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _lives(pid: int) -> bool:
    """Whether it runs: one that nobody has reaped yet does not."""
    return _stat(pid)[:1] not in ([], ["Z"], ["X"])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
