"""A log on disk of records received and not yet landed: the HTTP source's replayable memory.

A spool is a folder of segments `00000001.log`, each a run of frames::

    magic "PNS1" · rows u32 · bytes u32 · crc32 u32 · received ms u64 · records, one a line
    magic "PNS2" · the same four · bytes u32 · crc32 u32 · tags, one a line · records

A frame is one fsync: what is in it has been acknowledged, or is about to be. A record's position
is (segment, row in the segment). A torn last frame was never acknowledged and is cut off. A tag,
`first-row rows text`, names a run of the frame's rows, so that whoever wrote them can tell after a
crash that they are there: it comes to the disk with them or not at all.
"""

from __future__ import annotations

import errno
import os
import re
import struct
import threading
import time
import uuid
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from penstock.errors import BadInputError, DataDirError, PenstockError, SpoolFullError
from penstock.sources.replayable import Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from io import FileIO
    from pathlib import Path

_HEADER = struct.Struct("<4sIIIQ")
_MAGIC = b"PNS1"
_TAGGED = b"PNS2"
_ANY_MAGIC = re.compile(rb"PNS[12]")
_TAGS = struct.Struct("<II")
SEGMENT_BYTES = 64 * 1024 * 1024
SEGMENT_FRAMES = 50_000  # so that the index of many single records stays small


@dataclass(slots=True)
class _Segment:
    number: int
    path: Path
    frames: list[Frame] = field(default_factory=list)  # of what is not landed
    size: int = 0
    rows: int = 0
    written: int = 0  # frames
    last_ms: int = 0  # when the last frame was received

    def add(self, frame: Frame) -> None:
        self.frames.append(frame)
        self.size = frame.offset + frame.size
        self.rows = frame.stop
        self.written += 1
        self.last_ms = frame.received_ms

    def drop(self, stop: int) -> int:
        """Forget the frames before a row; returns their bytes."""
        gone = [f for f in self.frames if f.start < stop]
        self.frames = self.frames[len(gone) :]
        return sum(f.size for f in gone)


class Spool:
    """The log of one source; one writer thread, any number of readers.

    Args:
        folder: made where it is missing.
        limit: most bytes that may wait to be landed.

    Raises:
        DataDirError: the folder cannot be read or written.
    """

    def __init__(self, folder: Path, *, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._lock = threading.Lock()
        self._segments: dict[int, _Segment] = {}
        self._file: FileIO | None = None
        self._landed: dict[int, int] = {}
        self._accepted = 0  # records acknowledged since start
        self.waiting = 0  # bytes not yet landed
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.incarnation = self._identity()
            for path in sorted(folder.glob("*.log")):
                self._segments[int(path.stem)] = _scan(path)
        except OSError as error:
            raise DataDirError(
                f"the spool cannot be used: {error.strerror}",
                where=str(folder),
                next_step="give this user the right to write there, or choose PENSTOCK_DATA=…",
            ) from error

    def resume(self, landed: dict[int, int]) -> None:
        """Take the ledger's positions: segment → next row to land."""
        with self._lock:
            self._landed = dict(landed)
            for segment in self._segments.values():
                segment.drop(landed.get(segment.number, 0))
            self.waiting = sum(f.size for s in self._segments.values() for f in s.frames)

    def append(self, bodies: Sequence[tuple[bytes, int]], tags: Sequence[str] = ()) -> list[Frame]:
        """Write bodies, each as one frame or as part of one, and fsync once.

        Args:
            bodies: (records, rows) each; records are lines, each ending in a newline.
            tags: one a body, without white space, empty for none; or none at all.

        Returns:
            The frame that holds each body, with `start` and `rows` narrowed to that body.

        Raises:
            SpoolFullError: the bound is reached, or the disk is full; nothing was acknowledged.
            DataDirError: the disk refused for another reason; nothing was acknowledged.
        """
        with self._lock:
            self._check_room(sum(len(records) for records, _ in bodies))
            try:
                segment = self._writable()
                size = segment.size
                try:
                    return self._write(segment, bodies, tags)
                except OSError:
                    self._cut(segment, size)
                    raise
            except OSError as error:
                raise self._refused(error) from error

    def next_frames(self, *, rows: int, size: int) -> list[Frame]:
        """Frames of one segment that come next to be landed, up to the bounds; may be empty."""
        with self._lock:
            for number in sorted(self._segments):
                if self._segments[number].frames:
                    return _take(self._segments[number].frames, rows, size)
            return []

    def read(self, segment: int, start: int, stop: int) -> tuple[bytes, list[Frame]]:
        """The records of rows [start, stop) of a segment, which lie on bounds of frames.

        Raises:
            DataDirError: the range is not there, or its bytes are not those acknowledged.
        """
        with self._lock:
            held = self._segments.get(segment)
            frames = [f for f in held.frames if start <= f.start < stop] if held else []
            path = self._path(segment)
        if not frames or frames[0].start != start or frames[-1].stop != stop:
            raise DataDirError(
                f"the spool has no rows {start} to {stop} of segment {segment}",
                where=str(path),
                next_step="restore the spool folder; these rows were acknowledged to a sender",
            )
        pieces = []
        with path.open("rb") as file:
            for frame in frames:
                file.seek(frame.offset)
                records = file.read(frame.size)
                if zlib.crc32(records) != frame.crc:
                    raise DataDirError(
                        f"rows {frame.start} to {frame.stop} of segment {segment} are damaged",
                        where=str(path),
                        next_step="check the disk and restore the file from a backup",
                    )
                pieces.append(records)
        return b"".join(pieces), frames

    def tagged(self, wanted: Callable[[str], bool]) -> dict[str, tuple[int, int, int]]:
        """Look for tags on the disk; meant for a start, before anything is written.

        Returns:
            Tag → segment, first row, row after the last, in the order they were written.
        """
        found: dict[str, tuple[int, int, int]] = {}
        with self._lock:
            for number in sorted(self._segments):
                segment = _Segment(number, self._path(number))
                with segment.path.open("rb") as file:
                    end = file.seek(0, os.SEEK_END)
                    while (frame := _frame_at(file, segment, end)) is not None:
                        for first, rows, tag in _tags_of(file, segment.size, frame):
                            if wanted(tag):
                                start = frame.start + first
                                found[tag] = (number, start, start + rows)
                        segment.add(frame)
        return found

    def landed(self, segment: int, stop: int) -> None:
        """Note that a segment's rows before `stop` are landed."""
        with self._lock:
            held = self._segments[segment]
            self._landed[segment] = stop
            self.waiting -= held.drop(stop)

    def forget(self, *, older_ms: int) -> int:
        """Delete segments that are landed whole and whose last frame is older than a time.

        Returns:
            Bytes freed.
        """
        freed = 0
        with self._lock:
            newest = max(self._segments, default=0)
            for number in sorted(self._segments):
                segment = self._segments[number]
                whole = self._landed.get(number, 0) >= segment.rows
                old = segment.last_ms < older_ms
                if number == newest or not (whole and old):
                    continue
                segment.path.unlink(missing_ok=True)
                del self._segments[number]
                freed += segment.size
        return freed

    def is_landed(self, segment: int, stop: int) -> bool:
        """Whether a segment's rows before `stop` are landed."""
        with self._lock:
            return self._landed.get(segment, 0) >= stop

    def counts(self) -> tuple[int, int]:
        """Records acknowledged since start, and records waiting, at one instant."""
        with self._lock:
            return self._accepted, self._rows_waiting()

    @property
    def rows_waiting(self) -> int:
        """Records acknowledged and not yet landed."""
        with self._lock:
            return self._rows_waiting()

    @property
    def oldest_waiting_ms(self) -> int:
        """When the oldest record not yet landed was received, epoch ms; 0 where there is none."""
        frames = self.next_frames(rows=1, size=1)
        return frames[0].received_ms if frames else 0

    def close(self) -> None:
        """Close the file that is written to."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _rows_waiting(self) -> int:
        return sum(s.rows - s.frames[0].start for s in self._segments.values() if s.frames)

    def _check_room(self, size: int) -> None:
        if self.waiting + size > self._limit:
            raise SpoolFullError(
                f"{self.waiting:,} bytes wait to be landed, the bound is {self._limit:,}",
                where=str(self._folder),
                next_step="send again after the time in Retry-After",
            )

    def _write(
        self, segment: _Segment, bodies: Sequence[tuple[bytes, int]], tags: Sequence[str]
    ) -> list[Frame]:
        assert self._file is not None  # noqa: S101 - `_writable` opened it
        now = int(time.time() * 1000)
        records = b"".join(body for body, _ in bodies)
        rows = sum(count for _, count in bodies)
        crc = zlib.crc32(records)
        magic, labels = (_TAGGED, _labels(bodies, tags)) if any(tags) else (_MAGIC, b"")
        header = _HEADER.pack(magic, rows, len(records), crc, now) + labels
        _write_whole(self._file, header)
        _write_whole(self._file, records)
        os.fsync(self._file.fileno())
        offset = segment.size + len(header)
        frame = Frame(segment.number, segment.rows, rows, offset, len(records), crc, now)
        segment.add(frame)
        self.waiting += len(records)
        self._accepted += rows
        receipts, start = [], frame.start
        for _, count in bodies:
            receipts.append(Frame(segment.number, start, count, offset, 0, crc, now))
            start += count
        return receipts

    def _writable(self) -> _Segment:
        """The newest segment, open at its end; a new one where it is full."""
        newest = max(self._segments, default=0)
        segment = self._segments.get(newest)
        full = segment is not None and (
            segment.size >= SEGMENT_BYTES or segment.written >= SEGMENT_FRAMES
        )
        if segment is None or full:
            if self._file is not None:
                self._file.close()
                self._file = None
            number = max(newest, max(self._landed, default=0)) + 1
            segment = _Segment(number, self._path(number))
            self._file = segment.path.open("wb", buffering=0)
            self._segments[number] = segment
            _fsync_folder(self._folder)
        elif self._file is None:
            self._file = segment.path.open("r+b", buffering=0)
            self._file.seek(segment.size)
        return segment

    def _cut(self, segment: _Segment, size: int) -> None:
        """Take back a frame that could not be written whole."""
        if self._file is not None:
            self._file.close()
            self._file = None
        os.truncate(segment.path, size)

    def _refused(self, error: OSError) -> PenstockError:
        where = str(self._folder)
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            return SpoolFullError(
                f"the disk is full: {error.strerror}",
                where=where,
                next_step="free some space; nothing that was acknowledged is lost",
            )
        return DataDirError(
            f"the spool cannot be written: {error.strerror}",
            where=where,
            next_step="check the disk; nothing that was acknowledged is lost",
        )

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:08d}.log"

    def _identity(self) -> str:
        path = self._folder / "incarnation"
        if not path.exists():
            new = path.with_suffix(".new")
            with new.open("w") as file:
                file.write(uuid.uuid4().hex)
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)
            _fsync_folder(self._folder)
        return path.read_text().strip()


def _write_whole(file: FileIO, content: bytes) -> None:
    """Unbuffered, so that a full disk leaves nothing behind that a later close would write."""
    view = memoryview(content)
    while view:
        view = view[file.write(view) :]


def _scan(path: Path) -> _Segment:
    """Index a segment's frames; cut a torn last one off, which nobody was told of."""
    segment = _Segment(int(path.stem), path)
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        while (frame := _frame_at(file, segment, end)) is not None:
            segment.add(frame)
        if segment.size < end:
            _check_torn(file, segment, end)
            file.truncate(segment.size)
            os.fsync(file.fileno())
    return segment


def _check_torn(file: BinaryIO, segment: _Segment, end: int) -> None:
    """Let only a torn tail be cut off: behind one there is no whole frame.

    Raises:
        DataDirError: there is one, so rows that were acknowledged would be lost.
    """
    file.seek(segment.size)
    tail = file.read(end - segment.size)
    for match in _ANY_MAGIC.finditer(tail, 1):
        if _is_whole(tail, match.start()):
            raise DataDirError(
                f"the rows from {segment.rows} of segment {segment.number} on are damaged",
                where=f"{segment.path}, byte {segment.size}",
                next_step="check the disk and restore the file from a backup",
            )


def _is_whole(tail: bytes, at: int) -> bool:
    start = at + _HEADER.size
    if start > len(tail):
        return False
    magic, _, size, crc, _ = _HEADER.unpack_from(tail, at)
    if magic == _TAGGED:
        if start + _TAGS.size > len(tail):
            return False
        start += _TAGS.size + _TAGS.unpack_from(tail, start)[0]
    stop: int = start + size
    return stop <= len(tail) and zlib.crc32(tail[start:stop]) == crc


def _frame_at(file: BinaryIO, segment: _Segment, end: int) -> Frame | None:
    offset = segment.size + _HEADER.size
    if offset > end:
        return None
    file.seek(segment.size)
    magic, rows, size, crc, received = _HEADER.unpack(file.read(_HEADER.size))
    if magic == _TAGGED:
        length, tags_crc = _TAGS.unpack(file.read(_TAGS.size).ljust(_TAGS.size, b"\0"))
        offset += _TAGS.size + length
        if offset > end or zlib.crc32(file.read(length)) != tags_crc:
            return None
    elif magic != _MAGIC:
        return None
    if offset + size > end:
        return None
    if offset + size == end and zlib.crc32(file.read(size)) != crc:
        return None  # the last frame's length reached the disk before its records
    return Frame(segment.number, segment.rows, rows, offset, size, crc, received)


def _labels(bodies: Sequence[tuple[bytes, int]], tags: Sequence[str]) -> bytes:
    """The tags of a frame with what is before them."""
    first, lines = 0, []
    for (_, rows), tag in zip(bodies, tags, strict=True):
        if tag:
            lines.append(f"{first} {rows} {tag}\n")
        first += rows
    text = "".join(lines).encode()
    return _TAGS.pack(len(text), zlib.crc32(text)) + text


def _tags_of(file: BinaryIO, begin: int, frame: Frame) -> list[tuple[int, int, str]]:
    """The tags of the frame that begins at a byte: first row within it, rows, text."""
    file.seek(begin + _HEADER.size)
    text = file.read(frame.offset - begin - _HEADER.size)[_TAGS.size :].decode()
    lines = [line.split(" ") for line in text.splitlines()]
    return [(int(first), int(rows), tag) for first, rows, tag in lines]


def _take(frames: list[Frame], rows: int, size: int) -> list[Frame]:
    taken: list[Frame] = []
    for frame in frames:
        rows, size = rows - frame.rows, size - frame.size
        if taken and (rows < 0 or size < 0):
            break
        taken.append(frame)
    return taken


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_record_count(rows: int) -> None:
    """Refuse a body without a record.

    Raises:
        BadInputError: status 400.
    """
    if rows == 0:
        raise BadInputError(
            400, "No records", "the body holds no record", next_step="send one JSON object a line"
        )
