"""What was fetched from a topic and is not landed: packed, partition by partition, in order."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Piece:
    """Packed records of one partition, in a row.

    Attributes:
        part: the partition.
        start: offset where those before ended.
        stop: offset after its last record.
        rows: records in it.
        body: their bytes, as `records` packs them.
        received_ms: when they were fetched, epoch milliseconds.
    """

    part: int
    start: int
    stop: int
    rows: int
    body: bytes
    received_ms: int


@dataclass(slots=True)
class Buffer:
    """Pieces in the order they came; not safe to share between threads.

    Attributes:
        pieces: of all partitions.
        size: bytes in them.
        rows: records in them.
    """

    pieces: list[Piece] = field(default_factory=list)
    size: int = 0
    rows: int = 0

    def add(self, piece: Piece) -> None:
        """Put a piece behind the others."""
        self.pieces.append(piece)
        self.size += len(piece.body)
        self.rows += piece.rows

    def first(self, rows: int, size: int) -> list[Piece]:
        """The oldest, up to so many records and bytes; one at least, where there is one."""
        taken: list[Piece] = []
        for piece in self.pieces:
            rows, size = rows - piece.rows, size - len(piece.body)
            if taken and (rows < 0 or size < 0):
                break
            taken.append(piece)
        return taken

    def drop(self, part: int, stop: int | None = None) -> None:
        """Let go of a partition's records before `stop`, or of all."""
        kept: list[Piece] = []
        gone: list[Piece] = []
        for piece in self.pieces:
            goes = piece.part == part and (stop is None or piece.stop <= stop)
            (gone if goes else kept).append(piece)
        self.pieces = kept
        self.size -= sum(len(piece.body) for piece in gone)
        self.rows -= sum(piece.rows for piece in gone)
