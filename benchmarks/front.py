"""The front against chDB in the host's own process: the same data, settings and statements.

What is measured is the front, so its client is a bare socket that stays open: a driver or a library
would add time of its own to one side.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
import threading
import time
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from benchmarks.harness import EXAMPLES, Figure, free_port, median, percentile
from penstock.engine.client import Address, Client
from penstock.engine.inserts import Insert, stage_and_write
from penstock.engine.pool import Connection, Pool
from penstock.engine.process import EngineProcess
from penstock.project import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOMES, HOURS = 1000, 720
READINGS = 2_000_000
ROUNDS, ASKS = 9, 150
BLOCK, BLOCKS = 200_000, 5
CLIENTS, EACH = 32, 60
_MEMORY = 800 << 20
_LOOK = {"output_format_write_statistics": "0"}
_STEP = HOURS * 3600 * HOMES // READINGS  # seconds between a home's readings
_FILL = f"""
INSERT INTO readings
SELECT
    now64(3, 'UTC') - toIntervalSecond(intDiv(number, {HOMES}) * {_STEP}),
    number % {HOMES} + 1, ['north', 'south'][number % 2 + 1], 18 + rand(1) % 80 / 10,
    rand(2) % 500 / 1000, 225 + rand(3) % 100 / 10, rand(4) % 1000 / 1000, '', 0, now64(3, 'UTC')
FROM numbers({{start:UInt64}}, {READINGS // 10})
"""
_TABLE = """
CREATE TABLE landed (ts DateTime64(3, 'UTC'), home_id UInt32, region LowCardinality(String),
    temperature Decimal(9, 2), energy Decimal(9, 3)) ENGINE = MergeTree ORDER BY (home_id, ts)
"""
_ROWS = f"""
SELECT now64(3, 'UTC') + number AS ts, toUInt32(number % {HOMES}) AS home_id,
    toLowCardinality(['north', 'south'][number % 2 + 1]) AS region,
    toDecimal32(18 + number % 80 / 10, 2) AS temperature,
    toDecimal32(number % 500 / 1000, 3) AS energy
FROM numbers({BLOCK}) FORMAT Native
"""
_INSERT = "INSERT INTO landed FORMAT Native"


class Asked:
    """A client of the front: one connection that stays open, and no more than it takes."""

    def __init__(self, address: Address) -> None:
        self._socket = socket.create_connection((address.host, address.port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = f"Host: {address.host}\r\nX-ClickHouse-Key: {address.key}\r\n"

    def ask(self, sql: str, form: str, body: bytes = b"", **words: str) -> bytes:
        """The answer of a statement; one that is refused ends the measurement."""
        words = {"database": "homes", "default_format": form, **words}
        if body:
            words["query"] = sql
        sent = body or sql.encode()
        head = f"POST /?{urlencode(words)} HTTP/1.1\r\n{self._head}Content-Length: {len(sent)}"
        self._socket.sendall(f"{head}\r\n\r\n".encode() + sent)
        got = b""
        while b"\r\n\r\n" not in got:
            got += self._socket.recv(1 << 16)
        said, _, answer = got.partition(b"\r\n\r\n")
        length = int(said.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while len(answer) < length:
            answer += self._socket.recv(1 << 16)
        if not said.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(answer.decode())
        return answer


def measure() -> list[Figure]:
    """Medians of alternating rounds; each ratio is the median of the rounds' own."""
    endpoint = load(EXAMPLES).endpoint("homes", "hourly_stats").sql
    with _both() as (address, bare):
        front, home = Asked(address), count()

        def look() -> dict[str, str]:
            return {"home_id": str(next(home) % HOMES + 1), "hours": "168"}

        def ours() -> bytes:
            asked = {f"param_{name}": value for name, value in look().items()}
            return front.ask(endpoint, "JSON", **asked, **_LOOK)

        ones = _rounds(
            lambda: front.ask("SELECT 1", "TabSeparated"),
            lambda: bare.run("SELECT 1").body,
        )
        looks = _rounds(ours, lambda: bare.run(endpoint, "JSON", look()).body)
        inserts = _inserts(front, bare)
        tail, middle = _crowd(address, endpoint)
    return [
        _figure("front / in process: SELECT 1, p50", "ms", *ones, "<= 2.0"),
        _figure("front / in process: gold look-up, p50", "ms", *looks, "<= 1.3"),
        _figure("front / in process: Native insert", "rows/s", *inserts, ">= 0.6"),
        Figure(
            f"{CLIENTS} clients at once: gold look-ups, p99 / p50",
            tail, "ms", middle, tail / middle, "<= 6",
        ),
    ]  # fmt: skip


@contextmanager
def _both() -> Iterator[tuple[Address, Connection]]:
    """The front, and a connection of this process to a copy of what is behind it."""
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        data, copy = Path(folder) / "front", Path(folder) / "bare"
        process = EngineProcess(data, free_port(), _MEMORY)
        process.start()
        try:
            _fill(process.address)
            process.stop()
            shutil.copytree(data, copy, symlinks=True)
            process.start()
            pool = Pool(copy / "engine", size=1, memory=_MEMORY)
            with pool.connection() as bare:
                bare.enter("homes")
                with bare.settings(_LOOK):
                    yield process.address, bare
            pool.close()
        finally:
            process.stop()


def _fill(address: Address) -> None:
    """The examples' homes with a month of readings; gold comes by its views."""
    client = Client(address)
    client.execute("CREATE DATABASE homes")
    for relation in load(EXAMPLES).domain("homes").relations:
        for statement in relation.statements:
            client.execute(statement.sql, database="homes")
    client.execute(_TABLE, database="homes")
    for part in range(10):
        start = str(part * READINGS // 10)
        client.execute(_FILL, database="homes", params={"start": start})
    client.execute("OPTIMIZE TABLE hourly_stats FINAL", database="homes")
    client.close()


def _rounds(ours: Callable[[], bytes], theirs: Callable[[], bytes]) -> _Sides:
    """p50 of each side in milliseconds, a round after a round."""
    sides: tuple[list[float], list[float]] = ([], [])
    for turn in range(ROUNDS + 1):
        for side, ask in zip(sides, (ours, theirs), strict=True):
            times = [_timed(ask) * 1000 for _ in range(ASKS)]
            if turn:  # the first one warms
                side.append(percentile(times, 0.5))
    return sides


def _inserts(front: Asked, bare: Connection) -> _Sides:
    body = bare.run(_ROWS).body
    insert = Insert.parse(_INSERT)
    sides: tuple[list[float], list[float]] = ([], [])
    for turn in range(ROUNDS + 1):
        took = [
            sum(_timed(lambda: front.ask(_INSERT, "", body)) for _ in range(BLOCKS)),
            sum(_timed(lambda: stage_and_write(bare, insert, body)) for _ in range(BLOCKS)),
        ]
        front.ask("TRUNCATE TABLE landed", "")
        bare.run("TRUNCATE TABLE landed")
        for side, seconds in zip(sides, took, strict=True):
            if turn:
                side.append(BLOCK * BLOCKS / seconds)
    return sides


def _crowd(address: Address, endpoint: str) -> tuple[float, float]:
    """p99 and p50 in milliseconds of clients that all ask at once, without a pause."""
    times: list[float] = []
    ready = threading.Barrier(CLIENTS)

    def client(number: int) -> None:
        front = Asked(address)
        ready.wait()
        for turn in range(EACH):
            asked = {"param_home_id": str((number * 31 + turn) % HOMES + 1), "param_hours": "168"}
            times.append(_timed(lambda: front.ask(endpoint, "JSON", **asked, **_LOOK)) * 1000)  # noqa: B023

    clients = [threading.Thread(target=client, args=(n,)) for n in range(CLIENTS)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    return percentile(times, 0.99), percentile(times, 0.5)


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _figure(name: str, unit: str, ours: list[float], theirs: list[float], target: str) -> Figure:
    ratio = median([a / b for a, b in zip(ours, theirs, strict=True)])
    return Figure(name, median(ours), unit, median(theirs), ratio, target)


_Sides = tuple[list[float], list[float]]
