"""Healing of a data directory before an engine opens it.

The engine writes the record «this block is stored» into a table's `deduplication_logs` before
it renames the block's part into place. A kill between the two leaves a record without a part:
every retry of that block is then answered OK and stores nothing, for good. So before a
directory is opened, records whose part is neither on disk nor inside a larger part are dropped.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from penstock import durable

if TYPE_CHECKING:
    from pathlib import Path

_PART = re.compile(r"(?P<partition>.+?)_(?P<low>\d+)_(?P<high>\d+)_(?P<level>\d+)(?:_\d+)?")
_ADDED = "1"  # the operation of a record that says «stored»; 2 says «dropped»
_FIELDS = 3


@dataclass(frozen=True, slots=True)
class Healed:
    """A record that was dropped.

    Attributes:
        table: the table's folder, relative to the data directory.
        part: the part that the record names and that does not exist.
    """

    table: str
    part: str


def heal(data: Path) -> list[Healed]:
    """Drop the records of parts that never came to be.

    Args:
        data: the engine's data directory; no engine may have it open.

    Returns:
        What was dropped, in the order of folders.
    """
    healed: list[Healed] = []
    for logs in sorted(data.glob("store/*/*/deduplication_logs")):
        parts = _Parts(logs.parent)
        for log in sorted(logs.glob("*.txt")):
            healed += _heal_log(log, parts, str(logs.parent.relative_to(data)))
    return healed


def _heal_log(log: Path, parts: _Parts, table: str) -> list[Healed]:
    raw = log.read_bytes()
    lines = raw.splitlines(keepends=True)
    kept: list[bytes] = []
    dropped: list[Healed] = []
    for line in lines:
        fields = line.decode("utf-8", "replace").rstrip("\n").split("\t")
        if not line.endswith(b"\n") or len(fields) < _FIELDS:
            # A torn last line: the engine would read it as a record of another block.
            dropped.append(Healed(table, "(torn record)"))
        elif fields[0] == _ADDED and not parts.cover(fields[1]):
            dropped.append(Healed(table, fields[1]))
        else:
            kept.append(line)
    if dropped:
        # The engine reads a number off the name of whatever lies there.
        durable.replace(log, b"".join(kept), draft=log.with_suffix(".healing"))
    return dropped


class _Parts:
    """The parts of a table on disk, by partition: where each begins, and how far those reach."""

    def __init__(self, table: Path) -> None:
        found: dict[str, list[tuple[int, int]]] = {}
        for entry in os.scandir(table):
            match = _PART.fullmatch(entry.name)
            if match is not None and entry.is_dir() and not entry.name.startswith("tmp"):
                ranges = found.setdefault(match["partition"], [])
                ranges.append((int(match["low"]), int(match["high"])))
        self._ranges = {
            partition: (
                [low for low, _ in sorted(ranges)],
                list(accumulate((high for _, high in sorted(ranges)), max)),
            )
            for partition, ranges in found.items()
        }

    def cover(self, name: str) -> bool:
        """Whether a part is there, or a larger one that has its blocks."""
        match = _PART.fullmatch(name)
        if match is None:
            return True  # not a name we understand: leave it to the engine
        lows, reach = self._ranges.get(match["partition"], ([], []))
        before = bisect_right(lows, int(match["low"]))
        return before > 0 and reach[before - 1] >= int(match["high"])
