"""`penstock config show`: every setting, where it comes from, and no password."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from penstock.cli.config import masked
from penstock.settings import SETTINGS

if TYPE_CHECKING:
    from pathlib import Path


def show(project: Path, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
    kept = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("PENSTOCK_", "CLICKHOUSE_", "DATABASE_"))
    }
    command = [sys.executable, "-m", "penstock.cli", "config", "show", "--project", str(project)]
    return subprocess.run(
        [*command, *words],
        env={**kept, **changes},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def rows(project: Path, *words: str, **changes: str) -> dict[str, Any]:
    done = show(project, "--json", *words, **changes)
    assert done.returncode == 0, done.stderr
    return {row["name"]: row for row in json.loads(done.stdout)}


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("", ""),
        ("127.0.0.1", "127.0.0.1"),
        (".data", ".data"),
        ("http://localhost:8123", "http://localhost:8123"),
        ("http://me:s3cret@host:8123", "http://me:***@host:8123"),
        ("http://:s3cret@host", "http://:***@host"),
        ("http://me@host:8123/db", "http://me@host:8123/db"),
        ("https://me:s3/c?r#e%40t@host:8443/db?x=1", "https://me:***@host:8443/db?x=1"),
        ("https://me:s3c@ret@host/db", "https://me:***@host/db"),
        ("postgresql://me:s3cret@host/db?sslmode=require", "postgresql://me:***@host/db?sslmode=require"),
        ("postgresql://host/db?user=me&password=s3cret&x=1", "postgresql://host/db?user=me&password=***&x=1"),
        ("http://host:8123/?key=s3cret", "http://host:8123/?key=***"),
    ],
)  # fmt: skip
def test_a_password_is_never_shown(written: str, shown: str) -> None:
    assert masked(written) == shown


def test_a_webhook_is_hidden_whole_as_its_path_may_be_a_secret(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text('name = "x"\n')
    found = rows(tmp_path, PENSTOCK_WEBHOOK_URL="https://hooks.example/s3cret")
    assert found["webhook_url"]["value"] == "***"
    assert found["slack_url"]["value"] == ""


def test_each_value_says_who_set_it(tmp_path: Path) -> None:
    toml = 'name = "x"\n\n[platform]\n# port = 1\nport = 8001\nbatch_age = "1s"\n'
    (tmp_path / "penstock.toml").write_text(toml)
    found = rows(
        tmp_path, "--data", "/d", PENSTOCK_BATCH_AGE="2s", CLICKHOUSE_URL="http://me:s3cret@h:8123"
    )
    assert set(found) == {setting.name for setting in SETTINGS}
    origins = {name: (row["value"], row["origin"]) for name, row in found.items()}
    assert origins["data"] == ("/d", "command line")
    assert origins["port"] == ("8001", "penstock.toml:5")
    assert origins["batch_age"] == ("2s", "environment: PENSTOCK_BATCH_AGE")
    assert origins["clickhouse_url"] == ("http://me:***@h:8123", "environment: CLICKHOUSE_URL")
    assert origins["spool_bytes"] == ("2gb", "default")
    shown = show(tmp_path, "--origin", CLICKHOUSE_URL="http://me:s3cret@h:8123")
    assert "s3cret" not in shown.stdout + shown.stderr
    assert "penstock.toml:5" in shown.stdout


@pytest.mark.parametrize(
    ("toml", "line"),
    [
        ("platform.port = 8001\n", 1),
        ("# a file\nplatform = { host = '::1', port = 8001 }\n", 2),
        ("[other]\nport = 1\n[ platform ] # ours\n'port' = 8001\n[tests]\nport = 2\n", 4),
    ],
)
def test_the_line_is_found_however_it_is_written(toml: str, line: int, tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text(toml)
    assert rows(tmp_path)["port"]["origin"] == f"penstock.toml:{line}"


def test_a_broken_project_is_no_hindrance_and_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "homes").mkdir()
    (tmp_path / "penstock.toml").write_text("[platform]\nport = 8001\n")
    assert show(tmp_path).returncode == 0
    (tmp_path / "penstock.toml").write_text("[platform\n")
    done = show(tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "penstock.toml is no TOML" in done.stderr


def test_a_server_named_in_parts_is_shown_whole_and_masked(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text('name = "x"\n')
    words = {"CLICKHOUSE_HOST": "ch", "CLICKHOUSE_USER": "me", "CLICKHOUSE_PASSWORD": "s3cret"}
    found = rows(tmp_path, **words)["clickhouse_url"]
    assert found["value"] == "http://me:***@ch"
    assert found["origin"] == "environment: CLICKHOUSE_HOST, …"
