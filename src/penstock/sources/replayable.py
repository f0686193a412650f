"""What landing needs of a source: records with positions, that can be read again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Frame:
    """A run of records that is landed whole.

    Attributes:
        segment: the part of the source it is in; for a spool, the number of its file.
        start: row of its first record in the segment.
        rows: records in it.
        offset: byte in the part where its records begin.
        size: bytes of its records.
        crc: CRC-32 of its records.
        received_ms: when it was written, epoch milliseconds.
    """

    segment: int
    start: int
    rows: int
    offset: int
    size: int
    crc: int
    received_ms: int

    @property
    def stop(self) -> int:
        """Row after its last record."""
        return self.start + self.rows


class Replayable(Protocol):
    """A source whose records stay where they are until they are landed.

    Attributes:
        domain: name of its domain.
        name: name of the source.
        incarnation: which log it is; another one must not be landed under the same name.
    """

    domain: str
    name: str
    incarnation: str

    def resume(self, positions: dict[int, int]) -> None:
        """Go on from part → next row, as the ledger has it."""
        ...

    def cut(self, *, rows: int, size: int, age: float) -> Sequence[Frame]:
        """The next batch: frames of one part, when it is full or older than `age` seconds."""
        ...

    def read(self, part: int, start: int, stop: int) -> tuple[bytes, Sequence[Frame]]:
        """The records of rows [start, stop) of a part, checked, with the frames they are in."""
        ...

    def landed(self, part: int, stop: int) -> None:
        """A part's rows before `stop` are landed: the source may forget them in its own time."""
        ...
