"""The front speaks ClickHouse's HTTP protocol: formats, compression, errors, limits, leaving."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx2 as httpx
import lz4.frame
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd
from tests.contract.conftest import Front, engine_process

from penstock.engine.datadir import key
from penstock.engine.process import EngineProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MANY = 300_000  # rows: several blocks of the engine
SLOW = "SELECT sum(sleepEachRow(0.01)) FROM numbers(6000) SETTINGS max_block_size = 10"
OPEN: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "zstd": zstd.decompress,
    "lz4": lz4.frame.decompress,
}
SHUT: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstd.compress,
    "lz4": lz4.frame.compress,
}


@pytest.fixture
def table(engine: Front) -> Iterator[str]:
    engine.do(
        "CREATE DATABASE IF NOT EXISTS front",
        "CREATE TABLE front.t (a UInt64, b String) ENGINE = MergeTree ORDER BY a",
    )
    yield "front.t"
    engine.do("DROP DATABASE front SYNC")


def numbers(engine: Front, form: str, *, by: str, rows: int = MANY) -> bytes:
    """An answer of several blocks; the format named in the statement or beside it."""
    sql = f"SELECT number AS n, toString(number) AS s FROM numbers({rows})"
    if by == "clause":
        answer = engine.ask(f"{sql} FORMAT {form}", key=True)
    elif by == "settings":  # a FORMAT that is not the statement's end
        answer = engine.ask(f"{sql} FORMAT {form} SETTINGS max_threads = 2", key=True)
    else:
        answer = engine.ask(sql, key=True, default_format=form)
    assert answer.status == 200, answer
    return answer.body


@pytest.mark.parametrize("by", ["clause", "settings", "parameter"])
def test_every_format_is_one_whole_document(engine: Front, by: str) -> None:
    """An engine's stream repeats heads and feet in most formats; none of that may get out."""
    lines = numbers(engine, "JSONEachRow", by=by).splitlines()
    assert [json.loads(lines[at])["n"] for at in (0, -1)] == [0, MANY - 1]
    assert len(lines) == MANY
    assert len(json.loads(numbers(engine, "JSON", by=by))["data"]) == MANY
    assert len(json.loads(numbers(engine, "JSONColumns", by=by))["n"]) == MANY
    assert len(json.loads(numbers(engine, "JSONCompact", by=by))["data"]) == MANY
    named = list(csv.reader(io.StringIO(numbers(engine, "CSVWithNames", by=by).decode())))
    assert (named[0], len(named)) == (["n", "s"], MANY + 1)
    bare = numbers(engine, "CSV", by=by).splitlines()
    assert (bare[0], len(bare)) == (b'0,"0"', MANY)
    assert numbers(engine, "TabSeparated", by=by).count(b"\n") == MANY
    assert numbers(engine, "TSVWithNames", by=by).count(b"\n") == MANY + 1
    parquet = pq.read_table(io.BytesIO(numbers(engine, "Parquet", by=by)))
    arrow = pa.ipc.open_file(numbers(engine, "Arrow", by=by)).read_all()
    stream = pa.ipc.open_stream(numbers(engine, "ArrowStream", by=by)).read_all()
    for found in (parquet, arrow, stream):
        assert found.num_rows == MANY
        assert found.column("n")[-1].as_py() == MANY - 1
    assert len(numbers(engine, "RowBinary", by=by)) == sum(9 + len(str(n)) for n in range(MANY))


def test_a_stream_is_the_answer_that_the_engine_gives_whole(engine: Front) -> None:
    for form in ("Native", "JSONEachRow", "CSV", "TabSeparated", "RowBinary", "TSVRaw"):
        for sql in (
            f"SELECT number, 'x' AS s FROM numbers({MANY}) ORDER BY number",
            "SELECT 1 WHERE 0",
            "SELECT number % 3 AS k, count() FROM numbers(10) GROUP BY k WITH TOTALS ORDER BY k",
            "WITH 5 AS a SELECT a, NULL, [1, 2]",
            "(SELECT 1) UNION ALL (SELECT 2) ORDER BY 1",
        ):
            streamed = engine.ask(sql, key=True, default_format=form)
            whole = engine.ask(sql, key=True, default_format=form, wait_end_of_query="1")
            if form == "Native" and "numbers(3" in sql:  # cut into blocks in another place
                assert abs(len(streamed.body) - len(whole.body)) < 200
            else:
                assert streamed.body == whole.body, (form, sql)


def test_a_word_that_looks_like_a_format_is_none(engine: Front) -> None:
    assert (
        engine.ask("SELECT 1 -- FORMAT CSV", key=True, default_format="JSONCompact").text[0] == "{"
    )
    assert engine.ask("SELECT 'x FORMAT CSV'", key=True).text == "x FORMAT CSV\n"
    assert engine.ask("SELECT 1 AS format, 2 AS n ORDER BY format", key=True).text == "1\t2\n"
    assert engine.ask("SELECT 1 FORMAT `JSONCompactEachRow`;", key=True).text == "[1]\n"


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "lz4"])
@pytest.mark.parametrize("form", ["TabSeparated", "JSON"])
def test_answers_are_compressed_where_asked(engine: Front, encoding: str, form: str) -> None:
    sql = f"SELECT number FROM numbers({MANY})"
    words = {"default_format": form, "query": sql}
    url = f"http://127.0.0.1:{engine.port}/"
    headers = {"X-ClickHouse-Key": engine.key, "Accept-Encoding": encoding}
    plain = httpx.post(url, params=words, headers=headers).content
    words["enable_http_compression"] = "1"
    with httpx.stream("POST", url, params=words, headers=headers) as answer:
        assert answer.headers["content-encoding"] == encoding
        raw = b"".join(answer.iter_raw())
    opened = OPEN[encoding](raw)
    assert len(raw) < len(plain) * 0.7
    assert opened == plain if form == "TabSeparated" else len(json.loads(opened)["data"]) == MANY


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "lz4"])
def test_bodies_may_be_compressed(engine: Front, table: str, encoding: str) -> None:
    rows = b"".join(b'{"a":%d,"b":"x"}\n' % n for n in range(1000))
    sql = f"INSERT INTO {table} FORMAT JSONEachRow"
    body = SHUT[encoding](rows[:9000]) + SHUT[encoding](rows[9000:])  # two members
    headers = {"X-ClickHouse-Key": engine.key, "Content-Encoding": encoding}
    answer = engine.http.post("/", params={"query": sql}, headers=headers, content=body)
    assert answer.status_code == 200, answer.text
    assert json.loads(answer.headers["X-ClickHouse-Summary"])["written_rows"] == "1000"
    assert engine.count(table) == 1000
    for bad in (body[:-5], b"no such thing", SHUT[encoding](b"\0" * (300 << 20))):
        answer = engine.http.post("/", params={"query": sql}, headers=headers, content=bad)
        assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (400, "36")
    assert engine.count(table) == 1000


@pytest.mark.parametrize("words", [{"compress": "1"}, {"decompress": "1"}])
def test_what_is_not_offered_says_so(engine: Front, words: dict[str, str]) -> None:
    answer = engine.ask("SELECT 1", key=True, **words)
    assert (answer.status, answer.code) == (400, 36)
    assert "zstd" in answer.text


def test_a_summary_and_progress(engine: Front, table: str) -> None:
    engine.do(f"INSERT INTO {table} SELECT number, '' FROM numbers(5000)")
    words = {
        "query": f"SELECT sum(a) FROM {table} FORMAT JSON",
        "query_id": "mine-1",
        "send_progress_in_http_headers": "1",
    }
    answer = engine.http.post("/", params=words, headers={"X-ClickHouse-Key": engine.key})
    summary = json.loads(answer.headers["X-ClickHouse-Summary"])
    assert summary["read_rows"] == "5000"
    assert int(summary["elapsed_ns"]) > 0
    assert json.loads(answer.headers["X-ClickHouse-Progress"])["read_rows"] == "5000"
    assert answer.headers["X-ClickHouse-Query-Id"] == "mine-1"
    assert answer.headers["X-ClickHouse-Format"] == "JSON"
    assert answer.headers["X-ClickHouse-Timezone"] == "UTC"


@pytest.mark.parametrize(
    ("sql", "status", "code", "name"),
    [
        ("SELEC 1", 400, 62, "SYNTAX_ERROR"),
        ("SELECT nope", 404, 47, "UNKNOWN_IDENTIFIER"),
        ("SELECT * FROM nowhere.t", 404, 81, "UNKNOWN_DATABASE"),
        ("SELECT * FROM main.t", 404, 60, "UNKNOWN_TABLE"),
        ("SELECT * FROM default.t", 403, 497, "use `main`"),
        ("SELECT throwIf(1)", 500, 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
        ("SELECT 1 FORMAT Nope", 400, 73, "UNKNOWN_FORMAT"),
        ("SELECT sleep(3) SETTINGS max_execution_time = 0.1", 408, 159, "TIMEOUT_EXCEEDED"),
        ("SET max_threads = 1", 500, 48, "NOT_IMPLEMENTED"),
    ],
)
def test_errors_carry_code_and_name(
    engine: Front, sql: str, status: int, code: int, name: str
) -> None:
    answer = engine.ask(sql, key=True)
    assert (answer.status, answer.code) == (status, code), answer
    assert name in answer.text
    assert answer.text.startswith(f"Code: {code}. DB::Exception: ")


def test_an_error_in_the_middle_is_written_into_the_answer_and_cut_off(engine: Front) -> None:
    sql = "SELECT number, throwIf(number = 3000000) FROM numbers(10000000)"
    got = b""
    with engine.http.stream("POST", "/", params={"query": sql}) as answer:
        assert answer.status_code == 200
        tag = answer.headers["X-ClickHouse-Exception-Tag"].encode()
        pieces = answer.iter_raw()
        with contextlib.suppress(httpx.RemoteProtocolError):
            while True:
                got = (got + next(pieces))[-2000:]
    head, message, foot = got.partition(b"__exception__\r\n" + tag + b"\r\n")[2].partition(tag)
    assert head.startswith(b"Code: 395. DB::Exception: ")
    assert int(head.rsplit(b"\n", 1)[1]) == len(head.rsplit(b"\n", 1)[0]) + 1
    assert (message, foot) == (tag, b"\r\n__exception__\r\n")


def running(engine: Front) -> int:
    """Slow statements that the engine is working on."""
    found = engine.ask(
        "SELECT count() FROM system.processes WHERE query LIKE '%sleepEachRow(0.01)%'"
        " AND query NOT LIKE '%system.processes%'",
        key=True,
    )
    return int(found.text)


def until(true: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for it."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("form", ["TabSeparated", "JSON"])
def test_a_client_that_leaves_ends_its_statement(engine: Front, form: str) -> None:
    body = SLOW.encode()
    head = (
        f"POST /?default_format={form} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}"
    )
    with socket.create_connection(("127.0.0.1", engine.port)) as client:
        client.sendall(f"{head}\r\nX-ClickHouse-Key: {engine.key}\r\n\r\n".encode() + body)
        until(lambda: running(engine) == 1)
    until(lambda: running(engine) == 0, 3)


def test_a_client_that_leaves_a_stream_ends_its_statement(engine: Front) -> None:
    sql = "SELECT number, sleepEachRow(0.01) * 0 FROM numbers(1000000) SETTINGS max_block_size = 5"
    sql = sql.replace("number,", "repeat('x', 500000),")
    with engine.http.stream(
        "POST", "/", params={"query": sql}, headers={"X-ClickHouse-Key": engine.key}
    ) as answer:
        next(answer.iter_raw())
        until(lambda: running(engine) == 1)
    until(lambda: running(engine) == 0, 3)


def test_a_slow_reader_takes_little_memory(engine: Front) -> None:
    """Blocks wait for their reader; the engine does not run ahead of it."""
    sql = "SELECT number, repeat('x', 1000) FROM numbers(10000000)"
    with engine.http.stream(
        "POST", "/", params={"query": sql}, headers={"X-ClickHouse-Key": engine.key}
    ) as answer:
        pieces = answer.iter_raw()
        next(pieces)
        time.sleep(0.5)
        asked = "SELECT read_rows FROM system.processes WHERE query LIKE '%repeat(''x'', 1000)%'"
        read = engine.ask(f"{asked} AND query NOT LIKE '%system.%'", key=True)
        assert int(read.text) < 2_000_000


def test_thirty_two_clients_at_once(engine: Front) -> None:
    def look(number: int) -> bool:
        return engine.ask(f"SELECT {number}, sum(number) FROM numbers(1000)", key=True).text == (
            f"{number}\t499500\n"
        )

    with ThreadPoolExecutor(32) as clients:
        assert all(clients.map(look, range(2000)))


def test_a_restart_is_quick_and_tells_who_waits_to_try_again(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:

    port = free_port()
    with engine_process(tmp_path, port) as process:
        front = Front(port, key(tmp_path), tmp_path)
        front.do("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
        front.do("INSERT INTO t VALUES (1)")
        said: list[Any] = []
        waiting = [
            threading.Thread(target=lambda: said.append(front.ask(SLOW, key=True)))
            for _ in range(3)
        ]
        for thread in waiting:
            thread.start()
        until(lambda: running(front) == 3)
        began = time.monotonic()
        process.restart("a test")
        took = time.monotonic() - began
        for thread in waiting:
            thread.join(10)
        assert {(answer.status, answer.code) for answer in said} == {(503, 394)}
        assert front.ask("SELECT * FROM t", key=True).text == "1\n", "main keeps its tables"
        front.do("INSERT INTO t VALUES (2)", "CREATE TABLE t2 (a UInt8) ENGINE = Memory")
        assert took < 2


def test_a_killed_engine_is_back_within_two_seconds_and_refuses_nobody(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    """The port stays open: who comes meanwhile waits."""

    port = free_port()
    with engine_process(tmp_path, port) as process:
        front = Front(port, key(tmp_path), tmp_path)
        assert isinstance(process, EngineProcess)
        began = time.monotonic()
        os.kill(process.pid, signal.SIGKILL)
        time.sleep(0.05)
        assert httpx.post(f"http://127.0.0.1:{port}/", content="SELECT 7", timeout=5).text == "7\n"
        assert time.monotonic() - began < 2
        assert front.ask("SELECT 8").text == "8\n"


# What one request leaves behind for the next


@pytest.mark.parametrize("setting", [{"readonly": "1"}, {"max_query_size": "1"}])
def test_a_setting_of_one_request_is_not_that_of_the_next(
    engine: Front, table: str, setting: dict[str, str]
) -> None:
    """Some settings cannot be taken back once they are set; no connection may keep them."""
    for _ in range(12):  # each connection of the pool, and then some
        engine.ask("SELECT 1", key=True, **setting)
    engine.do(f"INSERT INTO {table} VALUES (1, 'x')")
    assert engine.ask(f"INSERT INTO {table} VALUES (2, 'y')", key=True, readonly="1").code == 164
    assert engine.count(table) == 1


def test_each_request_has_its_own_settings_and_no_others(engine: Front) -> None:
    """Whatever was asked before it, and however one setting pulls others along."""
    sql = (
        "SELECT name, value FROM system.settings WHERE changed AND name != 'query_cache_tag'"
        " ORDER BY name"
    )
    plain = engine.ask(sql, key=True, wait_end_of_query="1").text
    streamed = engine.ask(sql, key=True).text
    lines = plain.splitlines()
    asked: list[dict[str, str]] = [
        {"output_format_write_statistics": "0"}, {"max_result_bytes": "5000000"}, {},
        {"max_result_bytes": "0"}, {"compatibility": "22.1"}, {}, {"max_threads": "1"},
        {"output_format_write_statistics": "0", "max_threads": "2"}, {"profile": "default"}, {},
        {"output_format_write_statistics": "1"}, {"extremes": "0"}, {},
    ]  # fmt: skip
    for _ in range(3):
        for settings in asked:
            found = engine.ask(sql, key=True, wait_end_of_query="1", **settings).text.splitlines()
            more = set(found) - set(lines)
            if "compatibility" in settings:
                assert len(more) > 100
            else:
                assert {line.partition("\t")[0] for line in more} <= set(settings), settings
            assert engine.ask(sql, key=True).text == streamed
            assert engine.ask(sql, key=True, wait_end_of_query="1").text == plain


@pytest.mark.parametrize("sql", ["SELECT 1; USE system", "SELECT 1;\n SET readonly = 1 ;"])
def test_a_second_statement_is_refused(engine: Front, sql: str) -> None:
    for _ in range(12):
        assert engine.ask(sql, key=True).code == 62
    assert engine.ask("SELECT currentDatabase()", key=True).text == "main\n"


def test_a_name_may_not_hide_in_escapes(engine: Front) -> None:
    hidden = "SELECT * FROM `e\\x78ecutable`('y.sh', 'TSV', 'x String')"
    assert engine.ask(hidden, key=True).code == 497
    assert engine.ask("SELECT ';', 'a\\\\b' AS `plain`;", key=True).text == ";\ta\\\\b\n"


def test_who_sends_half_a_body_does_not_hold_up_a_restart(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    port = free_port()
    with engine_process(tmp_path, port) as process:
        with socket.create_connection(("127.0.0.1", port)) as slow:
            slow.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nSEL")
            began = time.monotonic()
            process.restart("a test")
            assert time.monotonic() - began < 5
        assert Front(port, key(tmp_path), tmp_path).ask("SELECT 1").text == "1\n"


def test_a_visitor_sends_no_rows(engine: Front) -> None:
    answer = engine.ask("SELECT '" + "x" * 500_000 + "'")
    assert (answer.status, answer.code) == (400, 36)
    assert "with the key" in answer.text


LEAVES = [  # statements that fail when some of their answer is written
    "SELECT throwIf(1)",
    "SELECT number, throwIf(number = 200000) FROM numbers(1000000)",
    "SELECT number FROM numbers(10000000) SETTINGS max_result_bytes = 1000000",
    "SELECT number FROM numbers(100000000) SETTINGS max_execution_time = 0.05",
    "SELECT sleepEachRow(0.1) FROM numbers(9) SETTINGS max_execution_time = 0.2, max_block_size=1",
]


@pytest.mark.parametrize("key", [True, False])
def test_nothing_of_an_answer_that_failed_is_in_the_next(engine: Front, *, key: bool) -> None:
    """The engine keeps what it had written, and would begin its next answer with it."""
    for form in ("JSON", "CSVWithNames", "Parquet", "TabSeparated"):
        for sql in LEAVES if key else LEAVES[:2]:  # a visitor sets no limits
            engine.ask(sql, key=key, default_format=form, wait_end_of_query="1")
            for _ in range(2):
                answer = engine.ask("SELECT 'next'", key=key, wait_end_of_query="1")
                assert (answer.status, answer.text) == (200, "next\n"), (form, sql)
