"""What the fault tests share: a landing in hand, a platform as a process, and the one checker."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from penstock.engine.client import Address, Client
from penstock.engine.datadir import key
from penstock.engine.process import EngineProcess
from penstock.layers.apply import apply
from penstock.layers.landing import Hooks, Lander, Limits, Target
from penstock.layers.reconcile import as_document, reconcile
from penstock.project import load
from penstock.sources.http import HttpSource
from penstock.store.database import Store
from penstock.store.journal import Journal
from penstock.store.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from penstock.project.objects import Project, Relation

EXAMPLES = Path(__file__).parents[2] / "examples"
SQL = Path(__file__).with_name("sql")
MEMORY = 800 * 1024 * 1024
_SERIAL = re.compile(rb'"serial":\s*(\d+)')
_MONTHS = (datetime(2026, 9, 30, 12, tzinfo=UTC), datetime(2026, 10, 31, 12, tzinfo=UTC),
           datetime(2026, 11, 20, 12, tzinfo=UTC))  # fmt: skip


def homes(folder: Path) -> Path:
    """A copy of the example project's way from the HTTP source to gold, to be changed at will."""
    for stage in ("bronze", "silver", "gold"):
        shutil.copytree(EXAMPLES / "homes" / stage, folder / "homes" / stage)
    (folder / "homes" / "sources").mkdir()
    shutil.copy(EXAMPLES / "homes/sources/readings.toml", folder / "homes/sources")
    (folder / "penstock.toml").write_text('name = "faults"\ntitle = "Faults"\n')
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: str, seen: Callable[[], Any], *, seconds: float = 30.0) -> Any:
    """Wait until `seen` gives something true, and return it."""
    deadline = time.monotonic() + seconds
    while not (value := seen()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        time.sleep(0.02)
    return value


def readings(first: int, last: int) -> bytes:
    """Rows with the serials [first, last) over three months; each 25th is a dead letter."""
    lines = []
    for serial in range(first, last):
        at = _MONTHS[serial % 3] + timedelta(seconds=serial)
        row: dict[str, object] = {
            "home_id": serial % 7,
            "ts": at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "region": ("north", "east", "south", "west")[serial % 4],
            "temperature": round(15 + serial % 100 / 10, 2) if serial % 25 != 24 else "warm",
            "energy": round(serial % 50 / 7, 3),
            "serial": serial,
        }
        lines.append(json.dumps(row).encode() + b"\n")
    return b"".join(lines)


@dataclass
class Known:
    """What a sender knows: rows that must be there once each, and rows that may be."""

    acknowledged: Counter[bytes] = field(default_factory=Counter)
    uncertain: Counter[bytes] = field(default_factory=Counter)


def check(client: Client, project: Project, known: Known) -> list[str]:
    """Everything that is wrong with what the engine holds; says what was lost or doubled."""
    bronze = project.relation("homes", "raw_sensors")
    silver = project.first_silver(bronze)
    assert silver is not None
    held = Counter(
        client.fetch("SELECT _raw FROM raw_sensors", "TSVRaw", database="homes").splitlines()
    )
    lost, extra = known.acknowledged - held, held - known.acknowledged - known.uncertain
    found = []
    if lost:
        found.append(f"bronze lost {_rows(lost)} that were acknowledged")
    if extra:
        twice = Counter(
            {k: n for k, n in extra.items() if k in known.acknowledged | known.uncertain}
        )
        found += [f"bronze doubled {_rows(twice)}"] if twice else []
        found += [f"bronze holds {_rows(extra - twice)} that nobody sent"] if extra - twice else []
    found += _check_positions(client)
    found += [
        f"silver, batch {row['batch']}: {row['lost']} rows lost, {row['doubled']} doubled"
        for row in client.rows(_fill("silver", _silver_words(silver)), database="homes")
    ]
    golds = project.downstream(silver)
    assert len(golds) >= 5, golds
    for gold in golds:
        wrong = client.rows(_fill("gold", _gold_words(gold)), database="homes")
        found += [
            f"gold {gold.name}, {row['key']}: silver gives {row['wanted'] or 'nothing'}, "
            f"it holds {row['held'] or 'nothing'}"
            for row in wrong[:3]
        ]
        found += [f"gold {gold.name}: {len(wrong) - 3} more keys differ"] if wrong[3:] else []
    return found


def _bronze(client: Client) -> Counter[bytes]:
    """Every record as it was sent, in pieces that fit an answer."""
    held: Counter[bytes] = Counter()
    pieces = "SELECT DISTINCT _part AS part, intDiv(_pos, 500000) AS piece FROM raw_sensors"
    records = (
        "SELECT _raw FROM raw_sensors"
        " WHERE _part = {part:UInt32} AND intDiv(_pos, 500000) = {piece:UInt64}"
    )
    for row in client.rows(pieces, database="homes"):
        params = {name: str(value) for name, value in row.items()}
        held.update(client.fetch(records, "TSVRaw", database="homes", params=params).splitlines())
    return held


def _check_positions(client: Client) -> list[str]:
    """Each part's rows stand at 0, 1, 2, … without a hole."""
    sql = (
        "SELECT _part, count() AS rows, uniqExact(_pos) AS places, max(_pos) + 1 AS wanted"
        " FROM raw_sensors GROUP BY _part HAVING rows != wanted OR places != wanted ORDER BY _part"
    )
    return [
        f"bronze, part {row['_part']}: {row['rows']} rows at {row['places']} of "
        f"{row['wanted']} positions"
        for row in client.rows(sql, database="homes")
    ]


def _fill(name: str, words: dict[str, str]) -> str:
    statement = (SQL / f"{name}.sql").read_text()
    for word, value in words.items():
        statement = statement.replace(f"{{{word}}}", value)
    return statement


def _silver_words(silver: Relation) -> dict[str, str]:
    assert silver.table is not None
    columns = ", ".join(column.name for column in silver.table.columns)
    return {"columns": columns, "view": _select(silver), "silver": silver.name}


def _gold_words(gold: Relation) -> dict[str, str]:
    assert gold.table is not None
    key = gold.clause("ORDER BY")
    values = [
        f"finalizeAggregation({c.name})" if c.type.startswith("AggregateFunction") else c.name
        for c in gold.table.columns
        if c.name not in re.findall(r"\w+", key)
    ]
    return {"key": key, "values": ", ".join(values), "view": _select(gold), "gold": gold.name}


def _select(relation: Relation) -> str:
    (view,) = relation.views
    return view.sql.partition(" AS\n")[2]


def _rows(lines: Counter[bytes]) -> str:
    serials = sorted(int(m[1]) for line in lines if (m := _SERIAL.search(line)))
    return f"{lines.total()} rows (serials {_ranges(serials)})"


def _ranges(numbers: Iterable[int]) -> str:
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    text = [f"{a}-{b}" if a != b else str(a) for a, b in spans[:8]]
    return ", ".join(text) + (f" and {len(spans) - 8} ranges more" if len(spans) > 8 else "")


class Landing:
    """The engine as a process and the rest of landing in this one: every step is at hand.

    Args:
        project: folder of a project like `homes`.
        data: data directory, new or a copy of another one.
        healing: False in the test that proves healing is needed.
        kind: class of the lander.
        limits: of a batch.
    """

    def __init__(
        self,
        project: Path,
        data: Path,
        *,
        healing: bool = True,
        kind: type[Lander] = Lander,
        limits: Limits | None = None,
    ) -> None:
        self.project, self.data, self.known = load(project), data, Known()
        self._kind, self._limits = kind, limits or Limits(age=0.0)
        self.engine = EngineProcess(data, free_port(), MEMORY, healing=healing)
        self.sent = 0

    def __enter__(self) -> Self:
        self.engine.start()
        self.store = Store.open(self.data / "penstock.db")
        self.ledger = Ledger(self.store)
        self.client = Client(self.engine.address)
        apply(self.project, self.client, Journal(self.store, self.data))
        self.source, self.lander = self.take_over()
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.stop()
        self.client.close()
        self.source.close()
        self.store.close()

    def take_over(
        self, *, kind: type[Lander] | None = None, limits: Limits | None = None
    ) -> tuple[HttpSource, Lander]:
        """Open the spool and lease the stream, as a platform does when it starts.

        The one before lets go of the spool, as its process would; what it has read it still has.
        """
        if hasattr(self, "source"):
            self.source.close()
        source = HttpSource("homes", "readings", self.data / "spool/homes.readings", limit=1 << 30)
        starts = lambda: self.engine.starts  # noqa: E731
        heal = lambda reason, seen: self.engine.restart(reason, seen=seen)  # noqa: E731
        lander = (kind or self._kind)(
            source,
            Target.of(self.project, "homes", "readings"),
            self.ledger,
            self.client,
            limits or self._limits,
            Hooks(starts, heal),
        )
        lander.start()
        return source, lander

    def send(self, rows: int, *, bodies: int = 1) -> None:
        """Acknowledge rows, in as many fsynced bodies; they are not landed yet."""
        for _ in range(bodies):
            body = readings(self.sent, self.sent + rows)
            self.source.spool.append([(body, rows)])
            self.known.acknowledged.update(body.splitlines())
            self.sent += rows

    def expect(self, rows: int) -> None:
        """Rows that were acknowledged before: the first ones of `readings`."""
        self.known.acknowledged.update(readings(self.sent, self.sent + rows).splitlines())
        self.sent += rows

    def land(self) -> None:
        """Land everything that waits."""
        while self.lander.step():
            pass

    def check(self) -> list[str]:
        return check(self.client, self.project, self.known)

    def reconcile(self) -> dict[str, Any]:
        return as_document(reconcile(self.project, [self.lander], self.client, self.ledger))

    def tell(self, differences: list[dict[str, str]] | None = None) -> list[str]:
        """Reconcile's differences, one line each."""
        report = self.reconcile() if differences is None else {}
        found = differences or [d for s in report.get("sources", []) for d in s["differences"]]
        return [" ".join(d[k] for k in ("relation", "where", "expected", "found")) for d in found]


@contextlib.contextmanager
def server(folder: Path) -> Iterator[EngineProcess]:
    """A second front with a data directory of its own, in the place of a ClickHouse server."""
    process = EngineProcess(folder / "server", free_port(), MEMORY)
    process.start()
    try:
        yield process
    finally:
        process.stop()


def url_of(address: Address) -> str:
    """What CLICKHOUSE_URL says of an address."""
    return f"http://{address.user}:{address.key}@{address.host}:{address.port}"


class PlatformProcess:
    """`penstock up` as a process that may be killed and started again.

    Args:
        project: its folder.
        data: the data directory.
        server: what stands in the place of its own engine, by CLICKHOUSE_URL; None for that.
        settings: environment variables such as `PENSTOCK_BATCH_AGE`.
    """

    def __init__(
        self, project: Path, data: Path, server: EngineProcess | None = None, **settings: str
    ) -> None:
        self.project, self.data, self.server = project, data, server
        self.port, self.engine_port = free_port(), free_port()
        if server is not None:
            self.engine_port = server.address.port
            settings = {**settings, "CLICKHOUSE_URL": url_of(server.address)}
        self.log = data.with_name(data.name + ".log")
        kept = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith(("PENSTOCK_", "CLICKHOUSE_", "DATABASE_"))
        }
        ports = {"PENSTOCK_PORT": str(self.port), "PENSTOCK_ENGINE_PORT": str(self.engine_port)}
        self.environment = {**kept, **ports, **settings}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it takes and lands rows."""
        words = self.command("up", "--project", str(self.project), "--data", str(self.data))
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment
            )
        wait_for("the platform to be ready", self._ready, seconds=60)

    @staticmethod
    def command(*words: str) -> list[str]:
        return [sys.executable, "-m", "penstock.cli", *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command of the command line about this platform."""
        return subprocess.run(
            self.command(*words, "--project", str(self.project), "--data", str(self.data)),
            env=self.environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    @property
    def engine_pid(self) -> int:
        """Of the engine that owns the data; 0 while one is taking over."""
        if self.server is not None:
            return self.server.pid
        return int((self.data / "engine.lock").read_text() or 0)

    def kill(self) -> None:
        """SIGKILL to the platform; its engine ends when it sees the pipe close."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def kill_engine(self) -> None:
        os.kill(self.engine_pid, signal.SIGKILL)

    def stop(self) -> None:
        """End it in good order, and make sure that nothing of it is left."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None
        if self.server is not None:
            return
        with contextlib.suppress(FileNotFoundError):
            if pid := self.engine_pid:
                _await_end(pid)

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=120) as answer:
            return json.load(answer)

    def post(self, body: bytes) -> int:
        """Send rows; gives the status, 0 where nobody answered."""
        request = urllib.request.Request(
            f"{self.url}/v1/ingest/homes/readings",
            data=body,
            headers={"content-type": "application/x-ndjson"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def drain(self, *, seconds: float = 60.0) -> None:
        """Wait until everything received is landed."""

        def done() -> bool:
            balance = self.get("/v1/status")["balance"]
            return balance["in_flight"] == 0 and balance["difference"] == 0

        wait_for("everything received to be landed", done, seconds=seconds)

    def client(self) -> Client:
        if self.server is not None:
            return Client(self.server.address)
        return Client(Address("127.0.0.1", self.engine_port, "penstock", key(self.data)))

    def closed(self) -> int:
        """Batches landed so far."""
        live = sqlite3.connect(f"file:{self.data / 'penstock.db'}?mode=ro", uri=True, timeout=10)
        with contextlib.closing(live):
            return int(live.execute("SELECT coalesce(max(closed_no), 0) FROM batch").fetchone()[0])

    def open_batches(self) -> list[int]:
        """Intents that are open in the ledger as it lies on the disk; the owner may be dead."""
        with tempfile.TemporaryDirectory() as folder:
            for path in self.data.glob("penstock.db*"):
                if not path.name.endswith("-shm"):  # of a dead process: rebuilt from the log
                    shutil.copy(path, folder)
            with contextlib.closing(sqlite3.connect(Path(folder) / "penstock.db")) as copy:
                rows = copy.execute("SELECT batch FROM batch WHERE closed_no IS NULL").fetchall()
        return [row[0] for row in rows]

    def healed(self) -> list[dict[str, Any]]:
        """Records that the engine's healing dropped, from the log."""
        events = [json.loads(x) for x in self.log.read_text().splitlines() if x.startswith("{")]
        return [event for event in events if event.get("event") == "engine_healed"]

    def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"the platform ended:\n{self.log.read_text()[-4000:]}"
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def _await_end(pid: int) -> None:
    """Wait until a process that is not our child has gone; kill it where it does not go."""
    deadline = time.monotonic() + 15
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.kill(pid, 0)
            time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
