"""Readings of a simulated city's homes as NDJSON: seeded, with exact counts of what is in them.

The same arguments give the same bytes, however they are cut into bodies. Nothing here reads a
clock: the schedule says when each reading falls due::

    homes = Homes(Schedule.live(start_ms, rate=1000.0), homes=1000, seed=1)
    batch = homes.take(500)          # bytes, and what they hold
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.errors import UsageError
from penstock.simulate.city import REGIONS, City
from penstock.simulate.rows import DECIMALS, MALFORMED, RowWriter
from penstock.simulate.truth import Counts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from penstock.simulate.planted import Planted

SOURCE = "homes/readings"
"""The source these rows are for."""

MAX_HOMES = 100_000
"""Ids above belong to the real homes of the example data."""

RATES = (0.001, 10_000_000.0)
"""Least and most readings a second."""

_BLOCK = 8192  # readings made at a time: its arrays stay in the processor's second cache
_GROUP_MS = 60_000  # what changes slowly is looked up at least that often
_LATE_MS = (61_000, 1_800_000)
_JITTER_MS = 64
_GOOD, _LATE, _DUPLICATE, _SILENT, _FIRST_KIND = 0, 1, 2, 3, 4
_WRONG_TYPE = _FIRST_KIND + MALFORMED.index("wrong_type")


@dataclass(frozen=True, slots=True)
class Schedule:
    """When readings fall due: number i at `start_ms` + i · `period_ms`.

    Attributes:
        start_ms: epoch milliseconds of the first one.
        period_ms: milliseconds between two neighbouring readings, of whatever home.
        readings: how many there are; None for a stream without an end.
        paced: true where they are to be sent as they fall due, false where at once.
    """

    start_ms: int
    period_ms: Fraction
    readings: int | None
    paced: bool

    @classmethod
    def live(cls, start_ms: int, rate: float, readings: int | None = None) -> Schedule:
        """`rate` readings a second from `start_ms` on.

        Raises:
            UsageError: the rate is not within RATES.
        """
        if not RATES[0] <= rate <= RATES[1]:
            raise UsageError(
                f"a rate of {rate} rows/s cannot be kept",
                next_step=f"--rate {RATES[0]} to {RATES[1]:.0f}",
            )
        per_s = Fraction(rate).limit_denominator(1_000_000)
        return cls(start_ms, Fraction(1000) / per_s, readings, paced=True)

    @classmethod
    def history(cls, until_ms: int, span_s: float, rows: int, homes: int) -> Schedule:
        """About `rows` readings spread evenly over the `span_s` seconds before `until_ms`.

        Each home gets the same number of them, at least one.

        Raises:
            UsageError: the span or the rows are not positive.
        """
        if span_s <= 0 or rows <= 0:
            raise UsageError(
                "a history needs a span and a number of rows",
                next_step="--history 30d --rows 10_000_000",
            )
        span_ms = round(span_s * 1000)
        readings = max(1, round(rows / homes)) * homes
        return cls(until_ms - span_ms, Fraction(span_ms, readings), readings, paced=False)

    def due(self, elapsed_ms: float) -> int:
        """How many readings fall due in the first `elapsed_ms` after the start."""
        due = max(0, ceil(Fraction(elapsed_ms) / self.period_ms))
        return due if self.readings is None else min(due, self.readings)


@dataclass(frozen=True, slots=True)
class Faults:
    """Shares of rows, 0 to 1 each, that are not as they should be.

    Attributes:
        late: their time lies 1 to 30 minutes back.
        duplicates: sent a second time right after the first, byte for byte.
        malformed: one of `rows.MALFORMED`, each kind as likely.
    """

    late: float = 0.005
    duplicates: float = 0.001
    malformed: float = 0.0002

    def __post_init__(self) -> None:
        shares = (self.late, self.duplicates, self.malformed)
        if any(not 0 <= share <= 1 for share in shares) or sum(shares) > 1:
            raise UsageError(
                f"late {self.late}, duplicates {self.duplicates} and malformed {self.malformed} "
                "are shares of the rows: each 0 to 1, together at most 1",
                next_step="--late 0.005 --duplicates 0.001 --malformed 0.0002",
            )


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows to hand over together.

    Attributes:
        body: NDJSON, each row ended by a newline.
        first: serial of the first reading.
        readings: how many readings; each is a row, and the duplicates are rows besides.
        counts: what the rows hold.
        duplicates: serials that are in here twice.
        malformed: serials of the malformed rows.
        silent: serials of the readings that are no row, because an outage keeps them back.
    """

    body: bytes
    first: int
    readings: int
    counts: Counts
    duplicates: list[int]
    malformed: list[int]
    silent: list[int]


@dataclass(frozen=True, slots=True)
class _Block:
    """A block of readings, made but not yet text; arrays of one item a reading but `lines`."""

    number: int
    fate: NDArray[np.uint8]  # _GOOD, _LATE, _DUPLICATE, _SILENT, or _FIRST_KIND + in MALFORMED
    ts_ms: NDArray[np.int64]
    values: dict[str, NDArray[np.int32]]
    lines: NDArray[np.uint8]  # one a row: duplicates stand twice, silent readings not at all
    line_of: NDArray[np.int64]  # where each reading's lines begin, and the end; readings + 1


class Homes:
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
        if seed < 0:
            raise UsageError(f"the seed {seed} is negative", next_step="--seed 1")
        self.schedule = schedule
        self.seed = seed
        self.next = 0
        """Serial of the next reading."""
        self._homes = homes
        self._faults = faults or Faults()
        self._city = City(homes, seed)
        self._planted = plant(self._city) if plant else None
        regions = [REGIONS[place] for place in self._city.region]
        self._writer = RowWriter(self._city.home_ids.tolist(), regions, serial=serial)
        self._step_ms = float(schedule.period_ms * homes)
        per_group = min(_GROUP_MS / float(schedule.period_ms), 128.0)
        self._group = 1 << max(0, int(per_group).bit_length() - 1)
        self._block: _Block | None = None

    @property
    def left(self) -> int | None:
        """Readings that are still to come; None where there is no end."""
        readings = self.schedule.readings
        return None if readings is None else readings - self.next

    def take(self, readings: int) -> Batch:
        """The next `readings` readings, or as many as are left.

        Raises:
            ValueError: less than one is asked for.
        """
        if readings < 1:
            raise ValueError(readings)
        wanted = readings if self.left is None else min(readings, self.left)
        batch = Batch(b"", self.next, wanted, Counts(), [], [], [])
        bodies = []
        end = self.next + wanted
        while self.next < end:
            block = self._block_of(self.next)
            first = self.next - block.number * _BLOCK
            last = min(end - block.number * _BLOCK, _BLOCK)
            bodies.append(RowWriter.text(block.lines[block.line_of[first] : block.line_of[last]]))
            self._count(block, slice(first, last), batch)
            self.next = block.number * _BLOCK + last
        return replace(batch, body=b"".join(bodies))

    def faults(self) -> list[dict[str, Any]]:
        """The planted faults that act up to the next reading, as `Planted.truth` gives them."""
        if self._planted is None or not self.next:
            return []
        schedule = self.schedule
        last_ms = schedule.start_ms + int((self.next - 1) * schedule.period_ms)
        return self._planted.truth(schedule.start_ms, last_ms)

    def skip(self, readings: int) -> None:
        """Leave readings out, as if the devices had not been able to send them."""
        self.next += readings if self.left is None else min(readings, self.left)

    def batches(self, readings: int = _BLOCK) -> Iterator[Batch]:
        """The rest of the stream in batches of `readings` (the last one may be smaller)."""
        while self.left is None or self.left > 0:
            yield self.take(readings)

    def _block_of(self, serial: int) -> _Block:
        number = serial // _BLOCK
        if self._block is None or self._block.number != number:
            self._block = self._make(number)
        return self._block

    def _make(self, number: int) -> _Block:
        """Make a block from a random stream of its own, so that blocks do not hang together."""
        stream = [self.seed, 2, self.schedule.start_ms, number]
        bits = np.random.SFC64(np.random.SeedSequence(stream))
        rng = np.random.Generator(bits)
        noise: NDArray[np.uint64] = bits.random_raw(_BLOCK)
        words = noise.view(np.uint16).reshape(-1, 4)
        fate = self._fates(bits, rng)

        serial = np.arange(number * _BLOCK, (number + 1) * _BLOCK)
        slot = serial % self._homes
        due_ms = self._due_ms(number)
        span = max(1, min(_JITTER_MS, int(self._step_ms)))
        # A word's low four bits play no part in its normal deviate: they serve as jitter.
        ts_ms = due_ms - (noise & np.uint64(0xF)).astype(np.int64) * span // 16
        ts_ms -= ((noise >> np.uint64(16)) & np.uint64(0xF)).astype(np.int64) * span // 256
        late = np.flatnonzero(fate == _LATE)
        ts_ms[late] -= rng.integers(*_LATE_MS, len(late), endpoint=True)
        group_s = due_ms[:: self._group] / 1000.0
        values = self._city.readings(slot, group_s, self._step_ms / 1000.0, words)
        if self._planted is not None:
            self._planted.spoil(slot, due_ms, words, self._step_ms / 1000.0, values)
            self._mark(self._planted, fate, slot, due_ms, words)

        lines = self._writer.matrix(slot, ts_ms, values, serial)
        malformed = np.flatnonzero(fate >= _FIRST_KIND)
        self._writer.spoil(lines, malformed, fate[malformed] - np.uint8(_FIRST_KIND))
        copies = np.array([1, 1, 2, 0])[np.minimum(fate, _FIRST_KIND - 1)]
        copies[malformed] = 1
        line_of = np.concatenate([[0], np.cumsum(copies)])
        if (copies != 1).any():
            lines = np.repeat(lines, copies, axis=0)
        return _Block(number, fate, ts_ms, values, lines, line_of)

    @staticmethod
    def _mark(
        planted: Planted,
        fate: NDArray[np.uint8],
        slot: NDArray[np.int64],
        due_ms: NDArray[np.int64],
        words: NDArray[np.uint16],
    ) -> None:
        """Give the readings their fate that planted faults mistype or keep back, in place."""
        mistyped = planted.mistyped(slot, due_ms, words)
        fate[mistyped[fate[mistyped] == _GOOD]] = _WRONG_TYPE
        fate[planted.silent(slot, due_ms)] = _SILENT

    def _due_ms(self, number: int) -> NDArray[np.int64]:
        """Due times of a block; the big product is left to Python, where it cannot overflow."""
        num, den = self.schedule.period_ms.numerator, self.schedule.period_ms.denominator
        base, rest = divmod(number * _BLOCK * num, den)
        whole, part = divmod(num, den)
        step = np.arange(_BLOCK, dtype=np.int64)
        return self.schedule.start_ms + base + step * whole + (rest + step * part) // den

    def _fates(self, bits: np.random.BitGenerator, rng: np.random.Generator) -> NDArray[np.uint8]:
        """What becomes of each reading; never two things at once, so that counts stay simple."""
        draw: NDArray[np.uint32] = bits.random_raw(_BLOCK // 2).view(np.uint32)
        faults = self._faults
        fate = np.zeros(_BLOCK, np.uint8)
        bounds = np.cumsum([0.0, faults.malformed, faults.duplicates, faults.late]) * 2.0**32
        struck = np.flatnonzero(draw < bounds[-1])
        place = np.searchsorted(bounds, draw[struck], side="right")
        fate[struck] = np.array([_GOOD, _FIRST_KIND, _DUPLICATE, _LATE], np.uint8)[place]
        malformed = np.flatnonzero(fate == _FIRST_KIND)
        fate[malformed] += rng.integers(0, len(MALFORMED), len(malformed), dtype=np.uint8)
        return fate

    @staticmethod
    def _count(block: _Block, part: slice, batch: Batch) -> None:
        """Count the rows of a part of a block into `batch`."""
        fate, ts_ms = block.fate[part], block.ts_ms[part]
        base = block.number * _BLOCK + part.start
        twice = np.flatnonzero(fate == _DUPLICATE)
        malformed = np.flatnonzero(fate >= _FIRST_KIND)
        silent = np.flatnonzero(fate == _SILENT)
        kinds = [MALFORMED[kind - _FIRST_KIND] for kind in fate[malformed].tolist()]
        counts = Counts(
            rows=len(fate) + len(twice) - len(silent),
            malformed=Counter(kinds),
            duplicates=len(twice),
            late=int(np.count_nonzero(fate == _LATE)),
            silent=len(silent),
        )
        neither = np.concatenate([malformed, silent])
        for name in DECIMALS:
            column = block.values[name][part]
            total = column.sum(dtype=np.int64) - column[neither].sum(dtype=np.int64)
            counts.sums[name] = int(total + column[twice].sum(dtype=np.int64))
        good_ts = np.delete(ts_ms, neither) if len(neither) else ts_ms
        if len(good_ts):
            counts.first_ts_ms, counts.last_ts_ms = int(good_ts.min()), int(good_ts.max())
        batch.counts.add(counts)
        batch.duplicates.extend((twice + base).tolist())
        batch.malformed.extend((malformed + base).tolist())
        batch.silent.extend((silent + base).tolist())
