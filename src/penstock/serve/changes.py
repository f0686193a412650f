"""What has changed between two answers of a tile: rows gone from the front, rows new at the end.

A chart over the last hour is a thousand rows, of which a tick changes a few. Sent whole four times
a second they cost the wire and the browser more than drawing them does. Python does not read the
rows: the answers are compared as the engine's bytes.
"""

from __future__ import annotations

_LEAST = 4096  # bytes; a smaller answer is cheaper sent whole
_GROWING = 3  # up to two rows at the end may hold other values by now: the newest bucket grows
_NEXT = b", "


def change(old: bytes, new: bytes) -> bytes | None:
    """A new answer as rows of the old one and those after them.

    Args:
        old: the answer before, in JSONColumns.
        new: the answer now.

    Returns:
        The members `first`, `end` and `columns` of a JSON object: rows `first` to `end` (half
        open) of the old answer, then those in `columns`, are the new answer. None where they are
        not, or where that would save little.
    """
    if len(new) < _LEAST:
        return None
    before, after = _columns(old), _columns(new)
    rows = _rows(before) if list(before) == list(after) else 0
    if not rows:
        return None
    times, now = next(iter(before.values())), next(iter(after.values()))
    found = (_NEXT + times + _NEXT).find(_NEXT + now.split(_NEXT, 1)[0] + _NEXT)
    first = times[:found].count(_NEXT) if found >= 0 else rows
    for growing in range(min(_GROWING, rows - first)):
        tails = {name: _tail(before[name], after[name], first, growing) for name in before}
        found_all = {name: tail for name, tail in tails.items() if tail is not None}
        if len(found_all) == len(tails):
            return _said(first, rows - growing, found_all, len(new) // 2)
    return None


def _columns(answer: bytes) -> dict[bytes, bytes]:
    """The values of each column between their brackets; of an answer of another form, nothing."""
    columns = {}
    for line in answer.split(b"\n")[1:-2]:  # the engine writes a column a line
        name, bracket, values = line.strip(b"\t,").partition(b'": [')
        if not bracket or b"\\" in name:
            return {}
        columns[name] = values[:-1]
    return columns


def _rows(columns: dict[bytes, bytes]) -> int:
    """How many rows they hold; 0 where the commas between values do not tell it."""
    counts = {values.count(_NEXT) for values in columns.values()}
    plain = all(
        values.count(b'", "') == values.count(_NEXT) if b'"' in values else b"[" not in values
        for values in columns.values()
    )
    return counts.pop() + 1 if plain and len(counts) == 1 else 0


def _tail(old: bytes, new: bytes, first: int, growing: int) -> bytes | None:
    """What follows the rows that both hold, or None where they hold others."""
    kept = old.split(_NEXT, first)[first].rsplit(_NEXT, growing)[0]
    return new[len(kept) + len(_NEXT) :] if (new + _NEXT).startswith(kept + _NEXT) else None


def _said(first: int, end: int, tails: dict[bytes, bytes], most: int) -> bytes | None:
    columns = _NEXT.join(name + b'": [' + values + b"]" for name, values in tails.items())
    if len(columns) > most:
        return None
    return b'"first": %d, "end": %d, "columns": {%s}' % (first, end, columns)
