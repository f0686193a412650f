"""Ten thousand statements of 32 clients at once: every answer right, memory bounded."""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.contract.conftest import Front, engine_process

from penstock.engine.datadir import key

if TYPE_CHECKING:
    from collections.abc import Callable

CLIENTS, FIRST, ALL = 32, 1_000, 10_000
HOMES, HOURS = 1_000, 200
GROWTH_MB = 100
ENERGY = "toUInt64(number % 1000 + intDiv(number, 1000))"
LEFT = "SELECT sum(sleepEachRow(0.01)) FROM numbers(3000) SETTINGS max_block_size = 10"


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_ten_thousand_statements_of_many_clients(
    tmp_path: Path, free_port: Callable[[], int], capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    with engine_process(tmp_path, port) as process:
        front = Front(port, key(tmp_path), tmp_path)
        front.do(
            "CREATE TABLE gold (home UInt32, hour UInt32, energy AggregateFunction(sum, UInt64))"
            " ENGINE = AggregatingMergeTree ORDER BY (home, hour)",
            "INSERT INTO gold SELECT number % 1000 AS home, intDiv(number, 1000) AS hour,"
            f" sumState({ENERGY}) FROM numbers({HOMES * HOURS}) GROUP BY home, hour",
        )
        local = threading.local()

        def ask(number: int) -> None:
            if not hasattr(local, "front"):
                local.front = Front(port, front.key, tmp_path)
            _ask(local.front, number)

        began, seen = time.monotonic(), {}
        with ThreadPoolExecutor(CLIENTS) as clients:
            list(clients.map(ask, range(FIRST)))
            seen["first"] = _resident_mb(process.pid)
            list(clients.map(ask, range(FIRST, ALL)))
            seen["all"] = _resident_mb(process.pid)
        taken = time.monotonic() - began
        assert front.ask("SELECT count() FROM system.processes", key=True).text == "1\n"
    with capsys.disabled():
        print(f"\n{ALL:,} statements in {taken:.0f} s; resident MB after {FIRST:,} and all: {seen}")
    assert seen["all"] - seen["first"] < GROWTH_MB


def _ask(front: Front, number: int) -> None:
    """One statement, and whether its answer is right; its kind follows from its number."""
    kind = random.Random(number).random()
    home = number % HOMES
    if kind < 0.70:
        answer = front.ask(
            "SELECT hour, sumMerge(energy) AS e FROM gold WHERE home = {home:UInt32} GROUP BY hour"
            " ORDER BY hour",
            key=True,
            default_format="JSONEachRow" if number % 2 else "JSON",
            output_format_write_statistics="0",
            param_home=str(home),
        )
        rows = answer.text.splitlines() if number % 2 else json.loads(answer.body)["data"]
        found = [json.loads(row) if isinstance(row, str) else row for row in rows]
        assert [int(row["e"]) for row in found] == [home + hour for hour in range(HOURS)]
    elif kind < 0.80:
        hours = number % HOURS + 1
        sql = f"SELECT sumMerge(energy), uniqExact(home) FROM gold WHERE hour < {hours}"
        expected = sum(range(HOMES)) * hours + HOMES * sum(range(hours))
        assert front.ask(sql, key=number % 3 > 0).text == f"{expected}\t{HOMES}\n"
    elif kind < 0.85:
        answer = front.ask(f"SELECT number FROM numbers({number})", key=True)
        assert answer.body == b"".join(b"%d\n" % n for n in range(number))
    elif kind < 0.98:
        sql, code = (
            ("SELECT throwIf(home = 7) FROM gold", 395),
            (f"SELECT nothing_{number}", 47),
            (f"SELEC {number}", 62),
            ("SELECT home FROM gold SETTINGS max_result_rows = 10", 396),
        )[number % 4]
        assert front.ask(sql, key=True, default_format="JSON").code == code
    else:
        _leave(front)


def _leave(front: Front) -> None:
    """Ask for what takes long, and leave."""
    with socket.create_connection(("127.0.0.1", front.port)) as client:
        head = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(LEFT)}\r\n"
        client.sendall(f"{head}X-ClickHouse-Key: {front.key}\r\n\r\n{LEFT}".encode())
        time.sleep(0.02)


def _resident_mb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024
