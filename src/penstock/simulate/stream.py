"""Streams of readings as NDJSON: seeded, with exact counts of what is in them.

The same arguments give the same bytes, however they are cut into bodies. Nothing here reads a
clock: the schedule says when each reading falls due. What the readings say is the business of
whoever derives from `Stream`: `homes.Homes`, `telemetry.Telemetry`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from penstock.errors import UsageError
from penstock.simulate.rows import LineWriter
from penstock.simulate.truth import Counts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

RATES = (0.001, 10_000_000.0)
"""Least and most readings a second."""

_BLOCK = 8192  # readings made at a time: its arrays stay in the processor's second cache
_LATE_MS = (61_000, 1_800_000)
_JITTER_MS = 64
_GOOD, _LATE, _DUPLICATE, _SILENT, _FIRST_KIND = 0, 1, 2, 3, 4


@dataclass(frozen=True, slots=True)
class Schedule:
    """When readings fall due: number i at `start_ms` + i · `period_ms`.

    Attributes:
        start_ms: epoch milliseconds of the first one.
        period_ms: milliseconds between two neighbouring readings, of whatever sender.
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
    def history(cls, until_ms: int, span_s: float, rows: int, senders: int) -> Schedule:
        """About `rows` readings spread evenly over the `span_s` seconds before `until_ms`.

        Each sender gets the same number of them, at least one.

        Raises:
            UsageError: the span or the rows are not positive.
        """
        if span_s <= 0 or rows <= 0:
            raise UsageError(
                "a history needs a span and a number of rows",
                next_step="--history 30d --rows 10_000_000",
            )
        span_ms = round(span_s * 1000)
        readings = max(1, round(rows / senders)) * senders
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
        malformed: one of the stream's kinds of mistakes, each kind as likely.
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
        keys: of each row who sent it, as bytes, where the stream knows; else empty.
    """

    body: bytes
    first: int
    readings: int
    counts: Counts
    duplicates: list[int]
    malformed: list[int]
    silent: list[int]
    keys: list[bytes] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Block:
    """A block of readings, made but not yet text; arrays of one item a reading but `lines`."""

    number: int
    fate: NDArray[np.uint8]  # _GOOD, _LATE, _DUPLICATE, _SILENT, or _FIRST_KIND + kind
    ts_ms: NDArray[np.int64]
    values: dict[str, NDArray[np.int32]]
    lines: NDArray[np.uint8]  # one a row: duplicates stand twice, silent readings not at all
    line_of: NDArray[np.int64]  # where each reading's lines begin, and the end; readings + 1
    sender: NDArray[np.int64]  # of each line


class Plant(Protocol):
    """What breaks among the senders of a stream."""

    def mistyped(
        self, slot: NDArray[np.int64], due_ms: NDArray[np.int64], noise: NDArray[np.uint16]
    ) -> NDArray[np.int64]:
        """Places of the readings that are sent with a word for a number."""
        ...

    def silent(self, slot: NDArray[np.int64], due_ms: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which readings are not given."""
        ...

    def truth(self, first_ms: int, last_ms: int) -> list[dict[str, Any]]:
        """What acts between two moments, ready for JSON."""
        ...


class Stream(ABC):
    """A stream of readings, taken in order; its senders, by their slots, report in turns.

    Args:
        schedule: when they fall due.
        senders: how many.
        seed: not negative.
        faults: shares of late, doubled and malformed rows.

    Raises:
        UsageError: the seed is negative.
    """

    source: ClassVar[str]
    """The source these rows are for, as `domain/source`."""
    decimals: ClassVar[Mapping[str, int]]
    """Columns that are summed, with how many decimals each is sent."""
    malformed: ClassVar[tuple[str, ...]]
    """Kinds of malformed rows; `wrong_type`, which faults plant, is among them."""

    def __init__(
        self,
        schedule: Schedule,
        *,
        senders: int,
        seed: int,
        faults: Faults | None,
    ) -> None:
        if seed < 0:
            raise UsageError(f"the seed {seed} is negative", next_step="--seed 1")
        self.schedule = schedule
        self.seed = seed
        self.next = 0
        """Serial of the next reading."""
        self.step_ms = float(schedule.period_ms * senders)
        """Milliseconds between two readings of one sender."""
        self._senders = senders
        self._faults = faults or Faults()
        self._planted: Plant | None = None
        self._keys: NDArray[np.object_] | None = None  # of each slot, as bytes
        self._block: _Block | None = None

    @abstractmethod
    def _values(
        self, slot: NDArray[np.int64], due_ms: NDArray[np.int64], noise: NDArray[np.uint16]
    ) -> dict[str, NDArray[np.int32]]:
        """What is read, with what is planted, in units of the column's last decimal.

        Args:
            slot: sender of each reading; shape (rows,).
            due_ms: its time, epoch milliseconds, ascending.
            noise: its random bits, shape (rows, 4).
        """

    @abstractmethod
    def _lines(
        self,
        slot: NDArray[np.int64],
        ts_ms: NDArray[np.int64],
        values: dict[str, NDArray[np.int32]],
        serial: NDArray[np.int64],
    ) -> NDArray[np.uint8]:
        """The readings as lines of fixed width, shape (rows, width)."""

    @abstractmethod
    def _spoil(
        self, lines: NDArray[np.uint8], rows: NDArray[np.int64], kind: NDArray[np.uint8]
    ) -> None:
        """Make some lines malformed, in place; `kind` holds places in `malformed`."""

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
            lines = slice(block.line_of[first], block.line_of[last])
            bodies.append(LineWriter.text(block.lines[lines]))
            if self._keys is not None:
                batch.keys.extend(self._keys[block.sender[lines]].tolist())
            self._count(block, slice(first, last), batch)
            self.next = block.number * _BLOCK + last
        return replace(batch, body=b"".join(bodies))

    def faults(self) -> list[dict[str, Any]]:
        """The planted faults that act up to the next reading, as `Plant.truth` gives them."""
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
        slot = serial % self._senders
        due_ms = self._due_ms(number)
        span = max(1, min(_JITTER_MS, int(self.step_ms)))
        # A word's low four bits play no part in its normal deviate: they serve as jitter.
        ts_ms = due_ms - (noise & np.uint64(0xF)).astype(np.int64) * span // 16
        ts_ms -= ((noise >> np.uint64(16)) & np.uint64(0xF)).astype(np.int64) * span // 256
        late = np.flatnonzero(fate == _LATE)
        ts_ms[late] -= rng.integers(*_LATE_MS, len(late), endpoint=True)
        values = self._values(slot, due_ms, words)
        if self._planted is not None:
            self._mark(self._planted, fate, slot, due_ms, words)

        lines = self._lines(slot, ts_ms, values, serial)
        malformed = np.flatnonzero(fate >= _FIRST_KIND)
        self._spoil(lines, malformed, fate[malformed] - np.uint8(_FIRST_KIND))
        copies = np.array([1, 1, 2, 0])[np.minimum(fate, _FIRST_KIND - 1)]
        copies[malformed] = 1
        line_of = np.concatenate([[0], np.cumsum(copies)])
        if (copies != 1).any():
            lines, slot = np.repeat(lines, copies, axis=0), np.repeat(slot, copies)
        return _Block(number, fate, ts_ms, values, lines, line_of, slot)

    def _mark(
        self,
        planted: Plant,
        fate: NDArray[np.uint8],
        slot: NDArray[np.int64],
        due_ms: NDArray[np.int64],
        words: NDArray[np.uint16],
    ) -> None:
        """Give the readings their fate that planted faults mistype or keep back, in place."""
        mistyped = planted.mistyped(slot, due_ms, words)
        wrong_type = _FIRST_KIND + self.malformed.index("wrong_type")
        fate[mistyped[fate[mistyped] == _GOOD]] = wrong_type
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
        fate[malformed] += rng.integers(0, len(self.malformed), len(malformed), dtype=np.uint8)
        return fate

    def _count(self, block: _Block, part: slice, batch: Batch) -> None:
        """Count the rows of a part of a block into `batch`."""
        fate, ts_ms = block.fate[part], block.ts_ms[part]
        base = block.number * _BLOCK + part.start
        twice = np.flatnonzero(fate == _DUPLICATE)
        malformed = np.flatnonzero(fate >= _FIRST_KIND)
        silent = np.flatnonzero(fate == _SILENT)
        kinds = [self.malformed[kind - _FIRST_KIND] for kind in fate[malformed].tolist()]
        counts = Counts(
            rows=len(fate) + len(twice) - len(silent),
            malformed=Counter(kinds),
            duplicates=len(twice),
            late=int(np.count_nonzero(fate == _LATE)),
            silent=len(silent),
        )
        neither = np.concatenate([malformed, silent])
        for name in self.decimals:
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
