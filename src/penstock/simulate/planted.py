"""Faults planted in the simulated city: which, where, when, and what they do to the readings.

A fault is known before any reading is made, so the list of them is the truth that a detector is
held against. What a fault does is a function of the time and of the reading's own noise and keeps
no state, like the city itself. Faults of single rows (late, twice, malformed) are `homes.Faults`.

=============  ===========  ====================================================================
kind           channel      what the readings show
=============  ===========  ====================================================================
overheating    temperature  rises by `size` °C within a quarter of the time, stays; heating draws
drift          temperature  creeps away, by `size` °C at the end; nothing else moves
stuck          temperature  stands at the first value
spikes         temperature  one reading in 16 is off by ± `size` °C
loosened       vibration    grows to (1 + `size`) times itself
power_dips     voltage      one reading in 8 is `size` V lower
draught        temperature  is pulled by the share `size` of the way to the outside; heating draws
settling       vibration    creeps up by `size` times the home's own level, and stays so
outage         (all)        a region's homes send nothing
wrong_type     temperature  one reading in 2 is a word instead of a number: a dead letter
delayed        (all)        the home sends nothing; a replay sends it later
=============  ===========  ====================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.errors import UsageError
from penstock.simulate.city import REGIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from penstock.simulate.city import City

_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
MINUTE_MS = 60_000
_SECOND_MS = 1000
# kind: (channel, least and most hours, least and most size)
_KINDS: dict[str, tuple[str, tuple[float, float], tuple[float, float]]] = {
    "overheating": ("temperature", (3, 10), (2.5, 9)),
    "drift": ("temperature", (72, 144), (1.5, 5)),
    "stuck": ("temperature", (8, 30), (0, 0)),
    "spikes": ("temperature", (6, 12), (3, 15)),
    "loosened": ("vibration", (6, 24), (0.4, 2)),
    "power_dips": ("voltage", (4, 12), (8, 45)),
    "draught": ("temperature", (12, 48), (0.06, 0.3)),
    "settling": ("vibration", (72, 144), (0.25, 1.2)),
    "outage": ("", (2, 5), (0, 0)),
}
KINDS = tuple(_KINDS)
"""Kinds that can be asked for by name; `wrong_type` and `delayed` are part of the story only."""

STORY = "story"
"""Instead of kinds: the faults of the demo, which come again and again."""

_CHANNELS = {kind: channel for kind, (channel, _, _) in _KINDS.items()}
_CHANNELS |= {"wrong_type": "temperature", "delayed": ""}
_PLAN = 3  # which random stream: apart from those of the city and of the rows
_MOST_SHARE = 0.3  # of the whole time, that one fault may take
_MARGIN = 0.02  # of the whole time, at both ends, free of faults
_OVERHEATING_W = 1200.0
_ROOM_C = 20.0
_KEPT_BACK = ("outage", "delayed")
_SPIKES, _DIPS = 16, 32  # of 256 readings
_STILL = 0x7FF8  # random bits whose normal deviate is nearest to none


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of one home, or of a region.

    Attributes:
        kind: a word of the module's table.
        slot: the home's slot in the city; a region's number where the fault is a region's.
        start_ms: epoch milliseconds from which it acts.
        end_ms: and until when, exclusive.
        size: in the unit of the module's table.
        every_ms: it comes again after so long; 0 for once.
    """

    kind: str
    slot: int
    start_ms: int
    end_ms: int
    size: float
    every_ms: int = 0

    def within(self, first_ms: int, last_ms: int) -> Iterator[tuple[int, int]]:
        """Start and end of each time it acts between two moments, whole even where it is cut."""
        if not self.every_ms:
            if self.start_ms <= last_ms and self.end_ms > first_ms:
                yield self.start_ms, self.end_ms
            return
        length = self.end_ms - self.start_ms
        turn = max(0, (first_ms - self.start_ms - length) // self.every_ms + 1)
        while (start := self.start_ms + turn * self.every_ms) <= last_ms:
            if start + length > first_ms:
                yield start, start + length
            turn += 1


class Planted:
    """The faults of one city, in any order.

    Args:
        city: whose homes break.
        faults: what breaks.
        replay: give the readings that are kept back, and no others.
    """

    def __init__(self, city: City, faults: Sequence[Fault], *, replay: bool = False) -> None:
        self.faults = tuple(faults)
        self._replay = replay
        self._city = city

    def spoil(
        self,
        slot: NDArray[np.int64],
        due_ms: NDArray[np.int64],
        noise: NDArray[np.uint16],
        step_s: float,
        values: dict[str, NDArray[np.int32]],
    ) -> None:
        """Change readings as the faults do, in place.

        Args:
            slot: home of each reading; shape (rows,).
            due_ms: its time, epoch milliseconds, ascending.
            noise: its random bits, shape (rows, 4); the low four of the last two play no other
                part.
            step_s: seconds since each home's previous reading.
            values: the columns of `rows.DECIMALS` in units of their last decimal.
        """
        chance = (noise[:, 2] & 0xF).astype(np.int32) * 16 + (noise[:, 3] & 0xF)
        for fault, rows, share in self._acting(slot, due_ms):
            strength = fault.size * _shape(fault.kind, share)
            match fault.kind:
                case "overheating":
                    _add(values, "temperature", rows, 100 * strength)
                    drawn = _OVERHEATING_W * (strength > 0) * step_s / 3.6
                    _add(values, "energy", rows, drawn, top=2**31 - 256)
                case "drift":
                    _add(values, "temperature", rows, 100 * strength)
                case "stuck":
                    values["temperature"][rows] = self._at_start(fault, due_ms[rows], share)
                case "spikes":
                    off = np.where(chance[rows] % 2, 100.0, -100.0) * fault.size
                    _add(values, "temperature", rows, off * (chance[rows] < _SPIKES))
                case "power_dips":
                    _add(values, "voltage", rows, -10.0 * fault.size * (chance[rows] < _DIPS))
                case "loosened":
                    _add(values, "vibration", rows, strength * values["vibration"][rows])
                case "settling":
                    level = 1000.0 * float(self._city.vibration[fault.slot])
                    _add(values, "vibration", rows, strength * level)
                case "draught":
                    self._chill(fault, rows, due_ms[rows], step_s, values)
                case _:
                    continue

    def silent(self, slot: NDArray[np.int64], due_ms: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which readings are not given: those that are kept back; in a replay, all others."""
        kept = np.zeros(len(slot), np.bool_)
        for fault in self.faults:
            if fault.kind in _KEPT_BACK:
                place = self._city.region[slot] if fault.kind == "outage" else slot
                for start, end in fault.within(int(due_ms[0]), int(due_ms[-1])):
                    kept |= (place == fault.slot) & (due_ms >= start) & (due_ms < end)
        return ~kept if self._replay else kept

    def mistyped(
        self, slot: NDArray[np.int64], due_ms: NDArray[np.int64], noise: NDArray[np.uint16]
    ) -> NDArray[np.int64]:
        """Places of the readings that are sent with a word for their temperature."""
        found = [
            rows[(noise[rows, 2] & 0x1) == 0]
            for fault, rows, _ in self._acting(slot, due_ms)
            if fault.kind == "wrong_type"
        ]
        return np.concatenate(found) if found else np.empty(0, np.int64)

    def truth(self, first_ms: int, last_ms: int) -> list[dict[str, Any]]:
        """Where, when, which: each fault that acts between two moments, ready for JSON."""
        return sorted(
            (
                self._described(fault, start, end)
                for fault in self.faults
                for start, end in fault.within(first_ms, last_ms)
            ),
            key=lambda entry: (entry["start"], entry["kind"], entry["home_id"] or 0),
        )

    def _described(self, fault: Fault, start_ms: int, end_ms: int) -> dict[str, Any]:
        of_region = fault.kind == "outage"
        region = fault.slot if of_region else int(self._city.region[fault.slot])
        return {
            "kind": fault.kind,
            "home_id": None if of_region else int(self._city.home_ids[fault.slot]),
            "region": REGIONS[region],
            "channel": _CHANNELS[fault.kind],
            "start": iso(start_ms),
            "end": iso(end_ms),
            "size": round(fault.size, 3),
        }

    def _acting(
        self, slot: NDArray[np.int64], due_ms: NDArray[np.int64]
    ) -> Iterator[tuple[Fault, NDArray[np.int64], NDArray[np.float64]]]:
        """Each time a home's fault acts on readings: which, and the share of its time gone."""
        for fault in self.faults:
            if fault.kind in _KEPT_BACK:
                continue
            for start, end in fault.within(int(due_ms[0]), int(due_ms[-1])):
                rows = np.flatnonzero((slot == fault.slot) & (due_ms >= start) & (due_ms < end))
                if len(rows):
                    yield fault, rows, (due_ms[rows] - start) / (end - start)

    def _at_start(
        self, fault: Fault, due_ms: NDArray[np.int64], share: NDArray[np.float64]
    ) -> NDArray[np.int32]:
        """What the home's sensor read, without noise, when the fault began."""
        length = fault.end_ms - fault.start_ms
        began_s = (due_ms[:1] - share[:1] * length) / 1000.0
        still = np.full((1, 4), _STILL, np.uint16)
        return self._city.readings(np.array([fault.slot]), began_s, 1.0, still)["temperature"]

    def _chill(
        self,
        fault: Fault,
        rows: NDArray[np.int64],
        due_ms: NDArray[np.int64],
        step_s: float,
        values: dict[str, NDArray[np.int32]],
    ) -> None:
        """Let the outside in; where the heating is electric, it works against it."""
        outside = self._city.weather(due_ms / 1000.0)[:, self._city.region[fault.slot]]
        pulled = fault.size * (outside - _ROOM_C)
        _add(values, "temperature", rows, 100.0 * pulled)
        heating_w = 2.0 * float(self._city.heat_w_per_c[fault.slot]) * np.maximum(-pulled, 0.0)
        _add(values, "energy", rows, heating_w * step_s / 3.6, top=2**31 - 256)


def story(city: City, start_ms: int, since_ms: int | None = None) -> list[Fault]:
    """The faults of the demo: homes that overheat, drift, mistype, and come late.

    What goes on for long is anchored at whole hours, so that a later run goes on with it. What
    creeps away has done so for three days when the first run begins: by 4.5 °C then, and that is
    in its history. The rest begins with the run, so that a run of a minute and a half shows all of
    it: the room is warmer than 40 °C, whatever the season, 20 s after its heating ran away.

    Args:
        city: whose homes break; one of fewer than four has as many faults as it has homes.
        start_ms: when this run begins, epoch milliseconds.
        since_ms: when the first one began; None where this is the first.
    """
    first = start_ms if since_ms is None else since_ms
    hour, creeps = start_ms - start_ms % _HOUR_MS, first - first % _HOUR_MS - 3 * _DAY_MS
    heats, waits = start_ms + 15 * _SECOND_MS, start_ms + 5 * _SECOND_MS
    faults = [
        Fault("overheating", 0, heats, heats + 3 * MINUTE_MS // 2, 30.0, 3 * MINUTE_MS),
        Fault("drift", 1, creeps, creeps + 6 * _DAY_MS, 9.0, 6 * _DAY_MS),
        Fault("wrong_type", 2, hour, hour + _HOUR_MS, 0.0, _HOUR_MS),
        Fault("delayed", 3, waits, waits + MINUTE_MS // 2, 0.0),
    ]
    return faults[: len(city.home_ids)]


def wanted(text: str, kinds: Sequence[str] = KINDS) -> dict[str, int]:
    """How many faults of which kind `drift,spikes:3` or `all:2` asks for; one where none is said.

    Args:
        text: what is asked for.
        kinds: those there are.

    Raises:
        UsageError: an unknown kind, a number that is none, or more than once the same kind.
    """
    amounts: dict[str, int] = {}
    for word in filter(None, (part.strip() for part in text.split(","))):
        kind, colon, number = word.partition(":")
        known = tuple(kinds) if kind == "all" else (kind,) if kind in kinds else ()
        bad_number = bool(colon) and not (number.isdecimal() and int(number))
        if not known or bad_number or amounts.keys() & set(known):
            raise UsageError(
                f"--faults {word} is no fault to plant",
                next_step=f"--faults {STORY}, all, all:2 or some of {', '.join(kinds)}, "
                f"each once: {kinds[0]},{kinds[1]}:3",
            )
        amounts |= dict.fromkeys(known, int(number) if colon else 1)
    return amounts


def plan(city: City, seed: int, amounts: dict[str, int], span_ms: tuple[int, int]) -> list[Fault]:
    """Draw faults from a seed; a home has one at most while there are homes enough.

    Args:
        city: where.
        seed: the same arguments give the same faults.
        amounts: how many of each kind.
        span_ms: epoch milliseconds between which they are to lie; one takes at most 30 % of it.
    """
    rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, _PLAN])))
    homes = iter(rng.permutation(len(city.home_ids)).tolist())
    first, last = span_ms
    length = last - first
    faults = []
    for kind, amount in amounts.items():
        _, hours, sizes = _KINDS[kind]
        for _ in range(amount):
            lasts = min(rng.uniform(*hours) * _HOUR_MS, _MOST_SHARE * length)
            start = first + rng.uniform(_MARGIN * length, (1 - _MARGIN) * length - lasts)
            size = float(rng.uniform(*sizes))
            if kind == "drift" and rng.random() < 0.5:  # noqa: PLR2004 - either way
                size = -size
            region = int(rng.integers(len(REGIONS)))
            slot = region if kind == "outage" else next(homes, region % len(city.home_ids))
            faults.append(Fault(kind, slot, round(start), round(start + lasts), size))
    return faults


def _shape(kind: str, share: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far a fault has come, 0 to 1, when a share of its time is gone."""
    grows_within = {"overheating": 0.25, "loosened": 0.5, "settling": 0.4}.get(kind, 1.0)
    return np.minimum(share / grows_within, 1.0)


def _add(
    values: dict[str, NDArray[np.int32]],
    column: str,
    rows: NDArray[np.int64],
    more: NDArray[np.floating[Any]],
    top: int = 9999,
) -> None:
    """Add to some readings of a column, in units of its last decimal, held within 0 to `top`."""
    changed = np.clip(np.rint(values[column][rows] + more), 0, top)
    values[column][rows] = changed.astype(np.int32)


def iso(epoch_ms: int) -> str:
    """A moment as ISO 8601, to the millisecond, in UTC."""
    moment = datetime.fromtimestamp(epoch_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{epoch_ms % 1000:03d}Z"
