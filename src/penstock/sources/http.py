"""The HTTP source: request bodies become records on disk before they are acknowledged.

Bodies go through as bytes. Only what is not one record a line already (a JSON array, a document
over several lines) is taken apart, by a parser that copies values without decoding them.
"""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from penstock.errors import BadInputError, PenstockError
from penstock.inflate import inflate
from penstock.sources.spool import Spool, check_record_count

if TYPE_CHECKING:
    from pathlib import Path

    from penstock.sources.replayable import Frame

_BLANK = re.compile(rb"^[ \t\r]*\n", re.MULTILINE)
_JSON_TYPES = {"", "application/json", "text/json", "application/x-www-form-urlencoded"}
_LINE_TYPES = {"application/x-ndjson", "application/jsonl", "application/ndjson", "text/plain"}
_FRAME_ROWS = 200_000  # a frame is landed whole, so it must fit a batch
_RAW = msgspec.json.Decoder(msgspec.Raw)
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where the records of one body are: rows [start, stop) of a part."""

    part: int
    start: int
    stop: int


class _Waiting(NamedTuple):
    records: bytes
    rows: int
    tag: str
    future: asyncio.Future[Frame]


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
        self._waiting: list[_Waiting] = []
        self._writing = False
        self._task: asyncio.Task[None] | None = None  # held, or it could be collected

    async def accept(self, records: bytes, rows: int, tag: str = "") -> Receipt:
        """Put records on disk, together with those of other requests that wait.

        Args:
            records: lines, each ending in a newline.
            rows: how many.
            tag: names them in the spool, without white space; see `Spool.tagged`.

        Raises:
            SpoolFullError: nothing was taken; the sender should try again later.
        """
        future: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(records, rows, tag, future))
        if not self._writing:
            self._writing = True
            self._task = asyncio.create_task(self._write())
        frame = await future
        return Receipt(frame.segment, frame.start, frame.stop)

    async def _write(self) -> None:
        """One fsync for everything that waits; then again while more has come."""
        try:
            while self._waiting:
                group: list[_Waiting] = []
                rows = 0
                while self._waiting and (not group or rows + self._waiting[0].rows <= _FRAME_ROWS):
                    rows += self._waiting[0].rows
                    group.append(self._waiting.pop(0))
                bodies = [(one.records, one.rows) for one in group]
                tags = [one.tag for one in group]
                try:
                    frames = await asyncio.to_thread(self.spool.append, bodies, tags)
                except (PenstockError, OSError) as error:
                    for one in group:
                        if not one.future.cancelled():
                            one.future.set_exception(error)
                    continue
                for one, frame in zip(group, frames, strict=True):
                    if not one.future.cancelled():
                        one.future.set_result(frame)
        finally:
            self._writing = False

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
        return frames if full or waited >= age else []

    def read(self, part: int, start: int, stop: int) -> tuple[bytes, list[Frame]]:
        """Records again, for as long as the spool keeps them."""
        return self.spool.read(part, start, stop)

    def landed(self, part: int, stop: int) -> None:
        """Note what is landed."""
        self.spool.landed(part, stop)

    def close(self) -> None:
        """Close the spool."""
        self.spool.close()


def records_of(body: bytes, content_type: str) -> tuple[bytes, int]:
    """A body as one record a line.

    Args:
        body: decompressed.
        content_type: of the request, parameters included.

    Returns:
        Records, each ending in a newline, and their number.

    Raises:
        BadInputError: 415 for a type that is not JSON, 400 for a body that is no record at all.
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
    if rows <= _FRAME_ROWS:
        return [(records, rows)]
    lines = records.split(b"\n")[:-1]  # not `splitlines`: a record may hold a carriage return
    starts = range(0, rows, _FRAME_ROWS)
    pieces = [lines[start : start + _FRAME_ROWS] for start in starts]
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
    if b"\n\n" in body or b"\r" in body or body[:1] in b" \t\n":
        body = _BLANK.sub(b"", body)
    rows = body.count(b"\n")
    check_record_count(rows)
    return body, rows


def _array(body: bytes) -> tuple[bytes, int]:
    try:
        values = _RAWS.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _not_json(error) from error
    check_record_count(len(values))
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
    check_record_count(1 if body else 0)
    try:
        _RAW.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _not_json(error) from error


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
