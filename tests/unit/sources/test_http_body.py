"""Bodies of requests become records, one a line: what is counted, what is refused, and how."""

from __future__ import annotations

import contextlib
import gzip
import json
import math
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import BadInputError
from penstock.sources.http import opened, records_of, split_rows, too_large

if TYPE_CHECKING:
    from collections.abc import Callable

JSON, LINES = "application/json", "application/x-ndjson"
BOM = b"\xef\xbb\xbf"
FINITE = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | FINITE | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(max_size=8), VALUES, max_size=4)


def lines(body: bytes, kind: str) -> list[bytes]:
    """The records of a body, after looking at what every answer must hold."""
    records, rows = records_of(body, kind)
    assert rows > 0
    assert records.endswith(b"\n")
    found = records.split(b"\n")[:-1]
    assert len(found) == rows
    return found


def refused(body: bytes, kind: str) -> BadInputError:
    with pytest.raises(BadInputError) as caught:
        records_of(body, kind)
    assert caught.value.title
    assert caught.value.next_step
    return caught.value


# Objects and arrays


@settings(max_examples=50, deadline=None)
@given(value=OBJECTS, indent=st.sampled_from([None, 0, 2, "\t"]), crlf=st.booleans())
def test_one_object_is_one_record_however_it_is_written(
    value: dict[str, object], indent: int | str | None, crlf: bool
) -> None:
    body = json.dumps(value, indent=indent, ensure_ascii=False).encode()
    if crlf and indent is not None:
        body = body.replace(b"\n", b"\r\n")
    (record,) = lines(body, JSON)
    assert json.loads(record) == value
    assert b"\r" not in record


@settings(max_examples=50, deadline=None)
@given(
    values=st.lists(VALUES, min_size=1, max_size=8),
    indent=st.sampled_from([None, 2]),
    around=st.sampled_from([b"", b" ", b"\r\n\t "]),
)
def test_an_array_is_its_elements(values: list[object], indent: int | None, around: bytes) -> None:
    body = around + json.dumps(values, indent=indent).encode() + around
    assert [json.loads(line) for line in lines(body, JSON)] == values


def test_arrays_in_an_array_are_records_of_their_own() -> None:
    """They are no objects: bronze says so, with a reason, and the others are stored."""
    assert lines(b'[[1,[2]], {"a":[3,[4]]}, []]', JSON) == [b"[1,[2]]", b'{"a":[3,[4]]}', b"[]"]


def test_numbers_and_texts_are_not_touched() -> None:
    """A value is copied, never read and written again: 1.50 stays 1.50, 20 digits stay 20."""
    values = (b"1.50", b"12345678901234567890", b"1e-7", rb'"\u00e9\n"', b'{"b":1,"a":1,"b":2}')
    for value in values:
        assert lines(b'[%s,{"x":%s}]' % (value, value), JSON) == [value, b'{"x":%s}' % value]


@pytest.mark.parametrize("body", [b"", b" \r\n\t", b"[]", b" [ \n ] "])
def test_no_record_is_no_body(body: bytes) -> None:
    assert refused(body, JSON).what == "the body holds no record"
    assert refused(body, JSON).status == 400


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"a":1',
        b'{"a":1}}',
        b'{"a":1}{"b":2}',
        b'{"a":1} {"b":2}',
        b'{"a":1,}',
        b"{a:1}",
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":01}',
        b'{"a":"\n',
        b"[1,2",
        b"[1,,2]",
        b"[1] [2]",
        b"[1]\n[2]",
        b"hello",
        b"a=1&b=2",
        BOM + b'{"a":1}',
        BOM,
        b"\0",
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_no_json_is_refused_whole(body: bytes) -> None:
    error = refused(body, JSON)
    assert (error.status, error.title) == (400, "Not JSON")
    assert "the body is not JSON" in error.what


# Lines


@settings(max_examples=50, deadline=None)
@given(
    values=st.lists(OBJECTS, min_size=1, max_size=8),
    end=st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\n \r\n", b"\n\n\t\n"]),
    last=st.booleans(),
    kind=st.sampled_from([LINES, "application/jsonl", "text/plain", LINES + "; charset=utf-8"]),
)
def test_lines_are_records(
    values: list[dict[str, object]], end: bytes, last: bool, kind: str
) -> None:
    """With either line end, with or without one at the end, with lines that hold nothing."""
    body = end.join(json.dumps(value).encode() for value in values) + (end if last else b"")
    assert [json.loads(line) for line in lines(body, kind)] == values


def test_a_broken_line_is_a_record_too() -> None:
    """It will be a dead letter; a whole body is not refused for one line."""
    body = b'{"a":1}\n{"a":\n\xff\xfe\n\x00\n{"a":2}'
    for kind in (LINES, JSON, ""):
        assert lines(body, kind) == body.split(b"\n")


def test_a_byte_order_mark_stays_where_lines_are_asked_for() -> None:
    """Bronze reads past it; the record is kept as received."""
    assert lines(BOM + b'{"a":1}\n{"a":2}', LINES) == [BOM + b'{"a":1}', b'{"a":2}']


def test_carriage_returns_inside_a_line_are_kept() -> None:
    assert lines(b'{"a":\r1}\n{"b":2}', LINES) == [b'{"a":\r1}', b'{"b":2}']


BLANK = [b" ", b"\t", b"   ", b" \t "]


@pytest.mark.parametrize("blank", BLANK)
def test_a_blank_line_at_the_start_is_no_record(blank: bytes) -> None:
    assert lines(blank + b'\n{"a":1}\n', LINES) == [b'{"a":1}']
    assert refused(blank + b"\n" + blank, LINES).what == "the body holds no record"


@pytest.mark.parametrize("blank", BLANK)
@pytest.mark.parametrize("body", [b'{"a":1}\n%s\n{"b":2}\n', b'{"a":1}\n{"b":2}\n%s'])
def test_a_blank_line_later_is_no_record_either(body: bytes, blank: bytes) -> None:
    assert lines(body % blank, LINES) == [b'{"a":1}', b'{"b":2}']


# Types


@pytest.mark.parametrize(
    "kind",
    ["", JSON, "Application/JSON", "application/json; charset=utf-8", " application/json ;x",
     "text/json", "application/x-www-form-urlencoded"],
)  # fmt: skip
def test_types_of_one_document(kind: str) -> None:
    assert lines(b'{\n"a": 1\n}', kind) == [b'{ "a": 1 }']


@pytest.mark.parametrize("kind", ["text/csv", "text/html", "application/xml", "image/png", "json"])
def test_other_types_are_refused(kind: str) -> None:
    error = refused(b'{"a":1}', kind)
    assert error.status == 415
    assert kind in error.what
    assert "application/x-ndjson" in error.next_step


@settings(deadline=None)
@given(body=st.binary(max_size=200), kind=st.sampled_from([JSON, LINES, ""]))
def test_any_bytes_are_records_or_refused(body: bytes, kind: str) -> None:
    with contextlib.suppress(BadInputError):
        lines(body, kind)


def well_formed(text: str) -> bool:
    """Whether it is a document with something in it."""
    try:
        return bool(json.loads(text) != [])
    except ValueError:
        return False


@settings(deadline=None)
@given(
    body=st.text(alphabet='{}[]",:1 \n\r\t\\a', max_size=40), kind=st.sampled_from([JSON, LINES])
)
def test_anything_that_looks_like_json_is_records_or_refused(body: str, kind: str) -> None:
    """What is taken as one document is that document; lines are what stands between line ends."""
    try:
        found = lines(body.encode(), kind)
    except BadInputError:
        assert not (body.split() if kind == LINES else well_formed(body))
        return
    if kind == LINES:
        assert b"\n".join(found).split() == body.encode().split()
        return
    try:
        value = json.loads(body)
    except ValueError:
        return  # lines, of which some are broken
    wanted = value if isinstance(value, list) else [value]
    assert [json.loads(line) for line in found] == wanted


# Many rows


@pytest.mark.parametrize("rows", [1, 200_000, 200_001, 450_000])
def test_pieces_are_small_enough_to_be_landed_whole(rows: int) -> None:
    records = b"".join(b"%d\r\n" % n for n in range(rows))
    pieces = split_rows(records, rows)
    assert len(pieces) == math.ceil(rows / 200_000)
    assert all(piece.count(b"\n") == count <= 200_000 for piece, count in pieces)
    assert b"".join(piece for piece, _ in pieces) == records


# Gzip


def members(*pieces: bytes) -> bytes:
    return b"".join(gzip.compress(piece) for piece in pieces)


def test_gzip_is_inflated_whole() -> None:
    content = b'{"a":1}\n' * 10_000
    assert opened(gzip.compress(content), "gzip", 1 << 20) == content
    assert opened(members(content, b"", content), "gzip", 1 << 20) == content * 2, (
        "a member was lost"
    )
    assert opened(gzip.compress(content) + bytes(512), "gzip", 1 << 20) == content, (
        "padded with zeros"
    )
    assert opened(b"", "gzip", 100) == b""


def test_the_limit_is_of_the_content() -> None:
    assert opened(gzip.compress(b"x" * 1000), "gzip", 1000) == b"x" * 1000
    for packed in (gzip.compress(b"x" * 1001), members(b"x" * 999, b"xx")):
        with pytest.raises(BadInputError) as caught:
            opened(packed, "gzip", 1000)
        assert caught.value.status == 413
        assert "1,000 bytes after decompression" in caught.value.what
        assert str(caught.value) == str(too_large(1000))


def test_a_bomb_costs_no_memory() -> None:
    packed = gzip.compress(bytes(100_000_000), 9)
    tracemalloc.start()
    try:
        with pytest.raises(BadInputError, match="after decompression"):
            opened(packed, "gzip", 1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def _cut(packed: bytes) -> bytes:
    return packed[:-1]


def _wrong_sum(packed: bytes) -> bytes:
    return packed[:-8] + bytes(4) + packed[-4:]


def _wrong_length(packed: bytes) -> bytes:
    return packed[:-4] + b"\xff" * 4


def _more(packed: bytes) -> bytes:
    return packed + b"junk"


def _damaged(packed: bytes) -> bytes:
    return packed[:14] + b"\xff" * 8 + packed[22:]


def _plain(_packed: bytes) -> bytes:
    return b'{"a":1}\n'


@pytest.mark.parametrize("spoil", [_cut, _wrong_sum, _wrong_length, _more, _damaged, _plain])
def test_a_gzip_that_is_none_is_refused(spoil: Callable[[bytes], bytes]) -> None:
    packed = gzip.compress(b"".join(b'{"a":%d}\n' % n for n in range(1000)))
    with pytest.raises(BadInputError) as caught:
        opened(spoil(packed), "gzip", 1 << 20)
    assert (caught.value.status, caught.value.title) == (400, "Bad gzip")
    assert caught.value.next_step


@pytest.mark.parametrize("size", range(0, 60, 7))
def test_a_gzip_cut_anywhere_is_refused(size: int) -> None:
    packed = gzip.compress(b'{"a":"%s"}\n' % bytes(range(35, 90)))
    if size == 0:
        assert opened(packed[:0], "gzip", 100) == b""  # nothing at all is an empty body
        return
    with pytest.raises(BadInputError, match=r"too early|no gzip"):
        opened(packed[:size], "gzip", 1000)
