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
    from collections.abc import Mapping, Sequence

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


class LineWriter:
    """Writes lines of a fixed set of senders, in a fixed order (a line's slot).

    Args:
        fields: of each column its name, the literal before it and its width.
        fixed: of columns that are a sender's own, what each slot has there, in ASCII.
    """

    def __init__(
        self, fields: Sequence[tuple[str, bytes, int]], fixed: Mapping[str, Sequence[str]]
    ) -> None:
        self._at: dict[str, int] = {}
        line = b""
        for name, literal, width in fields:
            self._at[name] = len(line) + len(literal)
            line += literal + bytes(width)
        line += b"}\n"
        self.width = len(line)
        widths = {name: width for name, _, width in fields}
        slots = len(next(iter(fixed.values())))
        template = np.tile(np.frombuffer(line, np.uint8), (slots, 1))
        for name, texts in fixed.items():
            width = widths[name]
            text = "".join(each.ljust(width, "\0") for each in texts).encode()
            own = np.frombuffer(text, np.uint8).reshape(-1, width)
            template[:, self._columns(name, width)] = own
        self._template = template.view(f"V{self.width}").reshape(-1)

    def _blank(self, slot: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Lines of some slots, with nothing but what is their own; shape (rows, width)."""
        return self._template[slot].view(np.uint8).reshape(-1, self.width)

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

    @staticmethod
    def _overwrite(
        lines: NDArray[np.uint8], rows: NDArray[np.int64], columns: slice, text: bytes
    ) -> None:
        """Write a text in place of what some rows have in some columns."""
        lines[rows, columns] = _bytes(text, columns.stop - columns.start)

    def _write_ts(self, lines: NDArray[np.uint8], column: int, ts_ms: NDArray[np.int64]) -> None:
        """Write `YYYY-MM-DDTHH:MM:SS.mmmZ"`: each part runs over what the next one writes."""
        day = ts_ms // _DAY_MS
        of_day = ts_ms - day * _DAY_MS
        minute = of_day // 60_000
        first = int(day.min())
        days = np.arange(first, int(day.max()) + 1).astype("datetime64[D]")
        text = np.char.add(np.datetime_as_string(days), "T00:00").astype("S16")
        self._put(lines, column, text.view(np.complex128)[day - first])
        self._put(lines, column + 11, _minutes()[minute])
        self._put(lines, column + 17, _milliseconds()[of_day - minute * 60_000])

    def _write_thousandths(
        self, lines: NDArray[np.uint8], column: int, milli: NDArray[np.int32]
    ) -> None:
        """Write up to 8 digits, the point and 3 decimals; small numbers take the short way."""
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


class RowWriter(LineWriter):
    """Writes rows of homes.

    Args:
        home_ids: id of the home in each slot, 1 to 999,999.
        regions: name of each slot's region, at most 5 ASCII letters.
        serial: give each row a `serial`, its number within the run (up to 12 digits).
    """

    def __init__(self, home_ids: Sequence[int], regions: Sequence[str], *, serial: bool) -> None:
        fields = [field for field in _FIELDS if serial or field[0] != "serial"]
        super().__init__(fields, {"home_id": [str(home) for home in home_ids], "region": regions})

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
        lines = self._blank(slot)
        self._write_ts(lines, self._at["ts"], ts_ms)
        for name in ("temperature", "voltage", "vibration"):
            self._put(lines, self._at[name], _numbers(DECIMALS[name])[values[name]])
        self._write_thousandths(lines, self._at["energy"], values["energy"])
        if "serial" in self._at:
            self._write_integer(lines, self._at["serial"], 3, serial)
        return lines

    def spoil(
        self, lines: NDArray[np.uint8], rows: NDArray[np.int64], kind: NDArray[np.uint8]
    ) -> None:
        """Make some lines malformed, in place; `kind` holds places in MALFORMED."""
        of = {name: rows[kind == place] for place, name in enumerate(MALFORMED)}
        ts, temperature = self._at["ts"], self._columns("temperature", 8)
        self._overwrite(lines, of["half_json"], slice(ts + 10, self.width - 1), b"")
        self._overwrite(lines, of["wrong_type"], temperature, b'"warm"')
        self._overwrite(lines, of["no_home_id"], slice(1, ts - len(b'"ts":"')), b"")
        self._overwrite(lines, of["bad_date"], slice(ts + 5, ts + 10), b"02-30")
        self._overwrite(lines, of["nan"], temperature, b"NaN")
        self._overwrite(lines, of["text"], slice(0, self.width - 1), _TEXT)


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
