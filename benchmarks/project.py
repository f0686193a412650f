"""How long a person waits: for `penstock check`, and from a save to its answer, on the examples."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness import EXAMPLES, Figure, Running, median, running

ROUNDS = 5
_ENDPOINT = "SELECT {answer} AS answer\n"


def measure() -> list[Figure]:
    """Medians of five rounds each."""
    checks = [_check() for _ in range(ROUNDS)]
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        project = Path(shutil.copytree(EXAMPLES, Path(folder) / "examples"))
        file = project / "homes" / "serve" / "saved.sql"
        file.write_text(_ENDPOINT.format(answer=0))
        with running(project) as platform:
            reloads = [_reload(platform, file, n) for n in range(1, ROUNDS + 1)]
    return [
        Figure("penstock check of all examples", median(checks), "s", None, None, "<= 5"),
        Figure("reload after save, examples", median(reloads), "s", None, None, "<= 2"),
    ]


def _check() -> float:
    began = time.perf_counter()
    words = [sys.executable, "-m", "penstock.cli", "check", str(EXAMPLES)]
    subprocess.run(words, check=True, capture_output=True)
    return time.perf_counter() - began


def _reload(platform: Running, file: Path, answer: int) -> float:
    """Seconds from the save of an endpoint until it gives the new answer."""
    began = time.perf_counter()
    file.write_text(_ENDPOINT.format(answer=answer))
    while platform.get("/v1/endpoints/homes/saved.json")["data"][0]["answer"] != answer:
        if time.perf_counter() - began > 60:
            raise TimeoutError("the saved endpoint never gave its new answer")
        time.sleep(0.05)
    took = time.perf_counter() - began
    time.sleep(3)  # a person does not save again at once
    return took
