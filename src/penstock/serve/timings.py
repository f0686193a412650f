"""How endpoints fare: how often each was asked, from where it was answered, and how fast."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Outcome = Literal["hit", "stale", "miss", "error"]
"""From memory; from memory though a table has changed; from the engine; not at all."""

OUTCOMES: tuple[Outcome, ...] = ("hit", "stale", "miss", "error")
QUANTILES = (0.5, 0.95)
_KEPT = 512  # answers that percentiles look back
_NONE = -1.0


@dataclass(slots=True)
class Timing:
    """Of one endpoint.

    Attributes:
        counts: of each outcome, since the start.
        newest: milliseconds that the last answers took, failures left out.
    """

    counts: Counter[Outcome] = field(default_factory=Counter)
    newest: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT))

    def quantiles(self) -> tuple[float, ...]:
        """Milliseconds at each of `QUANTILES`; -1 where nothing was answered yet."""
        ordered = sorted(self.newest)
        if not ordered:
            return (_NONE,) * len(QUANTILES)
        last = len(ordered) - 1
        return tuple(round(ordered[min(last, int(len(ordered) * q))], 2) for q in QUANTILES)

    def document(self) -> dict[str, float | None]:
        """As JSON: `asked`, each outcome, `p50_ms`, `p95_ms`, and `hit_rate` from 0 to 1."""
        asked = self.counts.total()
        p50, p95 = (None if ms == _NONE else ms for ms in self.quantiles())
        from_memory = self.counts["hit"] + self.counts["stale"]
        return {
            "asked": asked,
            **{outcome: self.counts[outcome] for outcome in OUTCOMES},
            "p50_ms": p50,
            "p95_ms": p95,
            "hit_rate": round(from_memory / asked, 4) if asked else None,
        }


@dataclass
class Timings:
    """Of all endpoints; used by the event loop alone."""

    _of: dict[tuple[str, str], Timing] = field(default_factory=dict)

    def note(self, endpoint: tuple[str, str], outcome: Outcome, seconds: float) -> None:
        """An endpoint, as (domain, name), was asked."""
        timing = self.of(endpoint)
        timing.counts[outcome] += 1
        if outcome != "error":
            timing.newest.append(seconds * 1000)

    def of(self, endpoint: tuple[str, str]) -> Timing:
        """Of one endpoint; empty where it was not asked yet."""
        return self._of.setdefault(endpoint, Timing())

    def keep(self, endpoints: Iterable[tuple[str, str]]) -> None:
        """Forget all other endpoints: their files are gone."""
        known = set(endpoints)
        self._of = {key: timing for key, timing in self._of.items() if key in known}
