"""What a test gives, as the lines that a source would land."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.errors import UsageError
from penstock.layers.convert import FileFormat, convert

if TYPE_CHECKING:
    from penstock.engine.scratch import Scratch
    from penstock.project.objects import Source

Records = Iterable[Mapping[str, object]] | str | bytes | Path
"""Records as mappings; as text, one JSON document a line; or as a file."""

FILES = "_files"
"""A database of its own for `input`, the rows of a file."""

_LINES = {".ndjson", ".jsonl"}  # records as they are sent, broken ones among them
_BLANK = b" \t\r\n"


def lines(
    engine: Scratch, folder: Path, source: Source | None, records: Records
) -> tuple[bytes, int]:
    """Records as one a line, blank lines left out, and their number.

    Args:
        engine: stands in another database afterwards.
        folder: where files can be put for the engine to read.
        source: a source of kind `file` converts its file, or the text of one.
        records: what is given.

    Raises:
        UsageError: a source of kind `file` is given mappings, or a file whose name says nothing.
        EngineError: the file cannot be read.
    """
    from penstock.sources.http import records_of  # noqa: PLC0415 - asyncio and more

    if isinstance(records, str):
        records = records.encode()
    if source is not None and source.kind == "file":
        path = records if isinstance(records, Path) else _written(folder, records)
        body = _converted(engine, folder, path, FileFormat.of(source))
    elif isinstance(records, bytes):
        body = records
    elif not isinstance(records, Path):
        body = b"".join(map(_line, records))
    elif _LINES & set(records.suffixes):
        body = records.read_bytes()
        body = gzip.decompress(body) if records.suffix == ".gz" else body
    else:
        body = _converted(engine, folder, records, FileFormat.guess(records))
    return records_of(body, "application/x-ndjson") if body.strip(_BLANK) else (b"", 0)


def _written(folder: Path, records: bytes | Iterable[Mapping[str, object]]) -> Path:
    if not isinstance(records, bytes):
        raise UsageError(
            "a source of kind file is given its file, or the file's text",
            next_step="write the lines as they stand in the file, with its head",
        )
    path = folder / "rows"
    path.write_bytes(records)
    return path


def _converted(engine: Scratch, folder: Path, path: Path, form: FileFormat) -> bytes:
    engine.execute(f"USE {FILES}")
    if not any(root in path.resolve().parents for root in engine.access):
        path = Path(shutil.copy(path, folder))
    try:
        return convert(engine, path, form)
    finally:
        engine.execute("DROP TABLE IF EXISTS input")


def _line(record: Mapping[str, object]) -> bytes:
    """A record as JSON, its numbers as they are written."""
    import msgspec  # noqa: PLC0415 - only where records are mappings

    return msgspec.json.Encoder(decimal_format="number").encode(record) + b"\n"
