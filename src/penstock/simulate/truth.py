"""What a sender knows to be true: exact counts of the rows it handed over and what became of them.

A truth file is one JSON document::

    source, seed      what was simulated, with which seed
    start             when the first reading of all fell due; null where nobody said
    first             number of the first one that was sent; an earlier run has sent those before it
    final             false while the sender runs
    sent              rows handed over
    acknowledged      rows the receiver answered with 2xx: each must be there once
    unacknowledged    sent - acknowledged: they may be there (the answer was lost) or not
    refused           of these, rows that are known not to be there (429 or 4xx to the end)
    skipped           readings never sent, because the sender was held up for too long
    good, malformed {kind: rows}, duplicates, late, silent, sums {column: decimal}, first_ts,
    last_ts
                      of the acknowledged rows: acknowledged = good + malformed; a duplicate is
                      good and counted twice in the sums; late and the sums are of good rows only;
                      silent are readings that were no row, because a fault kept them back
    of_sent           the same eight of all rows sent
    hours             acknowledged rows by the hour (UTC) they were sent in
    faults            what was planted so far: [{kind, home_id (null: all of the region's), region,
                      channel, start, end, size}], as `planted` describes them

So when nothing is unacknowledged, `good` is what silver holds and `malformed` the dead letters.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


@dataclass(slots=True)
class Counts:
    """Exact counts of some rows.

    Attributes:
        rows: all of them; good rows and malformed ones.
        malformed: rows by kind of mistake.
        duplicates: rows that repeat the row before them byte for byte; good ones.
        late: good rows whose time lies 1 to 30 minutes before their sending.
        sums: of the good rows, by column, in units of the column's last decimal.
        first_ts_ms: earliest time of a good row, epoch milliseconds; None without good rows.
        last_ts_ms: latest time of a good row.
        silent: readings that are no row, because a fault keeps them back.
    """

    rows: int = 0
    malformed: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    late: int = 0
    sums: Counter[str] = field(default_factory=Counter)
    first_ts_ms: int | None = None
    last_ts_ms: int | None = None
    silent: int = 0

    @property
    def good(self) -> int:
        """Rows that a receiver must take."""
        return self.rows - self.malformed.total()

    def add(self, other: Counts) -> None:
        """Count `other`'s rows too."""
        self.rows += other.rows
        self.malformed += other.malformed
        self.duplicates += other.duplicates
        self.late += other.late
        self.silent += other.silent
        self.sums.update(other.sums)
        if other.first_ts_ms is not None and other.last_ts_ms is not None:
            first, last = self.first_ts_ms, self.last_ts_ms
            self.first_ts_ms = other.first_ts_ms if first is None else min(first, other.first_ts_ms)
            self.last_ts_ms = other.last_ts_ms if last is None else max(last, other.last_ts_ms)


class Truth:
    """The running account of one sender.

    Args:
        source: `domain/source` the rows go to.
        seed: the generator's seed.
        decimals: decimals of each column that is summed, such as `{"energy": 3}`.
        first: number of the first reading that is sent.
        start_ms: when reading 0 fell due, epoch milliseconds.
        faults: tells what has been planted so far.
    """

    def __init__(
        self,
        source: str,
        seed: int,
        decimals: Mapping[str, int],
        *,
        first: int = 0,
        start_ms: int | None = None,
        faults: Callable[[], list[dict[str, Any]]] = list,
    ) -> None:
        self._source = source
        self._seed = seed
        self._first = first
        self._start_ms = start_ms
        self._faults = faults
        self._decimals = dict(decimals)
        self._sent = Counts()
        self._acknowledged = Counts()
        self._refused = 0
        self._skipped = 0
        self._hours: Counter[str] = Counter()
        self.final = False

    @property
    def sent(self) -> int:
        """Rows handed over so far."""
        return self._sent.rows

    @property
    def acknowledged(self) -> int:
        """Rows answered with 2xx so far."""
        return self._acknowledged.rows

    def count_sent(self, counts: Counts) -> None:
        """Count rows that are being handed over now, before the answer is known."""
        self._sent.add(counts)

    def count_acknowledged(self, counts: Counts, sent_at_s: float) -> None:
        """Count rows that were taken; `sent_at_s` is the epoch second of their sending."""
        self._acknowledged.add(counts)
        hour = datetime.fromtimestamp(sent_at_s, UTC).replace(minute=0, second=0, microsecond=0)
        self._hours[f"{hour:%Y-%m-%dT%H:%M:%SZ}"] += counts.rows

    def count_refused(self, counts: Counts) -> None:
        """Count rows that are known not to be stored; they stay unacknowledged."""
        self._refused += counts.rows

    def count_skipped(self, readings: int) -> None:
        """Count readings that are never sent."""
        self._skipped += readings

    def document(self) -> dict[str, Any]:
        """The account as it stands, ready for JSON; keys as in the module's docstring."""
        return {
            "source": self._source,
            "seed": self._seed,
            "start": _iso(self._start_ms),
            "first": self._first,
            "final": self.final,
            "sent": self._sent.rows,
            "acknowledged": self._acknowledged.rows,
            "unacknowledged": self._sent.rows - self._acknowledged.rows,
            "refused": self._refused,
            "skipped": self._skipped,
            **self._describe(self._acknowledged),
            "of_sent": self._describe(self._sent),
            "hours": dict(sorted(self._hours.items())),
            "faults": self._faults(),
        }

    def _describe(self, counts: Counts) -> dict[str, Any]:
        sums = {
            column: f"{Decimal(counts.sums[column]).scaleb(-decimals):f}"
            for column, decimals in self._decimals.items()
        }
        return {
            "good": counts.good,
            "malformed": dict(sorted(counts.malformed.items())),
            "duplicates": counts.duplicates,
            "late": counts.late,
            "silent": counts.silent,
            "sums": sums,
            "first_ts": _iso(counts.first_ts_ms),
            "last_ts": _iso(counts.last_ts_ms),
        }


def write_document(path: Path, document: Mapping[str, Any]) -> None:
    """Replace the file at `path` by `document` in one step; a reader sees the old or the new.

    Raises:
        OSError: the folder cannot be written.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with draft.open("w", encoding="utf-8") as file:
        json.dump(document, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


class BatchLog:
    """The acknowledged batches, one JSON object a line, for tests that check row by row.

    A line is `{"batch", "first", "last", "rows", "duplicates": […], "malformed": […]}`. It
    stands for the serials `first` to `last`: each is there once, those in `duplicates` twice,
    those in `malformed` as dead letters (of which not every kind shows its serial).
    """

    def __init__(self, path: Path) -> None:
        self._file: TextIO = path.open("w", encoding="utf-8", buffering=1)

    def append(self, line: Mapping[str, Any]) -> None:
        """Write one line through to the system, so that it outlives this process."""
        self._file.write(json.dumps(line) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _iso(epoch_ms: int | None) -> str | None:
    if epoch_ms is None:
        return None
    moment = datetime.fromtimestamp(epoch_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{epoch_ms % 1000:03d}Z"
