"""The endpoints of homes on three labelled sets that nobody here made, beside a fixed threshold.

Each set is told as readings of homes and judged by the same endpoints. Nothing is tuned on what
is reported: parameters are the endpoints' defaults, and of `ai4i_2020`, whose machine is no
house, the number of sigmas or fences is chosen on every other record and reported on the rest.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from penstock.testing import Sandbox

_HOUR = timedelta(hours=1)
_MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
_BALANCED = 3  # of the fan's states: two weights opposite one another
_FAULTY_WEEK = 4  # of the fan: after four sound ones
_ROUND = (1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.2, 2.5, 3.0)  # sigmas or fences to choose from
# ai4i's failure modes: which endpoint and channel is the nearest to what the mode is made of.
_MODES = (
    ("HDF", "anomalies", "temperature"),
    ("PWF", "anomalies_by_quantile", "energy"),
    ("OSF", "anomalies", "vibration"),
    ("TWF", "anomalies", "voltage"),
)
_LEVER = {"anomalies": "sigmas", "anomalies_by_quantile": "fences"}
_RAW = (
    "Air temperature [K]", "Process temperature [K]", "Rotational speed [rpm]", "Torque [Nm]",
    "Tool wear [min]",
)  # fmt: skip

Hours = set[tuple[int, int]]
"""A home and the hour's start in epoch milliseconds."""


@dataclass(frozen=True)
class Verdict:
    """Alarms of one detector against the labels of one set, hour by hour.

    Attributes:
        detector: how it is called in the table.
        flagged: hours with an alarm.
        labelled: hours that the labels say are bad.
    """

    detector: str
    flagged: Hours
    labelled: Hours

    @property
    def precision(self) -> float:
        """Share of the flagged hours that are labelled; 0 where none is flagged."""
        return len(self.flagged & self.labelled) / len(self.flagged) if self.flagged else 0.0

    @property
    def recall(self) -> float:
        """Share of the labelled hours that are flagged."""
        return len(self.flagged & self.labelled) / len(self.labelled)

    @property
    def f1(self) -> float:
        """Harmonic mean of both."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def table(sandbox: Sandbox, data: Path) -> str:
    """Precision and recall on all sets, as Markdown."""
    lines = [
        "| set, what is labelled | detector | found | recall, hours | precision, hours | F1 |",
        "|---|---|---|---|---|---|",
    ]
    for measure in (machine, fan, ai4i):
        for what, verdict, found in measure(sandbox, data):
            lines.append(
                f"| {what} | {verdict.detector} | {found} | {verdict.recall:.2f} "
                f"| {verdict.precision:.2f} | {verdict.f1:.2f} |"
            )
    return "\n".join(lines)


def machine(sandbox: Sandbox, data: Path) -> Iterator[tuple[str, Verdict, str]]:
    """A machine's temperature, five minutes; four labelled windows, the last before it broke."""
    folder = data / "nab_machine_temperature"
    rows = _csv(folder / "machine_temperature_system_failure.csv.gz")
    (labels,) = json.loads((folder / "labels.json").read_text())["combined_windows"].values()
    windows = [(_time(start), _time(end)) for start, end in labels]
    end = _time(rows[-1]["timestamp"]) + _HOUR
    readings = [
        {
            "home_id": 1,
            "ts": _time(row["timestamp"]).isoformat(),
            "region": "machine",
            "temperature": round(float(row["value"]), 2),
        }
        for row in rows
    ]
    _land(sandbox, end, readings)
    hours = {(1, _ms(_time(row["timestamp"]).replace(minute=0))) for row in rows}

    def window(hour_ms: int) -> int | None:
        for number, (first, last) in enumerate(windows):
            if _ms(first) - 3_600_000 < hour_ms <= _ms(last):
                return number
        return None

    labelled = {hour for hour in hours if window(hour[1]) is not None}
    days = (end - _time(rows[0]["timestamp"])).days + 1
    asked = {"hours": days * 24}
    found = {
        "anomalies": _odd(sandbox, "anomalies", ("temperature",), asked),
        "anomalies_by_quantile": _odd(
            sandbox, "anomalies_by_quantile", ("temperature",), asked | {"days": days}
        ),
        "fixed 3 sigma": _fixed(sandbox, "temperature"),
    }
    for name, flagged in found.items():
        hit = {window(hour_ms) for _, hour_ms in flagged} - {None}
        what = f"nab_machine_temperature, {len(windows)} windows"
        yield what, Verdict(name, flagged, labelled), f"{len(hit)} of {len(windows)}"


def fan(sandbox: Sandbox, data: Path) -> Iterator[tuple[str, Verdict, str]]:
    """A fan at 17 speeds, with weights on its blades that cancel (state 3) or do not (1 and 2).

    A speed is told as an hour of the week, so that it is its own norm; four quarters of the
    balanced minute are four weeks, and a quarter of an unbalanced one is the fifth. Vibration is
    the root of the three axes' variances within a second, in hundredths of g.
    """
    rows = _csv(data / "fan_accelerometer" / "accelerometer.csv.gz")
    runs = defaultdict(list)
    for row in rows:
        state, speed, *axes = (float(value) for value in row.values())
        runs[int(state), int(speed)].append(axes)
    speeds = sorted({speed for _, speed in runs})
    readings, labelled = [], set()
    for (state, speed), axes in runs.items():
        seconds = np.array(axes).reshape(-1, 50, 3)
        quarters = np.sqrt(seconds.var(axis=1).sum(axis=1)).reshape(4, -1)
        day, third = divmod(speeds.index(speed), 3)
        hour = _MONDAY + timedelta(days=day, hours=8 * third)
        for home in (1, 2):
            if state == _BALANCED:
                weeks = list(enumerate(quarters))
            elif state == home:
                weeks = [(_FAULTY_WEEK, quarters[0])]
                labelled.add((home, _ms(hour + timedelta(weeks=_FAULTY_WEEK))))
            else:
                continue
            readings += [
                {
                    "home_id": home,
                    "ts": (hour + timedelta(weeks=week, minutes=minute)).isoformat(),
                    "region": "fan",
                    "vibration": round(100 * float(level), 3),
                }
                for week, levels in weeks
                for minute, level in enumerate(levels)
            ]
    _land(sandbox, _MONDAY + timedelta(weeks=_FAULTY_WEEK + 1), readings)
    rows_found = sandbox.answer("suspected_structural", hours=24 * 7 * (_FAULTY_WEEK + 1))
    found = {
        "suspected_structural": {(r["home_id"], r["hour_ms"]) for r in rows_found},
        "fixed 3 sigma": _fixed(sandbox, "vibration"),
    }
    for name, flagged in found.items():
        verdict = Verdict(name, flagged, labelled)
        hit = f"{len(flagged & labelled)} of {len(labelled)}"
        yield "fan_accelerometer, unbalanced at a speed", verdict, hit


def ai4i(sandbox: Sandbox, data: Path) -> Iterator[tuple[str, Verdict, str]]:
    """10,000 records of a milling machine of three makes: a record is an hour, a make a home.

    Temperature is what the process is warmer than the air, energy the mechanical power of an
    hour, vibration the strain (torque times wear), voltage the wear.
    """
    rows = _csv(data / "ai4i_2020" / "ai4i2020.csv.gz")
    readings = [_record(number, row) for number, row in enumerate(rows)]
    end = _MONDAY + len(rows) * _HOUR
    _land(sandbox, end, readings)
    asked = {"hours": len(rows) + 1}
    raw = {(r["home_id"], _ms(_time(r["ts"]))) for r in _beyond(rows, readings)}
    for mode, endpoint, channel in _MODES:
        labelled = {
            (reading["home_id"], _ms(_time(reading["ts"])))
            for row, reading in zip(rows, readings, strict=True)
            if row[mode] == "1"
        }
        lever = _LEVER[endpoint]
        extra = {"days": len(rows) // 24 + 1} if lever == "fences" else {}
        tries = {
            value: _odd(sandbox, endpoint, (channel,), asked | extra | {lever: value})
            for value in _ROUND
        }
        first, second = _every_other(0), _every_other(1)
        best = max(
            _ROUND,
            key=lambda v: (
                Verdict("", set(filter(first, tries[v])), set(filter(first, labelled))).f1
            ),
        )
        wanted = set(filter(second, labelled))
        for name, hours in ((f"{endpoint}, {lever} {best:g}", tries[best]), ("fixed 3 sigma", raw)):
            verdict = Verdict(name, set(filter(second, hours)), wanted)
            hit = f"{len(verdict.flagged & wanted)} of {len(wanted)}"
            yield f"ai4i_2020, {mode} ({channel})", verdict, hit


def _record(number: int, row: dict[str, str]) -> dict[str, Any]:
    air, process, speed, torque, wear = (float(row[name]) for name in _RAW)
    return {
        "home_id": "LMH".index(row["Type"]) + 1,
        "ts": (_MONDAY + number * _HOUR).isoformat(),
        "region": "plant",
        "temperature": round(process - air, 2),
        "energy": round(torque * speed * 2 * np.pi / 60, 3),
        "vibration": round(torque * wear / 1000, 3),
        "voltage": wear,
    }


def _beyond(rows: list[dict[str, str]], readings: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """Records of which any raw column lies beyond three standard deviations of its mean."""
    values = np.array([[float(row[name]) for name in _RAW] for row in rows])
    far = (np.abs(values - values.mean(axis=0)) > 3 * values.std(axis=0)).any(axis=1)
    return [readings[place] for place in np.flatnonzero(far)]


def _every_other(rest: int) -> Callable[[tuple[int, int]], bool]:
    return lambda hour: (hour[1] - _ms(_MONDAY)) // 3_600_000 % 2 == rest


def _land(sandbox: Sandbox, end: datetime, readings: list[dict[str, Any]]) -> None:
    sandbox.start(end)
    sandbox.given("readings", readings)


def _odd(
    sandbox: Sandbox, endpoint: str, channels: tuple[str, ...], params: dict[str, Any]
) -> Hours:
    rows = sandbox.answer(endpoint, **params)
    return {(r["home_id"], r["hour_ms"]) for r in rows if r["channel"] in channels}


def _fixed(sandbox: Sandbox, channel: str) -> Hours:
    rows = sandbox.answer("fixed_threshold")
    return {(int(r["place"]), r["hour_ms"]) for r in rows if r["channel"] == channel}


def _csv(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
