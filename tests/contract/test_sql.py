"""`/v1/sql`: statements of people through the guard's second tier, how far they are, their end."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import threading
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest
from pyarrow import orc, parquet
from starlette.requests import Request
from tests.contract.asking import assert_problem, insert
from tests.contract.attacks import ATTACKS, MUTATIONS
from tests.contract.canaries import fill, watched
from tests.contract.test_front import until

from penstock.engine.client import Address, Client
from penstock.project import load
from penstock.serve.schema import Schema
from penstock.serve.sql import FORMATS, Sql

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx2 as httpx
    from tests.contract.canaries import Canaries
    from tests.contract.conftest import Up

# As slow as its limits let it be: nothing in the tier may sleep.
SLOW = "SELECT count() FROM numbers(100000000) WHERE NOT ignore(sipHash128(repeat(toString(number), 20)))"  # noqa: E501
KINDS = """SELECT number AS n, toUInt64(number) + 18446744073709551600 AS big, [number] AS list,
if(number = 1, NULL, toString(number)) AS maybe, toDecimal64(number, 4) AS exact
FROM numbers(5)"""


def ask(up: Up, sql: str, **words: str) -> httpx.Response:
    return up.http.post("/v1/sql", content=sql.encode(), params=words)


def text(up: Up, sql: str, **words: str) -> str:
    answer = ask(up, sql, **{"format": "tsv", "database": "homes", **words})
    assert answer.status_code == 200, answer.text
    return answer.text.split("\n", 1)[1]


@pytest.fixture(scope="module")
def canaries(platform: Up, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canaries]:
    with watched(platform.front, tmp_path_factory.mktemp("canary")) as found:
        yield found


def test_silver_and_gold_are_open_and_nothing_else(platform: Up) -> None:
    home = insert(platform, energy=2.25)
    assert text(platform, f"SELECT energy FROM readings WHERE home_id = {home}") == "2.25\n"
    found = text(platform, "SELECT count() FROM home_latest WHERE home_id = {h:UInt32}",
                 param_h=str(home))  # fmt: skip
    assert found == "1\n"
    for closed in ("raw_sensors", "homes.raw_sensors", "system.tables", "canary.t"):
        answer = ask(platform, f"SELECT count() FROM {closed}", database="homes")
        assert_problem(answer, 403, "clickhouse_497", closed)
        assert answer.json()["name"] == "ACCESS_DENIED"


@pytest.mark.parametrize("place", range(0, len(ATTACKS), 12))
def test_an_attack_does_nothing(platform: Up, canaries: Canaries, place: int) -> None:
    for way in ("as it is", list(MUTATIONS)[place % len(MUTATIONS)]):
        sql = MUTATIONS[way](fill(canaries, ATTACKS[place]))
        answer = ask(platform, sql, database="homes")
        canaries.check()
        assert canaries.secret not in answer.text
        assert 400 <= answer.status_code < 500, f"{sql}\n{answer.text}"


def test_every_format_is_one_whole_document(platform: Up) -> None:
    def body(form: str) -> bytes:
        answer = ask(platform, KINDS, format=form)
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == FORMATS[form][1]
        return answer.content

    rows = [json.loads(line) for line in body("ndjson").splitlines()]
    assert [row["n"] for row in rows] == list(range(5))
    assert rows[0]["big"] == 18446744073709551600
    assert json.loads(body("json"))["data"][1]["maybe"] is None
    assert json.loads(body("compact"))["rows"] == 5
    assert json.loads(body("columns"))["n"] == list(range(5))
    assert body("csv").splitlines()[0] == b'"n","big","list","maybe","exact"'
    assert body("tsv").splitlines()[2].split(b"\t")[3] == b"\\N"
    tables = [
        parquet.read_table(io.BytesIO(body("parquet"))),
        pa.ipc.open_file(body("arrow")).read_all(),
        orc.read_table(io.BytesIO(body("orc"))),
    ]
    assert {table.num_rows for table in tables} == {5}
    assert [str(value) for value in tables[0]["exact"].to_pylist()][3] == "3.0000"
    heads = {"avro": b"Obj\x01", "xml": b"<?xml", "md": b"| n |", "sql": b"INSERT",
             "native": b"\x05\x05", "msgpack": b"\x00"}  # fmt: skip
    assert {form for form, head in heads.items() if not body(form).startswith(head)} == set()
    assert duckdb.from_arrow(tables[1]).sum("n").fetchall() == [(10,)]


def test_the_bytes_are_those_of_the_engine(platform: Up) -> None:
    direct = platform.front.ask(KINDS, default_format="CSVWithNames")
    assert ask(platform, KINDS, format="csv").content == direct.body
    quoted = ask(platform, KINDS, format="compact", output_format_json_quote_64bit_integers="1")
    assert quoted.json()["data"][0][1] == "18446744073709551600"


def test_work_and_answers_are_bounded(platform: Up) -> None:
    everything = "SELECT number FROM numbers(50000)"
    assert text(platform, everything).count("\n") == 10_000
    assert text(platform, everything, limit="3") == "0\n1\n2\n"
    half = "SELECT sum(number) FROM numbers(1e8)"
    for sql, code in (
        (f"{half} UNION ALL {half}", 158),
        ("SELECT groupArray(number) FROM numbers(1e8)", 241),
        ("SELECT repeat('x', 10000) FROM numbers(10000)", 396),
    ):
        assert_problem(ask(platform, sql), 413, f"clickhouse_{code}")
    assert_problem(ask(platform, f"SELECT '{'x' * 20_000}'"), 403, "clickhouse_497")
    assert_problem(ask(platform, f"SELECT '{'x' * 90_000}'"), 413, "too_long")


@pytest.mark.parametrize(
    ("sql", "code", "at"),
    [
        ("SELECT * FRM readings\nWHERE", 62, (1, 14, 8)),
        ("/* é */ SELECT 'ü',\n  1 +", 62, (2, 6, 1)),
        ("SELECT ts\nFROM readings\nWHERE max(regon) = regon", 47, (3, 11, 5)),
        ("SELECT 1,\n  noSuch(2)", 497, (2, 3, 6)),
        ("SELECT 1 FROM nowhere", 497, (1, 15, 7)),
        ("SELECT {home:UInt8}", 456, (1, 9, 4)),
        ("SELECT 1 +\n  'a'", 43, None),
    ],
)
def test_a_mistake_is_told_with_its_place(
    platform: Up, sql: str, code: int, at: tuple[int, int, int] | None
) -> None:
    answer = ask(platform, sql, database="homes")
    document = answer.json()
    assert document["code"] == f"clickhouse_{code}", document
    assert document["name"]
    assert document["next"]
    assert "LIMIT 10000" not in document["detail"], "our own wrapping shows"
    found = tuple(document[key] for key in ("line", "column", "length")) if at else None
    assert found == at, document


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        ({"format": "Pretty"}, 400, "unknown_format"),
        ({"limit": "10001"}, 400, "bad_parameter"),
        ({"limit": "-1"}, 400, "bad_parameter"),
        ({"limit": "0"}, 400, "bad_parameter"),
        ({"explain": "ast"}, 400, "bad_parameter"),
        ({"id": "a b"}, 400, "bad_parameter"),
        ({"max_memory_usage": "0"}, 400, "unknown_parameter"),
        ({"output_format_schema": "x"}, 400, "unknown_parameter"),
        ({"user": "default"}, 400, "unknown_parameter"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    platform: Up, words: dict[str, str], status: int, code: str
) -> None:
    assert_problem(ask(platform, "SELECT 1", **words), status, code)


def test_no_statement_is_a_mistake_of_its_own(platform: Up) -> None:
    for empty in (b"", b" ;\n"):
        assert_problem(platform.http.post("/v1/sql", content=empty), 400, "no_statement")
    assert_problem(platform.http.post("/v1/sql", content=b"\xff"), 400, "bad_text")
    assert_problem(platform.http.get("/v1/sql"), 405, "method_not_allowed")


def test_it_is_explained_without_being_run(platform: Up) -> None:
    sql = "SELECT count() FROM readings WHERE ts > '2026-01-01' GROUP BY home_id"
    rows = ask(platform, sql, database="homes", explain="plan", format="ndjson").text
    plan = json.loads("".join(json.loads(line)["explain"] for line in rows.splitlines()))
    assert "Indexes" in json.dumps(plan)
    assert "MergeTree" in text(platform, sql, explain="pipeline")
    assert text(platform, sql, explain="estimate").startswith("homes\treadings\t")
    for sql in ("EXPLAIN SELECT 1", "SELECT 1 FORMAT JSON", "SELECT 1 SETTINGS max_threads = 9"):
        assert_problem(ask(platform, sql, explain="plan"), 403, "clickhouse_497")
    assert ask(platform, "SELECT * FROM canary.t", explain="estimate").status_code == 403


class Asked(threading.Thread):
    """A slow statement under a name, and what became of it."""

    def __init__(self, up: Up, name: str) -> None:
        super().__init__()
        self.up, self.name_of_it = up, name
        self.answer: httpx.Response | None = None
        self.start()

    def run(self) -> None:
        self.answer = ask(self.up, SLOW, id=self.name_of_it)

    def said(self) -> httpx.Response:
        self.join(20)
        assert self.answer is not None
        return self.answer


def state(up: Up, name: str) -> dict[str, Any]:
    return dict(up.http.get(f"/v1/sql/{name}").json())


def not_ended(up: Up, names: list[str]) -> int:
    return sum(state(up, name)["state"] != "ended" for name in names)


def at_work(up: Up) -> int:
    """Slow statements that the engine works on."""
    found = up.front.ask(
        "SELECT count() FROM system.processes WHERE query LIKE '%sipHash128%' "
        "AND query NOT LIKE '%system.processes%'",
        key=True,
    )
    return int(found.text)


def test_it_says_how_far_it_is_and_ends_when_cancelled(platform: Up) -> None:
    asked = Asked(platform, "mine")
    until(lambda: state(platform, "mine").get("read_rows", 0) > 0)
    document = state(platform, "mine")
    assert document["state"] == "running"
    assert document["total_rows"] == 100_000_000
    assert 0 < document["elapsed_ms"] < 10_000
    assert at_work(platform) == 1
    twice = ask(platform, "SELECT 1", id="mine")
    assert_problem(twice, 409, "already_running")
    assert platform.http.delete("/v1/sql/mine").status_code == 204
    assert at_work(platform) == 0, "it goes on in the engine"
    assert_problem(asked.said(), 409, "clickhouse_394")
    assert state(platform, "mine")["state"] == "ended"
    assert platform.http.delete("/v1/sql/mine").status_code == 204


def test_those_that_wait_are_counted_refused_and_cancelled(platform: Up) -> None:
    """Two run, eight wait, and meanwhile endpoints are answered as ever."""
    several = [Asked(platform, f"one-{number}") for number in range(10)]
    names = [asked.name_of_it for asked in several]
    until(lambda: at_work(platform) == 2 and not_ended(platform, names) == 10)
    assert [state(platform, name)["state"] for name in names].count("waiting") == 8
    assert_problem(ask(platform, "SELECT 1"), 429, "busy")
    assert platform.http.get("/v1/endpoints/readings_sent.json").status_code == 200
    for name in reversed(names):
        assert platform.http.delete(f"/v1/sql/{name}").status_code == 204
    assert {asked.said().json()["code"] for asked in several} == {"clickhouse_394"}
    assert at_work(platform) == 0


def test_it_ends_when_its_client_leaves(platform: Up) -> None:
    body = SLOW.encode()
    with socket.create_connection(("127.0.0.1", platform.port)) as client:
        head = f"POST /v1/sql?id=gone HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}"
        client.sendall(f"{head}\r\n\r\n".encode() + body)
        until(lambda: at_work(platform) == 1)
    until(lambda: at_work(platform) == 0, 3)
    until(lambda: state(platform, "gone")["state"] == "ended")


def test_the_schema_has_what_can_be_asked(platform: Up) -> None:
    document = platform.http.get("/v1/sql/schema").json()
    assert document["open"] is True
    assert document["engine"] == f"http://127.0.0.1:{platform.front.port}"
    relations = {f"{each['database']}.{each['name']}": each for each in document["relations"]}
    assert {each["stage"] for each in relations.values()} == {"silver", "gold"}
    minute = relations["homes.city_minute"]
    assert minute["description"]
    columns = {column["name"]: column for column in minute["columns"]}
    assert columns["energy_sum"]["comment"] == "Wh"
    assert columns["minute"]["type"] == "DateTime('UTC')"
    assert columns["minute"]["sorted"] is True
    for relation in relations.values():
        assert relation["columns"], relation["name"]
        assert ask(platform, f"SELECT * FROM {relation['database']}.{relation['name']} LIMIT 1"
                   ).status_code == 200  # fmt: skip
    known = platform.http.get("/v1/sql/functions").json()["functions"]
    by_name = {function["name"]: function for function in known}
    assert by_name["quantile"]["aggregates"]
    assert by_name["toStartOfHour"]["form"].startswith("toStartOfHour(")
    assert "file" not in by_name


def test_a_server_without_the_guard_is_said_to_be_closed(platform: Up, project: Path) -> None:
    class Plain(Client):
        """As against a server that ignores headers it does not know."""

        def _fetch(self, sql: str, params: Any, headers: Any, settings: Any = None) -> bytes:
            known = {k: v for k, v in headers.items() if not k.startswith("X-Penstock")}
            return super()._fetch(sql, params, known, settings)

    client = Plain(Address("127.0.0.1", platform.front.port, "penstock", platform.front.key))
    document = Schema(load(project), client).document()
    client.close()
    assert document["open"] is False
    assert "no guard for the SQL of analysts" in document["reason"]
    assert document["relations"]


def asking(words: str, body: bytes, *, stays: bool = True) -> Request:
    """A request whose body comes a moment later, and whose client stays, or leaves after it."""
    sent = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.05)
        if not sent.is_set():
            sent.set()
            return {"type": "http.request", "body": body, "more_body": False}
        if stays:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "POST", "path": "/v1/sql", "headers": []}
    return Request({**scope, "query_string": words.encode()}, receive)


def test_who_leaves_while_it_waits_takes_it_along(platform: Up, project: Path) -> None:
    async def through() -> None:
        sql = Sql(load(project), platform.front.client())
        slow = [asyncio.create_task(sql.ask(asking(f"id=s{n}", SLOW.encode()))) for n in (1, 2)]
        await asyncio.sleep(0.5)
        left = await sql.ask(asking("id=left", b"SELECT 1", stays=False))
        assert b"clickhouse_394" in left.body
        for n in (1, 2):
            await sql.cancel(Request({"type": "http", "path_params": {"id": f"s{n}"}}))
        for each in slow:
            assert b"clickhouse_394" in (await each).body
        sql.close()

    asyncio.run(through())


def test_of_two_with_one_id_the_second_is_refused(platform: Up, project: Path) -> None:
    async def through() -> list[object]:
        sql = Sql(load(project), platform.front.client())
        both = [sql.ask(asking("id=one", b"SELECT 1")) for _ in range(2)]
        found = await asyncio.gather(*both, return_exceptions=True)
        sql.close()
        return [getattr(each, "status", getattr(each, "status_code", each)) for each in found]

    assert asyncio.run(through()) == [200, 409]


def test_statements_are_kept_under_names(platform: Up) -> None:
    query = {"sql": "SELECT 1 -- 'ü'", "database": "homes", "settings": {"view": "chart"}}
    place = "/v1/sql/saved/by day, 50 %"
    first = platform.http.put(place, json=query)
    assert first.status_code == 200, first.text
    again = platform.http.put(place, json=query | {"sql": "SELECT 2"})
    listed = platform.http.get("/v1/sql/saved").json()["queries"]
    assert [again.json()] == [each for each in listed if each["name"] == "by day, 50 %"]
    assert again.json()["settings"] == {"view": "chart"}
    assert platform.http.delete(place).status_code == 204
    assert_problem(platform.http.delete(place), 404, "not_found")
    assert platform.http.get("/v1/sql/saved").json() == {"queries": []}


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"sql": 1}', b'{"sql": " "}', b'{"sql": "x", "settings": 1}',
             b'{"sql": "x", "database": []}', b"\xff", b'{"sql": ' + b"[" * 50_000,
             b'{"sql": "\\ud800"}', b'{"sql": "\\u0000"}',
             b'{"sql": "x", "settings": {"a": ' + b"[" * 500 + b"]" * 500 + b"}}",
             b'{"sql": "%s"}' % (b"x" * 30_000)],
)  # fmt: skip
def test_what_is_no_statement_is_not_kept(platform: Up, body: bytes) -> None:
    assert_problem(platform.http.put("/v1/sql/saved/bad", content=body), 400, "bad_query")
    assert platform.http.get("/v1/sql/saved").json() == {"queries": []}


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://example.com"}, {"Sec-Fetch-Site": "cross-site"}, {"Host": "example.com"}],
    ids=str,
)
def test_a_page_of_another_origin_asks_and_keeps_nothing(
    platform: Up, headers: dict[str, str]
) -> None:
    for method, path in (("POST", "/v1/sql"), ("PUT", "/v1/sql/saved/x"), ("DELETE", "/v1/sql/x"),
                         ("GET", "/v1/sql/schema"), ("GET", "/v1/sql/saved")):  # fmt: skip
        answer = platform.http.request(method, path, headers=headers, content=b"SELECT 1")
        assert_problem(answer, 403, "another_origin")
