"""Readings of a simulated city's homes as NDJSON: seeded, with exact counts of what is in them.

::

    homes = Homes(Schedule.live(start_ms, rate=1000.0), homes=1000, seed=1)
    batch = homes.take(500)          # bytes, and what they hold
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from penstock.errors import UsageError
from penstock.simulate.city import REGIONS, City
from penstock.simulate.rows import DECIMALS, MALFORMED, RowWriter
from penstock.simulate.stream import Batch, Faults, Schedule, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from penstock.simulate.planted import Planted

__all__ = ["MAX_HOMES", "SOURCE", "Batch", "Faults", "Homes", "Schedule"]

SOURCE = "homes/readings"
"""The source these rows are for."""

MAX_HOMES = 100_000
"""Ids above belong to the real homes of the example data."""

_GROUP_MS = 60_000  # what changes slowly is looked up at least that often


class Homes(Stream):
    """A stream of readings, taken in order.

    Args:
        schedule: when they fall due.
        homes: how many homes, 1 to MAX_HOMES; they report in turns.
        seed: not negative.
        faults: shares of late, doubled and malformed rows.
        serial: give each row the number of its reading as `"serial"`.
        plant: given the city, what breaks in it.

    Raises:
        UsageError: homes or seed are out of range.
    """

    source: ClassVar[str] = SOURCE
    decimals: ClassVar[Mapping[str, int]] = DECIMALS
    malformed: ClassVar[tuple[str, ...]] = MALFORMED

    def __init__(
        self,
        schedule: Schedule,
        *,
        homes: int = 1000,
        seed: int = 1,
        faults: Faults | None = None,
        serial: bool = False,
        plant: Callable[[City], Planted] | None = None,
    ) -> None:
        if not 1 <= homes <= MAX_HOMES:
            raise UsageError(
                f"{homes} homes cannot be simulated", next_step=f"--homes 1 to {MAX_HOMES}"
            )
        super().__init__(schedule, senders=homes, seed=seed, faults=faults)
        self._city = City(homes, seed)
        self._planted = self._breaks = plant(self._city) if plant else None
        per_group = min(_GROUP_MS / float(schedule.period_ms), 128.0)
        self._group = 1 << max(0, int(per_group).bit_length() - 1)
        regions = [REGIONS[place] for place in self._city.region]
        self._writer = RowWriter(self._city.home_ids.tolist(), regions, serial=serial)

    def _values(
        self, slot: NDArray[np.int64], due_ms: NDArray[np.int64], noise: NDArray[np.uint16]
    ) -> dict[str, NDArray[np.int32]]:
        step_s = self.step_ms / 1000.0
        values = self._city.readings(slot, due_ms[:: self._group] / 1000.0, step_s, noise)
        if self._breaks is not None:
            self._breaks.spoil(slot, due_ms, noise, step_s, values)
        return values

    def _lines(
        self,
        slot: NDArray[np.int64],
        ts_ms: NDArray[np.int64],
        values: dict[str, NDArray[np.int32]],
        serial: NDArray[np.int64],
    ) -> NDArray[np.uint8]:
        return self._writer.matrix(slot, ts_ms, values, serial)

    def _spoil(
        self, lines: NDArray[np.uint8], rows: NDArray[np.int64], kind: NDArray[np.uint8]
    ) -> None:
        self._writer.spoil(lines, rows, kind)
