"""Files become records: one JSON object a line, read and written by a throw-away engine."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.engine.client import literal
from penstock.engine.scratch import Scratch
from penstock.errors import BadInputError, UsageError
from penstock.layers.statements import fill

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from penstock.project.objects import Source

_PIECE = 4 * 1024 * 1024  # bytes of one request
_FORMATS = {
    ".csv": "CSVWithNames", ".tsv": "TSVWithNames", ".json": "JSONEachRow",
    ".ndjson": "JSONEachRow", ".jsonl": "JSONEachRow", ".parquet": "Parquet",
}  # fmt: skip
TEXTS = {
    "input_format_csv_use_best_effort_in_schema_inference": "0",
    "input_format_tsv_use_best_effort_in_schema_inference": "0",
    "schema_inference_make_columns_nullable": "0",
}
"""Settings under which every field of a CSV or TSV is text, as its author wrote it."""

_AS_WRITTEN = {"input_format_try_infer_dates": "0", "input_format_try_infer_datetimes": "0"}
_COMPRESSED = {".gz", ".zst", ".xz", ".bz2"}


@dataclass(frozen=True, slots=True)
class FileFormat:
    """How a file is read.

    Attributes:
        name: ClickHouse format.
        settings: of the format, such as a delimiter.
        select: a SELECT over `input` that gives the records; empty takes rows as they are.
    """

    name: str
    settings: Mapping[str, str]
    select: str

    @classmethod
    def of(cls, source: Source) -> FileFormat:
        """As a source of kind `file` says."""
        settings = source.options.get("settings")
        return cls(
            str(source.options.get("format") or "CSVWithNames"),
            {k: str(v) for k, v in settings.items()} if isinstance(settings, dict) else {},
            source.using.read_text("utf-8").rstrip().rstrip(";") if source.using else "",
        )

    @classmethod
    def guess(cls, path: Path) -> FileFormat:
        """From a file's name.

        Raises:
            UsageError: the name says nothing.
        """
        suffixes = [s.lower() for s in path.suffixes if s.lower() not in _COMPRESSED]
        if not suffixes or suffixes[-1] not in _FORMATS:
            raise UsageError(
                f"{path.name} does not say what format it has",
                next_step=f"name it {', '.join(sorted(_FORMATS))} (.gz and .zst may follow)",
            )
        return cls(_FORMATS[suffixes[-1]], {}, "")


def records(path: Path, form: FileFormat, *, to_now: bool = False) -> Iterator[tuple[bytes, int]]:
    """A file's records in pieces of a few megabytes.

    Args:
        path: of the file.
        form: how it is read.
        to_now: move all times by one offset, so that the last becomes now; only where `form`
            selects with a parameter `{shift_ms:Int64}`.

    Yields:
        Records, one a line, and their number.

    Raises:
        BadInputError: the file cannot be read as that format.
    """
    if not path.is_file():
        raise BadInputError(400, "No file", f"there is no file {path}", next_step="check the path")
    with Scratch(access=(path,)) as scratch:
        body = convert(scratch, path, form, to_now=to_now)
    yield from _pieces(body)


def convert(scratch: Scratch, path: Path, form: FileFormat, *, to_now: bool = False) -> bytes:
    """A file's records, one a line.

    Args:
        scratch: may read the file; must have no table `input` in its current database.
        path: of the file.
        form: how it is read.
        to_now: as for `records`.

    Raises:
        EngineError: the file cannot be read as that format.
    """
    scratch.execute(_input(path, form))
    select = form.select or "SELECT * FROM input"
    shift = 0
    if to_now and "{shift_ms:Int64}" in form.select:
        last = scratch.rows(
            fill("newest_record", select=select.replace("{shift_ms:Int64}", "toInt64(0)"))
        )[0]["last_ms"]
        shift = int(time.time() * 1000) - int(last)
    text = select.replace("{shift_ms:Int64}", f"toInt64({shift})")
    return scratch.bytes(text, "JSONEachRow")


def _input(path: Path, form: FileFormat) -> str:
    # With a SELECT of its own a file's fields are text, as its author wrote them.
    settings = dict(form.settings)
    if form.select:
        settings |= TEXTS
    elif form.name == "JSONEachRow":
        settings |= _AS_WRITTEN
    clause = ", ".join(f"{name} = {literal(value)}" for name, value in settings.items())
    return fill(
        "file_input",
        path=literal(str(path)),
        format=literal(form.name),
        settings=f"SETTINGS {clause}" if clause else "",
    )


def _pieces(body: bytes) -> Iterator[tuple[bytes, int]]:
    start = 0
    while start < len(body):
        end = body.find(b"\n", min(start + _PIECE, len(body) - 1)) + 1 or len(body)
        piece = body[start:end]
        yield piece, piece.count(b"\n")
        start = end
