"""Whether the engine answers: ours, or a server."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from penstock.engine.client import Client
from penstock.errors import EngineError

if TYPE_CHECKING:
    from penstock.engine.client import Address

_WAIT = 2.0  # seconds the engine may take to say that it is there
_FRESH = 1.0  # seconds that its word is good for


class Pulse:
    """Whether the engine answers; asked once a second at most."""

    def __init__(self, address: Address) -> None:
        self._client = Client(address, timeout=_WAIT)
        self._lock = threading.Lock()
        self._asked, self._answers = -_FRESH, False

    def beats(self) -> bool:
        """Ask it, or give what it said within the last second."""
        with self._lock:
            if time.monotonic() - self._asked >= _FRESH:
                try:
                    self._client.value("SELECT 1")
                    self._answers = True
                except EngineError:
                    self._answers = False
                self._asked = time.monotonic()
            return self._answers

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()
