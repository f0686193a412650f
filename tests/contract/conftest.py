"""What the contract ring shares: one engine, one platform, both as the processes users run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2 as httpx
import pytest

from penstock.engine.client import Address, Client
from penstock.engine.datadir import key
from penstock.engine.process import EngineProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

EXAMPLES = Path(__file__).parents[2] / "examples"
MEMORY = 800 * 1024 * 1024
# Endpoints that do not look at the clock: what the cache may keep for as long as nothing changes.
ENDPOINTS = {
    "readings_sent": """/*
description: How many readings each home sent.
*/
SELECT home_id, sum(readings) AS sent FROM home_latest GROUP BY home_id ORDER BY home_id
""",
    "echo": """/*
description: Gives back what it was asked; one parameter of each kind.
defaults: {n: 7, s: '', f: 1.5, d: '2026-01-02', t: '2026-01-02 03:04:05', a: '[1,2]'}
params: {must: has no default}
*/
SELECT {must:String} AS must, {n:UInt32} AS n, {s:String} AS s, {f:Float64} AS f, {d:Date} AS d,
       {t:DateTime('UTC')} AS t, {a:Array(UInt8)} AS a, count() AS homes
FROM home_latest
""",
    "kinds": """/*
description: Gives back what it was asked; kinds that are rarer.
defaults: {i: -9223372036854775808, b: true, dec: 1.5, o: null, l: '[]', t: '2026-01-02 03:04:05'}
*/
SELECT {i:Int64} AS i, {b:Bool} AS b, {dec:Decimal(18, 3)} AS dec, {u:UUID} AS u,
       {o:Nullable(String)} AS o, {l:Array(String)} AS l, {t:DateTime64(3, 'UTC')} AS t
""",
    "dice": """/*
description: Another number whenever it is asked; slow and long where that is wanted.
defaults: {seconds: 0, kb: 0}
*/
SELECT rand64() AS number, sleep({seconds:Float32}) AS slept,
       repeat(repeat('x', 1000), {kb:UInt32}) AS pad
FROM (SELECT count() FROM home_latest)
""",
    "viewed": """/*
description: What a plain view over a gold has of a home; it does not look at the clock.
*/
SELECT sum(readings) AS readings FROM daily_peaks WHERE home_id = {home:UInt32}
""",
    "window": """/*
description: Rows that move on by one with each home; the last is another whenever it is asked.
*/
WITH (SELECT count() FROM home_latest) AS homes
SELECT toDateTime64(number + homes, 3, 'UTC') AS time,
       if(number = 1499, rand64(), number + homes) AS n,
       if(n % 3 = 0, NULL, n / 2) AS half
FROM numbers(1500)
""",
    "chosen": """/*
description: Of four homes those that a viewer chose; «all» is sent as nothing.
defaults: {home: null, name: null, names: '[]', homes: '[]'}
*/
SELECT groupArray(home) AS homes FROM (SELECT number + 1 AS home FROM numbers(4))
WHERE $__conditionalAll(home = {home:Nullable(UInt32)}, $home)
    AND $__conditionalAll('home ' || toString(home) = {name:Nullable(String)}, $name)
    AND $__conditionalAll(has({names:Array(String)}, 'home ' || toString(home)), $names)
    AND $__conditionalAll(has({homes:Array(UInt32)}, home), $homes)
""",
    "steady": """/*
description: The same rows whenever it is asked, though never from memory.
*/
SELECT number, now() > toDateTime(0) AS yes FROM numbers(3)
""",
    "broken": """/*
description: Fails once there is a home.
defaults: {most: 0}
*/
SELECT throwIf(count() > {most:UInt64}, 'too many homes') AS fine FROM home_latest
""",
}


@dataclass(frozen=True)
class Answer:
    """What the front said.

    Attributes:
        status: of HTTP.
        code: ClickHouse's exception code; None where there is none.
        body: bytes.
    """

    status: int
    code: int | None
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def __str__(self) -> str:
        return f"{self.status} {self.code} {self.text[:300]}"


@dataclass
class Front:
    """An engine's front as a stranger's program sees it: HTTP and nothing else."""

    port: int
    key: str
    data: Path
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60)

    def ask(
        self,
        sql: str,
        *,
        key: bool = False,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        **params: str,
    ) -> Answer:
        """A statement, in the body of a POST or in the URL of anything else."""
        sent = dict(headers or {}) | ({"X-ClickHouse-Key": self.key} if key else {})
        if method != "POST":
            params["query"] = sql
        content = sql.encode("utf-8", "surrogateescape") if method == "POST" else None
        return self._answer(
            self.http.request(method, "/", params=params, headers=sent, content=content)
        )

    def insert(
        self, sql: str, rows: bytes, *, announced: int | None = None, **settings: str
    ) -> Answer:
        """Rows in the body, the statement in the URL, with the key."""
        headers = {"X-ClickHouse-Key": self.key}
        if announced is not None:
            headers["X-Penstock-Rows"] = str(announced)
        return self._answer(
            self.http.post("/", params={"query": sql, **settings}, headers=headers, content=rows)
        )

    def do(self, *statements: str) -> None:
        """Statements with the key that must succeed."""
        for statement in statements:
            answer = self.ask(statement, key=True)
            assert answer.status == 200, f"{statement}\n{answer}"

    def count(self, table: str) -> int:
        answer = self.ask(f"SELECT count() FROM {table}", key=True)
        assert answer.status == 200, answer
        return int(answer.body)

    def client(self, *, keyed: bool = True) -> Client:
        who = ("penstock", self.key) if keyed else ("", "")
        return Client(Address("127.0.0.1", self.port, *who))

    @staticmethod
    def _answer(response: httpx.Response) -> Answer:
        code = response.headers.get("X-ClickHouse-Exception-Code")
        return Answer(response.status_code, int(code) if code else None, response.content)


@contextmanager
def engine_process(data: Path, port: int) -> Iterator[EngineProcess]:
    process = EngineProcess(data, port, MEMORY)
    process.start()
    try:
        yield process
    finally:
        process.stop()


@pytest.fixture(scope="session")
def engine(free_port: Callable[[], int]) -> Iterator[Front]:
    """One engine, with nothing in it."""
    with tempfile.TemporaryDirectory(prefix="penstock-engine-") as folder:
        port = free_port()
        with engine_process(Path(folder), port):
            yield Front(port, key(Path(folder)), Path(folder))


@dataclass
class Up:
    """`penstock up`, as a process.

    Attributes:
        process: of the command.
        port: of the page and the API.
        front: the engine's.
        data: its directory.
    """

    process: subprocess.Popen[str]
    port: int
    front: Front
    data: Path
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.url, timeout=60)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def post(self, body: bytes, kind: str = "application/json", **params: str) -> httpx.Response:
        """A body for homes/readings."""
        headers = {"Content-Type": kind}
        return self.http.post(
            "/v1/ingest/homes/readings", content=body, headers=headers, params=params
        )

    def status(self) -> dict[str, Any]:
        return dict(self.http.get("/v1/status").json())

    def source(self) -> dict[str, Any]:
        return dict(self.status()["sources"][0])

    def stop(self) -> str:
        """Ctrl-C; gives what it wrote to standard error."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.communicate(timeout=30)[1]
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


def reading(home: int = 7, **more: object) -> dict[str, object]:
    """A reading of now."""
    ts = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"home_id": home, "ts": ts, "region": "north", "energy": 1.5, **more}


def environment(**changes: str) -> dict[str, str]:
    """Ours, without settings of the machine the tests run on."""
    own = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("PENSTOCK_", "CLICKHOUSE_", "DATABASE_"))
    }
    return own | changes


def up_words(project: Path, data: Path, port: int, engine_port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "penstock.cli", "up", "--project", str(project)),
        *("--data", str(data), "--port", str(port), "--engine-port", str(engine_port)),
    ]


@contextmanager
def running(
    project: Path, data: Path, free_port: Callable[[], int], **settings: str
) -> Iterator[Up]:
    """A platform that runs until the block ends."""
    port, engine_port = free_port(), free_port()
    process = subprocess.Popen(
        up_words(project, data, port, engine_port),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**settings),
    )
    try:
        _until_healthy(f"http://127.0.0.1:{port}/healthz", process)
        yield Up(process, port, Front(engine_port, key(data), data), data)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until_healthy(url: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"the platform did not start: {process.communicate()[1]}")


@pytest.fixture(scope="session")
def project() -> Iterator[Path]:
    """A copy of the examples, with the endpoints above."""
    with tempfile.TemporaryDirectory(prefix="penstock-project-") as folder:
        root = Path(folder) / "examples"
        shutil.copytree(EXAMPLES, root, ignore=shutil.ignore_patterns(".data"))
        for name, sql in ENDPOINTS.items():
            (root / "homes" / "serve" / f"{name}.sql").write_text(sql)
        yield root


@pytest.fixture(scope="session")
def platform(project: Path, free_port: Callable[[], int]) -> Iterator[Up]:
    """One platform with the domain homes."""
    with (
        tempfile.TemporaryDirectory(prefix="penstock-data-") as folder,
        running(project, Path(folder) / "data", free_port, PENSTOCK_BATCH_AGE="50ms") as up,
    ):
        yield up
