"""The processes of a demo that send, each with its account, ended with us whatever ends us."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

END_S = 20.0
"""Seconds a sender may take to write its last counts."""


class Senders:
    """Runs of `penstock simulate`, by names of their own.

    Args:
        folder: where their accounts are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[subprocess.Popen[bytes]] = []

    def spawn(self, name: str, words: list[str], *, ends: bool = False) -> subprocess.Popen[bytes]:
        """Start one.

        Args:
            name: of its account.
            words: those of the command `simulate`.
            ends: it ends by itself, and `end` leaves it alone.
        """
        command = [sys.executable, "-m", "penstock.cli", "simulate", *words]
        command += ["--truth", str(self._file(name)), "--end-with-stdin"]
        sender = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # closes with us, whatever ends us
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C ends them through `end`, in order
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        if not ends:
            self._running.append(sender)
        return sender

    def end(self) -> None:
        """Ask all to end, and wait until they have."""
        for sender in self._running:
            if sender.poll() is None:
                sender.send_signal(signal.SIGINT)
        for sender in self._running:
            try:
                sender.wait(END_S)
            except subprocess.TimeoutExpired:
                sender.kill()
        self._running.clear()

    def forget(self, *names: str) -> None:
        """Let go of the accounts of an earlier run."""
        for name in names:
            self._file(name).unlink(missing_ok=True)

    def truth(self, name: str) -> dict[str, Any]:
        """The account of one, as `simulate.truth` describes it; empty before its first second."""
        path = self._file(name)
        document: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return document

    def _file(self, name: str) -> Path:
        return self._folder / f"truth-{name}.json"
