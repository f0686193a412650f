"""clickhouse-connect, sync and async, and its dialect of SQLAlchemy, against the front."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import clickhouse_connect
import pandas as pd
import pyarrow as pa
import pytest
import sqlalchemy as sa
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clickhouse_connect.driver.client import Client
    from tests.services.conftest import Server

AWKWARD = [
    "", " ", "'", "''", '"', "`", "\\", "\\\\", "\\'", "\\n", "a\nb", "a\tb", "a\r\nb", "\\N",
    "NULL", "{x:String}", "%s", "%(a)s", "; DROP TABLE t", "--", "/* */", "ÄÖ✓🙂", "a\0b",
    "x" * 10_000, "$$", "${a}", "?", "&a=b", "+", "%27",
]  # fmt: skip
SLOW = "SELECT sum(sleepEachRow(0.01)) FROM numbers(3000) SETTINGS max_block_size = 10"
COLUMNS = ["n", "s", "d", "t", "o", "l", "m", "u", "x"]
ROWS = [
    [
        number,
        AWKWARD[number],
        Decimal(number) / 8,
        datetime(2026, 11, 21, 12, 0, number, 123_000, tzinfo=UTC),
        None if number % 2 else float(number),
        [str(number)] * number,
        {"a": number},
        UUID(int=number),
        "north",
    ]
    for number in range(len(AWKWARD))
]


def connect(server: Server, **options: Any) -> Client:
    return clickhouse_connect.get_client(
        host="127.0.0.1", port=server.port, username="anyone", password=server.key, **options
    )


@pytest.fixture(params=["lz4", "zstd", "gzip", False], ids=str)
def client(server: Server, request: pytest.FixtureRequest) -> Iterator[Client]:
    with connect(server, compress=request.param) as made:
        made.command("DROP TABLE IF EXISTS t")
        made.command(
            "CREATE TABLE t (n UInt64, s String, d Decimal(9, 3), t DateTime64(3, 'UTC'),"
            " o Nullable(Float64), l Array(String), m Map(String, UInt8), u UUID,"
            " x LowCardinality(String)) ENGINE = MergeTree ORDER BY n"
        )
        yield made


def test_what_is_inserted_is_read(client: Client) -> None:
    summary = client.insert("t", ROWS, column_names=COLUMNS)
    assert int(summary.written_rows) == len(ROWS)
    found = client.query("SELECT * FROM t ORDER BY n")
    assert list(found.column_names) == COLUMNS
    # A server in UTC gives times without a zone.
    expected = [[v.replace(tzinfo=None) if isinstance(v, datetime) else v for v in r] for r in ROWS]
    assert [list(row) for row in found.result_rows] == expected


def test_many_blocks(client: Client) -> None:
    client.insert("t", [list(range(200_000))], column_names=["n"], column_oriented=True)
    found = client.query("SELECT n FROM t ORDER BY n")
    assert [row[0] for row in found.result_rows] == list(range(200_000))
    with client.query_row_block_stream("SELECT number FROM numbers(300000)") as blocks:
        assert sum(len(block) for block in blocks) == 300_000


def test_frames_and_arrow(client: Client) -> None:
    frame = pd.DataFrame({"n": range(1000), "s": [f"s{n}" for n in range(1000)]})
    client.insert_df("t", frame)
    table = pa.table({"n": pa.array(range(1000, 2000), pa.uint64()), "s": ["arrow"] * 1000})
    client.insert_arrow("t", table)
    assert client.query_df("SELECT n, s FROM t ORDER BY n").shape == (2000, 2)
    arrow = client.query_arrow("SELECT n, s FROM t ORDER BY n")
    assert arrow.column("n").to_pylist() == list(range(2000))
    assert client.query_df("SELECT n FROM t WHERE 0").empty


def test_raw(client: Client) -> None:
    client.raw_insert("t", ["n", "s"], b'{"n":1,"s":"a"}\n{"n":2,"s":"b"}\n', fmt="JSONEachRow")
    client.raw_insert("t", ["n", "s"], b"3,c\n", fmt="CSV")
    assert client.raw_query("SELECT n, s FROM t ORDER BY n", fmt="CSV") == b'1,"a"\n2,"b"\n3,"c"\n'
    with client.raw_stream("SELECT number FROM numbers(100000)", fmt="TSV") as stream:
        assert stream.read().count(b"\n") == 100_000


@pytest.mark.parametrize("text", AWKWARD, ids=lambda text: repr(text)[:20])
def test_parameters(server: Server, text: str) -> None:
    with connect(server) as client:
        found = client.query(
            "SELECT {s:String}, {n:Nullable(String)}, {l:Array(String)}",
            parameters={"s": text, "n": None, "l": [text, "b"]},
        )
        assert found.first_row == (text, None, [text, "b"])


def test_commands_and_ping(client: Client) -> None:
    assert client.ping()
    assert client.command("SELECT 1") == 1
    assert client.command("EXISTS TABLE t") == 1
    assert client.database in {"main", "default", "__default__", None}
    assert str(client.server_version).startswith("26.")


@pytest.mark.parametrize(
    ("sql", "code", "words"),
    [
        ("SELEC 1", 62, "SYNTAX_ERROR"),
        ("SELECT nope", 47, "UNKNOWN_IDENTIFIER"),
        ("SELECT * FROM nowhere.t", 81, "UNKNOWN_DATABASE"),
        ("SELECT throwIf(number = 5000000) FROM numbers(10000000)", 395, "throwIf"),
    ],
)
def test_bad_sql(client: Client, sql: str, code: int, words: str) -> None:
    with pytest.raises(DatabaseError, match=words) as refused:
        client.query(sql)
    assert refused.value.code == code
    assert client.command("SELECT 1") == 1


def test_a_bad_insert_stores_nothing(client: Client) -> None:
    with pytest.raises(DatabaseError):
        client.raw_insert("t", ["n"], b'{"n":1}\n{"n":"x"}\n', fmt="JSONEachRow")
    assert client.command("SELECT count() FROM t") == 0


def test_a_client_killed_in_mid_query_ends_it(server: Server) -> None:
    """The connection goes away under the driver, as with a process that is killed."""

    def running() -> int:
        return int(
            watching.command(
                "SELECT count() FROM system.processes WHERE query LIKE '%sleepEachRow(0.01)%'"
                " AND query NOT LIKE '%system.processes%'"
            )
        )

    with connect(server) as watching, connect(server, send_receive_timeout=1) as client:
        lost = threading.Thread(target=_lose, args=(client,))
        lost.start()
        _until(lambda: running() == 1)
        lost.join()
        _until(lambda: running() == 0)


def _lose(client: Client) -> None:
    with pytest.raises(OperationalError):
        client.query(SLOW)


def _until(true: Any) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_async_client(server: Server) -> None:
    async def through() -> None:
        client = await clickhouse_connect.get_async_client(
            host="127.0.0.1", port=server.port, username="anyone", password=server.key
        )
        await client.command("DROP TABLE IF EXISTS a")
        await client.command("CREATE TABLE a (n UInt64, s String) ENGINE = MergeTree ORDER BY n")
        await client.insert("a", [[n, str(n)] for n in range(1000)], column_names=["n", "s"])
        arrow = pa.table({"n": pa.array([1000], pa.uint64()), "s": ["arrow"]})
        await client.insert_arrow("a", arrow)
        await client.raw_insert("a", ["n", "s"], b"1001,raw\n", fmt="CSV")
        found = await client.query("SELECT n, s FROM a ORDER BY n")
        assert [row[0] for row in found.result_rows] == list(range(1002))
        assert (await client.query_df("SELECT n FROM a")).shape == (1002, 1)
        assert (await client.query_arrow("SELECT n FROM a")).num_rows == 1002
        numbers = [client.query("SELECT {n:UInt64}", parameters={"n": n}) for n in range(100)]
        assert [r.first_row[0] for r in await asyncio.gather(*numbers)] == list(range(100))
        with pytest.raises(DatabaseError, match="SYNTAX_ERROR"):
            await client.query("SELEC 1")
        assert await client.ping()
        await client.close()

    asyncio.run(through())


def test_the_dialect_of_sqlalchemy(server: Server) -> None:
    engine = sa.create_engine(f"clickhousedb://anyone:{server.key}@127.0.0.1:{server.port}/main")
    with engine.connect() as connection:
        connection.execute(sa.text("DROP TABLE IF EXISTS s"))
        connection.execute(
            sa.text("CREATE TABLE s (n UInt32, name String) ENGINE = MergeTree ORDER BY n")
        )
        connection.execute(sa.text("INSERT INTO s VALUES (1, 'a'), (2, 'b')"))
        rows = connection.execute(sa.text("SELECT name FROM s WHERE n = :n"), {"n": 2}).fetchall()
        assert rows == [("b",)]
    table = sa.Table("s", sa.MetaData(), autoload_with=engine)
    assert [column.name for column in table.columns] == ["n", "name"]
    with engine.connect() as connection:
        counted = connection.execute(sa.select(sa.func.count()).select_from(table)).scalar()
        named = connection.execute(sa.select(table.c.name).order_by(table.c.n.desc())).scalars()
        assert (counted, list(named)) == (2, ["b", "a"])
    assert "s" in sa.inspect(engine).get_table_names()


def test_without_the_key_the_driver_reads_and_writes_nothing(server: Server) -> None:
    with clickhouse_connect.get_client(host="127.0.0.1", port=server.port) as visitor:
        assert visitor.query("SELECT sum(number) FROM numbers(10)").first_row == (45,)
        with pytest.raises(DatabaseError, match="key"):
            visitor.command("CREATE TABLE v (a UInt8) ENGINE = Memory")


def test_kill_query_by_its_own_id(server: Server) -> None:
    """As drivers cancel: on another connection, by the id they sent the statement with."""
    ended: list[DatabaseError] = []

    def ask() -> None:
        with connect(server) as client, pytest.raises(DatabaseError) as refused:
            client.query(SLOW, settings={"query_id": "mine"})
        ended.append(refused.value)

    slow = threading.Thread(target=ask)
    slow.start()
    with connect(server) as client:
        sql = "KILL QUERY WHERE query_id = {id:String} SYNC"
        killed: list[Any] = []

        def kill() -> bool:
            killed[:] = [client.command(sql, parameters={"id": "mine"})]
            return isinstance(killed[0], list)  # else there was nothing yet to be ended

        _until(kill)
    slow.join(10)
    assert killed[0][:3] == ["finished", "mine", "default"]
    assert killed[0][3].startswith(SLOW)
    assert ended[0].code == 394
