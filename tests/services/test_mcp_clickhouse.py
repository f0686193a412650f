"""The tools of mcp-clickhouse, as a language model's client calls them, against the front.

It brings hundreds of packages of its own, so it lives in a virtual environment of this test.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from penstock.engine.client import Client

if TYPE_CHECKING:
    from pathlib import Path

    from tests.services.conftest import Server

VERSION = "0.7.0"
ASKS = """
import json
from mcp_clickhouse.mcp_server import list_databases, list_tables, run_query

def text(value):
    return value if isinstance(value, str) else json.dumps(value, default=str)

print(json.dumps({
    "databases": text(list_databases()),
    "tables": text(list_tables("main")),
    "rows": text(run_query("SELECT sum(n) AS total FROM mcp")),
}))
try:
    print(json.dumps(text(run_query("DROP TABLE mcp"))))
except Exception as error:
    print(json.dumps(f"refused: {error}"))
"""


@pytest.mark.slow
def test_mcp_clickhouse(server: Server, tmp_path: Path) -> None:
    client = Client(server.process.address)
    client.execute("CREATE TABLE main.mcp (n UInt32) ENGINE = MergeTree ORDER BY n")
    client.execute("INSERT INTO main.mcp SELECT number FROM numbers(10)")
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    words = ["-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([str(python), *words, f"mcp-clickhouse=={VERSION}"], check=True, timeout=300)
    environment = {
        "CLICKHOUSE_HOST": "127.0.0.1",
        "CLICKHOUSE_PORT": str(server.port),
        "CLICKHOUSE_USER": "model",
        "CLICKHOUSE_PASSWORD": server.key,
        "CLICKHOUSE_SECURE": "false",
        "CLICKHOUSE_VERIFY": "false",
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
    }
    said = subprocess.run(
        [str(python), "-c", ASKS], env=environment, capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr[-2000:]
    answers, refused = (json.loads(line) for line in said.stdout.splitlines()[-2:])
    assert "main" in answers["databases"]
    assert "mcp" in answers["tables"]
    assert "45" in answers["rows"]
    assert "refused" in refused or "error" in refused.lower()
    assert int(client.value("SELECT count() FROM main.mcp")) == 10
    client.execute("DROP TABLE main.mcp")
    client.close()
