"""Who without the key reaches what through the engine: proved by canaries, not by answers."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import clickhouse_connect
import httpx2 as httpx
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from tests.contract.canaries import fill, watched
from tests.contract.corpus import (
    AWKWARD,
    DROP,
    LEGITIMATE,
    PAGES,
    PROGRAMS,
    READ,
    REQUESTS,
    SIMPLE,
    STATEMENTS,
)

from penstock.engine.leases import Leases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.contract.canaries import Canaries
    from tests.contract.conftest import Answer, Front


@pytest.fixture(scope="module")
def canaries(engine: Front, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canaries]:
    with watched(engine, tmp_path_factory.mktemp("canary")) as found:
        yield found


def test_the_canaries_are_alive(canaries: Canaries) -> None:
    """Each look would notice: the key, which may do these things, does them."""
    front, out = canaries.front, canaries.folder / "out"
    read = front.ask(f"SELECT file('{canaries.file}')", key=True)
    with pytest.raises(AssertionError, match="a secret was read"):
        canaries.check(read)
    front.do(f"SELECT 1 INTO OUTFILE '{out}'")
    with pytest.raises(AssertionError, match="a file was written"):
        canaries.check()
    out.unlink()
    front.do("INSERT INTO canary.t VALUES (4, 'q')")
    with pytest.raises(AssertionError, match=r"10\\t4"):
        canaries.check()
    front.do("ALTER TABLE canary.t DELETE WHERE a = 4 SETTINGS mutations_sync = 2")
    with socket.create_connection(("127.0.0.1", canaries.port)) as called:
        called.recv(1)
    with pytest.raises(AssertionError, match="a connection was opened"):
        canaries.check()
    canaries.calls.clear()
    canaries.check()


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_statement_without_the_key(canaries: Canaries, statement: str, method: str) -> None:
    if method == "GET" and len(statement) > 50_000:
        pytest.skip("longer than a URL may be")
    answer = canaries.front.ask(statement.format(**canaries.places()), method=method)
    canaries.check(answer)
    if statement:
        assert answer.status != 200, answer
        assert answer.code, answer
    else:
        assert answer.text == "Ok.\n"


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_without_the_right_key(canaries: Canaries, name: str) -> None:
    answer = canaries.front.ask(**fill(canaries, REQUESTS[name]))
    canaries.check(answer)
    assert answer.status != 200, answer
    assert answer.code or answer.status == 405, answer


@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_another_origin(canaries: Canaries, name: str, method: str, keyed: bool) -> None:
    """Even one that has learned the key, and even to read."""
    headers = fill(canaries, PAGES[name])
    for kind in SIMPLE if method == "POST" else SIMPLE[:1]:
        for sql in (READ, DROP):
            sent = {**headers, "Content-Type": kind}
            answer = canaries.front.ask(sql, key=keyed, method=method, headers=sent)
            assert answer.status in {400, 403}, answer
            assert "1\n" not in answer.text
    canaries.check()


def test_our_own_page_may_read(canaries: Canaries) -> None:
    for host in (f"127.0.0.1:{canaries.front.port}", f"localhost:{canaries.front.port}"):
        headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
        assert canaries.front.ask(READ, headers=headers).text == "1\n"


def test_no_answer_invites_other_origins(canaries: Canaries) -> None:
    for method in ("GET", "OPTIONS"):
        headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        answer = canaries.front.http.request(method, "/", params={"query": READ}, headers=headers)
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_a_visitor_cannot_fence_off_the_lander(canaries: Canaries, engine: Front) -> None:
    forged = {"X-Penstock-Lease": "canary.readings=999999"}
    assert engine.ask(READ, headers=forged).status == 200
    honest = {"X-Penstock-Lease": "canary.readings=1"}
    assert engine.ask(READ, key=True, headers=honest).status == 200
    assert engine.ask(READ, key=True, headers={"X-Penstock-Lease": "nonsense"}).code == 36
    seen = Leases(engine.data / "leases.json")
    seen.check("canary.readings=1")
    canaries.check()


def test_no_session_is_kept(canaries: Canaries) -> None:
    """A session id is taken, as tools send one, and carries nothing over."""
    for sql in ("SET max_threads = 1", "CREATE TEMPORARY TABLE evil (a Int8)", "USE canary"):
        refused = canaries.front.ask(sql, key=True, session_id="s")
        assert refused.code == 48, refused
        assert "no sessions" in refused.text
    assert canaries.front.ask("SELECT currentDatabase()", session_id="s").text == "main\n"
    inside = canaries.front.ask("SELECT count() FROM t", database="canary", session_id="s")
    assert inside.text == "3\n"
    assert canaries.front.ask("SELECT currentDatabase()", session_id="s").text == "main\n"


def test_settings_of_one_request_are_gone_in_the_next(canaries: Canaries) -> None:
    probe = "SELECT getSetting('join_use_nulls')"
    for _ in range(8):
        assert canaries.front.ask(probe, join_use_nulls="1").text == "true\n"
        assert canaries.front.ask(probe).text == "false\n"


def test_visitors_are_bounded_and_do_not_hold_up_the_key(canaries: Canaries) -> None:
    front = canaries.front
    slow = "SELECT count() FROM numbers(1e13) WHERE NOT ignore(cityHash64(number))"
    said: list[Answer] = []
    crowd = [threading.Thread(target=lambda: said.append(front.ask(slow))) for _ in range(9)]
    for visitor in crowd:
        visitor.start()
    answer = front.ask(READ, key=True)
    assert not said, "the visitors were gone before the key came"
    assert answer.text == "1\n"
    kill = "KILL QUERY WHERE query LIKE '%1e13%' AND query NOT LIKE '%KILL%' ASYNC"
    while len(said) < len(crowd):  # those that waited come after those that are ended
        front.ask(kill, key=True)
        time.sleep(0.1)
    for visitor in crowd:
        visitor.join(60)
    assert {answer.code for answer in said} <= {159, 394}


def test_a_visitor_cannot_fill_the_memory(canaries: Canaries) -> None:
    sql = "SELECT number, number, number FROM numbers(1e9)"
    answer = canaries.front.ask(sql, wait_end_of_query="1")
    assert answer.code in {241, 396}, answer
    try:
        streamed = canaries.front.ask(sql)
    except httpx.RemoteProtocolError:
        pass  # cut off, so that nobody takes it for whole
    else:
        assert streamed.code in {241, 396}, streamed
    assert canaries.front.ask(READ).text == "1\n"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + "(" * 5000 + "1" + ")" * 5000,
        "SELECT " + "NOT " * 20_000 + "1",
        "SELECT " + "+".join(["1"] * 20_000),
        "SELECT " + "[" * 3000 + "1" + "]" * 3000,
        "SELECT " + "[" * 900 + "1" + "]" * 900,
        "SELECT " + "NOT " * 400 + "1",
        "SELECT " + "CAST(" * 3000 + "1" + " AS UInt8)" * 3000,
        "WITH "
        + ", ".join(f"a{n} AS (SELECT * FROM a{n - 1})" for n in range(1, 3000))
        + " SELECT 1",
        "SELECT match('" + "a" * 5000 + "', '(((a*)*)*)*b')",
    ],
)
def test_a_statement_that_is_too_much(canaries: Canaries, sql: str) -> None:
    for headers in ({}, {"X-Penstock-Tables": ""}):
        answer = canaries.front.ask(sql, headers=headers)
        assert answer.status == 200 or answer.code, answer
        assert canaries.front.ask(READ).text == "1\n", "the engine is gone"


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize(("sql", "words"), LEGITIMATE)
def test_what_a_visitor_may_read(
    canaries: Canaries, sql: str, words: dict[str, str], method: str
) -> None:
    answer = canaries.front.ask(sql, method=method, **words)
    assert answer.status == 200, answer
    assert answer.body or "none" in sql


def test_the_key_may_do_what_a_project_needs(engine: Front) -> None:
    engine.do(
        "CREATE DATABASE evil_not",
        "CREATE TABLE evil_not.t (a UInt32, b String DEFAULT 'engine = url') "
        "ENGINE = ReplacingMergeTree ORDER BY a",
        "CREATE MATERIALIZED VIEW evil_not.v ENGINE = AggregatingMergeTree ORDER BY a AS "
        "SELECT a, countState() AS n FROM evil_not.t GROUP BY a",
        "CREATE DICTIONARY evil_not.d (a UInt64, b String) PRIMARY KEY a "
        "SOURCE(CLICKHOUSE(DB 'evil_not' TABLE 't')) LAYOUT(FLAT()) LIFETIME(0)",
        "CREATE DICTIONARY evil_not.q (a UInt64, b String) PRIMARY KEY a "
        "SOURCE(CLICKHOUSE(QUERY 'SELECT a, b FROM evil_not.t')) LAYOUT(HASHED()) LIFETIME(0)",
        "INSERT INTO evil_not.t (a) VALUES (1)",
        "ALTER TABLE evil_not.t ADD COLUMN executable_name String",
        "CREATE TABLE evil_not.c CLONE AS evil_not.t",
        "EXCHANGE TABLES evil_not.t AND evil_not.c",
    )
    try:
        for name in ("d", "q"):
            seen = engine.ask(f"SELECT dictGet('evil_not.{name}', 'b', toUInt64(1))")
            assert seen.text == "engine = url\n", seen
    finally:
        engine.do("DROP DATABASE evil_not SYNC")


@pytest.mark.parametrize("statement", PROGRAMS)
def test_not_even_the_key_runs_a_program(canaries: Canaries, statement: str) -> None:
    front = canaries.front
    front.do("CREATE DATABASE IF NOT EXISTS evil_key")
    try:
        answer = front.ask(fill(canaries, statement), key=True)
        made = front.ask("SELECT groupArray(name) FROM system.tables WHERE database = 'evil_key'")
        for name in ("d", "e", "f"):  # what was made is used, so that it would do its work
            if f"'{name}'" in made.text:
                front.ask(f"SELECT * FROM evil_key.{name}", key=True, max_execution_time="2")
    finally:
        front.do("DROP DATABASE evil_key SYNC")
    canaries.check(answer)
    assert answer.status != 200, answer
    assert made.text == "[]\n"


@contextmanager
def connect(front: Front, *, keyed: bool) -> Iterator[Any]:
    made = clickhouse_connect.get_client(
        host="127.0.0.1",
        port=front.port,
        username="penstock" if keyed else None,
        password=front.key if keyed else "",
        compress=False,
    )
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(params=["keyed", "visitor"])
def driver(request: pytest.FixtureRequest, canaries: Canaries) -> Iterator[Any]:
    with connect(canaries.front, keyed=request.param == "keyed") as made:
        yield made


def test_clickhouse_connect_reads(driver: Any) -> None:
    assert driver.command("SELECT 1") == 1
    assert driver.query("SELECT a, b FROM canary.t ORDER BY a").result_rows == [
        (1, "x"),
        (2, "y"),
        (3, "z"),
    ]
    assert driver.query_df("SELECT a FROM canary.t ORDER BY a")["a"].tolist() == [1, 2, 3]
    assert driver.query_arrow("SELECT a FROM canary.t ORDER BY a").num_rows == 3
    assert driver.raw_query("SELECT a FROM canary.t ORDER BY a", fmt="CSV") == b"1\n2\n3\n"
    with driver.query_row_block_stream("SELECT number FROM numbers(100000)") as blocks:
        assert sum(len(block) for block in blocks) == 100_000


@pytest.mark.parametrize("text", AWKWARD)
def test_clickhouse_connect_binds_awkward_strings(driver: Any, text: str) -> None:
    found = driver.query("SELECT {s:String} AS s, length({s:String}) AS n", parameters={"s": text})
    assert found.result_rows == [(text, len(text.encode()))]
    listed = driver.query("SELECT {a:Array(String)} AS a", parameters={"a": [text, "x"]})
    assert listed.result_rows == [([text, "x"],)]


def test_clickhouse_connect_writes_nothing_without_the_key(canaries: Canaries) -> None:
    with connect(canaries.front, keyed=False) as driver:
        for write in (
            lambda: driver.command("CREATE DATABASE evil_driver"),
            lambda: driver.insert("canary.t", [(9, "w")], column_names=["a", "b"]),
            lambda: driver.raw_insert("canary.t", insert_block=b'{"a":9}', fmt="JSONEachRow"),
        ):
            with pytest.raises(DatabaseError, match="key"):
                write()
    canaries.check()


def test_clickhouse_connect_writes_with_the_key(engine: Front) -> None:
    engine.do("CREATE DATABASE driven")
    rows = [(n, text, [None, 1.5], "low") for n, text in enumerate(AWKWARD)]
    with connect(engine, keyed=True) as driver:
        driver.command(
            "CREATE TABLE driven.t (n UInt32, s String, a Array(Nullable(Float64)), "
            "l LowCardinality(String), t DateTime64(3, 'UTC') DEFAULT now64(3)) "
            "ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 100"
        )
        driver.insert("driven.t", rows, column_names=["n", "s", "a", "l"])
        found = driver.query("SELECT n, s, a, l FROM driven.t ORDER BY n").result_rows
        assert found == rows
        driver.raw_insert("driven.t", insert_block=b'{"n":99}\n', fmt="JSONEachRow")
        assert driver.command("SELECT count() FROM driven.t WHERE t > now() - 60") == len(rows) + 1
        for _ in range(2):
            driver.insert("driven.t", [(100,)], column_names=["n"])
        assert driver.command("SELECT count() FROM driven.t WHERE n = 100") == 2
        driver.insert("driven.t", [(n,) for n in range(200_000)], column_names=["n"])
        assert driver.command("SELECT count() FROM driven.t") == 200_000 + len(rows) + 3
        with pytest.raises(DatabaseError, match="nope"):
            driver.insert("driven.t", [(1,)], column_names=["nope"])
    engine.do("DROP DATABASE driven SYNC")


def test_the_lists_are_long_enough() -> None:
    pages = len(PAGES) * 2
    assert len(STATEMENTS) + len(REQUESTS) + pages >= 60
    assert len({sql for sql, _ in LEGITIMATE}) >= 40


def test_the_key_is_for_its_owner_only(engine: Front, free_port: Callable[[], int]) -> None:
    assert free_port() != engine.port
    assert (engine.data / "engine.key").stat().st_mode & 0o777 == 0o600
    assert len(engine.key) >= 40
