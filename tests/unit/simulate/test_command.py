"""The command: rows to stdout, words to stderr, and a clean end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer

from penstock.cli.simulate import simulate
from penstock.errors import BadInputError, UsageError

START = ["--start", "2026-11-21T14:00:00Z"]
PROGRAM = """
import typer
from penstock.cli.simulate import simulate
app = typer.Typer()
app.command()(simulate)
app()
"""


def run(*words: str, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, "homes", *words],
        stdout=stdout,
        stderr=subprocess.PIPE,
        check=True,
        timeout=60,
    )


def call(*words: str) -> None:
    """Run the command in this process, so that its errors can be caught."""
    app = typer.Typer()
    app.command()(simulate)
    app(list(words), standalone_mode=False)


def test_rows_go_to_stdout_and_are_the_same_in_another_process():
    one, two = (run("--to", "file", "--rows", "3000", *START) for _ in range(2))
    assert one.stdout == two.stdout
    assert one.stdout.count(b"\n") >= 3000
    assert b"3,00" in one.stderr
    assert run("--to", "file", "--rows", "3000", "--seed", "2", *START).stdout != one.stdout


def test_a_history_in_a_file_with_its_truth(tmp_path):
    path, truth = tmp_path / "rows.ndjson", tmp_path / "truth.json"
    words = ["--to", "file", "--path", str(path), "--truth", str(truth), "--json", "--homes", "50"]
    ended = run("--history", "2h", "--rows", "5_000", "--serial", *words, *START)
    document = json.loads(ended.stdout)
    assert json.loads(truth.read_text()) == document
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(rows) == document["sent"] == document["good"]
    assert document["malformed"] == {}
    assert rows[-1]["serial"] == 4999
    assert "2026-11-21T13:59:5" in document["last_ts"]
    assert b"next: penstock ingest" in ended.stderr


def test_telemetry_in_a_file_with_the_incidents_that_were_planted(tmp_path):
    path, truth = tmp_path / "rows.ndjson", tmp_path / "truth.json"
    words = ["--to", "file", "--path", str(path), "--truth", str(truth), "--json", "--for", "10m"]
    call("telemetry", *words, "--devices", "20", "--faults", "surge:2,stuck", *START)
    document = json.loads(truth.read_text())
    assert document["source"] == "telemetry/telemetry_stream"
    assert document["sent"] == len(path.read_bytes().splitlines()) >= 12_000
    assert sorted(one["kind"] for one in document["faults"]) == ["stuck", "surge", "surge"]
    assert {len(one["device_id"]) for one in document["faults"]} == {len("meter-00001")}


def test_a_history_goes_on_after_a_number_of_readings(tmp_path):
    words = ["--to", "file", "--history", "2h", "--rows", "500", "--serial", *START]
    whole = run(*words, "--homes", "50").stdout.splitlines()
    truth = tmp_path / "truth.json"
    rest = run(*words, "--homes", "50", "--skip", "430", "--truth", str(truth)).stdout.splitlines()
    assert rest == [row for row in whole if json.loads(row)["serial"] >= 430]
    account = json.loads(truth.read_text())
    assert account["first"] + account["sent"] - account["of_sent"]["duplicates"] == 500


def test_faults_are_planted_and_a_replay_sends_what_an_outage_kept_back(tmp_path):
    words = ["--to", "file", "--history", "2d", "--rows", "4000", "--homes", "20", *START]
    truths = [tmp_path / name for name in ("cut.json", "late.json")]
    whole = run(*words).stdout.splitlines()
    words += ["--faults", "outage:2"]
    cut = run(*words, "--truth", str(truths[0]))
    late = run(*words, "--replay", "--truth", str(truths[1])).stdout.splitlines()
    assert b"2 faults were planted" in cut.stderr
    assert sorted(whole) == sorted([*cut.stdout.splitlines(), *late])
    accounts = [json.loads(truth.read_text()) for truth in truths]
    assert [f["kind"] for f in accounts[0]["faults"]] == ["outage", "outage"]
    assert accounts[0]["faults"] == accounts[1]["faults"]
    assert sum(account["silent"] for account in accounts) == 4000


def test_for_bounds_what_is_written():
    rows = run("--to", "file", "--for", "2s", "--homes", "10", "--duplicates", "0", *START).stdout
    assert rows.count(b"\n") == 20


def test_a_reader_that_has_had_enough_is_no_error(tmp_path):
    truth = tmp_path / "truth.json"
    words = ["homes", "--to", "file", "--for", "1h", "--truth", str(truth)]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(30) == 0
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()
    assert json.loads(truth.read_text())["final"] is True


def test_sending_ends_by_itself(receiver):
    words = ["--for", "1s", "--rate", "500", "--json", "--duplicates", "0", "--malformed", "0"]
    ended = run("--url", receiver.url, *words)
    document = json.loads(ended.stdout)
    assert document["acknowledged"] == 500 == b"".join(receiver.stored).count(b"\n")
    assert b"next: penstock reconcile" in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_in_good_order(receiver, tmp_path: Path, number):
    truth, ids = tmp_path / "truth.json", tmp_path / "ids.ndjson"
    words = ["homes", "--url", receiver.url, "--truth", str(truth), "--ids", str(ids), "--json"]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        deadline = time.monotonic() + 30
        while receiver.requests < 5 and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(process.pid, number)
        out, words_said = process.communicate(timeout=20)
    assert process.returncode == 0, words_said
    document = json.loads(truth.read_text())
    assert document == json.loads(out)
    assert document["final"] is True
    assert document["acknowledged"] == b"".join(receiver.stored).count(b"\n") > 0
    assert len(ids.read_text().splitlines()) == len(receiver.stored)


def test_an_error_of_the_receiver_comes_out_and_the_truth_is_written(receiver, tmp_path):
    receiver.behave = lambda _: "refuse"
    truth = tmp_path / "truth.json"
    with pytest.raises(BadInputError):
        call("homes", "--url", receiver.url, "--truth", str(truth))
    assert json.loads(truth.read_text())["final"] is True


@pytest.mark.parametrize(
    "words",
    [
        ["farms"],
        ["homes", "--to", "fax"],
        ["homes", "--to", "file"],
        ["homes", "--to", "file", "--for", "1s", "--json"],
        ["homes", "--to", "file", "--for", "1s", "--ids", "x"],
        ["homes", "--url", "localhost:8000"],
        ["homes", "--for", "soon"],
        ["homes", "--history", "30d", "--homes", "0"],
        ["homes", "--history", "30d", "--rate", "0"],
        ["homes", "--start", "yesterday"],
        ["homes", "--rows", "0"],
        ["homes", "--skip", "5"],
        ["homes", "--faults", "fire"],
        ["homes", "--faults", "drift"],
        ["homes", "--history", "1d", "--faults", "drift", "--replay"],
        ["homes", "--rate", "-3"],
        ["homes", "--late", "2"],
        ["homes", "--to", "kafka", "--servers", "127.0.0.1:9"],
        ["telemetry", "--serial"],
        ["telemetry", "--replay"],
        ["telemetry", "--devices", "0", "--for", "1s"],
        ["telemetry", "--to", "file", "--for", "1s", "--faults", "drift"],
        ["telemetry", "--to", "kafka", "--ids", "x"],
    ],
)
def test_words_that_are_off_say_what_to_do(words):
    with pytest.raises(UsageError) as caught:
        call(*words)
    assert caught.value.next_step


def test_importing_the_command_loads_nothing_heavy():
    program = (
        "import sys, penstock.cli.simulate, penstock.simulate\n"
        "print([m for m in ('numpy', 'httpx2', 'starlette', 'chdb') if m in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert ended.stdout.strip() == b"[]"
