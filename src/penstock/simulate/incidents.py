"""Incidents planted among simulated meters: which, where, when, and what the readings then show.

They are known before any reading is made, so the list of them is the truth that an alert is held
against. What a reading becomes is a function of its time and keeps no state.

==========  ========================================================================
kind        what the readings show
==========  ========================================================================
surge       `size` times what the meter draws at that time, for five minutes
stuck       the same number again and again: the first one
silent      nothing is sent
wrong_type  one reading in 2 is a word instead of a number: a dead letter
==========  ========================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.simulate.planted import MINUTE_MS, Fault, iso

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from penstock.simulate.telemetry import Meters

# kind: (least and most minutes, least and most size)
_KINDS: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "surge": ((5, 5), (6, 15)),
    "stuck": ((15, 60), (0, 0)),
    "silent": ((5, 30), (0, 0)),
}
KINDS = tuple(_KINDS)
"""Kinds that can be asked for by name; `wrong_type` is part of the story only."""

_PLAN = 3  # which random stream: apart from those of the meters and of the rows
_HOUR_MS = 60 * MINUTE_MS
_SECOND_MS = 1000


class Incidents:
    """The incidents of a fleet of meters, in any order.

    Args:
        meters: whose.
        faults: what happens to which, by its slot.
    """

    def __init__(self, meters: Meters, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        self._meters = meters

    def spoil(
        self, slot: NDArray[np.int64], due_ms: NDArray[np.int64], milliwatts: NDArray[np.int32]
    ) -> None:
        """Change readings as the incidents do, in place.

        Args:
            slot: meter of each reading; shape (rows,).
            due_ms: its time, epoch milliseconds, ascending.
            milliwatts: what it reads.
        """
        for fault, start_ms, rows in self._acting(slot, due_ms, "surge", "stuck"):
            if fault.kind == "surge":
                milliwatts[rows] = np.rint(milliwatts[rows] * fault.size).astype(np.int32)
            else:
                one, began = np.array([fault.slot]), np.array([start_ms])
                milliwatts[rows] = self._meters.milliwatts(one, began, np.zeros(1, np.uint16))

    def silent(self, slot: NDArray[np.int64], due_ms: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which readings are not given."""
        kept = np.zeros(len(slot), np.bool_)
        for _, _, rows in self._acting(slot, due_ms, "silent"):
            kept[rows] = True
        return kept

    def mistyped(
        self, slot: NDArray[np.int64], due_ms: NDArray[np.int64], noise: NDArray[np.uint16]
    ) -> NDArray[np.int64]:
        """Places of the readings that are sent with a word for their watts."""
        found = [
            rows[(noise[rows, 2] & 0x1) == 0]
            for _, _, rows in self._acting(slot, due_ms, "wrong_type")
        ]
        return np.concatenate(found) if found else np.empty(0, np.int64)

    def truth(self, first_ms: int, last_ms: int) -> list[dict[str, Any]]:
        """Where, when, which: each incident between two moments, ready for JSON."""
        found = [
            {
                "kind": fault.kind,
                "device_id": self._meters.device(fault.slot),
                "user_id": self._meters.user(fault.slot),
                "start": iso(start),
                "end": iso(end),
                "size": round(fault.size, 3),
            }
            for fault in self.faults
            for start, end in fault.within(first_ms, last_ms)
        ]
        return sorted(found, key=lambda one: (one["start"], one["kind"], one["device_id"]))

    def _acting(
        self, slot: NDArray[np.int64], due_ms: NDArray[np.int64], *kinds: str
    ) -> Iterator[tuple[Fault, int, NDArray[np.int64]]]:
        """Each time an incident of some kinds acts: which, since when, on which readings."""
        for fault in self.faults:
            if fault.kind not in kinds:
                continue
            for start, end in fault.within(int(due_ms[0]), int(due_ms[-1])):
                rows = np.flatnonzero((slot == fault.slot) & (due_ms >= start) & (due_ms < end))
                if len(rows):
                    yield fault, start, rows


def story(meters: Meters, start_ms: int) -> list[Fault]:
    """The incidents of the demo, all of which begin within 15 s of its start or before it.

    Args:
        meters: whose; fewer than four have as many incidents as they are.
        start_ms: when the run begins, epoch milliseconds.
    """
    hour, surges = start_ms - start_ms % _HOUR_MS, start_ms + 15 * _SECOND_MS
    silent = start_ms + 5 * _SECOND_MS
    faults = [
        Fault("surge", 0, surges, surges + 5 * MINUTE_MS, 10.0, 15 * MINUTE_MS),
        Fault("stuck", 1, hour, hour + _HOUR_MS, 0.0, _HOUR_MS),
        Fault("silent", 2, silent, silent + 5 * MINUTE_MS, 0.0, 10 * MINUTE_MS),
        Fault("wrong_type", 3, hour, hour + _HOUR_MS, 0.0, _HOUR_MS),
    ]
    return faults[: meters.number]


def plan(
    meters: Meters, seed: int, amounts: dict[str, int], span_ms: tuple[int, int]
) -> list[Fault]:
    """Draw incidents from a seed; a meter has one at most while there are meters enough.

    Args:
        meters: whose.
        seed: the same arguments give the same incidents.
        amounts: how many of each kind.
        span_ms: epoch milliseconds between which they begin; one longer than that is cut.
    """
    rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, _PLAN])))
    order = rng.permutation(meters.number)
    first, last = span_ms
    faults: list[Fault] = []
    for kind, amount in amounts.items():
        minutes, sizes = _KINDS[kind]
        for _ in range(amount):
            slot = int(order[len(faults) % meters.number])
            lasts = min(rng.uniform(*minutes) * MINUTE_MS, last - first)
            start = rng.uniform(first, last - lasts)
            size = float(rng.uniform(*sizes))
            faults.append(Fault(kind, slot, round(start), round(start + lasts), size))
    return faults
