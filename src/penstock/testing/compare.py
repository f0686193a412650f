"""Rows that were expected against rows that came: equal or not, and where they differ."""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from penstock.project import lexer
from penstock.project.cases import TOLERANCE, moment
from penstock.project.objects import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_ZONE = re.compile(r"DateTime(?:64)?\([^)']*'([^']+)'")
_FINER = re.compile(r"\.\d{7}")  # than Python's microseconds: such times are compared as text
_ENDLESS = {"nan", "-nan", "inf", "-inf"}
_COMPARED = 50  # rows of either side that are looked through for the one most like another
_SHOWN = 20  # rows of a difference; more are counted
_WIDEST = 60  # characters of a cell

Pair = tuple[int | None, int | None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the engine gave.

    Attributes:
        types: column → ClickHouse type, in order.
        rows: values in the order of `types`; every number is an int or a Decimal.
    """

    types: Mapping[str, str]
    rows: Sequence[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What should have come.

    Attributes:
        rows: all of them; what a row leaves out is NULL.
        order: whether they must come in this order.
        tolerance: of floats, relative to the expected value; absolute where 0 is expected.
    """

    rows: Sequence[Mapping[str, object]]
    order: bool = False
    tolerance: Decimal = TOLERANCE

    @property
    def columns(self) -> list[str]:
        """The columns that any row names, in the order they are first named."""
        return list(dict.fromkeys(name for row in self.rows for name in row))


def rows_differ(wanted: Wanted, got: Answer, what: str) -> str:
    """Where rows differ from those wanted, as a table for people; empty where they do not.

    Only the columns that a wanted row names are looked at; all of them where none is wanted.

    Args:
        wanted: the rows.
        got: the answer.
        what: where it comes from, for the message.
    """
    for name in wanted.columns:
        if name not in got.types:
            near = nearest(name, got.types)
            hint = f"did you mean {near!r}?" if near else f"it has {', '.join(got.types)}"
            return f"{what} has no column {name!r}: {hint}"
    found = _Comparison(wanted, got, wanted.columns or list(got.types)).words()
    return f"{what}: {found}" if found else ""


def schema_differs(wanted: Mapping[str, str], got: Mapping[str, str], what: str) -> str:
    """Where columns (column → type, in order) differ from those wanted, as for rows."""
    rows = [{"column": name, "type": _spelled(kind)} for name, kind in wanted.items()]
    came = [(name, _spelled(kind)) for name, kind in got.items()]
    answer = Answer({"column": "String", "type": "String"}, came)
    return rows_differ(Wanted(rows, order=True), answer, f"the columns of {what}")


def same(expected: object, got: object, kind: str, tolerance: Decimal) -> bool:
    """Whether a value is the expected one.

    Numbers of a type with floats are compared within the tolerance, all others exactly; times as
    moments where both can be read as one. A text is never a number, and true is not 1.
    """
    if isinstance(expected, list | tuple) or isinstance(got, list):
        return (
            isinstance(expected, list | tuple)
            and isinstance(got, list)
            and len(expected) == len(got)
            and all(same(e, g, kind, tolerance) for e, g in zip(expected, got, strict=True))
        )
    if isinstance(expected, dict) or isinstance(got, dict):
        return (
            isinstance(expected, dict)
            and isinstance(got, dict)
            and expected.keys() == got.keys()
            and all(same(expected[key], got[key], kind, tolerance) for key in got)
        )
    if isinstance(expected, bool) or isinstance(got, bool) or expected is None or got is None:
        return expected is got
    if "Date" in kind and isinstance(got, str):
        return _same_time(expected, got, kind)
    wanted, came = _number(expected, kind), _number(got, kind)
    if wanted is None or came is None:
        return type(expected) is type(got) and expected == got
    return _same_number(wanted, came, tolerance if "Float" in kind else Decimal(0))


def _same_number(wanted: Decimal, came: Decimal, tolerance: Decimal) -> bool:
    if wanted == came or (wanted.is_nan() and came.is_nan()):
        return True
    if not tolerance or not wanted.is_finite() or not came.is_finite():
        return False
    return abs(came - wanted) <= tolerance * (abs(wanted) or 1)


def _number(value: object, kind: str) -> Decimal | None:
    """A number as a Decimal; None where it is none. JSON has no word for NaN but a text."""
    if isinstance(value, int | float | Decimal):
        return Decimal(str(value))
    if isinstance(value, str) and "Float" in kind and value in _ENDLESS:
        return Decimal(value)
    return None


def _same_time(expected: object, got: str, kind: str) -> bool:
    wanted, came = _time(expected, kind), _time(got, kind)
    if wanted is None or came is None:
        return str(expected) == got
    return wanted == came


def _time(value: object, kind: str) -> dt.datetime | None:
    """A moment; where no zone is written, it is the column's."""
    if isinstance(value, str) and not _FINER.search(value):
        try:
            value = dt.datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        value = dt.datetime.combine(value, dt.time())
    if not isinstance(value, dt.datetime):
        return None
    zone = _ZONE.search(kind)
    if value.tzinfo is None and zone and zone[1] != "UTC":
        value = value.replace(tzinfo=ZoneInfo(zone[1]))
    return moment(value)


def show(value: object) -> str:
    """A value as it is written in a difference: a text in quotes, NULL as null."""
    if isinstance(value, Decimal):
        text = str(value)
    elif isinstance(value, dt.datetime):
        text = f'"{moment(value):%Y-%m-%d %H:%M:%S.%f}'.rstrip("0").rstrip(".") + '"'
    else:
        text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


class _Comparison:
    """One table of wanted rows beside one of rows that came; cells in the order of `columns`."""

    def __init__(self, wanted: Wanted, got: Answer, columns: list[str]) -> None:
        self._columns, self._tolerance, self._order = columns, wanted.tolerance, wanted.order
        at = [list(got.types).index(name) for name in columns]
        self._kinds = [got.types[name] for name in columns]
        self._wanted = [tuple(row.get(name) for name in columns) for row in wanted.rows]
        self._got = [tuple(row[index] for index in at) for row in got.rows]

    def words(self) -> str:
        """The difference as text; empty where there is none."""
        pairs = self._matched()
        if all(w is not None and g is not None and self._equal(w, g) for w, g in pairs):
            if not self._order or all(w == g for w, g in pairs):
                return ""
            moved = [(n, n) for n in range(len(self._got)) if not self._equal(n, n)]
            return "\n".join(["the rows are right, their order is not", *self._table(moved)])
        wrong = [(w, g) for w, g in pairs if w is None or g is None or not self._equal(w, g)]
        wrong.sort(key=lambda pair: [len(self._wanted) if n is None else n for n in pair])
        return "\n".join([_counts(wrong), *self._table(wrong)])

    def _equal(self, wanted: int, got: int) -> bool:
        return all(self._cells(wanted, got))

    def _cells(self, wanted: int, got: int) -> Iterator[bool]:
        values = zip(self._wanted[wanted], self._got[got], self._kinds, strict=True)
        return (same(w, g, kind, self._tolerance) for w, g, kind in values)

    def _matched(self) -> list[Pair]:
        """Each wanted row with the row that came for it, as many equal pairs as can be."""
        taken = _largest_matching(len(self._wanted), len(self._got), self._equal)
        pairs: list[Pair] = [(w, g) for g, w in taken.items()]
        left = [w for w in range(len(self._wanted)) if w not in taken.values()]
        over = [g for g in range(len(self._got)) if g not in taken]
        few = ((w, g) for w in left[:_COMPARED] for g in over[:_COMPARED])
        alike = sorted((-sum(self._cells(w, g)), w, g) for w, g in few)
        for score, w, g in alike:
            if w in left and g in over and (score or len(left) == len(over) == 1):
                pairs.append((w, g))
                left.remove(w)
                over.remove(g)
        return [*pairs, *((w, None) for w in left), *((None, g) for g in over)]

    def _table(self, pairs: Sequence[Pair]) -> Iterator[str]:
        lines: list[tuple[str, Sequence[str], Sequence[bool]]] = [("", self._columns, ())]
        for w, g in pairs[:_SHOWN]:
            marks: list[bool] = []
            if w is not None and g is not None:
                marks = list(self._cells(w, g))
            if w is not None:
                words = "missing" if g is None else "expected"
                lines.append((words, [show(v) for v in self._wanted[w]], ()))
            if g is not None:
                words = "not expected" if w is None else "got"
                lines.append((words, [show(v) for v in self._got[g]], marks))
        widths = [max(len(cells[i]) for _, cells, _ in lines) for i in range(len(self._columns))]
        for words, cells, right in lines:
            yield _line(words, cells, widths)
            if not all(right):
                under = ["" if ok else "^" * len(c) for ok, c in zip(right, cells, strict=True)]
                yield _line("", under, widths)
        if len(pairs) > _SHOWN:
            yield f"… and {len(pairs) - _SHOWN} more"


def _largest_matching(wanted: int, got: int, equal: Callable[[int, int], bool]) -> dict[int, int]:
    """The most pairs of equal rows: got → wanted. Within a tolerance the first fit may be wrong."""
    taken: dict[int, int] = {}

    def place(w: int, tried: set[int]) -> bool:
        for g in (w, *range(got)):
            if g >= got or g in tried or not equal(w, g):
                continue
            tried.add(g)
            if g not in taken or place(taken[g], tried):
                taken[g] = w
                return True
        return False

    for w in range(wanted):
        place(w, set())
    return taken


def _spelled(kind: str) -> str:
    """A type in one spelling."""
    return lexer.plain(list(lexer.code(kind)))


def _counts(wrong: Sequence[Pair]) -> str:
    """How many rows differ, in words."""
    missing = sum(g is None for _, g in wrong)
    extra = sum(w is None for w, _ in wrong)
    counts = {
        "differs": len(wrong) - missing - extra,
        "is missing": missing,
        "was not expected": extra,
    }
    plural = {
        "differs": "differ",
        "is missing": "are missing",
        "was not expected": "were not expected",
    }
    return ", ".join(
        f"1 row {verb}" if n == 1 else f"{n} rows {plural[verb]}" for verb, n in counts.items() if n
    )


def _line(words: str, cells: Sequence[str], widths: Sequence[int]) -> str:
    aligned = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return f"  {words:<12}  {'  '.join(aligned)}".rstrip()
