"""A process that outlives whoever started it, known by its number and the moment it began.

A number alone may be somebody else's by now: nothing is ended unless both are right.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

POLL = 0.02
_ENDED = "ZX"
_children: list[subprocess.Popen[bytes]] = []  # of this program: it has to reap them itself


@dataclass(frozen=True, slots=True)
class Process:
    """One that was started.

    Attributes:
        pid: its number.
        began: when, in the words of the system.
    """

    pid: int
    began: str

    @classmethod
    def spawn(cls, words: Sequence[str], log: Path, *, user: str = "") -> Process:
        """Start it in a session of its own, in the folder of its log.

        Args:
            words: program and arguments.
            log: what it says is appended here.
            user: whose rights it runs with; empty: the caller's.
        """
        with log.open("ab") as out:
            child = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=log.parent,
                start_new_session=True, **rights(user),
            )  # fmt: skip
        _children.append(child)
        return cls(child.pid, _look(child.pid)[1])

    @classmethod
    def read(cls, file: Path) -> Process | None:
        """What `write` has written; None where nothing stands there."""
        try:
            pid, began = file.read_text("utf-8").splitlines()
        except (FileNotFoundError, ValueError):
            return None
        return cls(int(pid), began)

    def write(self, file: Path) -> None:
        """Remember it, whole or not at all."""
        beside = file.with_suffix(".new")
        beside.write_text(f"{self.pid}\n{self.began}\n", "utf-8")
        beside.replace(file)

    @property
    def lives(self) -> bool:
        """Whether it runs; one that has ended and that nobody has reaped yet does not."""
        for child in _children:
            child.poll()
        state, began = _look(self.pid)
        return bool(state) and state[0] not in _ENDED and began == self.began

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.lives:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def end(self, gently: signal.Signals, seconds: float) -> bool:
        """Ask it to end, wait, and kill it where that did not help.

        Returns:
            Whether asking was enough.
        """
        self.send(gently)
        if self._gone(seconds):
            return True
        self.send(signal.SIGKILL)
        self._gone(seconds)
        return False

    def _gone(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.lives:
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL)
        return True


def rights(user: str) -> dict[str, Any]:
    """What makes a new process another user's; nothing where none is named."""
    return {"user": user, "group": user, "extra_groups": []} if user else {}


def _look(pid: int) -> tuple[str, str]:
    """State and beginning of a process, both empty where there is none."""
    if not Path("/proc/self/stat").exists():  # macOS
        said = subprocess.run(
            ["ps", "-o", "stat=,lstart=", "-p", str(pid)],
            capture_output=True, text=True, check=False,
        ).stdout  # fmt: skip
        state, _, began = said.strip().partition(" ")
        return state, began.strip()
    try:
        # After the name, which may hold anything: state is 0, threads 17, beginning 19.
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return "", ""
    # The first thread may have ended while others still hold the ports.
    ending = fields[0] in _ENDED and int(fields[17]) > 1
    return "R" if ending else fields[0], fields[19]
