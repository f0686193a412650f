"""Every kind of bad record is a dead letter that says why; every good one is in silver."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from penstock.engine.scratch import Scratch
from penstock.project.loader import load

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).parents[2] / "examples"
SQL = Path(__file__).parent / "sql"
TS = '"ts":"2026-11-21T14:00:00.123Z"'
MEASURES = ("temperature", "energy", "voltage", "vibration")


def record(fields: str) -> bytes:
    """A record that is good but for `fields`."""
    return f'{{"home_id":7,{TS},{fields}}}'.encode()


def home(value: str) -> bytes:
    return f'{{"home_id":{value},{TS}}}'.encode()


def at(value: str) -> bytes:
    return f'{{"home_id":7,"ts":{value}}}'.encode()


BAD: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "empty"),
    "blanks": (b" \t ", "empty"),
    "half JSON": (b'{"home_id":7,"ts":"2026-', "not_json"),
    "two records on a line": (home("7") + home("8"), "not_json"),
    "trailing comma": (b'{"home_id":7,}', "not_json"),
    "bare NaN": (record('"energy":NaN'), "not_json"),
    "beyond a double": (record('"energy":1e400'), "not_json"),
    "10,000 deep": (record('"x":' + "[" * 10_000 + "]" * 10_000), "not_json"),
    "half a surrogate pair": (record('"region":"\\ud800"'), "not_json"),
    "broken UTF-8": (b'{"home_id":7,"region":"\xff\xfe"}', "not_utf8"),
    "over 1 MiB": (record('"x":"' + "y" * 1_048_576 + '"'), "too_large: 1048628 bytes"),
    "array": (b"[7]", "not_object: Array"),
    "array in the place of the fields": (b'[7,"2026-11-21T14:00:00Z"]', "not_object: Array"),
    "number": (b"7", "not_object: Int64"),
    "null": (b"null", "not_object: Null"),
    "no home": (f"{{{TS}}}".encode(), "home_id_missing"),
    "null home": (home("null"), "home_id_missing"),
    "home with a fraction": (home("1.5"), "home_id_type: 1.5"),
    "boolean home": (home("true"), "home_id_type: true"),
    "home in words": (home('"kitchen"'), "home_id_type: kitchen"),
    "home as object": (home('{"id":7}'), 'home_id_type: {"id":7}'),
    "home above 32 bits": (home("4294967296"), "home_id_range: 4294967296"),
    "home above 64 bits": (home("18446744073709551616"), "home_id_range: 18446744073709551616"),
    "negative home": (home("-1"), "home_id_range: -1"),
    "no time": (b'{"home_id":7}', "ts_missing"),
    "30 February": (at('"2026-02-30T00:00:00Z"'), "ts_unparsable: 2026-02-30T00:00:00Z"),
    "25 o'clock": (at('"2026-11-20T25:00:00Z"'), "ts_unparsable: 2026-11-20T25:00:00Z"),
    "month 13": (at('"2026-13-01T00:00:00Z"'), "ts_unparsable: 2026-13-01T00:00:00Z"),
    "date only": (at('"2026-11-21"'), "ts_unparsable: 2026-11-21"),
    "time only": (at('"12:00"'), "ts_unparsable: 12:00"),
    "empty time": (at('""'), "ts_unparsable: "),
    "day first": (at('"16/12/2006 17:24:00"'), "ts_unparsable: 16/12/2006 17:24:00"),
    "a number that is no time": (at("12"), "ts_unparsable: 12"),
    "time as object": (at("{}"), "ts_unparsable: {}"),
    "before 30 years ago": (at('"1995-01-01T00:00:00Z"'), "ts_range: 1995-01-01T00:00:00Z"),
    "after tomorrow": (at('"2026-11-23T15:00:00Z"'), "ts_range: 2026-11-23T15:00:00Z"),
    "year 9999": (at('"9999-01-01T00:00:00Z"'), "ts_range: 9999-01-01T00:00:00Z"),
    "region as object": (record('"region":{"a":1}'), 'region_value: {"a":1}'),
    "long region": (record(f'"region":"{"x" * 65}"'), "region_value: " + "x" * 64),
}
BAD |= {
    f"{field} {word}": (record(f'"{field}":{value}'), f"{field}_value: {value.strip(chr(34))}")
    for field in MEASURES
    for word, value in {
        "in words": '"abc"',
        "NaN in quotes": '"NaN"',
        "too large for a double, in quotes": '"1e400"',
        "boolean": "true",
        "object": '{"v":1}',
        "array": "[1]",
        "empty": '""',
        "too large": "1000000",
        "too small": "-999999",
    }.items()
}
BAD["key in disguise"] = (record('"temper\\u0061ture":"abc"'), "temperature_value: abc")

GOOD: dict[str, tuple[bytes, tuple[Any, ...]]] = {
    # home_id, ts, region, temperature, energy, voltage, vibration
    "everything": (
        record(
            '"region":"north","temperature":20.55,"energy":1.15,"voltage":230.1,"vibration":0.29'
        ),
        (7, "2026-11-21 14:00:00.123", "north", "20.55", "1.15", "230.1", "0.29"),
    ),
    "nothing but home and time": (
        home("7"),
        (7, "2026-11-21 14:00:00.123", "", None, None, None, None),
    ),
    "nulls": (
        record('"region":null,"temperature":null,"energy":null,"voltage":null,"vibration":null'),
        (7, "2026-11-21 14:00:00.123", "", None, None, None, None),
    ),
    "largest": (
        record('"energy":999998.999,"temperature":-999998.99').replace(b":7,", b":4294967295,"),
        (4294967295, "2026-11-21 14:00:00.123", "", "-999998.99", "999998.999", None, None),
    ),
    "numbers in quotes": (
        record('"energy":"1.005"').replace(b":7,", b':"7",'),
        (7, "2026-11-21 14:00:00.123", "", None, "1.005", None, None),
    ),
    "more digits than are kept": (
        record('"energy":1.0004,"temperature":-0.016,"voltage":234.96,"vibration":0.0006'),
        (7, "2026-11-21 14:00:00.123", "", "-0.02", "1", "235", "0.001"),
    ),
    "of a key given twice the first": (
        record('"energy":1,"energy":"abc"'),
        (7, "2026-11-21 14:00:00.123", "", None, "1", None, None),
    ),
    "keys nobody asked for": (
        record('"model":"true","ok":false,"x":{"energy":"abc"}'),
        (7, "2026-11-21 14:00:00.123", "", None, None, None, None),
    ),
    "blanks around": (
        f' {{ "home_id" : 7 , {TS} }} '.encode(),
        (7, "2026-11-21 14:00:00.123", "", None, None, None, None),
    ),
    "byte order mark": (
        b"\xef\xbb\xbf" + home("7"),
        (7, "2026-11-21 14:00:00.123", "", None, None, None, None),
    ),
    "another zone": (
        at('"2006-12-16T17:24:00+01:00"'),
        (7, "2006-12-16 16:24:00.000", "", None, None, None, None),
    ),
    "blank for T, no zone": (
        at('"2006-12-16 17:24:00"'),
        (7, "2006-12-16 17:24:00.000", "", None, None, None, None),
    ),
    "seconds since 1970": (
        at("1700000000"),
        (7, "2023-11-14 22:13:20.000", "", None, None, None, None),
    ),
    "milliseconds since 1970": (
        at("1700000000123"),
        (7, "2023-11-14 22:13:20.123", "", None, None, None, None),
    ),
}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """All records in one insert; gives reason by position, silver's row by position, and sums."""
    file = tmp_path_factory.mktemp("raw") / "records.bin"
    raws = [raw for raw, _ in (*BAD.values(), *GOOD.values())]
    file.write_bytes(b"".join(_row_binary(position, raw) for position, raw in enumerate(raws)))
    with Scratch(access=(file,)) as engine:
        for relation in load(EXAMPLES).domain("homes").relations:
            for statement in relation.statements:
                engine.execute(statement.sql)
        engine.execute((SQL / "raw_records.sql").read_text("utf-8").format(file=file))
        yield {
            "reasons": {
                int(row["_pos"]): row["_error"]
                for row in engine.rows("SELECT _pos, _error FROM raw_sensors")
            },
            "silver": {
                int(row["_batch"]): row
                for row in engine.rows((SQL / "good_records.sql").read_text("utf-8"))
            },
            "golds": [
                int(engine.rows(f"SELECT sum({column}) AS n FROM {gold}")[0]["n"])
                for gold, column in (
                    ("hourly_stats", "readings"),
                    ("home_latest", "readings"),
                    ("city_minute", "rows"),
                    ("home_hours", "readings"),
                    ("home_baseline", "readings"),
                )
            ],
        }


def _row_binary(position: int, raw: bytes) -> bytes:
    length, size = len(raw), b""
    while length >= 0x80:
        size += bytes([length & 0x7F | 0x80])
        length >>= 7
    return position.to_bytes(8, "little") + size + bytes([length]) + raw


@pytest.mark.parametrize(("position", "kind"), list(enumerate(BAD)), ids=list(BAD))
def test_bad_record_says_why(stored: dict[str, Any], position: int, kind: str) -> None:
    assert stored["reasons"][position] == BAD[kind][1]
    assert position not in stored["silver"]


@pytest.mark.parametrize(
    ("position", "kind"), list(enumerate(GOOD, start=len(BAD))), ids=list(GOOD)
)
def test_good_record_is_in_silver(stored: dict[str, Any], position: int, kind: str) -> None:
    assert stored["reasons"][position] == ""
    row = stored["silver"][position]
    fields = ("home_id", "ts", "region", *MEASURES)
    assert tuple(row[field] for field in fields) == GOOD[kind][1]


def test_nothing_else_is_anywhere(stored: dict[str, Any]) -> None:
    assert len(stored["reasons"]) == len(BAD) + len(GOOD)
    assert len(stored["silver"]) == len(GOOD)
    assert stored["golds"] == [len(GOOD)] * 5
