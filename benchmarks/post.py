"""Single-event POST over 200 connections, against the same server discarding the body."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks.harness import Figure, free_port, median, running

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECTIONS = 200
SECONDS = 10
ROUNDS = 5
_EVENT = '{"home_id":7,"ts":"2026-11-21T14:00:00.123Z","region":"north","energy":0.345}'
_SCRIPT = f"""
wrk.method = "POST"
wrk.body = '{_EVENT}'
wrk.headers["Content-Type"] = "application/json"
"""
_DISCARD = """
import sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

async def take(request):
    await request.body()
    return JSONResponse({"accepted": 1, "source": "homes/readings"}, 202)

app = Starlette(routes=[Route("/v1/ingest/{domain}/{source}", take, methods=["POST"])])
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
"""


def measure() -> list[Figure]:
    """Requests a second each way, in alternating rounds; needs wrk, which `run` has looked for."""
    ours, theirs, tails = [], [], []
    with running() as platform, _discarding() as discard:
        for _ in range(ROUNDS):
            theirs.append(_load(discard)[0])
            rate, p99 = _load(f"{platform.url}/v1/ingest/homes/readings")
            ours.append(rate)
            tails.append(p99)
            platform.drain(platform.counts()["received"])
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return [
        Figure(
            "single-event POST, 200 connections",
            median(ours), "req/s", median(theirs), median(ratios), ">= 0.5",
        ),
        Figure("single-event POST, p99", median(tails), "ms", None, None, "<= 100"),
    ]  # fmt: skip


@contextmanager
def _discarding() -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", _DISCARD, str(port)])
    url = f"http://127.0.0.1:{port}/v1/ingest/homes/readings"
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(url, b"{}", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


def _load(url: str) -> tuple[float, float]:
    """Requests a second and p99 in milliseconds; a request that failed makes it fail."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_SCRIPT)
        script.flush()
        words = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", "-s", script.name]
        out = subprocess.run([*words, url], capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        raise RuntimeError(f"requests failed:\n{out}")
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", out).groups()
    return rate, float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]
