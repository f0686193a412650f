"""Readings as NDJSON bytes, written a block at a time without a Python step per row.

A row is first a line of fixed width in a matrix of bytes, in which bytes that are not needed
are NUL; deleting the NULs of the whole block gives the text. Numbers come from tables of
their digits: one gather and one write of four, eight or sixteen bytes for a column. JSON text
holds no NUL, so nothing else is deleted.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

DECIMALS = {"temperature": 2, "energy": 3, "voltage": 1, "vibration": 3}
"""Columns with a number, in their order within a row, and how many decimals each is sent with."""

MALFORMED = ("half_json", "wrong_type", "no_home_id", "bad_date", "nan", "text")
"""Kinds of malformed rows; a row's kind is its place in here."""

_TEXT = b"sensor restarting"
_TABLE = 10_000
_DAY_MS = 86_400_000

# (name, literal before it, width): a name of its own for each column that is written apart.
_FIELDS = (
    ("home_id", b'{"home_id":', 6),
    ("ts", b',"ts":"', 24),
    ("region", b'","region":"', 5),
    ("temperature", b'","temperature":', 8),
    ("energy", b',"energy":', 12),
    ("voltage", b',"voltage":', 8),
    ("vibration", b',"vibration":', 8),
    ("serial", b',"serial":', 12),
)


class RowWriter:
    """Writes rows of a fixed set of homes, in a fixed order (a row's slot).

    Args:
        home_ids: id of the home in each slot, 1 to 999,999.
        regions: name of each slot's region, at most 5 ASCII letters.
        serial: give each row a `serial`, its number within the run (up to 12 digits).
    """

    def __init__(self, home_ids: Sequence[int], regions: Sequence[str], *, serial: bool) -> None:
        self._at: dict[str, int] = {}
        line = b""
        for name, literal, width in _FIELDS:
            if name != "serial" or serial:
                self._at[name] = len(line) + len(literal)
                line += literal + bytes(width)
        line += b"}\n"
        self.width = len(line)
        template = np.tile(np.frombuffer(line, np.uint8), (len(home_ids), 1))
        ids = "".join(str(home).rjust(6, "\0") for home in home_ids).encode()
        names = "".join(region.ljust(5, "\0") for region in regions).encode()
        template[:, self._columns("home_id", 6)] = np.frombuffer(ids, np.uint8).reshape(-1, 6)
        template[:, self._columns("region", 5)] = np.frombuffer(names, np.uint8).reshape(-1, 5)
        self._template = template.view(f"V{self.width}").reshape(-1)

    def matrix(
        self,
        slot: NDArray[np.int64],
        ts_ms: NDArray[np.int64],
        values: dict[str, NDArray[np.int32]],
        serial: NDArray[np.int64],
    ) -> NDArray[np.uint8]:
        """Lines of fixed width, shape (rows, width).

        Args:
            slot: the home of each row.
            ts_ms: time of each row, epoch milliseconds.
            values: the columns of DECIMALS in units of their last decimal; temperature,
                voltage and vibration 0 to 9,999, energy not negative.
            serial: number of each row, used where rows have one.
        """
        lines = self._template[slot].view(np.uint8).reshape(-1, self.width)
        self._write_ts(lines, ts_ms)
        for name in ("temperature", "voltage", "vibration"):
            self._put(lines, self._at[name], _numbers(DECIMALS[name])[values[name]])
        self._write_energy(lines, values["energy"])
        if "serial" in self._at:
            self._write_integer(lines, self._at["serial"], 3, serial)
        return lines

    def spoil(
        self, lines: NDArray[np.uint8], rows: NDArray[np.int64], kind: NDArray[np.uint8]
    ) -> None:
        """Make some lines malformed, in place; `kind` holds places in MALFORMED."""
        by_kind = {name: rows[kind == place] for place, name in enumerate(MALFORMED)}
        ts, temperature = self._at["ts"], self._columns("temperature", 8)
        lines[by_kind["half_json"], ts + 10 : self.width - 1] = 0
        lines[by_kind["wrong_type"], temperature] = _bytes(b'"warm"', 8)
        lines[by_kind["no_home_id"], 1 : ts - len(b'"ts":"')] = 0
        lines[by_kind["bad_date"], ts + 5 : ts + 10] = _bytes(b"02-30", 5)
        lines[by_kind["nan"], temperature] = _bytes(b"NaN", 8)
        lines[by_kind["text"], : self.width - 1] = _bytes(_TEXT, self.width - 1)

    @staticmethod
    def text(lines: NDArray[np.uint8]) -> bytes:
        """The lines as NDJSON: the NULs deleted, which is the one pass over all bytes."""
        return lines.tobytes().translate(None, b"\0")

    def _columns(self, name: str, width: int) -> slice:
        return slice(self._at[name], self._at[name] + width)

    def _put(self, lines: NDArray[np.uint8], column: int, items: NDArray[np.generic]) -> None:
        """Write one item of a few bytes into each line, from `column` on."""
        shape, strides = (len(lines),), (self.width,)
        np.ndarray(shape, items.dtype, lines, offset=column, strides=strides)[:] = items

    def _write_ts(self, lines: NDArray[np.uint8], ts_ms: NDArray[np.int64]) -> None:
        """Write `YYYY-MM-DDTHH:MM:SS.mmmZ"`: each part runs over what the next one writes."""
        day = ts_ms // _DAY_MS
        of_day = ts_ms - day * _DAY_MS
        minute = of_day // 60_000
        column, first = self._at["ts"], int(day.min())
        days = np.arange(first, int(day.max()) + 1).astype("datetime64[D]")
        text = np.char.add(np.datetime_as_string(days), "T00:00").astype("S16")
        self._put(lines, column, text.view(np.complex128)[day - first])
        self._put(lines, column + 11, _minutes()[minute])
        self._put(lines, column + 17, _milliseconds()[of_day - minute * 60_000])

    def _write_energy(self, lines: NDArray[np.uint8], milli: NDArray[np.int32]) -> None:
        """Write up to 8 digits, the point and 3 decimals; small numbers take the short way."""
        column = self._at["energy"]
        if int(milli.max(initial=0)) < _TABLE:
            self._put(lines, column + 4, _numbers(3)[milli])
            return
        whole = milli // 1000
        self._write_integer(lines, column, 2, whole.astype(np.int64))
        self._put(lines, column + 8, _fractions()[milli - whole * 1000])

    def _write_integer(
        self, lines: NDArray[np.uint8], column: int, groups: int, number: NDArray[np.int64]
    ) -> None:
        """Write integers in groups of four digits, with NUL before the first digit."""
        blank, padded = _groups()
        for group in reversed(range(groups)):
            rest = number // _TABLE
            digits = number - rest * _TABLE
            items = np.where(rest > 0, padded[digits], blank[digits])
            if group < groups - 1:  # the group of the ones always shows a digit
                items = np.where(number > 0, items, np.uint32(0))
            self._put(lines, column + 4 * group, items)
            number = rest


def _bytes(text: bytes, width: int) -> NDArray[np.uint8]:
    return np.frombuffer(text.rjust(width, b"\0"), np.uint8)


@lru_cache(maxsize=4)
def _numbers(decimals: int) -> NDArray[np.uint64]:
    """0 to 9,999 with the point before the last `decimals` digits, each in eight bytes."""
    scale = 10**decimals
    text = "".join(f"{n // scale}.{n % scale:0{decimals}}".rjust(8, "\0") for n in range(_TABLE))
    return np.frombuffer(text.encode(), np.uint64)


@lru_cache(maxsize=1)
def _groups() -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """0 to 9,999 in four bytes, with NUL and with zeros before the first digit."""
    blank = "".join(str(n).rjust(4, "\0") for n in range(_TABLE))
    padded = "".join(f"{n:04}" for n in range(_TABLE))
    return np.frombuffer(blank.encode(), np.uint32), np.frombuffer(padded.encode(), np.uint32)


@lru_cache(maxsize=1)
def _fractions() -> NDArray[np.uint32]:
    """`.000` to `.999`."""
    return np.frombuffer("".join(f".{n:03}" for n in range(1000)).encode(), np.uint32)


@lru_cache(maxsize=1)
def _minutes() -> NDArray[np.uint64]:
    """`HH:MM:00` for each minute of a day."""
    text = "".join(f"{n // 60:02}:{n % 60:02}:00" for n in range(1440))
    return np.frombuffer(text.encode(), np.uint64)


@lru_cache(maxsize=1)
def _milliseconds() -> NDArray[np.uint64]:
    """`SS.mmmZ"` for each millisecond of a minute."""
    text = "".join(f'{n // 1000:02}.{n % 1000:03}Z"' for n in range(60_000))
    return np.frombuffer(text.encode(), np.uint64)
