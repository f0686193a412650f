"""The HTTP source: request bodies become records on disk before they are acknowledged.

Bodies go through as bytes. Only what is not one record a line already (a JSON array, a document
over several lines) is taken apart, by a parser that copies values without decoding them.
"""

from __future__ import annotations

import asyncio
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from penstock.errors import BadInputError, PenstockError, SpoolFullError
from penstock.inflate import inflate
from penstock.sources.frames import FRAME_ROWS
from penstock.sources.spool import Spool

if TYPE_CHECKING:
    from pathlib import Path

    from penstock.sources.replayable import Form, Frame, Part

_BLANK = re.compile(rb"^[ \t\r]*\n", re.MULTILINE)
_JSON_TYPES = {"", "application/json", "text/json", "application/x-www-form-urlencoded"}
_LINE_TYPES = {"application/x-ndjson", "application/jsonl", "application/ndjson", "text/plain"}
_MOST_RECORDS = 500_000  # of one body
_MOST_VALUES = 2_000_000  # commas of an array, which bound what taking it apart costs
_FSYNC_BYTES = 32 * 1024 * 1024  # of the bodies that one fsync is for
_QUEUE_BYTES = 128 * 1024 * 1024  # of the bodies that wait for it
_RAW = msgspec.json.Decoder(msgspec.Raw)
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where the records of one body are: rows [start, stop) of a part."""

    part: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class _Waiting:
    pieces: list[tuple[bytes, int]]
    size: int
    tag: str
    future: asyncio.Future[Receipt]


class HttpSource:
    """One source of kind `http`: takes bodies, gives them back to be landed.

    Args:
        domain: name of its domain.
        name: name of the source.
        folder: of its spool.
        limit: most bytes that may wait to be landed.
    """

    def __init__(self, domain: str, name: str, folder: Path, *, limit: int) -> None:
        self.domain, self.name = domain, name
        self.spool = Spool(folder, limit=limit)
        self.incarnation = self.spool.incarnation
        self.form: Form = "lines"
        self._waiting: list[_Waiting] = []
        self._queued = 0  # bytes in `_waiting`
        self._writing = False
        self._task: asyncio.Task[None] | None = None  # held, or it could be collected
        # Its own thread: an fsync must not stand in line behind slow queries of pages.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix=f"spool-{name}")

    async def accept(self, records: bytes, rows: int, tag: str = "") -> Receipt:
        """Put records on disk, together with those of other requests that wait.

        Args:
            records: lines, each ending in a newline.
            rows: how many.
            tag: names them in the spool, without white space; see `Spool.tagged`.

        Raises:
            SpoolFullError: nothing was taken; the sender should try again later.
        """
        if self._queued + len(records) > _QUEUE_BYTES:
            raise SpoolFullError(
                f"{self._queued:,} bytes wait to be written",
                where=f"{self.domain}/{self.name}",
                next_step="send again after the time in Retry-After",
            )
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(split_rows(records, rows), len(records), tag, future))
        self._queued += len(records)
        if not self._writing:
            self._writing = True
            self._task = asyncio.create_task(self._write())
        return await future

    async def _write(self) -> None:
        """One fsync for everything that waits; then again while more has come."""
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                group = self._next_group()
                pieces = [piece for one in group for piece in one.pieces]
                tags = [one.tag for one in group for _ in one.pieces]
                write = partial(self.spool.append, pieces, tags)
                try:
                    frames = await loop.run_in_executor(self._writer, write)
                except (PenstockError, OSError, MemoryError) as error:
                    for one in group:
                        if not one.future.done():
                            one.future.set_exception(error)
                    continue
                for one in group:
                    own, frames = frames[: len(one.pieces)], frames[len(one.pieces) :]
                    if not one.future.done():
                        one.future.set_result(Receipt(own[0].segment, own[0].start, own[-1].stop))
        finally:
            self._writing = False

    def _next_group(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        size = 0
        while self._waiting and (not group or size + self._waiting[0].size <= _FSYNC_BYTES):
            size += self._waiting[0].size
            group.append(self._waiting.pop(0))
        self._queued -= size
        return group

    def resume(self, positions: dict[int, int]) -> None:
        """Start from the ledger's positions."""
        self.spool.resume(positions)

    def cut(self, *, rows: int, size: int, age: float) -> list[Frame]:
        """The next batch, if there is one: full, or with a record older than `age` seconds."""
        frames = self.spool.next_frames(rows=rows, size=size)
        if not frames:
            return []
        full = sum(f.rows for f in frames) >= rows // 2 or sum(f.size for f in frames) >= size // 2
        waited = time.time() - frames[0].received_ms / 1000
        # A record of the future means that the clock was set back: it has waited long enough.
        return frames if full or not 0 <= waited < age else []

    def read(self, part: int, start: int, stop: int) -> tuple[bytes, list[Frame]]:
        """Records again, for as long as the spool keeps them."""
        return self.spool.read(part, start, stop)

    def landed(self, part: int, stop: int) -> None:
        """Note what is landed."""
        self.spool.landed(part, stop)

    def counts(self) -> tuple[int, int]:
        """Records acknowledged since the start, and those that wait."""
        return self.spool.counts()

    def parts(self) -> list[Part]:
        """How far the segments are that are being landed and written."""
        return self.spool.parts()

    def forget(self, *, older_ms: int) -> None:
        """Delete segments that were landed before a time."""
        self.spool.forget(older_ms=older_ms)

    def close(self) -> None:
        """Close the spool."""
        self._writer.shutdown()
        self.spool.close()


def records_of(body: bytes, content_type: str) -> tuple[bytes, int]:
    """A body as one record a line.

    Args:
        body: decompressed.
        content_type: of the request, parameters included.

    Returns:
        Records, each ending in a newline, and their number.

    Raises:
        BadInputError: 415 for a type that is not JSON, 400 for a body that is no record at all,
            413 for one with too many.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind in _LINE_TYPES:
        return _lines(body)
    if kind not in _JSON_TYPES:
        raise BadInputError(
            415,
            "Unsupported media type",
            f"{kind} is not taken here",
            next_step="send application/json or application/x-ndjson; CSV by `penstock ingest`",
        )
    stripped = body.strip(b" \t\r\n")
    if stripped[:1] == b"[":
        return _array(stripped)
    if b"\n" not in stripped:
        _check_document(stripped)
        return stripped + b"\n", 1
    return _document_or_lines(stripped)


def split_rows(records: bytes, rows: int) -> list[tuple[bytes, int]]:
    """Records in pieces of at most as many rows as one frame may hold."""
    if rows <= FRAME_ROWS:
        return [(records, rows)]
    lines = records.split(b"\n")[:-1]  # not `splitlines`: a record may hold a carriage return
    starts = range(0, rows, FRAME_ROWS)
    pieces = [lines[start : start + FRAME_ROWS] for start in starts]
    return [(b"\n".join([*piece, b""]), len(piece)) for piece in pieces]


def rest_of(records: bytes, done: int) -> bytes:
    """The records after the first `done`."""
    at = 0
    for _ in range(done):
        at = records.index(b"\n", at) + 1
    return records[at:]


def opened(body: bytes, encoding: str, limit: int) -> bytes:
    """A compressed body's content.

    Raises:
        BadInputError: 413 where it would be over the limit, 400 where it is not whole.
    """
    try:
        content = inflate(body, encoding, limit)
    except ValueError as error:
        raise BadInputError(
            400, f"Bad {encoding}", str(error), next_step="compress it again and send it whole"
        ) from error
    if len(content) > limit:
        raise too_large(limit)
    return content


def too_large(limit: int) -> BadInputError:
    """The error of a body over the limit."""
    return BadInputError(
        413,
        "Body too large",
        f"a body may have {limit:,} bytes after decompression",
        next_step="send it in several requests",
    )


def _lines(body: bytes) -> tuple[bytes, int]:
    if not body.endswith(b"\n"):
        body += b"\n"
    if body.count(b"\n") > 2 * _MOST_RECORDS:  # looked at before anything is done a line
        raise _too_many()
    if _BLANK.search(body) is not None:
        body = _BLANK.sub(b"", body)
    rows = body.count(b"\n")
    _check_record_count(rows)
    return body, rows


def _array(body: bytes) -> tuple[bytes, int]:
    if body.count(b",") > _MOST_VALUES:
        raise _too_many()
    try:
        values = _RAWS.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _not_json(error) from error
    _check_record_count(len(values))
    return b"".join(_one_line(bytes(value)) for value in values), len(values)


def _document_or_lines(body: bytes) -> tuple[bytes, int]:
    """One document over several lines, or one record a line where some may be broken."""
    try:
        _RAW.decode(body)
    except (msgspec.DecodeError, RecursionError):
        # Not one document, so lines: a broken one becomes a dead letter, the others are stored.
        return _lines(body)
    return _one_line(body), 1


def _check_document(body: bytes) -> None:
    _check_record_count(1 if body else 0)
    try:
        _RAW.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _not_json(error) from error


def _check_record_count(rows: int) -> None:
    if rows == 0:
        raise BadInputError(
            400, "No records", "the body holds no record", next_step="send one JSON object a line"
        )
    if rows > _MOST_RECORDS:
        raise _too_many()


def _too_many() -> BadInputError:
    return BadInputError(
        413,
        "Too many records",
        f"a body may hold {_MOST_RECORDS:,} records",
        next_step="send it in several requests",
    )


def _one_line(document: bytes) -> bytes:
    # A raw newline cannot be inside a JSON string, so it is white space here.
    return document.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n"


def _not_json(error: Exception) -> BadInputError:
    return BadInputError(
        400,
        "Not JSON",
        f"the body is not JSON: {error}",
        next_step="send one object, an array of objects, or one object a line",
    )
