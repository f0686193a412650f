"""Every command in the documents runs, against a demo on free ports."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
DOCUMENTS = (
    "README.md", "docs/alerts.md", "docs/checks.md", "docs/dashboards.md", "docs/grafana.md",
    "docs/operating.md", "docs/plan.md", "docs/services.md", "docs/sql.md", "docs/testing.md",
    "examples/homes/README.md",
)  # fmt: skip
SHELLS = ("", "sh", "bash", "console")
# What does not end by itself is run by the fixture here.
ELSEWHERE = re.compile(r"(\.venv/bin/)?penstock (demo\b(?!.*--for)|up)")
pytestmark = pytest.mark.slow


def _commands() -> list[tuple[str, str]]:
    found = []
    for name in DOCUMENTS:
        text = (ROOT / name).read_text("utf-8") if (ROOT / name).exists() else ""
        for language, block in re.findall(r"```(\w*)\n(.*?)```", text, re.DOTALL):
            if language not in SHELLS:
                continue
            joined = block.replace("\\\n", " ")
            for line in joined.splitlines():
                command = line.split("   #")[0].strip()
                runs = re.match(r"(curl|\.venv/bin/penstock|penstock) ", command)
                if runs and not ELSEWHERE.match(command):
                    found.append((name, command))
    return found


@pytest.fixture(scope="module")
def place(
    free_port: Callable[[], int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    port, engine = free_port(), free_port()
    data = tmp_path_factory.mktemp("docs") / "data"
    words = [sys.executable, "-m", "penstock.cli", "demo", "--no-history", "--data", str(data)]
    process = subprocess.Popen(
        [*words, "--port", str(port), "--engine-port", str(engine)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2).close()
            break
        except OSError:
            time.sleep(0.2)
    time.sleep(3)
    yield {"port": str(port), "engine": str(engine), "data": str(data)}
    process.send_signal(signal.SIGINT)
    process.wait(90)


def test_the_documents_have_commands() -> None:
    assert len([c for _, c in _commands() if c.startswith("curl")]) >= 2
    assert len([c for _, c in _commands() if "penstock " in c]) >= 3


@pytest.mark.parametrize(("name", "command"), _commands())
def test_a_command_of_the_documents_runs(
    name: str, command: str, place: dict[str, str], tmp_path: Path
) -> None:
    command = command.replace("localhost:8000", f"127.0.0.1:{place['port']}")
    command = command.replace("127.0.0.1:8000", f"127.0.0.1:{place['port']}")
    command = command.replace("--data penstock-demo", f"--data {place['data']}")
    command = command.replace("localhost:8123", f"127.0.0.1:{place['engine']}")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        env={
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(tmp_path),
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "PENSTOCK_PORT": place["port"],
            "PENSTOCK_ENGINE_PORT": place["engine"],
            "PENSTOCK_DATA": place["data"],
        },
    )
    assert done.returncode == 0, f"{name}: {command}\n{done.stdout}\n{done.stderr}"
    assert '"status":4' not in done.stdout, f"{name}: {command} was answered {done.stdout}"
