"""Files become records, one a line, read and written by a throw-away engine.

NDJSON goes on as it is, so that a bad line becomes a dead letter like any other. Whatever else a
file may be is read into one JSON object a row.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.engine.scratch import Scratch
from penstock.errors import BadInputError, EngineError, UsageError
from penstock.layers.statements import fill
from penstock.project.lexer import literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
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
_LINES = "LineAsString"
_SHIFT = "{shift_ms:Int64}"
_AT_ROW = re.compile(r"\(at row (\d+)\)")
_ASIDE = re.compile(r"\s*(?:\n|\(at row|\(in file|: While ).*", re.DOTALL)
_INNER = re.compile(r"Code: \d+\.\s*DB::Exception: (.*?)(?:\s*\([A-Z_]+\))?(?:\n|$)")


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

    @property
    def shifts(self) -> bool:
        """Whether its SELECT can move the times of the records."""
        return _SHIFT in self.select

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
    """A file's records in pieces of a few megabytes, of which one is in memory at a time.

    The file is read twice: once to the end, so that nothing is sent of one that cannot be read.

    Args:
        path: of the file.
        form: how it is read.
        to_now: move all times by one offset, so that the last becomes now; only where `form`
            shifts them.

    Yields:
        Records, one a line, and their number.

    Raises:
        BadInputError: the file cannot be read as that format.
    """
    if not path.is_file():
        raise BadInputError(400, "No file", f"there is no file {path}", next_step="check the path")
    if not path.stat().st_size:
        raise BadInputError(400, "Empty file", f"{path} is empty", next_step="check the path")
    lines = form.name == "JSONEachRow" and not form.select and _has_records_as_lines(path)
    form = FileFormat(_LINES, {}, "") if lines else form
    with Scratch(access=(path,)) as scratch:
        try:
            select = _select(scratch, path, form, to_now=to_now)
            scratch.execute(select)
        except EngineError as error:
            raise _unreadable(path, form, error) from error
        yield from _pieces(scratch.stream(select, "TSVRaw" if lines else "JSONEachRow"))


def convert(scratch: Scratch, path: Path, form: FileFormat) -> bytes:
    """A file's records, one a line.

    Args:
        scratch: may read the file; must have no table `input` in its current database.
        path: of the file.
        form: how it is read.

    Raises:
        EngineError: the file cannot be read as that format.
    """
    return scratch.bytes(_select(scratch, path, form), "JSONEachRow")


def _has_records_as_lines(path: Path) -> bool:
    """Whether a file of JSON is one record a line: its name says so, or its first line."""
    suffixes = [s.lower() for s in path.suffixes]
    if not suffixes or suffixes[-1] != ".json":
        return ".json" not in suffixes
    with path.open("rb") as file:
        first = next((line for line in file if line.strip()), b"")
    try:
        return isinstance(json.loads(first), dict)
    except ValueError:
        return False


def _select(scratch: Scratch, path: Path, form: FileFormat, *, to_now: bool = False) -> str:
    """The SELECT over `input` that gives the records, with the offset of their times filled in."""
    scratch.execute(_input(path, form))
    select, shift = form.select or "SELECT * FROM input", 0
    if to_now and form.shifts:
        last = scratch.rows(fill("newest_record", select=select.replace(_SHIFT, "toInt64(0)")))
        shift = int(time.time() * 1000) - int(last[0]["last_ms"])
    return select.replace(_SHIFT, f"toInt64({shift})")


def _unreadable(path: Path, form: FileFormat, error: EngineError) -> BadInputError:
    """The engine's complaint about a file, cut to its cause, with the row where it names one."""
    inner, row = _INNER.search(error.what), _AT_ROW.search(error.what)
    cause = _ASIDE.sub("", inner[1] if inner else error.what).strip(" .:")[:300]
    at = f", near row {row[1]}," if row else ""
    name = "NDJSON" if form.name == _LINES else form.name
    hint = "mend the file"
    if name.startswith(("CSV", "TSV")) and not form.select:
        hint += "; a delimiter or layout of its own is said in a source of kind file"
    return BadInputError(
        400,
        "Bad file",
        f"{path.name}{at} cannot be read as {name}, so nothing of it was sent: {cause}",
        next_step=hint,
    )


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


def _pieces(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    """Chunks of whole lines cut into pieces for one request each, with their number of lines."""
    for chunk in chunks:
        start = 0
        while start < len(chunk):
            end = chunk.find(b"\n", min(start + _PIECE, len(chunk) - 1)) + 1 or len(chunk)
            piece = chunk[start:end]
            yield piece, piece.count(b"\n")
            start = end
