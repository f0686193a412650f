"""The engine's process, kept alive: started, watched, restarted, stopped.

Everything an engine process knows comes in its arguments; its environment is emptied first, so
that no secret of the user's is in the process that runs SQL.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import structlog

from penstock import errors
from penstock.engine.client import Address
from penstock.engine.datadir import key
from penstock.engine.listener import listen
from penstock.errors import EngineDownError, PenstockError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from pathlib import Path

_KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
_START = 60.0  # seconds an engine may take to open a large directory
_STOP = 15.0
_LOOK = 0.2  # seconds between looks whether a start is still wanted
_log = structlog.get_logger(__name__)


class EngineProcess:
    """The embedded engine as a child process.

    Args:
        data: the platform's data directory.
        port: of the front, on 127.0.0.1.
        memory: most bytes the engine may use.
        healing: False only in the test that proves healing is needed.
    """

    def __init__(self, data: Path, port: int, memory: int, *, healing: bool = True) -> None:
        self._data, self._port, self._memory, self._healing = data, port, memory, healing
        self._child: subprocess.Popen[bytes] | None = None
        self._listener: socket.socket | None = None
        self._lock = threading.RLock()
        self._stopping = False
        self.starts = 0
        self.state = "stopped"
        self.on_start: Callable[[], None] = lambda: None

    @property
    def address(self) -> Address:
        """Where it listens, with the key."""
        return Address("127.0.0.1", self._port, "penstock", key(self._data))

    @property
    def pid(self) -> int:
        """Process id of the engine that runs now; 0 where none does."""
        return self._child.pid if self._child is not None else 0

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            PenstockError: why it could not start; the kind is the host's own error.
        """
        with self._lock:
            self._stopping = False
            self._spawn()
        threading.Thread(target=self._watch, name="engine-watch", daemon=True).start()

    def restart(self, reason: str, *, seen: int | None = None) -> None:
        """Stop and start it, so that its directory is healed before the next statement.

        Args:
            reason: for the log.
            seen: `starts` when the caller's statement failed; if the engine has been started
                since, nothing needs to be done.
        """
        with self._lock:
            if self._stopping or (seen is not None and seen != self.starts):
                return
            _log.warning("engine_restart", reason=reason)
            self._end()
            self._spawn()

    def stop(self) -> None:
        """Stop it, letting statements in flight end."""
        self._stopping = True  # before the lock, so that a start in progress is given up
        with self._lock:
            self._end()
            self._shut()
            self.state = "stopped"

    def _spawn(self) -> None:
        self.state = "starting"
        if self._listener is None:
            # Ours, so that whoever comes while the engine is restarted waits and is not refused.
            self._listener = listen("127.0.0.1", self._port)
        door = self._listener.fileno()
        words = [sys.executable, "-m", "penstock.engine.host", "--data", str(self._data)]
        words += ["--socket", str(door), "--memory", str(self._memory)]
        if not self._healing:
            words.append("--no-healing")
        environment = {k: os.environ[k] for k in _KEPT if k in os.environ} | {"TZ": "UTC"}
        try:
            self._child = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
                pass_fds=(door,),
                start_new_session=True,  # Ctrl-C is for the platform, which then stops the engine
            )
        except OSError as error:  # no memory or no process to be had: worth another try
            raise EngineDownError(
                f"the engine's process cannot be started: {error.strerror}",
                where=str(self._data),
                next_step="free some memory; `penstock doctor` checks the machine",
            ) from error
        try:
            self._await_ready(self._child)
        except PenstockError:
            self._shut()  # nobody should wait for what does not come
            raise
        self.starts += 1
        self.state = "up"
        self.on_start()

    def _await_ready(self, child: subprocess.Popen[bytes]) -> None:
        for line in self._lines(child, time.monotonic() + _START):
            event = _event(line)
            match event.get("event"):
                case "ready":
                    return
                case "healed":
                    _log.warning("engine_healed", table=event["table"], part=event["part"])
                case "failed":
                    self._end()
                    raise _failed(event)
        child.kill()
        child.wait()
        raise EngineDownError(
            "the engine did not start",
            where=str(self._data),
            next_step="its own words are above; `penstock doctor` checks the machine",
        )

    def _lines(self, child: subprocess.Popen[bytes], deadline: float) -> Iterator[bytes]:
        """Lines of its output, until it closes, the time is up, or nobody wants it any more."""
        assert child.stdout is not None  # noqa: S101 - Popen was asked for a pipe
        rest = b""
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            while time.monotonic() < deadline and not self._stopping:
                if not selector.select(_LOOK):
                    continue
                piece = os.read(child.stdout.fileno(), 65536)
                if not piece:
                    return
                *lines, rest = (rest + piece).split(b"\n")
                yield from lines

    def _end(self) -> None:
        child = self._child
        if child is None:
            return
        if child.stdin is not None:
            child.stdin.close()
        try:
            child.wait(_STOP)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if child.stdout is not None:
            child.stdout.close()

    def _shut(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _watch(self) -> None:
        """Start it again whenever it ends by itself."""
        pause = 0.1
        while not self._stopping:
            child = self._child
            if child is None or child.poll() is None:
                time.sleep(0.05)
                continue
            with self._lock:
                if self._stopping or self._child is not child:
                    continue
                _log.error("engine_ended", status=child.returncode)
                self._end()
                try:
                    self._spawn()
                    pause = 0.1
                except PenstockError as error:
                    _log.error("engine_start_failed", what=error.what)
                    self.state = "down"
            if self.state == "down":
                time.sleep(pause)
                pause = min(pause * 2, 10.0)


def _event(line: bytes) -> dict[str, str]:
    """What a line of the host says; empty where it is none of its events."""
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _failed(event: dict[str, str]) -> PenstockError:
    kind = getattr(errors, event.get("kind", ""), None)
    if not (isinstance(kind, type) and issubclass(kind, PenstockError)):
        kind = EngineDownError
    return kind(event["what"], where=event["where"], next_step=event["next"])
