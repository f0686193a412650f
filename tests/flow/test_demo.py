"""The demo by its own command, and the same out of a wheel in a new environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def _demo(words: list[str], folder: Path, ports: tuple[int, int], **env: str) -> dict[str, Any]:
    words += ["demo", "--json", "--port", str(ports[0]), "--engine-port", str(ports[1])]
    done = subprocess.run(
        [*words, "--data", str(folder / "data"), "--for", "30s"],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=240,
        check=False,
        env={**os.environ, **env},
    )
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def _check(account: dict[str, Any]) -> None:
    assert account["received"] == account["silver"] + account["dead_letters"]
    assert account["reconcile"]["ok"], account["reconcile"]
    assert account["received"] > 100_000, "live rows, history and two real houses"
    assert account["others"] == 0
    assert account["domains"]["homes"]["received"] == account["received"]
    faults = {fault["kind"]: fault for fault in account["faults"]}
    assert {"drift", "wrong_type"} <= set(faults), "what was planted is listed"
    assert faults["wrong_type"]["found"], faults["wrong_type"]
    assert faults["delayed"]["found"], "what came late is in gold, also where a run ends early"


def test_the_demo_ends_with_every_row_accounted_for(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    words = [sys.executable, "-m", "penstock.cli"]
    first = _demo([*words], tmp_path, (free_port(), free_port()))
    _check(first)
    second = _demo([*words], tmp_path, (free_port(), free_port()))
    _check(second)
    assert second["received"] > first["received"], "a second run goes on where the first ended"


def test_the_wheel_runs_the_demo_without_node_or_compiler(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    clone = tmp_path / "clone"
    shutil.copytree(
        ROOT,
        clone,
        ignore=shutil.ignore_patterns(
            ".git", ".venv", "node_modules", ".make", "penstock-demo", "build", ".svelte-kit"
        ),
    )
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path)],
        cwd=clone,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    wheel = next(tmp_path.glob("penstock-*.whl"))
    place = tmp_path / "env"
    venv.create(place, with_pip=True)
    python = str(place / "bin" / "python")
    lock = ["--require-hashes", "-r", str(ROOT / "requirements.lock")]
    for words in (lock, ["--no-deps", str(wheel)]):
        subprocess.run([python, "-m", "pip", "install", "-q", *words], check=True, timeout=600)
    account = _demo(
        [str(place / "bin" / "penstock")],
        tmp_path,
        (free_port(), free_port()),
        PATH=f"{place / 'bin'}:/bin",
        CC="/nowhere",
    )
    _check(account)
    package = next((place / "lib").glob("python*/site-packages/penstock"))
    assert (package / "serve" / "_ui" / "index.html").is_file()
    assert (package / "_examples" / "penstock.toml").is_file()
    assert list((package / "store" / "migrations").rglob("0001*.py"))
