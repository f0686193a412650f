"""What landing needs of a source: records with positions, that can be read again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Form = Literal["lines", "records"]
"""How a source gives its records: one a line, numbered as they stand there; or packed with their
position, key, headers and time (see `records`)."""


@dataclass(slots=True)
class Part:
    """How far one part of a log is: of a topic, one of its partitions.

    Attributes:
        part: its number.
        received: row after the last one received.
        landed: row after the last one landed.
        high: row after the last one in the log, as far as is known.
        sent_ms: time of the last one received, epoch milliseconds; -1 where it is not known.
    """

    part: int
    received: int
    landed: int
    high: int = 0
    sent_ms: int = -1


@dataclass(frozen=True, slots=True)
class Frame:
    """A run of records that is landed whole.

    Attributes:
        segment: the part of the source it is in: the number of a spool's file, a partition.
        start: row of its first record in the segment, or where the one before ended.
        stop: row after its last record; some rows in between may hold none.
        rows: records in it.
        offset: byte in the part where its records begin.
        size: bytes of its records.
        crc: CRC-32 of its records.
        received_ms: when it was written, epoch milliseconds.
    """

    segment: int
    start: int
    stop: int
    rows: int
    offset: int
    size: int
    crc: int
    received_ms: int


class Replayable(Protocol):
    """A source whose records stay where they are until they are landed.

    Attributes:
        domain: name of its domain.
        name: name of the source.
        incarnation: which log it is; another one must not be landed under the same name. Empty
            until `identify` has asked whoever keeps the log.
        form: of the records that it gives.
    """

    domain: str
    name: str
    incarnation: str
    form: Form

    def resume(self, positions: dict[int, int]) -> None:
        """Go on from part → next row, as the ledger has it."""
        ...

    def cut(self, *, rows: int, size: int, age: float) -> Sequence[Frame]:
        """The next batch, when it is full or older than `age` seconds: frames, part by part."""
        ...

    def read(self, part: int, start: int, stop: int) -> tuple[bytes, Sequence[Frame]]:
        """The records of rows [start, stop) of a part, checked, with the frames they are in."""
        ...

    def landed(self, part: int, stop: int) -> None:
        """A part's rows before `stop` are landed: the source may forget them in its own time."""
        ...

    def counts(self) -> tuple[int, int]:
        """Records received since the start, and those of them not landed, at one instant."""
        ...

    def parts(self) -> list[Part]:
        """How far its newest parts are, by number."""
        ...

    def forget(self, *, older_ms: int) -> None:
        """Let go of what was landed before a time, epoch milliseconds."""
        ...

    def close(self) -> None:
        """Let go of the log."""
        ...


class Shared(Replayable, Protocol):
    """A log that several landers share part by part, as its own group tells each of them."""

    def identify(self) -> str:
        """Ask which log it is.

        Raises:
            SourceDownError: who keeps it cannot be reached.
        """
        ...

    def origins(self, positions: Mapping[int, int]) -> dict[int, int]:
        """Where parts begin that the ledger does not know yet, if not at row 0."""
        ...

    def join(self, incarnation: str) -> None:
        """Ask to be given parts, from now on, of the log that `identify` has named."""
        ...

    def given(self) -> tuple[int, frozenset[int]]:
        """The parts it has now, and a number that is another one whenever they have changed.

        Who asks is between two batches.
        """
        ...
