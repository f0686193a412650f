"""Cached `energy_summary` while 20,000 rows/s arrive, against an ASGI app of constant bytes."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks.harness import Figure, Running, free_port, meanwhile, median, running

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS, SECONDS, CONNECTIONS = 5, 6, 32
DEVICES, USERS, ASKED = 10_000, 1_000, 20
BODY, RATE = 2_000, 20_000
_STREAM = "/v1/ingest/telemetry/telemetry_stream"
_SUMMARY = "/v1/endpoints/telemetry/energy_summary.json"
# The same server with the same settings; what it sends is what the endpoint sends.
_CONSTANT = """
import sys, urllib.request, uvicorn
answer = urllib.request.urlopen(sys.argv[2])
body, kind = answer.read(), answer.headers["content-type"].encode()
headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})

uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False,
            lifespan="off")
"""
_CACHED = """
local n = 0
function request()
  n = (n + 1) % {asked}
  return wrk.format("GET", "{path}?user_id=user-" .. n .. "&range=last_hour")
end
"""
# A range that nobody has asked for: it begins a day ago, within a minute, as late as ever is.
_UNCACHED = """
local n = 0
function request()
  n = n + 1
  local from = string.format("%s%%2E%06dZ", "{day}", n)
  return wrk.format("GET", "{path}?user_id=user-" .. (n % {asked}) .. "&range=" .. from .. "/{end}")
end
"""


def measure() -> list[Figure]:
    """Requests a second each way, in alternating rounds; needs wrk, which `run` has looked for."""
    numbers = itertools.count()
    with running() as platform, meanwhile(lambda: _send(platform, next(numbers)), BODY / RATE):
        time.sleep(3)
        url = f"{platform.url}{_SUMMARY}?user_id=user-1"
        with _constant(url) as constant:
            return _compared(platform, constant)


def _compared(platform: Running, constant: str) -> list[Figure]:
    theirs, ours, uncached, rates = [], [], [], []
    for _ in range(ROUNDS):
        theirs.append(_load(constant, _script(_CACHED)))
        before = _asked(platform)
        ours.append(_load(platform.url, _script(_CACHED)))
        after = _asked(platform)
        told = {name: after[name] - before[name] for name in ("hit", "stale", "miss", "error")}
        rates.append(1 - told["miss"] / sum(told.values()))
        uncached.append(_load(platform.url, _script(_UNCACHED)))
        print(
            f"{theirs[-1]:,.0f} constant, {ours[-1]:,.0f} cached, {uncached[-1]:,.0f} uncached; "
            f"{told}, {rates[-1]:.2%} from memory",
            file=sys.stderr,
        )
    against = [a / b for a, b in zip(ours, theirs, strict=True)]
    faster = [a / b for a, b in zip(ours, uncached, strict=True)]
    return [
        Figure(
            "cached energy_summary at 20,000 rows/s / constant bytes",
            median(ours), "req/s", median(theirs), median(against), ">= 0.6",
        ),
        Figure(
            "cached energy_summary / uncached",
            median(ours), "req/s", median(uncached), median(faster), ">= 5",
        ),
        Figure(
            "energy_summary from memory at 20,000 rows/s",
            median(rates) * 100, "%", None, None, ">= 90",
        ),
    ]  # fmt: skip


def _send(platform: Running, number: int) -> None:
    """A body of measurements of now, by the next devices in turn."""
    first, now = number * BODY % DEVICES, int(time.time() * 1000)
    lines = [
        b'{"device_id":"device-%d","user_id":"user-%d","energy_watts":%d,"timestamp":%d}\n'
        % (device, device % USERS, 100 + device % 900, now)
        for device in range(first, first + BODY)
    ]
    headers = {"Content-Type": "application/x-ndjson"}
    request = urllib.request.Request(f"{platform.url}{_STREAM}", b"".join(lines), headers)
    urllib.request.urlopen(request, timeout=60).close()


def _asked(platform: Running) -> dict[str, int]:
    found = platform.get("/v1/endpoints")["endpoints"]
    return next(each["asked"] for each in found if each["name"] == "energy_summary")


def _script(text: str) -> str:
    day = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - 86_400))
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3_600))
    filled = {"asked": ASKED, "path": _SUMMARY, "day": day, "end": urllib.parse.quote(end)}
    for name, value in filled.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text


@contextmanager
def _constant(answer: str) -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", _CONSTANT, str(port), answer])
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(url, timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


def _load(url: str, script: str) -> float:
    """Requests a second; a request that failed makes it fail."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        words = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-s", file.name, url]
        out = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        raise RuntimeError(f"requests failed:\n{out}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", out)
    return float(found[1]) if found else 0.0
