"""A log on disk of records received and not yet landed: the HTTP source's replayable memory.

A spool is a folder of segments `00000001.log`, each a run of frames::

    magic "PNS2" · rows u32 · bytes u32 · crc32 of the records u32 · received ms u64
                 · crc32 of all this u32 · records, one a line

What is in a frame has been acknowledged, or is about to be. A record's position is (segment, row
in the segment). A torn tail was never acknowledged and is cut off.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import threading
import time
import uuid
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from penstock.errors import DataDirError, PenstockError, SpoolFullError
from penstock.sources.replayable import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from io import FileIO
    from pathlib import Path

_FIELDS = struct.Struct("<4sIIIQ")
_CHECK = struct.Struct("<I")
_HEADER_SIZE = _FIELDS.size + _CHECK.size
_MAGIC = b"PNS2"
FRAME_ROWS, FRAME_BYTES = 200_000, 16 * 1024 * 1024  # a frame is landed whole: it fits a batch
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
    landed_ms: int = 0  # when its last row was seen to be landed

    def add(self, frame: Frame) -> None:
        self.frames.append(frame)
        self.size = frame.offset + frame.size
        self.rows = frame.stop
        self.written += 1

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
            self._own()
            self._scan_all()
        except OSError as error:
            raise DataDirError(
                f"the spool cannot be used: {error.strerror}",
                where=str(folder),
                next_step="give this user the right to write there, or choose PENSTOCK_DATA=…",
            ) from error

    def resume(self, landed: dict[int, int]) -> None:
        """Take the ledger's positions: segment → next row to land.

        Raises:
            DataDirError: the ledger has landed rows that a segment no longer has.
        """
        with self._lock:
            self._landed = dict(landed)
            for segment in self._segments.values():
                stop = landed.get(segment.number, 0)
                if stop > segment.rows:
                    raise DataDirError(
                        f"segment {segment.number} has {segment.rows} rows, {stop} were landed",
                        where=str(segment.path),
                        next_step="restore the spool folder, or move this file away: what it "
                        "should hold is landed",
                    )
                segment.drop(stop)
                segment.landed_ms = int(time.time() * 1000)  # not earlier, as far as we know
            self.waiting = sum(f.size for s in self._segments.values() for f in s.frames)

    def append(self, bodies: Sequence[tuple[bytes, int]]) -> list[Frame]:
        """Write bodies, several to a frame where they fit, and fsync once: all or nothing.

        Args:
            bodies: (records, rows) each; records are lines, each ending in a newline.

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
                try:
                    return self._write(segment, bodies)
                except OSError:
                    self._cut(segment)
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

    def landed(self, segment: int, stop: int) -> None:
        """Note that a segment's rows before `stop` are landed."""
        with self._lock:
            held = self._segments[segment]
            self._landed[segment] = stop
            self.waiting -= held.drop(stop)
            held.landed_ms = int(time.time() * 1000)

    def forget(self, *, older_ms: int) -> int:
        """Delete segments that were landed whole before a time.

        Returns:
            Bytes freed.
        """
        freed = 0
        with self._lock:
            newest = max(self._segments, default=0)
            for number in sorted(self._segments):
                segment = self._segments[number]
                whole = self._landed.get(number, 0) >= segment.rows
                old = segment.landed_ms < older_ms
                if number == newest or not (whole and old):
                    continue
                segment.path.unlink(missing_ok=True)
                del self._segments[number]
                freed += segment.size
        return freed

    def kept(self, *, since_ms: int) -> tuple[list[Path], int, int]:
        """What a copy of the spool must have, at one instant.

        Args:
            since_ms: segments landed whole before that time may be left out.

        Returns:
            The segments' files, the bytes of the last that count (it may grow, and its tail may
            be half written), and the records that wait to be landed.
        """
        with self._lock:
            kept = [
                segment
                for _, segment in sorted(self._segments.items())
                if segment.frames or segment.landed_ms >= since_ms
            ]
            size = kept[-1].size if kept else 0
            return [segment.path for segment in kept], size, self._rows_waiting()

    def is_landed(self, segment: int, stop: int) -> bool:
        """Whether a segment's rows before `stop` are landed; never waits for a write."""
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

    def close(self) -> None:
        """Close the file that is written to, and let go of the folder."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None
            self._owned.close()

    def _rows_waiting(self) -> int:
        return sum(s.rows - s.frames[0].start for s in self._segments.values() if s.frames)

    def _check_room(self, size: int) -> None:
        if self.waiting + size > self._limit:
            raise SpoolFullError(
                f"{self.waiting:,} bytes wait to be landed, the bound is {self._limit:,}",
                where=str(self._folder),
                next_step="send again after the time in Retry-After",
            )

    def _write(self, segment: _Segment, bodies: Sequence[tuple[bytes, int]]) -> list[Frame]:
        assert self._file is not None  # noqa: S101 - `_writable` opened it
        now = int(time.time() * 1000)
        frames: list[Frame] = []
        receipts: list[Frame] = []
        offset, start = segment.size, segment.rows
        for group in _frames(bodies):
            records = b"".join(body for body, _ in group)
            rows = sum(count for _, count in group)
            crc = zlib.crc32(records)
            fields = _FIELDS.pack(_MAGIC, rows, len(records), crc, now)
            _write_whole(self._file, fields + _CHECK.pack(zlib.crc32(fields)))
            _write_whole(self._file, records)
            offset += _HEADER_SIZE
            frames.append(Frame(segment.number, start, rows, offset, len(records), crc, now))
            for _, count in group:
                receipts.append(Frame(segment.number, start, count, offset, 0, crc, now))
                start += count
            offset += len(records)
        os.fsync(self._file.fileno())
        for frame in frames:
            segment.add(frame)
            self.waiting += frame.size
            self._accepted += frame.rows
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

    def _cut(self, segment: _Segment) -> None:
        """Take back what could not be written whole."""
        if self._file is not None:
            self._file.close()
            self._file = None
        os.truncate(segment.path, segment.size)

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

    def _scan_all(self) -> None:
        try:
            for path in sorted(self._folder.glob("*.log")):
                self._segments[int(path.stem)] = _scan(path)
        except (OSError, DataDirError):
            self._owned.close()
            raise

    def _own(self) -> None:
        """Keep other writers out for as long as this one lives: they would overwrite it."""
        self._owned = (self._folder / "incarnation").open("rb")
        try:
            fcntl.flock(self._owned, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._owned.close()
            raise DataDirError(
                "another process writes to this spool",
                where=str(self._folder),
                next_step="stop it, or choose another folder with PENSTOCK_DATA=…",
            ) from None

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
    at = tail.find(_MAGIC, 1)
    while at >= 0:
        start = at + _HEADER_SIZE
        fields = _fields(tail[at:start])
        if fields is not None and start + fields[1] <= len(tail):
            raise DataDirError(
                f"the rows from {segment.rows} of segment {segment.number} on are damaged",
                where=f"{segment.path}, byte {segment.size}",
                next_step="check the disk and restore the file from a backup",
            )
        at = tail.find(_MAGIC, at + 1)


def _frame_at(file: BinaryIO, segment: _Segment, end: int) -> Frame | None:
    file.seek(segment.size)
    fields = _fields(file.read(_HEADER_SIZE))
    if fields is None:
        return None
    rows, size, crc, received = fields
    offset = segment.size + _HEADER_SIZE
    if offset + size > end or (offset + size == end and zlib.crc32(file.read(size)) != crc):
        return None  # the last frame's head reached the disk before its records
    return Frame(segment.number, segment.rows, rows, offset, size, crc, received)


def _fields(header: bytes) -> tuple[int, int, int, int] | None:
    """Rows, bytes, checksum and time of receipt of a frame; None where this is no whole header."""
    if len(header) != _HEADER_SIZE:
        return None
    fields, check = header[: _FIELDS.size], header[_FIELDS.size :]
    magic, rows, size, crc, received = _FIELDS.unpack(fields)
    if magic != _MAGIC or _CHECK.unpack(check)[0] != zlib.crc32(fields):
        return None
    return rows, size, crc, received


def _frames(bodies: Sequence[tuple[bytes, int]]) -> Iterator[list[tuple[bytes, int]]]:
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
