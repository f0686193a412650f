"""`penstock simulate`: play homes or meters against a source or a topic, or into a file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from penstock.cli.terminal import emit, say
from penstock.errors import UsageError
from penstock.settings import Settings, duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from penstock.simulate.city import City
    from penstock.simulate.http import HttpSender
    from penstock.simulate.incidents import Incidents
    from penstock.simulate.planted import Planted
    from penstock.simulate.stream import Faults, Schedule, Stream
    from penstock.simulate.telemetry import Meters
    from penstock.simulate.truth import Truth

_HERE = "http://127.0.0.1:8000"
_PATHS = {
    "homes": "/v1/ingest/homes/readings",
    "telemetry": "/v1/ingest/telemetry/telemetry_stream",
}
_HISTORY_ROWS = 10_000_000
_STDOUT = "-"

_Domain = Annotated[str, typer.Argument(help="What to play: homes or telemetry.")]
_Homes = Annotated[int, typer.Option(help="How many homes.")]
_Devices = Annotated[int, typer.Option(help="How many meters (telemetry).")]
_Rate = Annotated[
    float | None,
    typer.Option(help="Rows a second of all (one of each); the most, of a history."),
]
_For = Annotated[str | None, typer.Option("--for", help="End after this long, such as 60s.")]
_History = Annotated[str | None, typer.Option(help="Send the past instead, such as 30d, at once.")]
_Rows = Annotated[int | None, typer.Option(help="End after so many readings (history: 10M).")]
_Skip = Annotated[int, typer.Option(min=0, help="Go on after so many readings of a history.")]
_Seed = Annotated[int, typer.Option(help="The same seed and start give the same rows.")]
_Start = Annotated[str | None, typer.Option(help="First time; a history's end. ISO 8601 (now).")]
_To = Annotated[str, typer.Option(help="http, file, or (telemetry) kafka.")]
_Url = Annotated[
    str, typer.Option(help="Where to, with --to http; else the platform that runs here.")
]
_Path = Annotated[str, typer.Option(help="Where to, with --to file; - is stdout.")]
_Servers = Annotated[
    str, typer.Option(help="Brokers, with --to kafka; else KAFKA_BOOTSTRAP_SERVERS.")
]
_Topic = Annotated[str, typer.Option(help="Where to, with --to kafka.")]
_Late = Annotated[float, typer.Option(help="Share of rows that are 1 to 30 minutes late.")]
_Duplicates = Annotated[float, typer.Option(help="Share of rows that are sent twice.")]
_Malformed = Annotated[float | None, typer.Option(help="Share of bad rows (0.0002; history: 0).")]
_Faults = Annotated[
    str,
    typer.Option(
        help="What breaks: story (:TIME of its first run), all, or drift,spikes:3 (surge:3)."
    ),
]
_Replay = Annotated[
    bool, typer.Option("--replay", help="Send, late and at once, what a fault kept back before.")
]
_TruthFile = Annotated[
    Path | None, typer.Option(help="Keep exact counts of what was sent here, and faults.")
]
_Ids = Annotated[Path | None, typer.Option(help="List acknowledged bodies here (--to http).")]
_Serial = Annotated[bool, typer.Option("--serial", help="Number the rows.")]
_EndWithStdin = Annotated[
    bool, typer.Option("--end-with-stdin", hidden=True, help="End when standard input closes.")
]
_Json = Annotated[bool, typer.Option("--json", help="Print the counts as JSON at the end.")]


@dataclass(frozen=True, slots=True)
class _Target:
    """Where the rows go and where their account is kept."""

    to: str
    url: str
    path: str
    servers: str
    topic: str
    truth: Path | None
    ids: Path | None
    as_json: bool

    def __post_init__(self) -> None:
        if self.to not in ("http", "file", "kafka"):
            raise UsageError(
                f"--to {self.to} is unknown", next_step="--to http, --to file or --to kafka"
            )
        if self.to == "http" and not self.url.startswith(("http://", "https://")):
            raise UsageError(
                f"{self.url!r} is no address", next_step=f"--url {_HERE}{_PATHS['homes']}"
            )
        if self.to != "http" and self.ids is not None:
            what = "a file" if self.to == "file" else "a topic"
            raise UsageError(f"--ids lists answers, and {what} gives none", next_step="--to http")
        if self.to == "file" and self.path == _STDOUT and self.as_json:
            raise UsageError(
                "the rows and the counts cannot both go to stdout",
                next_step="--path FILE, or --truth FILE instead of --json",
            )


def simulate(
    domain: _Domain = "homes",
    *,
    homes: _Homes = 1000,
    devices: _Devices = 10_000,
    rate: _Rate = None,
    for_: _For = None,
    history: _History = None,
    rows: _Rows = None,
    skip: _Skip = 0,
    seed: _Seed = 1,
    start: _Start = None,
    to: _To = "http",
    url: _Url = "",
    path: _Path = _STDOUT,
    servers: _Servers = "",
    topic: _Topic = "telemetry_stream",
    late: _Late = 0.005,
    duplicates: _Duplicates = 0.001,
    malformed: _Malformed = None,
    faults: _Faults = "",
    replay: _Replay = False,
    truth: _TruthFile = None,
    ids: _Ids = None,
    serial: _Serial = False,
    as_json: _Json = False,
    end_with_stdin: _EndWithStdin = False,
) -> None:
    """Play devices: the same seed gives the same rows, and every row sent is counted."""
    from penstock.simulate.homes import Homes
    from penstock.simulate.telemetry import Telemetry

    if end_with_stdin:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    _check_domain(domain, to, homely=serial or replay)
    target = _Target(to, url or _found(domain, to), path, servers, topic, truth, ids, as_json)
    senders = homes if domain == "homes" else devices
    amount = _Amount(senders, rate, None if for_ is None else duration(for_), history, rows, skip)
    schedule = _schedule(amount, _epoch_ms(start), to)
    if replay:  # what is past need not wait
        schedule = replace(schedule, paced=False)
    stray = _stray(late, duplicates, malformed, amount)
    stream: Stream
    if domain == "homes":
        plant = _plant(faults, seed, schedule, past=history is not None, replay=replay)
        stream = Homes(schedule, homes=homes, seed=seed, faults=stray, serial=serial, plant=plant)
    else:
        happens = _happen(faults, seed, schedule)
        stream = Telemetry(schedule, devices=devices, seed=seed, faults=stray, plant=happens)
    _play(stream, target, amount)


def _play(stream: Stream, target: _Target, amount: _Amount) -> None:
    """Hand the rows over, and say at the end what became of them, however it came."""
    from penstock.simulate.truth import Truth

    stream.skip(amount.skip)
    account = Truth(
        stream.source,
        stream.seed,
        stream.decimals,
        first=stream.next,
        start_ms=stream.schedule.start_ms,
        faults=stream.faults,
    )
    try:
        if target.to == "http":
            asyncio.run(_send(stream, account, target, amount.for_s, amount.rate))
        elif target.to == "kafka":
            _produce(stream, account, target)
        else:
            _write(stream, account, target)
    finally:
        _summarise(account, target, stream.source)


def _check_domain(domain: str, to: str, *, homely: bool) -> None:
    if domain not in _PATHS:
        raise UsageError(
            f"there is no simulator of {domain!r}",
            next_step="penstock simulate homes, or penstock simulate telemetry",
        )
    if to == "kafka" and domain != "telemetry":
        raise UsageError(
            f"{domain} are not read from a topic", next_step="penstock simulate telemetry"
        )
    if homely and domain != "homes":
        raise UsageError(
            f"--serial and --replay are of homes, not of {domain}", next_step="leave them out"
        )


def _found(domain: str, to: str) -> str:
    """Where the platform that runs here takes rows, or where one would that started now."""
    from penstock.cli.running import sought

    running = sought() if to == "http" else None
    return f"{running.url if running else _HERE}{_PATHS[domain]}"


def _end_with_stdin() -> None:
    """A sender must not outlive the demo that started it, however that ends."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGINT)


@dataclass(frozen=True, slots=True)
class _Amount:
    """How much is asked for."""

    senders: int
    rate: float | None
    for_s: float | None
    history: str | None
    rows: int | None
    skip: int


def _stray(late: float, duplicates: float, malformed: float | None, amount: _Amount) -> Faults:
    """The shares of stray rows; where none of bad ones is asked for, a history has none."""
    from penstock.simulate.stream import Faults

    if malformed is None:
        malformed = 0.0002 if amount.history is None else 0.0
    return Faults(late=late, duplicates=duplicates, malformed=malformed)


def _plant(
    faults: str, seed: int, schedule: Schedule, *, past: bool, replay: bool
) -> Callable[[City], Planted] | None:
    """What gives a city the faults that are asked for; None where none are."""
    from penstock.simulate.planted import STORY, Planted, plan, story, wanted

    told, _, since = faults.partition(":")
    amounts = {} if told == STORY else wanted(faults)
    if replay and told != STORY and "outage" not in amounts:
        raise UsageError(
            "--replay sends what an outage kept back, and none is planted",
            next_step="the same words as before, with --faults outage among them, and --replay",
        )
    if schedule.readings is None and (amounts or replay):
        raise UsageError(
            f"a replay, and faults other than {STORY}, are of a time that ends",
            next_step="--for 10m, --rows 100000 or --history 30d",
        )
    start_ms = schedule.start_ms
    end_ms = start_ms + int((schedule.readings or 0) * schedule.period_ms)
    if told == STORY:
        # A history ends where the story begins; only what creeps reaches into it.
        begins_ms = end_ms if past else start_ms
        since_ms = _epoch_ms(since) if since else begins_ms
        begins_ms = max(begins_ms, since_ms)
        return lambda city: Planted(city, story(city, begins_ms, since_ms), replay=replay)
    if not amounts:
        return None
    span = start_ms, end_ms
    return lambda city: Planted(city, plan(city, seed, amounts, span), replay=replay)


def _happen(faults: str, seed: int, schedule: Schedule) -> Callable[[Meters], Incidents] | None:
    """What gives meters the incidents that are asked for; None where none are."""
    from penstock.simulate.incidents import KINDS, Incidents, plan, story
    from penstock.simulate.planted import STORY, wanted

    start_ms = schedule.start_ms
    if faults == STORY:
        return lambda meters: Incidents(meters, story(meters, start_ms))
    if not (amounts := wanted(faults, KINDS)):
        return None
    if schedule.readings is None:
        raise UsageError(
            f"incidents other than {STORY} are of a time that ends",
            next_step="--for 10m, --rows 100000 or --history 30d",
        )
    span = start_ms, start_ms + int(schedule.readings * schedule.period_ms)
    return lambda meters: Incidents(meters, plan(meters, seed, amounts, span))


def _schedule(amount: _Amount, start_ms: int, to: str) -> Schedule:
    from penstock.simulate.stream import Schedule

    if amount.history is not None:
        if amount.rate is not None and not amount.rate > 0:
            raise UsageError(f"--rate {amount.rate} is no rate", next_step="--rate 100000")
        rows = _HISTORY_ROWS if amount.rows is None else amount.rows
        return Schedule.history(start_ms, duration(amount.history), rows, max(1, amount.senders))
    if amount.skip:
        raise UsageError("--skip goes on with a history", next_step="--history 30d")
    if amount.rows is not None and amount.rows < 1:
        raise UsageError(f"--rows {amount.rows} is no number of rows", next_step="--rows 100000")
    rate = float(amount.senders) if amount.rate is None else amount.rate
    endless = Schedule.live(start_ms, rate)
    ends = [] if amount.rows is None else [amount.rows]
    if amount.for_s is not None:
        ends.append(endless.due(amount.for_s * 1000.0))
    if to == "file" and not ends:
        raise UsageError(
            "a file needs an end", next_step="--for 60s, --rows 100000 or --history 30d"
        )
    return Schedule.live(start_ms, rate, min(ends, default=None))


async def _send(
    stream: Stream, account: Truth, target: _Target, for_s: float | None, most: float | None
) -> None:
    """Post the rows; the first Ctrl-C ends in good order, a second one at once."""
    from penstock.simulate.http import HttpSender, Pace
    from penstock.simulate.truth import BatchLog

    with contextlib.ExitStack() as stack:
        log = None
        if target.ids is not None:
            log = stack.enter_context(contextlib.closing(BatchLog(target.ids)))
        sender = HttpSender(
            target.url,
            stream,
            account,
            pace=Pace(for_s=for_s, most_rows_s=most),
            truth_file=target.truth,
            batch_log=log,
        )
        sender.on_account = _progress
        say(f"sending to {target.url}; Ctrl-C ends it")
        stack.enter_context(_signals(sender))
        await sender.run()


def _produce(stream: Stream, account: Truth, target: _Target) -> None:
    """Hand the rows to the brokers; Ctrl-C ends in good order, a second one at once."""
    from penstock import TelemetryProducer
    from penstock.simulate.kafka import KafkaSender
    from penstock.sources.kafka import brokers

    security = {n: v for n, v in brokers(Settings.load()).items() if n != "bootstrap.servers"}
    producer = TelemetryProducer(target.servers, topic=target.topic, settings={**security})
    sender = KafkaSender(producer, stream, account, truth_file=target.truth)
    sender.on_account = _progress
    say(f"sending to the topic {producer.topic} at {producer.servers}; Ctrl-C ends it")

    def ask(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        sender.stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    sender.run()


@contextlib.contextmanager
def _signals(sender: HttpSender) -> Iterator[None]:
    """While this holds, SIGINT and SIGTERM ask the sender to stop; a second one kills."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)

    def ask() -> None:
        for number in numbers:
            loop.remove_signal_handler(number)
        say("ending: waiting for the last answers (Ctrl-C again ends at once)")
        sender.stop.set()

    for number in numbers:
        loop.add_signal_handler(number, ask)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _write(stream: Stream, account: Truth, target: _Target) -> None:
    """Write the rows; Ctrl-C and a reader that has had enough (`| head`) end it in good order."""
    from penstock.simulate.file import write_rows

    with contextlib.ExitStack() as stack:
        file: BinaryIO = sys.stdout.buffer
        if target.path != _STDOUT:
            file = stack.enter_context(Path(target.path).open("wb"))
        try:
            write_rows(stream, file, account, truth_file=target.truth, on_account=_progress)
        except KeyboardInterrupt:
            say("ended early")
        except BrokenPipeError:
            # Nothing may be flushed to the closed pipe when the interpreter ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _summarise(account: Truth, target: _Target, source: str) -> None:
    """Say what became of the rows, and what to do next."""
    document = account.document()
    if sys.stderr.isatty():
        say("")
    malformed = sum(document["malformed"].values())
    say(f"{document['sent']:,} rows sent, {document['acknowledged']:,} acknowledged")
    say(
        f"  {document['good']:,} good ({document['duplicates']:,} of them duplicates, "
        f"{document['late']:,} late), {malformed:,} malformed"
    )
    if document["unacknowledged"] or document["skipped"]:
        say(
            f"  {document['unacknowledged']:,} unacknowledged ({document['refused']:,} of them "
            f"refused), {document['skipped']:,} never sent because nobody took them in time"
        )
    if target.as_json:
        emit(document)
    if document["faults"]:
        where = f": {target.truth}" if target.truth else "; --truth FILE lists them"
        say(f"  {len(document['faults']):,} faults were planted{where}")
    if target.to != "file" and document["acknowledged"]:
        say("next: penstock reconcile")
    elif target.to == "file" and target.path != _STDOUT:
        say(f"next: penstock ingest {source} {target.path}")


def _progress(account: Truth) -> None:
    if sys.stderr.isatty():
        text = f"{account.sent:,} rows sent, {account.acknowledged:,} acknowledged"
        print(f"\r{text}", end="", file=sys.stderr, flush=True)


def _epoch_ms(moment: str | None) -> int:
    """Epoch milliseconds of an ISO 8601 time (UTC where it names no zone), or of now."""
    if moment is None:
        return time.time_ns() // 1_000_000
    try:
        parsed = datetime.fromisoformat(moment)
    except ValueError as error:
        raise UsageError(
            f"{moment!r} is no ISO 8601 time", next_step="--start 2026-11-21T14:00:00Z"
        ) from error
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=UTC)
    return round(parsed.timestamp() * 1000)
