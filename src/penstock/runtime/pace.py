"""How fast each source lands: rows of each of the last seconds."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field

SECONDS = 90
"""How far back it is known."""


@dataclass
class Pace:
    """Of all sources; written by landers, read by who draws them."""

    _landed: defaultdict[tuple[str, str], deque[tuple[int, int]]] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=SECONDS))
    )  # source → (second, rows), the newest last
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, source: tuple[str, str], rows: int, now: float | None = None) -> None:
        """A source, as (domain, name), has landed rows."""
        second = int(time.monotonic() if now is None else now)
        with self._lock:
            landed = self._landed[source]
            if landed and landed[-1][0] == second:
                rows += landed.pop()[1]
            landed.append((second, rows))

    def of(self, source: tuple[str, str], now: float | None = None) -> list[int]:
        """Rows of each second before this one, the oldest first; `SECONDS` of them."""
        this = int(time.monotonic() if now is None else now)
        with self._lock:
            rows = dict(self._landed.get(source, ()))
        return [rows.get(second, 0) for second in range(this - SECONDS, this)]
