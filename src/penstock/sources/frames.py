"""Frames: the form in which a spool's records stand on disk.

::

    magic "PNS2" · rows u32 · bytes u32 · crc32 of the records u32 · received ms u64
                 · bytes of the tags u32 · crc32 of all this and the tags u32
                 · tags, one a line · records, one a line

A tag, `first-row rows text`, names a run of the frame's rows, so that whoever wrote them can tell
after a crash that they are there: it comes to the disk with them or not at all.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FIELDS = struct.Struct("<4sIIIQI")
_CHECK = struct.Struct("<I")
HEADER_SIZE = _FIELDS.size + _CHECK.size
MAGIC = b"PNS2"
FRAME_ROWS, FRAME_BYTES = 200_000, 16 * 1024 * 1024  # a frame is landed whole: it fits a batch


class Header(NamedTuple):
    """The head of a frame as it was read.

    Attributes:
        rows: of the frame.
        size: bytes of its records.
        crc: of its records.
        received_ms: when they came, epoch milliseconds.
        labels: bytes of its tags.
        fields: what the check is of, besides the tags.
        check: CRC-32 of both.
    """

    rows: int
    size: int
    crc: int
    received_ms: int
    labels: int
    fields: bytes
    check: int

    def fits(self, labels: bytes) -> bool:
        """Whether the header is that of these tags, and whole."""
        return len(labels) == self.labels and zlib.crc32(self.fields + labels) == self.check


def header(raw: bytes) -> Header | None:
    """What may be a header; only its `fits` says that it is one."""
    if len(raw) != HEADER_SIZE:
        return None
    fields = raw[: _FIELDS.size]
    magic, rows, size, crc, received, labels = _FIELDS.unpack(fields)
    if magic != MAGIC:
        return None
    return Header(rows, size, crc, received, labels, fields, *_CHECK.unpack(raw[_FIELDS.size :]))


def pack(rows: int, records: bytes, crc: int, received_ms: int, labels: bytes) -> bytes:
    """The header of a frame with its tags; the records follow."""
    fields = _FIELDS.pack(MAGIC, rows, len(records), crc, received_ms, len(labels))
    return fields + _CHECK.pack(zlib.crc32(fields + labels)) + labels


def labels(bodies: Sequence[tuple[bytes, int]], tags: Sequence[str]) -> bytes:
    """The tags of a frame with the rows that they name."""
    first, lines = 0, []
    for (_, rows), tag in zip(bodies, tags, strict=True):
        if tag:
            lines.append(f"{first} {rows} {tag}\n")
        first += rows
    return "".join(lines).encode()


def groups(bodies: Sequence[tuple[bytes, int]]) -> Iterator[list[tuple[bytes, int]]]:
    """Bodies by frame: as many as a frame may hold."""
    group: list[tuple[bytes, int]] = []
    rows = size = 0
    for body, count in bodies:
        rows, size = rows + count, size + len(body)
        if group and (rows > FRAME_ROWS or size > FRAME_BYTES):
            yield group
            group, rows, size = [], count, len(body)
        group.append((body, count))
    if group:
        yield group
