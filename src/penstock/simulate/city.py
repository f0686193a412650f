"""The city the simulator plays: homes, their people, their heating, and the weather.

Everything is a function of (seed, home, time) and keeps no state, so that any stretch of time
can be asked for alone, in any order, and history runs into the live hours without a seam. Only
what a sensor adds (noise) is handed in.

What is modelled: 4 regions with their own weather (a year, a day, drifting fronts of hours);
people who come and go by a weekly timetable of their own; base load, appliances that run for
five minutes, electric heating; rooms that follow heating and weather with some hours' delay;
mains voltage that sags with the load; pumps that vibrate, a few of them badly.
"""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

REGIONS = ("north", "east", "south", "west")

_HOURS = 168
_TIMETABLES = 256  # weekly timetables that homes pick from
_TRAITS = 1  # which random stream: apart from those of the blocks of rows
_DAY_S = 86_400.0
_BUCKET_S = 300  # an appliance runs that long
# Chance that somebody is up and about, by hour; chance that somebody is at home at all.
_AWAKE = "1 1 1 1 1 2 5 8 9 6 4 4 5 5 4 4 5 7 9 10 10 8 6 3"
_HOME_WEEKDAY = "99 99 99 99 99 98 95 85 55 40 35 35 38 38 36 40 50 68 82 88 92 95 97 98"
_HOME_WEEKEND = "98 98 98 98 98 98 98 97 94 88 80 74 74 72 70 70 72 76 80 82 84 88 92 95"
_REGION_OFFSET_C = (-1.8, -0.4, 1.9, 0.4)
_REGION_SAG_V = (6.0, 4.0, 3.5, 5.0)
_REGION_SHARE = (0.28, 0.22, 0.26, 0.24)
_ELECTRIC_HEATING = 0.4  # shares of the homes
_WORN_PUMPS = 0.03
# Watts of what may be running: kettle, oven, washing machine, television, …
_APPLIANCES_W = (2000, 2200, 500, 120, 900, 1200, 150, 60, 1800, 350, 80, 700, 2500, 240, 450, 1000)


class City:
    """A city of homes, drawn from a seed; homes are addressed by their slot, 0 to homes - 1.

    Args:
        homes: how many.
        seed: the same seed and number give the same city.

    Attributes:
        home_ids: id of the home in each slot.
        region: place of its region in REGIONS.
        heat_w_per_c: watts its electric heating draws for each °C; 0 where it has none.
        vibration: level of its pump, mm/s RMS.
    """

    def __init__(self, homes: int, seed: int) -> None:
        rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, _TRAITS])))
        self._seed = seed
        self.home_ids: NDArray[np.int64] = rng.permutation(homes) + 1
        self.region = rng.choice(len(REGIONS), homes, p=_REGION_SHARE)
        self._timetable = rng.integers(0, _TIMETABLES, homes) * (_HOURS + 1)
        self._standby_w = _f32(rng.uniform(40, 140, homes))
        self._size = _f32(rng.lognormal(0.0, 0.3, homes))
        heated = rng.random(homes) < _ELECTRIC_HEATING
        self.heat_w_per_c = _f32(np.where(heated, rng.uniform(25, 70, homes), 0.0))
        self._comfort_c = _f32(rng.normal(0.0, 0.8, homes))
        self._leak = _f32(rng.uniform(0.05, 0.18, homes))
        self._feeder_v = _f32(rng.normal(0.0, 1.2, homes))
        worn = rng.random(homes) < _WORN_PUMPS
        self.vibration = _f32(
            np.where(worn, rng.uniform(2.0, 4.5, homes), rng.uniform(0.15, 0.9, homes))
        )
        self._hash = rng.integers(0, 2**32, homes, dtype=np.uint32)
        self._phase_s = rng.integers(0, _BUCKET_S, homes, dtype=np.uint32)
        activity, target = _timetables(rng)
        self._activity, self._target = activity.reshape(-1), target.reshape(-1)
        self._mean_activity = activity.mean(axis=0)

    def weather(self, epoch_s: NDArray[np.float64]) -> NDArray[np.float32]:
        """Outside temperature in °C, shape (times, 4 regions)."""
        year = np.cos((epoch_s / _DAY_S - 201.0) * (2 * np.pi / 365.25))  # warmest on 20 July
        day = np.cos((epoch_s / 3600.0 - 15.0) * (2 * np.pi / 24))  # warmest at 15:00
        city = 10.5 + 9.0 * year + 3.5 * day
        fronts = [
            offset
            + 3.0 * _drift(self._seed * 8 + region, epoch_s / (9 * 3600.0))
            + 0.8 * _drift(self._seed * 8 + region + 4, epoch_s / 1800.0)
            for region, offset in enumerate(_REGION_OFFSET_C)
        ]
        return _f32(city[:, None] + np.stack(fronts, axis=1))

    def readings(
        self,
        slot: NDArray[np.int64],
        epoch_s: NDArray[np.float64],
        step_s: float,
        noise: NDArray[np.uint16],
    ) -> dict[str, NDArray[np.int32]]:
        """What the sensors of some homes read.

        Args:
            slot: home of each row; shape (rows,).
            epoch_s: time of each group of neighbouring rows; shape (groups,), where groups
                divides rows. The weather and the timetables are looked up once a group.
            step_s: seconds since each home's previous reading.
            noise: random bits; shape (rows, 4).

        Returns:
            Columns in units of their last decimal: centi-°C, mWh, deci-V, µm/s.
        """
        group = len(slot) // len(epoch_s)
        activity, target = self._timetable_now(slot, epoch_s, group)
        outside = self.weather(epoch_s)
        rows_region = self.region[slot]
        here = np.repeat(np.arange(len(epoch_s)) * len(REGIONS), group) + rows_region
        outside_c = outside.reshape(-1)[here]
        appliance_w = self._appliances(slot, epoch_s, group, activity)
        gauss = _gauss()[noise >> 4]

        heat_w = self.heat_w_per_c[slot] * np.maximum(target - 3 - outside_c, 0)
        power_w = self._standby_w[slot] + self._size[slot] * (60 + 260 * activity)
        power_w += appliance_w + heat_w
        power_w *= 1 + 0.015 * gauss[:, 0]
        temperature = target + self._comfort_c[slot] + self._leak[slot] * (outside_c - 12)
        sag_v = self._sag(epoch_s).reshape(-1)[here]
        voltage = 235.5 + self._feeder_v[slot] - sag_v - 0.0008 * power_w + 0.3 * gauss[:, 1]
        level = self.vibration[slot]
        vibration = level * (1 + np.float32(0.35) * (appliance_w > 0) + 0.03 * gauss[:, 2])
        return {
            "temperature": _fixed(100 * temperature + 3 * gauss[:, 3], 9999),
            "energy": _fixed(power_w * np.float32(step_s / 3.6), 2**31 - 256),
            "voltage": _fixed(10 * voltage, 9999),
            "vibration": _fixed(1000 * vibration, 9999),
        }

    def _timetable_now(
        self, slot: NDArray[np.int64], epoch_s: NDArray[np.float64], group: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Activity (0 to 1) and room temperature aimed at (°C), between two full hours."""
        hour, part = _hour_of_week(epoch_s)
        at = self._timetable[slot] + np.repeat(hour, group)
        share = np.repeat(part, group)
        activity, target = self._activity[at], self._target[at]
        activity += share * (self._activity[at + 1] - activity)
        target += share * (self._target[at + 1] - target)
        return activity, target

    def _sag(self, epoch_s: NDArray[np.float64]) -> NDArray[np.float32]:
        """Volts the mains lose to the city's load, shape (times, 4 regions)."""
        hour, part = _hour_of_week(epoch_s)
        now, later = self._mean_activity[hour], self._mean_activity[hour + 1]
        return _f32(np.outer(now + part * (later - now), _REGION_SAG_V))

    def _appliances(
        self,
        slot: NDArray[np.int64],
        epoch_s: NDArray[np.float64],
        group: int,
        activity: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Watts of what runs in these five minutes: a hash of home and bucket decides."""
        now_s = np.repeat(epoch_s.astype(np.uint32), group)
        mix = (now_s + self._phase_s[slot]) // np.uint32(_BUCKET_S)
        mix = mix * np.uint32(0x9E3779B1) ^ self._hash[slot]
        mix ^= mix >> np.uint32(16)
        mix *= np.uint32(0x7FEB352D)
        mix ^= mix >> np.uint32(15)
        mix *= np.uint32(0x846CA68B)
        mix ^= mix >> np.uint32(16)
        runs = (mix & np.uint32(0xFFFF)) < activity * np.float32(24_000)
        which = (mix >> np.uint32(16)) & np.uint32(15)
        return np.where(runs, np.array(_APPLIANCES_W, np.float32)[which], np.float32(0))


def _timetables(
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weekly timetables, Monday 00:00 first, shape (timetables, 169): the last hour is the first.

    Returns:
        Activity, 0 to 1, and the room's temperature in °C as the heating makes it.
    """
    weekday, weekend, awake = (
        np.array([int(n) for n in text.split()]) for text in (_HOME_WEEKDAY, _HOME_WEEKEND, _AWAKE)
    )
    chance = np.concatenate([np.tile(weekday, 5), np.tile(weekend, 2)]) / 100
    up = np.tile(awake, 7) / 10
    present = rng.random((_TIMETABLES, _HOURS)) < chance
    activity = np.where(present, up, 0.05) * rng.uniform(0.8, 1.2, (_TIMETABLES, _HOURS))
    night = np.isin(np.arange(_HOURS) % 24, (23, 0, 1, 2, 3, 4, 5))
    wanted = np.where(present, np.where(night, 18.0, 21.0), 16.5)
    room = wanted.mean(axis=1)
    rooms = np.empty_like(wanted)
    for hour in range(2 * _HOURS):  # twice round, so that the week meets its own end
        room += 0.35 * (wanted[:, hour % _HOURS] - room)
        rooms[:, hour % _HOURS] = room
    return (
        _f32(np.column_stack([activity, activity[:, 0]])),
        _f32(np.column_stack([rooms, rooms[:, 0]])),
    )


def _hour_of_week(
    epoch_s: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Full hours since Monday 00:00 UTC, 0 to 167, and the part of the hour that is gone."""
    hours = epoch_s / 3600.0 + 72.0  # the epoch began on a Thursday
    full = np.floor(hours)
    return full.astype(np.int64) % _HOURS, _f32(hours - full)


def _drift(stream: int, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smooth noise within ±1: random values at whole x, blended between them."""
    full = np.floor(x)
    part = x - full
    part = part * part * (3 - 2 * part)
    at = full.astype(np.int64)
    now, later = _lattice(stream, at), _lattice(stream, at + 1)
    return now + part * (later - now)


def _lattice(stream: int, at: NDArray[np.int64]) -> NDArray[np.float64]:
    """A random value within ±1 for each whole number: the finaliser of SplitMix64."""
    mix = at.astype(np.uint64) + np.uint64((stream * 0x9E3779B97F4A7C15) % 2**64)
    mix = (mix ^ (mix >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mix = (mix ^ (mix >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mix ^= mix >> np.uint64(31)
    return (mix >> np.uint64(11)).astype(np.float64) / 2.0**52 - 1.0


@lru_cache(maxsize=1)
def _gauss() -> NDArray[np.float32]:
    """A normal deviate for each 12 random bits: the quantiles of the normal distribution."""
    normal = NormalDist()
    return _f32(np.array([normal.inv_cdf((n + 0.5) / 4096) for n in range(4096)]))


def _f32(values: NDArray[np.floating]) -> NDArray[np.float32]:
    return values.astype(np.float32)


def _fixed(values: NDArray[np.float32], top: int) -> NDArray[np.int32]:
    """Rounded to whole units and held within 0 to `top`."""
    return np.clip(np.rint(values), 0, top).astype(np.int32)
