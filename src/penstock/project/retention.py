"""How long a table keeps its rows, read from its own TTL clause.

Whoever counts rows has to know when the engine may have dropped them. The clause counts from
arrival (a rule), so the age of a batch alone says whether it may be gone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from penstock.project import lexer

if TYPE_CHECKING:
    from penstock.project.objects import Relation

_DAY = 86_400_000
# Months, quarters and years at their shortest: rows may be gone that early.
_UNITS = {
    "second": 1000, "minute": 60_000, "hour": 3_600_000, "day": _DAY, "week": 7 * _DAY,
    "month": 28 * _DAY, "quarter": 90 * _DAY, "year": 365 * _DAY,
}  # fmt: skip
# Milliseconds that each way of writing the arrival may lie before it.
_ARRIVAL = {"_ingested_at": 0, "toDateTime(_ingested_at)": 1000, "toDate(_ingested_at)": _DAY}
_AMOUNT = re.compile(
    r"(?:INTERVAL (?P<number>\d+) (?P<unit>[a-z]+?)s?|toInterval(?P<of>[a-z]+)\((?P<count>\d+)\)"
    r"|(?P<plain>\d+)) ?(?P<what>(?:DELETE|TO|RECOMPRESS|GROUP|WHERE)\b.*)?",
    re.IGNORECASE | re.DOTALL,
)
_STAYS = ("TO ", "RECOMPRESS")  # moved or packed again, not dropped


def kept_ms(relation: Relation) -> int | None:
    """Milliseconds from its arrival that a row is sure to be kept; None where it stays for ever.

    Raises:
        ValueError: the TTL is written in a way that is not understood.
    """
    clause = relation.table.clauses.get("TTL", ()) if relation.table else ()
    kept: list[int] = []
    for element in lexer.split(clause, ","):
        text = lexer.plain(element)
        if "_ingested_at" in text:  # else it is of the SET of a GROUP BY
            kept += _deleting(text)
    return min(kept, default=None)


def _deleting(text: str) -> list[int]:
    """What one element of the clause adds: a length of time, or nothing where no row goes."""
    arrival, *amounts = text.split("+")
    found = [_AMOUNT.fullmatch(amount) for amount in amounts]
    if arrival not in _ARRIVAL or not found or any(match is None for match in found):
        raise ValueError(text)
    length = -_ARRIVAL[arrival]
    what = ""
    for match in filter(None, found):
        # A plain number counts days of a Date, seconds of a time.
        plain = "day" if arrival.startswith("toDate(") else "second"
        unit = (match["unit"] or match["of"] or plain).lower()
        if unit not in _UNITS or what:
            raise ValueError(text)
        length += int(match["number"] or match["count"] or match["plain"]) * _UNITS[unit]
        what = (match["what"] or "").upper()
    return [] if what.startswith(_STAYS) else [length]
