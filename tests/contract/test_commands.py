"""Commands beside a platform that runs: they find it, and say what is so."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.contract.conftest import EXAMPLES, environment, reading, up_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.conftest import Up

CSV = "home_id,ts,energy\n7,{ts},1.5\nseven,{ts},1.5\n8,{ts},1.5\n"
Done = subprocess.CompletedProcess[str]


def run(*words: str, cwd: Path | None = None) -> Done:
    return subprocess.run(
        [sys.executable, "-m", "penstock", *words],
        capture_output=True, text=True, timeout=60, check=False, env=environment(), cwd=cwd,
    )  # fmt: skip


@pytest.fixture(scope="module")
def ask(platform: Up, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Done]:
    """Runs a command about the platform, from a folder that has nothing to do with it."""
    folder = tmp_path_factory.mktemp("elsewhere")
    return lambda *words: run(*words, "--data", str(platform.data), cwd=folder)


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text(CSV.format(ts=str(reading()["ts"])))
    return path


@pytest.mark.parametrize("source", ["readings", "homes/readings"])
def test_a_bad_row_of_a_csv_is_told(ask: Callable[..., Done], csv: Path, source: str) -> None:
    done = ask("ingest", source, str(csv))
    assert done.returncode == 0, done.stderr
    assert "3 sent" in done.stderr
    assert "2 in silver, 1 dead letter\nnext: penstock dead-letters ls --data" in done.stderr
    account = json.loads(ask("ingest", source, str(csv), "--json").stdout)
    assert (account["silver"], account["dead_letters"]) == (2, 1)


def test_a_bad_line_of_ndjson_is_a_dead_letter(ask: Callable[..., Done], tmp_path: Path) -> None:
    path = tmp_path / "rows.ndjson"
    path.write_text(json.dumps(reading()) + "\nnot json\n\n" + json.dumps(reading()) + "\n")
    done = ask("ingest", "homes/readings", str(path))
    assert "3 sent to homes/readings: 2 in silver, 1 dead letter" in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.csv", "a,b\n1,2\n1,2,3\n", "x.csv cannot be read as CSVWithNames, so nothing of it"),
        ("x.parquet", "no parquet", "x.parquet cannot be read as Parquet, so nothing of it"),
        ("x.ndjson.gz", "no gzip", "x.ndjson.gz cannot be read as NDJSON, so nothing of it"),
        ("x.csv", "", "is empty"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_sentence(
    ask: Callable[..., Done], tmp_path: Path, name: str, text: str, said: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    done = ask("ingest", "homes/readings", str(path))
    assert done.returncode == 1
    assert said in done.stderr
    assert "next" in done.stderr
    assert str(tmp_path) not in done.stderr.replace(str(path), "")


def test_times_that_nobody_names_are_not_moved(ask: Callable[..., Done], csv: Path) -> None:
    done = ask("ingest", "homes/readings", str(csv), "--shift-to", "now")
    assert done.returncode == 2
    assert "cannot be moved" in done.stderr


def test_a_source_that_is_not_there_is_said_by_the_platform(
    ask: Callable[..., Done], csv: Path
) -> None:
    done = ask("ingest", "homes/nothing", str(csv))
    assert done.returncode == 1
    assert "/v1/ingest/homes/readings" in done.stderr


def test_the_command_that_is_suggested_works(platform: Up, ask: Callable[..., Done]) -> None:
    raw = '{"home_id": "' + "x" * 900 + '"}'
    platform.post(raw.encode(), wait="true")
    listed = ask("dead-letters", "ls", "--limit", "1")
    assert listed.returncode == 0, listed.stderr
    words = listed.stderr.rpartition("next: penstock ")[2].split()
    shown = run(*words)
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["raw"] == raw
    newest = json.loads(ask("dead-letters", "ls", "--limit", "1", "--json").stdout)["newest"]
    assert newest[0]["raw"] == raw, "--json has it whole"


def test_a_mistake_in_the_sql_is_no_hindrance(platform: Up, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "p", ignore=shutil.ignore_patterns(".data", "data"))
    (tmp_path / "p" / "homes" / "gold" / "home_latest.sql").write_text("CREATE TABEL x")
    options = ["--project", str(tmp_path / "p"), "--data", str(platform.data)]
    for words in (["status"], ["dead-letters", "ls"], ["query", "SELECT count() FROM readings"]):
        done = run(*words, *options)
        assert done.returncode == 0, done.stderr


def test_status_and_the_proof_are_data(ask: Callable[..., Done]) -> None:
    status = ask("status")
    assert "balance" in status.stdout
    assert "next: penstock reconcile --data" in status.stderr
    proof = ask("reconcile")
    assert proof.returncode == 0, proof.stderr
    assert proof.stdout.startswith("ok  homes/readings")
    assert proof.stderr.startswith("everything is accounted for")


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELEC 1", "next  did you mean SELECT?"),
        ("SELECT\n1 +", "at    line 2"),
        ("SELECT home_ident FROM readings", "home_id"),
        ("INSERT INTO readings (home_id) VALUES (1)", "penstock query --write"),
        ("DROP TABLE readings", "penstock query --write"),
    ],
)
def test_a_refused_query_is_short(ask: Callable[..., Done], sql: str, said: str) -> None:
    done = ask("query", sql)
    assert done.returncode == 1
    assert said in done.stderr
    assert "FORMAT" not in done.stderr
    assert "password" not in done.stderr
    assert len(done.stderr) < 300


def test_a_query_reads_without_the_key_and_writes_with_it(ask: Callable[..., Done]) -> None:
    assert ask("query", "SELECT 1 AS n;", "--format", "CSVWithNames").stdout == '"n"\n1\n'
    assert ask("query", "SELECT 1 FORMAT JSONEachRow").stdout == '{"1":1}\n'
    done = ask("query", "CREATE DATABASE made ENGINE = Memory", "--write")
    assert done.returncode == 0, done.stderr
    assert ask("query", "EXISTS DATABASE made", "--format", "TSV").stdout == "1\n"
    assert ask("query", "DROP DATABASE made", "--write").returncode == 0


def test_a_port_that_a_penstock_has_is_said_to_be_so(platform: Up, tmp_path: Path) -> None:
    words = up_words(EXAMPLES, tmp_path / "data", platform.port, platform.front.port)
    done = subprocess.run(words, capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 1
    assert f"a Penstock runs there already: {platform.url}" in done.stderr


def test_doctor_takes_ones_own_platform_for_granted(platform: Up) -> None:
    words = ["doctor", "--data", str(platform.data), "--json"]
    env = environment(
        PENSTOCK_PORT=str(platform.port), PENSTOCK_ENGINE_PORT=str(platform.front.port)
    )
    done = subprocess.run(
        [sys.executable, "-m", "penstock", *words], capture_output=True, text=True, env=env,
        check=False,
    )  # fmt: skip
    found = {f["check"]: f for f in json.loads(done.stdout)}
    assert found["port"]["ok"] and platform.url in found["port"]["found"]  # noqa: PT018
    assert found["engine_port"]["ok"]
    assert found["platform"]["found"] == f"runs at {platform.url}"


@pytest.mark.parametrize("moment", ["at once", "while the engine starts"])
def test_an_early_ctrl_c_is_calm(tmp_path: Path, free_port: Callable[[], int], moment: str) -> None:
    data = tmp_path / "data"
    words = up_words(EXAMPLES, data, free_port(), free_port())
    words[2] = "penstock"
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment()
    )
    deadline = time.monotonic() + 30
    maps = Path(f"/proc/{process.pid}/maps")
    while time.monotonic() < deadline:
        if moment != "at once" and (data / "engine.lock").exists():
            break
        if moment == "at once" and "_socket" in maps.read_text():  # imports are under way
            break
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGINT)
    said = process.communicate(timeout=40)[0]
    assert "Traceback" not in said
    assert said.rstrip().endswith("stopped")
    assert process.returncode in {130, -signal.SIGINT}
    assert not (data / "running.json").exists()


def test_the_record_goes_with_the_platform(tmp_path: Path, free_port: Callable[[], int]) -> None:
    data = tmp_path / "data"
    process = subprocess.Popen(
        up_words(EXAMPLES, data, free_port(), free_port()),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment(),
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (data / "running.json").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert json.loads((data / "running.json").read_text())["pid"] == process.pid
    deadline = time.monotonic() + 30
    while run("status", "--data", str(data)).returncode and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=40)[0]
    assert process.returncode == 0, said
    assert "stopping" in said
    assert not (data / "running.json").exists()
    again = run("reconcile", "--project", str(EXAMPLES), "--data", str(data))
    assert again.returncode == 0, again.stderr
