"""The words of the command line: what is offered exists, and what is off is said so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from penstock.cli import app

ROOT = Path(__file__).parents[3]
ELSEWHERE = {"plan"}  # a command of a later issue
TEXTS = ("*.md", "src/penstock/**/*.py", "src/penstock/**/*.sql", "docs/**/*.md")
MORE = ("examples/**/*.md", "examples/**/*.toml", "examples/**/*.sql", "web/src/**/*.svelte")


def run(*words: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "penstock", *words],
        capture_output=True, text=True, timeout=60, check=False, cwd=cwd,
        env={**os.environ, **env, "COLUMNS": "120"},
    )  # fmt: skip


def test_every_command_that_is_named_exists() -> None:
    known = set(get_command(app).commands) | ELSEWHERE  # type: ignore[attr-defined]
    named: dict[str, Path] = {}
    for pattern in (*TEXTS, *MORE):
        for path in ROOT.glob(pattern):
            text = re.sub(r"(from|import) penstock import|import penstock", "", path.read_text())
            for word in re.findall(r"\bpenstock ([a-z][a-z-]*)", text):
                named.setdefault(word, path)
    assert len(named) > 8
    assert {w: str(p) for w, p in named.items() if w not in known} == {}


@pytest.mark.parametrize("words", [["version"], ["--version"]])
def test_the_version_is_data(words: list[str]) -> None:
    done = run(*words)
    assert done.stdout.startswith("penstock ")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "words",
    [["-h"], ["reconcile", "-h"], ["demo", "-h"], ["dead-letters", "ls", "-h"], ["test", "-h"],
     ["new", "-h"], ["new", "gold", "-h"]],
)  # fmt: skip
def test_help_is_short_and_names_no_types_of_python(words: list[str]) -> None:
    done = run(*words)
    assert done.returncode == 0
    assert "<bool>" not in done.stdout
    assert "list[" not in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["up", "--port", "99999"],
        ["up", "--engine-port", "0"],
        ["demo", "--homes", "0"],
        ["dead-letters", "ls", "--limit", "-1"],
        ["check", "one", "--project", "two"],
        ["query", "  "],
    ],
)
def test_words_that_are_off_end_with_2(words: list[str]) -> None:
    done = run(*words)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_of_the_environment_is_one(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text('name = "x"')
    done = run("status", "--project", str(tmp_path), PENSTOCK_PORT="99999")
    assert done.returncode == 2
    assert "PENSTOCK_PORT (environment)" in done.stderr


def test_nothing_runs_here(tmp_path: Path) -> None:
    for words in (["status"], ["query", "SELECT 1"], ["dead-letters", "ls"]):
        done = run(*words, "--data", str(tmp_path / "none"))
        assert done.returncode == 6, done.stderr
        assert "penstock up" in done.stderr


def test_what_is_begun_in_a_project_is_found_from_within_and_from_elsewhere(tmp_path: Path) -> None:
    root, sample = tmp_path / "mine", tmp_path / "s.ndjson"
    sample.write_text('{"id": 1, "ts": "2026-11-21T12:00:00Z", "v": 1.5}\n')
    made = [
        run("new", str(root)),
        run("new", "source", "--like", str(sample), "--project", str(root)),
    ]
    assert f"next: penstock new gold s --project {root}\n" in made[1].stderr
    made.append(run("new", "gold", "s", cwd=root / "mine" / "silver"))
    assert "next: penstock new endpoint hourly_s\n" in made[2].stderr
    made.append(run("test", "--project", str(root)))
    assert [done.returncode for done in made] == [0, 0, 0, 0]
    assert run("test", "--project", str(tmp_path)).returncode == 2


def test_looking_makes_no_data_directory(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text('name = "x"')
    (tmp_path / "homes" / "bronze").mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    for words in (["reconcile"], ["status"], ["doctor"], ["dead-letters", "ls"]):
        done = run(*words, "--project", str(tmp_path))
        assert done.returncode in {1, 2, 6} or words == ["doctor"], done.stdout
    assert "no platform has run in" in run("reconcile", "--project", str(tmp_path)).stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_the_help_comes_at_once() -> None:
    program = (
        "import sys, penstock.cli\n"
        "heavy = ('numpy', 'httpx2', 'starlette', 'chdb', 'sqlalchemy', 'clickhouse_connect')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


def test_a_senders_end_without_an_answer_is_no_success() -> None:
    words = ["simulate", "homes", "--rows", "20", "--homes", "20", "--for", "1s"]
    done = run(*words, "--url", "http://127.0.0.1:9/v1/ingest/homes/readings")
    assert done.returncode == 6, done.stderr
    assert "next: penstock reconcile" not in done.stderr
