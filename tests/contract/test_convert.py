"""Files become records: streamed in pieces, NDJSON as it is, others whole or not at all."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

from penstock.errors import BadInputError
from penstock.layers.convert import FileFormat, records

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path) -> list[tuple[bytes, int]]:
    return list(records(path, FileFormat.guess(path)))


def test_a_large_file_comes_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n" + "".join(f"{i},{'x' * 80}\n" for i in range(100_000)))
    pieces = read(path)
    assert len(pieces) > 2
    assert max(len(body) for body, _ in pieces) < 5 * 1024 * 1024
    rows = [json.loads(line) for body, _ in pieces for line in body.splitlines()]
    assert [row["a"] for row in rows] == list(range(100_000))
    assert sum(n for _, n in pieces) == 100_000


def test_nothing_is_given_of_a_file_whose_last_row_is_bad(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n" + "1,2\n" * 100_000 + "one,2\n")
    with pytest.raises(BadInputError, match=r"near row 10000., cannot be read as CSVWithNames"):
        next(records(path, FileFormat.guess(path)))


@pytest.mark.parametrize("name", ["rows.ndjson", "rows.jsonl", "rows.json", "rows.ndjson.gz"])
def test_ndjson_goes_on_as_it_is(tmp_path: Path, name: str) -> None:
    text = b'{"a": 1.50}\nnot json \xff\\n\t\r\n{"a": {"b": 2}}'
    path = tmp_path / name
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    assert read(path) == [(text + b"\n", 3)]


@pytest.mark.parametrize("text", ['[{"a":1},{"a":2}]', '{\n"a":1\n}\n{"a":2}'])
def test_json_over_lines_is_read_by_the_engine(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rows.json"
    path.write_text(text)
    assert read(path) == [(b'{"a":1}\n{"a":2}\n', 2)]
