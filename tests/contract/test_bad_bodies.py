"""Whatever is posted: a clear 4xx, or a dead letter with its reason; good rows are stored.

Never a 5xx, never a landing that stands still, never counts that do not balance.
"""

from __future__ import annotations

import concurrent.futures
import gzip
import json
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any

import lz4.frame
import pytest
from backports import zstd
from tests.contract.conftest import Up, reading, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx2 as httpx

JSON, LINES = "application/json", "application/x-ndjson"
_homes = count(1_000_000)


def good(**more: object) -> bytes:
    """A good reading; `HOME` in it becomes a home of the test's own."""
    return json.dumps(reading(0, **more)).replace('"home_id": 0', '"home_id": HOME').encode()


def field(name: str, value: bytes) -> bytes:
    """A reading of HOME with one field as given, however odd."""
    bare = good()[:-1]
    return bare.replace(b'"energy": 1.5', b'"other": 1') + b', "%s": %s}' % (name.encode(), value)


GOOD = good()
DEEP = b'{"a":' * 10_000 + b"1" + b"}" * 10_000
PRETTY = json.dumps({"a": [1, {"b": 2}]}, indent=2).encode()[:-2] + b",\n" + GOOD[1:]
# What is refused: body, type, status, a word of the detail.
REFUSED: dict[str, tuple[bytes, str, int, str]] = {
    "empty": (b"", JSON, 400, "no record"),
    "empty lines": (b"", LINES, 400, "no record"),
    "white space": (b" \n\t\r\n ", JSON, 400, "no record"),
    "blank lines": (b"\n\r\n  \n", LINES, 400, "no record"),
    "only carriage returns": (b"\r\r\r", LINES, 400, "no record"),
    "an empty array": (b"[]", JSON, 400, "no record"),
    "half an object": (GOOD[:-5], JSON, 400, "not JSON"),
    "half an array": (b"[" + GOOD, JSON, 400, "not JSON"),
    "an array with a gap": (b"[" + GOOD + b",,1]", JSON, 400, "not JSON"),
    "an array with text behind": (b"[" + GOOD + b"] x", JSON, 400, "not JSON"),
    "two documents": (GOOD + GOOD, JSON, 400, "not JSON"),
    "no JSON": (b"hello", JSON, 400, "not JSON"),
    "a query string": (b"home_id=7&energy=1", JSON, 400, "not JSON"),
    "NaN": (field("energy", b"NaN"), JSON, 400, "not JSON"),
    "single quotes": (b"{'home_id':7}", JSON, 400, "not JSON"),
    "a comma too many": (GOOD[:-1] + b",}", JSON, 400, "not JSON"),
    "a NUL byte": (b"\0", JSON, 400, "not JSON"),
    "a byte order mark": (b"\xef\xbb\xbf" + GOOD, JSON, 400, "not JSON"),
    "UTF-16": (GOOD.decode().encode("utf-16"), JSON, 400, "not JSON"),
    "half a surrogate": (field("region", rb'"\ud800"'), JSON, 400, "not JSON"),
    "depth 10,000, object": (DEEP, JSON, 400, "not JSON"),
    "depth 10,000, array": (b"[" * 10_000 + b"]" * 10_000, JSON, 400, "not JSON"),
    "depth 1,000,000": (b"[" * 1_000_000, JSON, 400, "not JSON"),
    "HTML": (GOOD, "text/html", 415, "text/html"),
    "XML": (GOOD, "application/xml", 415, "application/xml"),
    "CSV": (b"7,1.5\n", "text/csv", 415, "text/csv"),
    "an image": (b"\x89PNG", "image/png", 415, "image/png"),
    "parts": (GOOD, "multipart/form-data; boundary=x", 415, "multipart"),
    "too large": (b"x" * 17_000_000, LINES, 413, "16,777,216 bytes"),
}  # fmt: skip
# What becomes dead letters: body, type, reasons (in any order), good rows beside them.
DEAD: dict[str, tuple[bytes, str, list[str], int]] = {
    "broken UTF-8": (field("region", b'"\xff\xfe"'), JSON, ["not_utf8"], 0),
    "broken UTF-8 and a good line": (b"\xff\xfe\n" + GOOD, LINES, ["not_utf8"], 1),
    "UTF-16 lines": (GOOD.decode().encode("utf-16-le"), LINES, ["not_json"], 0),
    "gzip that is not named": (gzip.compress(GOOD, mtime=1)[:9], LINES, ["not_utf8"], 0),
    "half a line and a good one": (GOOD[:-5] + b"\n" + GOOD, LINES, ["not_json"], 1),
    "half lines, no type": (GOOD + b"\n" + GOOD[:-5] + b"\n" + GOOD, "", ["not_json"], 2),
    "half a surrogate": (field("region", rb'"\ud800"'), LINES, ["not_json"], 0),
    "two documents on a line": (GOOD + GOOD + b"\n" + GOOD, LINES, ["not_json"], 1),
    "documents apart by CR": (GOOD + b"\r" + GOOD + b"\n" + GOOD, LINES, ["not_json"], 1),
    "NUL bytes": (b"\0\n" + GOOD + b"\n\0\0", LINES, ["not_json"] * 2, 1),
    "a NUL in an object": (GOOD[:-1] + b"\0}\n" + GOOD, LINES, ["not_json"], 1),
    "control characters": (b"\x1a\n\x0b\n\x07\n" + GOOD, LINES, ["", "", ""], 1),
    "odd white space": ("\u2028\n\u0085\n\u00a0\n".encode() + GOOD, LINES, ["not_json"] * 3, 1),
    "backslashes": (b"\\N\n\\\n\\n\n" + GOOD, LINES, ["not_json"] * 3, 1),
    "quotes": (b"'\n\"\n`\n" + GOOD, LINES, ["not_json"] * 3, 1),
    "a byte order mark alone": (b"\xef\xbb\xbf\n" + GOOD, LINES, ["not_json"], 1),
    "depth 10,000": (DEEP + b"\n" + GOOD, LINES, ["not_json"], 1),
    "a value of 10 MB": (field("region", b'"%s"' % (b"x" * 10_000_000)), JSON, ["too_large"], 0),
    "a number of 10 MB": (field("energy", b"1" * 10_000_000), LINES, ["too_large"], 0),
    "null": (b"null", JSON, ["not_object"], 0),
    "a number": (b"42", JSON, ["not_object"], 0),
    "a text": (b'"hello"', JSON, ["not_object"], 0),
    "true": (b"true", JSON, ["not_object"], 0),
    "an array on a line": (b"[1]\n" + GOOD, LINES, ["not_object"], 1),
    "an array of everything": (
        b"[" + GOOD + b',1,null,"a",[1],{"x":1},' + GOOD + b"]", JSON,
        ["not_object"] * 4 + ["home_id_missing"], 2,
    ),
    "an empty object": (b"{}", JSON, ["home_id_missing"], 0),
    "no time": (b'{"home_id": HOME}', JSON, ["ts_missing"], 0),
    "null for a time": (b'{"home_id": HOME, "ts": null}', JSON, ["ts_missing"], 0),
    "another case": (GOOD.replace(b"home_id", b"Home_Id"), JSON, ["home_id_missing"], 0),
    "a home that is text": (GOOD.replace(b"HOME", b'"seven"'), JSON, ["home_id_type"], 0),
    "half a home": (GOOD.replace(b"HOME", b"1.5"), JSON, ["home_id_type"], 0),
    "a home below 0": (GOOD.replace(b"HOME", b"-1"), JSON, ["home_id_range"], 0),
    "a home over UInt32": (GOOD.replace(b"HOME", b"4294967296"), JSON, ["home_id_range"], 0),
    "a home of 400 digits": (GOOD.replace(b"HOME", b"9" * 400), JSON, [""], 0),
    "a home that is an object": (GOOD.replace(b"HOME", b'{"id":7}'), JSON, ["home_id_type"], 0),
    "30 February": (b'{"home_id":HOME,"ts":"2026-02-30T00:00:00Z"}', JSON, ["ts_unparsable"], 0),
    "hour 25": (b'{"home_id":HOME,"ts":"2026-02-03T25:00:00Z"}', JSON, ["ts_unparsable"], 0),
    "a time in words": (b'{"home_id":HOME,"ts":"yesterday"}', JSON, ["ts_unparsable"], 0),
    "the year 9999": (b'{"home_id":HOME,"ts":"9999-12-31T00:00:00Z"}', JSON, ["ts_range"], 0),
    "the year 1900": (b'{"home_id":HOME,"ts":"1900-01-01T00:00:00Z"}', JSON, ["ts_"], 0),
    "energy in words": (field("energy", b'"much"'), JSON, ["energy_value"], 0),
    "energy that is true": (field("energy", b"true"), JSON, ["energy_value"], 0),
    "energy of 1e400": (field("energy", b"1e400"), JSON, ["not_json"], 0),
    "energy of 1e300": (field("energy", b"1e300"), JSON, ["energy_value"], 0),
    "NaN in lines": (field("energy", b"NaN") + b"\n" + GOOD, LINES, ["not_json"], 1),
    "a list for a temperature": (field("temperature", b"[1]"), JSON, ["temperature_value"], 0),
}  # fmt: skip
# What may look odd and is good: body, type, rows.
TAKEN: dict[str, tuple[bytes, str, int]] = {
    "one object": (GOOD, JSON, 1),
    "no type": (GOOD, "", 1),
    "curl's type": (GOOD, "application/x-www-form-urlencoded", 1),
    "a type with words": (GOOD, "application/json; charset=utf-8", 1),
    "pretty": (PRETTY, JSON, 1),
    "pretty array": (b"[\n  " + GOOD + b",\r\n  " + GOOD + b"\n]\n", JSON, 2),
    "lines": (GOOD + b"\n" + GOOD + b"\n", LINES, 2),
    "lines as JSON": (GOOD + b"\n" + GOOD, JSON, 2),
    "lines as text": (GOOD + b"\n" + GOOD, "text/plain", 2),
    "a byte order mark first": (b"\xef\xbb\xbf" + GOOD + b"\n" + GOOD, LINES, 2),
    "a byte order mark later": (GOOD + b"\n\xef\xbb\xbf" + GOOD, LINES, 2),
    "CRLF": (GOOD + b"\r\n" + GOOD + b"\r\n", LINES, 2),
    "blank lines between": (b"\n\n" + GOOD + b"\n \n\t\r\n" + GOOD + b"\n\n", LINES, 2),
    "keys nobody knows": (good(colour="red", nested={"a": [1, 2]}), JSON, 1),
    "only what must be": (b'{"home_id":HOME,"ts":"2026-01-02T03:04:05Z"}', JSON, 1),
    "nulls": (field("temperature", b"null"), JSON, 1),
    "escapes": (good(region='say "so" \\ \n \u2603 \U0001f600'), JSON, 1),
    "a home as text": (GOOD.replace(b"HOME", b'"HOME"'), JSON, 1),
    "two rows of one home": (b"[" + GOOD + b"," + GOOD + b"]", JSON, 2),
}  # fmt: skip


def own(body: bytes) -> tuple[bytes, int]:
    """The body with a home of its own in place of HOME."""
    home = next(_homes)
    return body.replace(b"HOME", str(home).encode()), home


def stored(platform: Up, home: int) -> int:
    return platform.front.count(f"homes.readings WHERE home_id = {home}")


def letters(platform: Up, limit: int = 20) -> dict[str, Any]:
    return dict(
        platform.http.get("/v1/dead-letters", params={"domain": "homes", "limit": limit}).json()
    )


def assert_problem(answer: httpx.Response, status: int, word: str = "") -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    document = answer.json()
    assert document["status"] == status
    assert document["title"]
    assert document["code"]
    assert document["next"]
    assert word in document["detail"], document


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(platform: Up, name: str) -> None:
    body, kind, status, word = REFUSED[name]
    before = platform.source()["accepted"]
    body, home = own(body)
    assert_problem(platform.post(body, kind), status, word)
    assert platform.source()["accepted"] == before
    assert stored(platform, home) == 0


@pytest.mark.parametrize("name", DEAD)
def test_what_becomes_a_dead_letter(platform: Up, name: str) -> None:
    body, kind, reasons, rows = DEAD[name]
    before = letters(platform)["total"]
    body, home = own(body)
    answer = platform.post(body, kind, wait="true")
    assert answer.status_code == 200, answer.text
    document = answer.json()
    listed = document.pop("dead_letters")
    assert document == {
        "accepted": len(reasons) + rows,
        "source": "homes/readings",
        "stored": rows,
        "dead": len(reasons),
    }
    found = letters(platform, len(reasons))
    assert found["total"] - before == len(reasons)
    said = sorted(letter["reason"] for letter in found["items"])
    assert sorted(letter["reason"] for letter in listed) == said
    assert len({letter["row"] for letter in listed}) == len(reasons)
    assert all(said), "a dead letter without a reason"
    for reason, wanted in zip(said, sorted(reasons), strict=True):
        assert reason.startswith(wanted), said
    assert stored(platform, home) == rows


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_taken(platform: Up, name: str) -> None:
    body, kind, rows = TAKEN[name]
    before = letters(platform)["total"]
    body, home = own(body)
    answer = platform.post(body, kind, wait="true")
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "accepted": rows,
        "source": "homes/readings",
        "stored": rows,
        "dead": 0,
        "dead_letters": [],
    }
    assert letters(platform)["total"] == before, letters(platform, 1)
    assert stored(platform, home) == rows


def encoded(platform: Up, body: bytes, encoding: str, kind: str = LINES) -> httpx.Response:
    headers = {"Content-Encoding": encoding, "Content-Type": kind}
    return platform.http.post(
        "/v1/ingest/homes/readings", content=body, headers=headers, params={"wait": "true"}
    )


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstd.compress,
    "lz4": lz4.frame.compress,
}


@pytest.mark.parametrize("encoding", PACK)
def test_encodings(platform: Up, encoding: str) -> None:
    pack, (body, home) = PACK[encoding], own(GOOD + b"\n")
    packed = pack(body)
    assert encoded(platform, packed, encoding).json()["accepted"] == 1
    assert encoded(platform, packed, encoding.upper()).json()["accepted"] == 1
    assert encoded(platform, packed * 3, encoding).json()["accepted"] == 3, "members were lost"
    assert encoded(platform, body, "identity").json()["accepted"] == 1
    assert stored(platform, home) == 6
    assert_problem(encoded(platform, packed[:-9], encoding), 400, "too early")
    assert_problem(encoded(platform, packed + b"x", encoding), 400)
    assert_problem(encoded(platform, body, encoding), 400, f"no {encoding}")
    assert_problem(encoded(platform, b"", encoding), 400)
    assert_problem(encoded(platform, packed, "br"), 415, "br")
    assert_problem(encoded(platform, packed, f"{encoding}, {encoding}"), 415, encoding)
    assert_problem(encoded(platform, pack(b"0" * 50_000_000), encoding), 413, "bytes")
    bomb = pack(pack(b"0" * 100_000_000))
    twice = encoded(platform, bomb, encoding)  # inflated once only: what is inside is no JSON
    assert twice.status_code == 200
    assert {letter["reason"] for letter in twice.json()["dead_letters"]} <= {"not_utf8", "not_json"}
    assert stored(platform, home) == 6


def test_a_checksum_that_is_off(platform: Up) -> None:
    packed = gzip.compress(GOOD)
    assert_problem(encoded(platform, packed[:-8] + b"\0" * 8, "gzip"), 400, "no gzip")


def test_a_body_without_a_length_is_bounded_too(platform: Up) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * 1_000_000

    answer = platform.http.post("/v1/ingest/homes/readings", content=endless())
    assert_problem(answer, 413, "16,777,216")


@pytest.mark.parametrize(
    "path",
    [
        "homes/unknown",
        "unknown/readings",
        "unknown",
        "homes/readings/",
        "",
        "homes/household_power",
    ],
)
def test_a_source_that_is_not_there(platform: Up, path: str) -> None:
    assert_problem(platform.http.post(f"/v1/ingest/{path}", content=GOOD), 404)


def test_the_domain_may_be_left_out(platform: Up) -> None:
    body, home = own(GOOD)
    answer = platform.http.post("/v1/ingest/readings", content=body, params={"wait": "true"})
    assert answer.json()["source"] == "homes/readings"
    assert stored(platform, home) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_another_method(platform: Up, method: str) -> None:
    answer = platform.http.request(method, "/v1/ingest/homes/readings", params={"wait": "true"})
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"
    if method != "HEAD":
        assert_problem(answer, 405)


def test_keys_that_come_twice(platform: Up) -> None:
    """Which of two counts is the parser's choice; that it is one of them, and one row, is ours."""
    body, home = own(b'{"home_id": 1, ' + GOOD[1:])
    either = f"homes.readings WHERE home_id IN (1, {home})"
    total = platform.front.count(either)
    assert platform.post(body, wait="true").status_code == 200
    assert platform.front.count(either) == total + 1


def test_waiting_means_visible_at_once(platform: Up) -> None:
    for _ in range(5):
        body, home = own(GOOD)
        assert platform.post(body, wait="true").status_code == 200
        rows = platform.http.get("/v1/endpoints/homes/readings_sent.json").json()["data"]
        assert {"home_id": home, "sent": 1} in [
            {"home_id": row["home_id"], "sent": int(row["sent"])} for row in rows
        ]


def test_not_waiting_means_accepted(platform: Up) -> None:
    body, home = own(GOOD)
    answer = platform.post(body)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
    assert platform.post(own(GOOD)[0], wait="true").status_code == 200  # lands after it
    assert stored(platform, home) == 1


def test_good_and_bad_at_once_from_many(platform: Up) -> None:
    """Bad bodies between good ones cost the good ones nothing."""
    bodies = [own(GOOD) for _ in range(60)]
    bad = [b"", b"\xff", GOOD[:9], b"[" * 5000, b"null", b'{"home_id":"x"}']

    def send(number: int) -> int:
        platform.post(bad[number % len(bad)], LINES if number % 2 else JSON)
        return platform.post(bodies[number][0], wait="true").status_code

    with concurrent.futures.ThreadPoolExecutor(12) as senders:
        assert set(senders.map(send, range(len(bodies)))) == {200}
    homes = ",".join(str(home) for _, home in bodies)
    stored_rows = platform.front.count(f"homes.readings WHERE home_id IN ({homes})")
    assert stored_rows == len(bodies)


def test_a_spool_that_is_full(project: Path, tmp_path: Path, free_port: Callable[[], int]) -> None:
    settings = {"PENSTOCK_SPOOL_BYTES": "20kb", "PENSTOCK_BATCH_AGE": "1s"}
    with running(project, tmp_path / "data", free_port, **settings) as up:
        lines = (GOOD.replace(b"HOME", b"7") + b"\n") * 40
        answers = [up.post(lines, LINES) for _ in range(12)]
        taken = [answer for answer in answers if answer.status_code == 202]
        refused = [answer for answer in answers if answer.status_code != 202]
        assert taken
        assert refused
        for answer in refused:
            assert_problem(answer, 429, "the bound is 20,480")
            assert int(answer.headers["Retry-After"]) >= 1
        assert up.post(GOOD.replace(b"HOME", b"7"), wait="true").status_code in {200, 429}
        while (state := up.source())["in_flight"]:
            assert state["state"] != "blocked"
        assert up.post(lines, LINES, wait="true").status_code == 200
        status = up.status()
        assert status["balance"]["difference"] == 0
        assert status["balance"]["silver"] >= 40 * (len(taken) + 1)
        assert up.http.get("/v1/reconcile").json()["ok"]


def test_the_counts_balance_after_all_of_this(platform: Up) -> None:
    report = platform.http.get("/v1/reconcile").json()
    assert report["ok"], report
    source = platform.source()
    assert source["state"] in {"idle", "live"}, source
    assert source["in_flight"] == 0
    balance = platform.status()["balance"]
    assert balance["difference"] == 0
    assert balance["received"] == balance["silver"] + balance["dead_letters"]
    assert platform.http.get("/readyz").text == "ready\n"
    assert platform.process.poll() is None


def test_the_list_is_long_enough() -> None:
    assert len(REFUSED) + len(DEAD) >= 20
