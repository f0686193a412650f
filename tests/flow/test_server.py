"""A platform on a server that CLICKHOUSE_URL names: commands, analysts, and what cannot be had."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.engine.client import Address, Client
from penstock.engine.questions import Question
from penstock.errors import EngineError

from . import faults
from .faults import PlatformProcess, homes, readings, url_of


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformProcess]:
    folder = tmp_path_factory.mktemp("server")
    with (
        faults.server(folder) as server,
        PlatformProcess(homes(folder / "project"), folder / "data", server) as platform,
    ):
        assert platform.post(readings(0, 60)) == 202
        platform.drain()
        yield platform


def ran(up: PlatformProcess, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*up.command(*words), "--data", str(up.data)],
        env=up.environment, cwd=up.project, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip


def test_it_starts_no_engine_of_its_own(up: PlatformProcess) -> None:
    assert not (up.data / "engine").exists()
    assert json.loads((up.data / "running.json").read_text())["engine_port"] == 0
    assert f"ClickHouse  http://127.0.0.1:{up.engine_port}\n" in up.log.read_text()
    status = up.get("/v1/status")
    assert (status["engine"]["state"], status["balance"]["difference"]) == ("up", 0)


@pytest.mark.slow
def test_every_command_finds_the_server(up: PlatformProcess) -> None:
    for words, said in (
        (("query", "SELECT count() FROM homes.readings"), "58"),
        (("status",), "58"),
        (("tail", "readings"), "home_id"),
        (("dead-letters", "ls"), "temperature"),
        (("plan",), ""),
        (("reconcile",), "58"),
        (("apply", "--yes"), ""),
    ):
        done = ran(up, *words)
        assert done.returncode == 0, (words, done.stderr)
        assert said in done.stdout, words
    doctor = json.loads(ran(up, "doctor", "--json").stdout)
    (found,) = [row for row in doctor if row["check"] == "clickhouse"]
    assert found["ok"]
    assert f":{up.engine_port} answers" in found["found"]


@pytest.mark.slow
def test_a_backup_is_refused_with_what_to_do(up: PlatformProcess, tmp_path: Path) -> None:
    done = ran(up, "backup", str(tmp_path / "backup.tar"))
    assert done.returncode == 1
    assert "what is on that server would not be in the backup" in done.stderr
    assert "BACKUP of ClickHouse" in done.stderr
    assert not (tmp_path / "backup.tar").exists()


def test_analysts_are_guarded_where_the_server_is_a_front(up: PlatformProcess) -> None:
    client = Client(Address.parse(up.environment["CLICKHOUSE_URL"]))
    tables = [("homes", "home_latest")]
    sql = "SELECT uniqExact(home_id) AS homes FROM home_latest"
    told = client.analyse(Question(sql, tables, "JSONEachRow", "homes"))
    assert json.loads(told) == {"homes": "7"} or json.loads(told) == {"homes": 7}
    for sql in ("SELECT count() FROM raw_sensors", "SELECT * FROM system.tables"):
        with pytest.raises(EngineError) as refused:
            client.analyse(Question(sql, tables, database="homes"))
        assert refused.value.code == 497
    client.close()


def test_the_database_of_the_address_is_where_names_are_looked_up(up: PlatformProcess) -> None:
    assert up.server is not None
    client = Client(Address.parse(f"{url_of(up.server.address)}/homes"))
    assert client.value("SELECT count() AS n FROM readings") == 58
    assert client.value("SELECT currentDatabase() AS n", database="system") == "system"
    client.close()


@pytest.mark.slow
def test_another_ledger_does_not_land_into_its_tables(up: PlatformProcess, tmp_path: Path) -> None:
    """A new data directory would count its batches from 1 again, into those that are there."""
    assert up.server is not None
    other = PlatformProcess(up.project, tmp_path / "other", up.server)
    done = subprocess.run(
        other.command("up", "--project", str(up.project), "--data", str(other.data)),
        env=other.environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "another ledger" in done.stderr
