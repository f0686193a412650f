"""A log on disk of records received and not yet landed: the HTTP source's replayable memory.

A spool is a folder of segments `00000001.log`, each a run of frames (see `frames`). A record's
position is (segment, row in the segment). What is in a frame has been acknowledged, or is about to
be; a torn tail was never acknowledged and is cut off.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
import uuid
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from penstock import durable
from penstock.errors import DataDirError, PenstockError, SpoolFullError
from penstock.sources import frames
from penstock.sources.replayable import Frame, Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from io import FileIO
    from pathlib import Path

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


@dataclass(frozen=True, slots=True)
class Kept:
    """The part of a spool that a copy must have.

    Attributes:
        segments: their files, the newest last.
        size: bytes of the newest that count; it may grow, and its tail may be half written.
        waiting: records that wait to be landed.
    """

    segments: list[Path]
    size: int
    waiting: int


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

    def append(self, bodies: Sequence[tuple[bytes, int]], tags: Sequence[str] = ()) -> list[Frame]:
        """Write bodies, several to a frame where they fit, and fsync once: all or nothing.

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
                try:
                    return self._write(segment, bodies, tags or [""] * len(bodies))
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

    def tagged(self, wanted: Callable[[str], bool]) -> dict[str, tuple[int, int, int]]:
        """Look for tags on the disk; meant for a start, before anything is written.

        Returns:
            Tag → segment, first row, row after the last, in the order they were written.
        """
        found: dict[str, tuple[int, int, int]] = {}
        with self._lock:
            for number in sorted(self._segments):
                for frame, tags in _frames_of(self._path(number), number):
                    for first, rows, tag in tags:
                        start = frame.start + first
                        if wanted(tag):
                            begun = found.get(tag, (number, start, start))[1]
                            found[tag] = (number, begun, start + rows)
        return found

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

    def kept(self, *, since_ms: int) -> Kept:
        """What a copy of the spool must have, at one instant.

        Args:
            since_ms: segments landed whole before that time may be left out.
        """
        with self._lock:
            kept = [
                segment
                for _, segment in sorted(self._segments.items())
                if segment.frames or segment.landed_ms >= since_ms
            ]
            size = kept[-1].size if kept else 0
            return Kept([segment.path for segment in kept], size, self._rows_waiting())

    def is_landed(self, segment: int, stop: int) -> bool:
        """Whether a segment's rows before `stop` are landed; never waits for a write."""
        return self._landed.get(segment, 0) >= stop

    def counts(self) -> tuple[int, int]:
        """Records acknowledged since start, and records waiting, at one instant."""
        with self._lock:
            return self._accepted, self._rows_waiting()

    def parts(self) -> list[Part]:
        """How far the segment is that is landed next, and the newest, at one instant."""
        with self._lock:
            newest = max(self._segments, default=0)
            waiting = min((n for n, s in self._segments.items() if s.frames), default=newest)
            return [
                Part(number, held.rows, self._landed.get(number, 0), held.rows)
                for number in sorted({waiting, newest})
                if (held := self._segments.get(number)) is not None
            ]

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

    def _write(
        self, segment: _Segment, bodies: Sequence[tuple[bytes, int]], tags: Sequence[str]
    ) -> list[Frame]:
        assert self._file is not None  # noqa: S101 - `_writable` opened it
        now = int(time.time() * 1000)
        written: list[Frame] = []
        receipts: list[Frame] = []
        offset, start = segment.size, segment.rows
        left = list(tags)
        for group in frames.groups(bodies):
            records = b"".join(body for body, _ in group)
            rows = sum(count for _, count in group)
            crc = zlib.crc32(records)
            labels = frames.labels(group, left[: len(group)])
            left = left[len(group) :]
            header = frames.pack(rows, records, crc, now, labels)
            _write_whole(self._file, header)
            _write_whole(self._file, records)
            offset += len(header)
            size, stop = len(records), start + rows
            written.append(Frame(segment.number, start, stop, rows, offset, size, crc, now))
            for _, count in group:
                stop = start + count
                receipts.append(Frame(segment.number, start, stop, count, offset, 0, crc, now))
                start = stop
            offset += len(records)
        os.fsync(self._file.fileno())
        for frame in written:
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
            durable.sync_folder(self._folder)
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
            durable.replace(path, uuid.uuid4().hex.encode())
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
        while (found := _frame_at(file, segment, end)) is not None:
            segment.add(found[0])
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
    at = tail.find(frames.MAGIC, 1)
    while at >= 0:
        start = at + frames.HEADER_SIZE
        header = frames.header(tail[at:start])
        labels = tail[start : start + header.labels] if header else b""
        if header and header.fits(labels) and start + header.labels + header.size <= len(tail):
            raise DataDirError(
                f"the rows from {segment.rows} of segment {segment.number} on are damaged",
                where=f"{segment.path}, byte {segment.size}",
                next_step="check the disk and restore the file from a backup",
            )
        at = tail.find(frames.MAGIC, at + 1)


def _frame_at(file: BinaryIO, segment: _Segment, end: int) -> tuple[Frame, bytes] | None:
    """The frame that begins where a segment ends so far, and its tags."""
    file.seek(segment.size)
    header = frames.header(file.read(frames.HEADER_SIZE))
    if header is None:
        return None
    labels = file.read(header.labels)
    offset = segment.size + frames.HEADER_SIZE + header.labels
    if not header.fits(labels) or offset + header.size > end:
        return None
    if offset + header.size == end and zlib.crc32(file.read(header.size)) != header.crc:
        return None  # the last frame's head reached the disk before its records
    frame = Frame(
        segment.number,
        segment.rows,
        segment.rows + header.rows,
        header.rows,
        offset,
        header.size,
        header.crc,
        header.received_ms,
    )
    return frame, labels


def _frames_of(path: Path, number: int) -> Iterator[tuple[Frame, list[tuple[int, int, str]]]]:
    """The frames of a segment with their tags: first row within the frame, rows, text."""
    segment = _Segment(number, path)
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while (found := _frame_at(file, segment, end)) is not None:
            frame, labels = found
            lines = [line.split(" ") for line in labels.decode().splitlines()]
            yield frame, [(int(first), int(rows), tag) for first, rows, tag in lines]
            segment.add(frame)


def _take(frames: list[Frame], rows: int, size: int) -> list[Frame]:
    taken: list[Frame] = []
    for frame in frames:
        rows, size = rows - frame.rows, size - frame.size
        if taken and (rows < 0 or size < 0):
            break
        taken.append(frame)
    return taken
