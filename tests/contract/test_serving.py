"""Endpoints over HTTP: formats, parameters, and the cache as it shows outside."""

from __future__ import annotations

import csv
import io
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from pyarrow import parquet
from tests.contract.asking import Rows, assert_problem, get, insert, rows
from tests.contract.conftest import Up, reading

if TYPE_CHECKING:
    from collections.abc import Callable

MEDIA = {
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "columns": "application/json",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.file",
}


# Formats


def _columns(document: dict[str, list[Any]]) -> Rows:
    return [dict(zip(document, line, strict=True)) for line in zip(*document.values(), strict=True)]


def _arrow(body: bytes) -> Rows:
    found: Rows = pa.ipc.open_file(pa.BufferReader(body)).read_all().to_pylist()
    return found


def _parquet(body: bytes) -> Rows:
    found: Rows = parquet.read_table(pa.BufferReader(body)).to_pylist()
    return found


DECODE: dict[str, Callable[[bytes], Rows]] = {
    "json": lambda body: list(json.loads(body)["data"]),
    "ndjson": lambda body: [json.loads(line) for line in body.splitlines()],
    "csv": lambda body: list(csv.DictReader(io.StringIO(body.decode(), newline=""))),
    "columns": lambda body: _columns(json.loads(body)),
    "parquet": _parquet,
    "arrow": _arrow,
}


def as_text(value: object) -> str:
    """A value in the one spelling in which all formats can be compared."""
    match value:
        case bytes():
            return value.decode()
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S")
        case date():
            return value.isoformat()
        case list():
            return json.dumps(value, separators=(",", ":"))
        case float():
            return f"{value:g}"
    return str(value)


def test_every_format_says_the_same(platform: Up) -> None:
    for region in ("north", "", 'say "so", \\ \n \u2603'):
        insert(platform, region=region)
    plain = [{k: as_text(v) for k, v in row.items()} for row in rows(platform, "readings_sent")]
    assert len(plain) >= 3
    for suffix, decode in DECODE.items():
        answer = get(platform, f"readings_sent.{suffix}")
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == MEDIA[suffix]
        found = [{k: as_text(v) for k, v in row.items()} for row in decode(answer.content)]
        assert found == plain, suffix


AWKWARD = "a,b;\"c\"\n'd'\t\\e\r\n\u2603 \U0001f600 </script>"


def test_every_format_keeps_every_type(platform: Up) -> None:
    asked = {"must": AWKWARD, "s": "=1+1", "n": "4294967295", "f": "-0.25", "d": "1999-12-31",
             "t": "2030-06-07 08:09:10", "a": "[0,255]"}  # fmt: skip
    for suffix, decode in DECODE.items():
        (row,) = decode(get(platform, f"echo.{suffix}", **asked).content)
        if suffix == "arrow":  # in which the engine writes a DateTime as seconds
            row["t"] = datetime.fromtimestamp(row["t"], UTC)
        if suffix == "columns":  # for pages, which are to know the zone
            row["t"] = datetime.fromisoformat(row["t"])
        assert {name: as_text(row[name]) for name in asked} == asked, suffix


def test_an_answer_without_rows_is_one_in_every_format(platform: Up) -> None:
    for suffix, decode in DECODE.items():
        answer = get(platform, f"home_series.{suffix}", home_id="4000000000")
        assert answer.status_code == 200
        assert decode(answer.content) == [], suffix


def test_the_domain_may_be_left_out(platform: Up) -> None:
    short = platform.http.get("/v1/endpoints/readings_sent.ndjson")
    assert short.content == get(platform, "readings_sent.ndjson").content


# What is not there


@pytest.mark.parametrize(
    ("path", "status", "code", "word"),
    [
        ("homes/readings_sent.xml", 404, "not_found", "'xml'"),
        ("homes/readings_sent.JSON", 404, "not_found", "'JSON'"),
        ("homes/readings_sent", 404, "not_found", "format"),
        ("homes/readings_sent.", 404, "not_found", "format"),
        ("homes/reading_sent.json", 404, "not_found", "'reading_sent'"),
        ("homes/.json", 404, "not_found", "''"),
        ("home/readings_sent.json", 404, "not_found", "'home'"),
        ("nothing.json", 404, "not_found", "'nothing'"),
        ("homes/readings_sent.json/", 404, "not_found", ""),
        ("", 404, "not_found", ""),
        ("homes/readings.json", 404, "not_found", "'readings'"),  # a table is no endpoint
        ("homes/readings_sent.json?colour=red", 400, "unknown_parameter", "'colour'"),
        ("homes/echo.json?must=x&N=1", 400, "unknown_parameter", "'N'"),
        ("homes/echo.json", 400, "missing_parameter", "must"),
        ("homes/echo.json?n=1", 400, "missing_parameter", "must"),
    ],
)
def test_what_is_not_there_is_told_with_a_next_step(
    platform: Up, path: str, status: int, code: str, word: str
) -> None:
    assert_problem(platform.http.get(f"/v1/endpoints/{path}"), status, code, word)


@pytest.mark.parametrize(
    "name", ["query", "database", "user", "password", "param_n", "default_format", "session_id",
             "max_execution_time", "readonly"],
)  # fmt: skip
def test_words_of_the_engine_are_no_parameters(platform: Up, name: str) -> None:
    answer = platform.http.get("/v1/endpoints/homes/echo.json", params={"must": "x", name: "1"})
    assert_problem(answer, 400, "unknown_parameter", repr(name))


def test_a_near_name_is_offered(platform: Up) -> None:
    assert "'readings_sent'" in get(platform, "reading_sent.json").json()["next"]


# Parameters

TEXTS = {
    "plain": "north",
    "empty": "",
    "spaces": "  both ends  ",
    "quotes": "'\"`''\"\"",
    "backslashes": "\\ \\\\ \\n \\t \\' \\0 \\x41",
    "ends in a backslash": "a\\",
    "the engine's null": "\\N",
    "null": "NULL",
    "tab and line ends": "a\tb\nc\r\nd\re",
    "control characters": "\x01\x07\x08\x0b\x0c\x1b\x7f",
    "braces": "{must:String} {n:UInt32} ${x} {{",
    "a comment": "/* x */ -- y\n# z",
    "percent": "100 % %00 %27 +",
    "query string": "a=b&must=c;d",
    "not ASCII": "gr\u00fc\u00df \u2603 \U0001f600 \u0430\u0301",
    "right to left": "\u202e\u05d0",
    "byte order mark": "\ufeffx\u2028y\u0085",
    "long": "x" * 1900,  # twice in one request
    "statement": "'; DROP TABLE homes.readings; --",
    "union": "' UNION ALL SELECT name FROM system.tables --",
    "always": "' OR 1=1 OR ''='",
    "a function": "file('/etc/passwd')",
    "a type": "x:String} , {y:String",
    "a format": "x FORMAT Null",
    "a setting": "x' SETTINGS max_threads=1 --",
    "a template": "${7*7} {{7*7}} %{7*7}",
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_stays_the_text_it_is(platform: Up, name: str) -> None:
    (row,) = rows(platform, "echo", must=TEXTS[name], s=TEXTS[name])
    assert (row["must"], row["s"]) == (TEXTS[name], TEXTS[name])


def test_a_nul_byte_is_kept_or_refused(platform: Up) -> None:
    """Never the text up to it: that would be another value than was asked for."""
    answer = get(platform, "echo.ndjson", must="a\0b", s="'")
    if answer.status_code == 200:
        assert answer.json()["must"] == "a\0b"
    else:
        assert answer.status_code == 400


def test_a_long_text_stays_the_text_it_is(platform: Up) -> None:
    (row,) = rows(platform, "echo", must="x" * 5000)
    assert row["must"] == "x" * 5000


UUID = "61f0c404-5cb3-11e7-907b-a6006ad3dba0"


def test_kinds_that_are_rarer(platform: Up) -> None:
    (row,) = rows(platform, "kinds", u=UUID, o="", b="0", dec="-1.001", t="1999-12-31 23:59:59.999")
    assert (row["u"], row["o"], row["b"], as_text(row["dec"])) == (UUID, "", False, "-1.001")
    assert (int(row["i"]), row["l"], row["t"]) == (-(2**63), [], "1999-12-31 23:59:59.999")


@pytest.mark.parametrize(
    ("listed", "texts"),
    [
        ("['north']", ["north"]),
        (r"""['it\'s','a,b','\\','[]','']""", ["it's", "a,b", "\\", "[]", ""]),
    ],
)
def test_texts_in_a_list(platform: Up, listed: str, texts: list[str]) -> None:
    (row,) = rows(platform, "kinds", u=UUID, o="", l=listed)
    assert row["l"] == texts


def test_a_default_may_be_null(platform: Up) -> None:
    """`defaults: {o: null}` is how a file says: null, unless somebody asks for something."""
    (row,) = rows(platform, "kinds", u=UUID)
    assert row["o"] is None


WRONG = {
    "n": ["x", " ", "-1", "1.5", "1e3", "0x10", "1 OR 1=1", "1; DROP TABLE t",
          "1) UNION ALL SELECT 1 --", "NULL", "\\N", "1\n2", "[1]"],
    "f": ["x", "", "1,5", "1.5.5", "(1)", "sleep(3)"],
    "d": ["x", "", "2026-02-30x", "01/02/2026", "now()", "2026-01-01' OR '1'='1"],
    "t": ["x", "", "2026-01-01 00:00:00' OR '1'='1", "now()", "yesterday"],
    "a": ["x", "", "1,2", "[1,2", "[-1]", "['a']", "[1]]", "[1]; SELECT 1", "[[1]]"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name, values in WRONG.items() for value in values),
        ("n", "4294967303"),
        ("n", "99999999999999999999"),
        ("a", "[256]"),
        ("n", ""),
    ],
)
def test_a_value_of_another_type_is_refused(platform: Up, name: str, value: str) -> None:
    answer = get(platform, "echo.json", must="x", **{name: value})
    assert answer.status_code == 400, f"{answer.status_code} {answer.text[:300]}"
    assert answer.headers["Content-Type"] == "application/problem+json"
    document = answer.json()
    assert document["code"].startswith(("clickhouse_", "bad_parameter"))
    assert document["next"]
    assert "8123" not in document["detail"], "the engine's address is not the caller's business"


def test_after_all_of_these_everything_is_still_there(platform: Up) -> None:
    home = insert(platform)
    assert {"home_id": home, "sent": 1} in [
        {k: int(v) for k, v in row.items()} for row in rows(platform, "readings_sent")
    ]


# A query that fails


def test_a_query_that_fails_says_what_to_do(platform: Up) -> None:
    insert(platform)
    assert_problem(get(platform, "broken.json"), 500, "clickhouse_395", "too many homes")


def test_a_failed_query_is_not_kept(platform: Up) -> None:
    insert(platform)
    for _ in range(2):
        answer = get(platform, "broken.json")
        assert (answer.status_code, answer.json()["code"]) == (500, "clickhouse_395")
    assert get(platform, "broken.json", most="1000000").status_code == 200


# The cache


def test_a_view_over_a_gold_changes_with_what_lands(platform: Up) -> None:
    home = insert(platform)
    asked = {"home": str(home)}
    for _ in range(2):
        assert get(platform, "viewed.json", **asked).json()["data"] == [{"readings": 1}]
    sent = json.dumps(reading(home)).encode()
    assert platform.post(sent, wait="true").status_code == 200
    assert get(platform, "viewed.json", **asked).json()["data"] == [{"readings": 2}]


def test_hit_while_nothing_changes_and_miss_after_an_insert(platform: Up) -> None:
    insert(platform)
    get(platform, "readings_sent.json")
    hits = [get(platform, "readings_sent.json") for _ in range(3)]
    assert {answer.headers["X-Cache"] for answer in hits} == {"hit"}
    assert len({answer.content for answer in hits}) == 1
    home = insert(platform)
    fresh = get(platform, "readings_sent.json")
    assert fresh.headers["X-Cache"] == "miss"
    assert home in [row["home_id"] for row in fresh.json()["data"]]
    assert get(platform, "readings_sent.json").headers["X-Cache"] == "hit"


def test_each_format_and_value_has_an_answer_of_its_own(platform: Up) -> None:
    insert(platform)
    for suffix in ("json", "csv"):
        for must in ("a", "b"):
            get(platform, f"echo.{suffix}", must=must)
            again = get(platform, f"echo.{suffix}", must=must)
            assert again.headers["X-Cache"] == "hit"
            assert DECODE[suffix](again.content)[0]["must"] == must
    # A default that is written out is the same question.
    assert get(platform, "echo.csv", must="a", n="7").headers["X-Cache"] == "hit"


def test_a_known_answer_is_not_sent_again(platform: Up) -> None:
    insert(platform)
    first = get(platform, "readings_sent.csv")
    tag = first.headers["ETag"]
    for known in (tag, f'"other", {tag}', f"W/{tag}"):
        answer = platform.http.get(
            "/v1/endpoints/homes/readings_sent.csv", headers={"If-None-Match": known}
        )
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["ETag"] == tag
        assert "no-cache" in answer.headers["Cache-Control"]
    insert(platform)
    headers = {"If-None-Match": tag}
    changed = platform.http.get("/v1/endpoints/homes/readings_sent.csv", headers=headers)
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag


@pytest.mark.parametrize(
    "suffix",
    [*MEDIA],
)
def test_the_same_rows_have_the_same_tag(platform: Up, suffix: str) -> None:
    """Asked anew each time; who has the rows already is spared them all the same."""
    first, second = (get(platform, f"steady.{suffix}") for _ in range(2))
    assert (first.headers["X-Cache"], second.headers["X-Cache"]) == ("miss", "miss")
    assert first.headers["ETag"] == second.headers["ETag"]


def test_fifty_at_once_are_one_query(platform: Up) -> None:
    """The number is drawn anew by each query, and is in no cache."""
    url = f"{platform.url}/v1/endpoints/homes/dice.ndjson?seconds=1"

    def ask(_: int) -> bytes:
        return platform.http.get(url).content

    with ThreadPoolExecutor(50) as many:
        numbers = {json.loads(body)["number"] for body in many.map(ask, range(50))}
    assert len(numbers) == 1
    assert json.loads(ask(0))["number"] not in numbers


def test_how_endpoints_fare_is_told(platform: Up) -> None:
    def fares() -> dict[str, Any]:
        found = platform.http.get("/v1/endpoints").json()["endpoints"]
        return next(e for e in found if e["name"] == "readings_sent")

    insert(platform)
    before = fares()["asked"]
    first, second = (get(platform, "readings_sent.json") for _ in range(2))
    assert [first.headers["X-Cache"], second.headers["X-Cache"]] == ["miss", "hit"]
    assert first.headers["Server-Timing"].startswith("answer;dur=")
    after = fares()
    assert after["asked"]["miss"] - before["miss"] == 1
    assert after["asked"]["hit"] - before["hit"] == 1
    assert 0 < after["asked"]["p50_ms"] <= after["asked"]["p95_ms"]
    assert after["file"] == "homes/serve/readings_sent.sql"
    assert after["sql"].startswith("SELECT home_id, sum(readings) AS sent")
    hits = 'penstock_endpoint_requests_total{domain="homes",endpoint="readings_sent",outcome="hit"}'
    assert f"{hits} {after['asked']['hit']}\n" in platform.http.get("/metrics").text


def test_sources_say_where_they_stand_and_how_to_send_to_them(platform: Up) -> None:
    insert(platform, temperature=21.5)
    sources = platform.http.get("/v1/sources").json()["sources"]
    source = next(one for one in sources if one["domain"] == "homes")
    assert [part["landed"] for part in source["parts"]] == [
        part["received"] for part in source["parts"]
    ]
    assert source["accepted"] == source["good"] + source["dead"]
    assert (source["kind"], source["into"], len(source["rates"])) == ("http", "raw_sensors", 90)
    example = source["example"].encode()
    # Of some record that was sent: it is kept for a minute.
    assert {"home_id", "ts"} <= json.loads(example).keys()
    assert platform.post(example, wait="true").json()["stored"] == 1
    files = platform.http.get("/v1/sources").json()["files"]
    assert {"penstock ingest homes/household_power"} <= {f["command"] for f in files}


def test_an_answer_that_is_held_goes_out_as_the_one_that_was_made(platform: Up) -> None:
    """By the short way, which knows the address: with the same bytes and headers."""
    insert(platform)
    for suffix, media in MEDIA.items():
        made, held = (get(platform, f"readings_sent.{suffix}") for _ in range(2))
        assert (made.headers["X-Cache"], held.headers["X-Cache"]) == ("miss", "hit")
        assert held.headers["Content-Type"] == made.headers["Content-Type"] == media
        assert held.content == made.content
        own = {"date", "x-cache", "server-timing"}
        assert {k: v for k, v in held.headers.items() if k not in own} == {
            k: v for k, v in made.headers.items() if k not in own
        }
    same = platform.http.get(
        "/v1/endpoints/homes/readings_sent.json", headers={"If-None-Match": made.headers["ETag"]}
    )
    assert (same.status_code, same.headers["X-Cache"]) == (200, "hit"), "another format's tag"
    etag = get(platform, "readings_sent.json").headers["ETag"]
    known = {"If-None-Match": f'"other", {etag}'}
    same = platform.http.get("/v1/endpoints/homes/readings_sent.json", headers=known)
    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", etag)
    foreign = {"Origin": "http://evil.example"}
    refused = platform.http.get("/v1/endpoints/homes/readings_sent.json", headers=foreign)
    assert_problem(refused, 403, "another_origin")
