"""Telemetry of simulated meters as NDJSON: seeded, with exact counts of what is in it.

::

    telemetry = Telemetry(Schedule.live(start_ms, rate=10_000.0), devices=10_000, seed=1)
    batch = telemetry.take(500)      # bytes, the device of each row, and what they hold
"""

from __future__ import annotations

from math import tau
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from penstock.errors import UsageError
from penstock.simulate.rows import LineWriter
from penstock.simulate.stream import Faults, Schedule, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from penstock.simulate.incidents import Incidents

SOURCE = "telemetry/telemetry_stream"
"""The source these rows are for."""

DECIMALS = {"energy_watts": 3}
"""The column with a number, and how many decimals it is sent with."""

MALFORMED = ("half_json", "wrong_type", "no_device_id", "bad_date", "nan", "text")
"""Kinds of malformed rows; a row's kind is its place in here."""

MAX_DEVICES = 100_000

_A_USER = 3  # meters a user has
_TRAITS = 1  # which random stream: apart from those of the blocks of rows
_DAY_MS = 86_400_000
_NOISE = 0.08  # of what is drawn, either way
_FIELDS = (
    ("device_id", b'{"device_id":"', 11),
    ("user_id", b'","user_id":"', 10),
    ("timestamp", b'","timestamp":"', 24),
    ("energy_watts", b'","energy_watts":', 12),
)


class Meters:
    """A fleet of meters; each draws more by day than by night, in a rhythm of its own.

    Args:
        number: how many, 1 to MAX_DEVICES.
        seed: the same seed and number give the same fleet.

    Raises:
        UsageError: the number is out of range.
    """

    def __init__(self, number: int, seed: int) -> None:
        if not 1 <= number <= MAX_DEVICES:
            raise UsageError(
                f"{number} devices cannot be simulated", next_step=f"--devices 1 to {MAX_DEVICES}"
            )
        rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, _TRAITS])))
        self.number = number
        self._users = -(-number // _A_USER)
        self._mean_mw = np.minimum(rng.lognormal(12.6, 0.6, number), 3e6)  # some 300 W
        self._swing = rng.uniform(0.1, 0.7, number)
        self._phase = rng.uniform(0.0, 1.0, number)

    def device(self, slot: int) -> str:
        """The id of the meter in a slot."""
        return f"meter-{slot + 1:05}"

    def user(self, slot: int) -> str:
        """The id of its user, who has two more."""
        return f"user-{slot % self._users + 1:05}"

    def milliwatts(
        self, slot: NDArray[np.int64], due_ms: NDArray[np.int64], noise: NDArray[np.uint16]
    ) -> NDArray[np.int32]:
        """What meters draw.

        Args:
            slot: of each reading; shape (rows,).
            due_ms: its time, epoch milliseconds.
            noise: its random bits.
        """
        day = due_ms % _DAY_MS / _DAY_MS
        rhythm = 1.0 + self._swing[slot] * np.sin(tau * (day + self._phase[slot]))
        jitter = 1.0 + _NOISE * (noise.astype(np.float64) / 32768.0 - 1.0)
        return np.rint(self._mean_mw[slot] * rhythm * jitter).astype(np.int32)


class Telemetry(Stream):
    """A stream of readings, taken in order; each batch tells the device of each row.

    Args:
        schedule: when they fall due.
        devices: how many meters, 1 to MAX_DEVICES; they report in turns.
        seed: not negative.
        faults: shares of late, doubled and malformed rows.
        plant: given the meters, what happens to them.

    Raises:
        UsageError: devices or seed are out of range.
    """

    source: ClassVar[str] = SOURCE
    decimals: ClassVar[Mapping[str, int]] = DECIMALS
    malformed: ClassVar[tuple[str, ...]] = MALFORMED

    def __init__(
        self,
        schedule: Schedule,
        *,
        devices: int = 10_000,
        seed: int = 1,
        faults: Faults | None = None,
        plant: Callable[[Meters], Incidents] | None = None,
    ) -> None:
        super().__init__(schedule, senders=devices, seed=seed, faults=faults)
        self._meters = Meters(devices, seed)
        self._planted = self._incidents = plant(self._meters) if plant else None
        self._writer = _Rows(self._meters)
        names = [self._meters.device(slot).encode() for slot in range(devices)]
        self._keys = np.array(names, dtype=object)

    def _values(
        self, slot: NDArray[np.int64], due_ms: NDArray[np.int64], noise: NDArray[np.uint16]
    ) -> dict[str, NDArray[np.int32]]:
        milliwatts = self._meters.milliwatts(slot, due_ms, noise[:, 1])
        if self._incidents is not None:
            self._incidents.spoil(slot, due_ms, milliwatts)
        return {"energy_watts": milliwatts}

    def _lines(
        self,
        slot: NDArray[np.int64],
        ts_ms: NDArray[np.int64],
        values: dict[str, NDArray[np.int32]],
        serial: NDArray[np.int64],  # noqa: ARG002 - these rows have none
    ) -> NDArray[np.uint8]:
        return self._writer.matrix(slot, ts_ms, values["energy_watts"])

    def _spoil(
        self, lines: NDArray[np.uint8], rows: NDArray[np.int64], kind: NDArray[np.uint8]
    ) -> None:
        self._writer.spoil(lines, {name: rows[kind == n] for n, name in enumerate(MALFORMED)})


class _Rows(LineWriter):
    """Writes rows of meters."""

    def __init__(self, meters: Meters) -> None:
        slots = range(meters.number)
        devices, users = [meters.device(s) for s in slots], [meters.user(s) for s in slots]
        super().__init__(_FIELDS, {"device_id": devices, "user_id": users})

    def matrix(
        self,
        slot: NDArray[np.int64],
        ts_ms: NDArray[np.int64],
        milliwatts: NDArray[np.int32],
    ) -> NDArray[np.uint8]:
        """Lines of fixed width, shape (rows, width)."""
        lines = self._blank(slot)
        self._write_ts(lines, self._at["timestamp"], ts_ms)
        self._write_thousandths(lines, self._at["energy_watts"], milliwatts)
        return lines

    def spoil(self, lines: NDArray[np.uint8], rows: dict[str, NDArray[np.int64]]) -> None:
        """Make the rows of each kind malformed, in place."""
        user, time = self._at["user_id"], self._at["timestamp"]
        watts = self._columns("energy_watts", 12)
        self._overwrite(lines, rows["half_json"], slice(time + 10, self.width - 1), b"")
        self._overwrite(lines, rows["wrong_type"], watts, b'"high"')
        self._overwrite(lines, rows["no_device_id"], slice(1, user - len(b'"user_id":"')), b"")
        self._overwrite(lines, rows["bad_date"], slice(time + 5, time + 10), b"02-30")
        self._overwrite(lines, rows["nan"], watts, b"NaN")
        self._overwrite(lines, rows["text"], slice(0, self.width - 1), b"meter restarting")
