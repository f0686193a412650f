"""How old landed rows were when they could first be queried, and how many land a second."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field

_WINDOW = 60.0  # seconds that percentiles look back
_RATE = 10.0  # seconds that the rate looks back


@dataclass
class Freshness:
    """Figures over the last minute; written by landers, read by the status.

    Attributes:
        landed: (time, rows, milliseconds from received to queryable) of each batch.
    """

    landed: deque[tuple[float, int, int]] = field(default_factory=lambda: deque(maxlen=2000))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, rows: int, lag_ms: int) -> None:
        """A batch can be queried."""
        with self._lock:
            self.landed.append((time.monotonic(), rows, lag_ms))

    def document(self) -> dict[str, int]:
        """`p50` and `p99` of the last minute and `now`, the age of the newest row, in ms."""
        now = time.monotonic()
        with self._lock:
            recent = [entry for entry in self.landed if entry[0] > now - _WINDOW]
            last = self.landed[-1] if self.landed else None
        lags = sorted(lag for _, _, lag in recent)
        age = int((now - last[0]) * 1000) + last[2] if last else 0
        return {"p50": _at(lags, 0.5), "p99": _at(lags, 0.99), "now": age}

    def rows_per_second(self) -> float:
        """Rows landed a second, over the last ten."""
        now = time.monotonic()
        with self._lock:
            rows = sum(entry[1] for entry in self.landed if entry[0] > now - _RATE)
        return round(rows / _RATE, 1)


def _at(values: list[int], share: float) -> int:
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0
