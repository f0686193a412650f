"""docs/your-own-project.md: from a file to an endpoint, by nothing but its own commands."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "your-own-project.md"
# The whole file where it is beside the repository, else the part of it that is shipped.
SAMPLES = (
    ROOT.parent / "shared/data/homes/fan_accelerometer/accelerometer.csv.gz",
    ROOT / "tests/fixtures/samples/accelerometer.csv.gz",
)
pytestmark = pytest.mark.slow


def blocks() -> list[list[str]]:
    found = re.findall(r"```sh\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    return [block.strip().splitlines() for block in found]


def test_five_commands_lead_from_a_file_to_an_endpoint(
    free_port: Callable[[], int], tmp_path: Path
) -> None:
    commands, (ask,) = blocks()
    assert len(commands) == 5
    sample = next(s for s in SAMPLES if s.is_file())
    shutil.copy(sample, tmp_path / "accelerometer.csv.gz")
    port, engine = free_port(), free_port()
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "PENSTOCK_PORT": str(port),
        "PENSTOCK_ENGINE_PORT": str(engine),
    }
    script = "\n".join(["set -euo pipefail", *commands[:-1], f"exec {commands[-1]}"])
    log = tmp_path / "log"
    with log.open("wb") as out:
        running = subprocess.Popen(
            ["bash", "-c", script], cwd=tmp_path, env=environment, stdout=out, stderr=out
        )
    try:
        url = ask.split("'")[1].replace("localhost:8000", f"127.0.0.1:{port}")
        rows = _answer(f"http://{url}", running, log)
    finally:
        running.send_signal(signal.SIGINT)
        running.wait(60)
    runs = {row["rotation_speed_percentage"] for row in rows}
    assert (len(runs), {row["sensor_configuration"] for row in rows}) == (17, {"2"})
    whole = sample == SAMPLES[0]
    assert sum(int(row["rows"]) for row in rows) == (51_000 if whole else 1_020)


def _answer(url: str, running: subprocess.Popen[bytes], log: Path) -> list[dict[str, str]]:
    """The endpoint's rows, once the file is in."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and running.poll() is None:
        if "are in mine/accelerometer" in log.read_text():
            with urllib.request.urlopen(url, timeout=10) as answer:
                return list(csv.DictReader(io.StringIO(answer.read().decode())))
        time.sleep(0.1)
    pytest.fail(f"the endpoint never answered:\n{log.read_text()}")
