"""`penstock simulate`: play a city of homes against a source, or write its rows to a file."""

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
from penstock.settings import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from penstock.simulate.city import City
    from penstock.simulate.homes import Homes, Schedule
    from penstock.simulate.http import HttpSender
    from penstock.simulate.planted import Planted
    from penstock.simulate.truth import Truth

_PATH = "/v1/ingest/homes/readings"
_URL = f"http://127.0.0.1:8000{_PATH}"
_HISTORY_ROWS = 10_000_000
_STDOUT = "-"

_Domain = Annotated[str, typer.Argument(help="What to play: homes.")]
_Homes = Annotated[int, typer.Option(help="How many homes.")]
_Rate = Annotated[
    float | None,
    typer.Option(help="Rows a second of all homes (one a home); the most, of a history."),
]
_For = Annotated[str | None, typer.Option("--for", help="End after this long, such as 60s.")]
_History = Annotated[str | None, typer.Option(help="Send the past instead, such as 30d, at once.")]
_Rows = Annotated[int | None, typer.Option(help="End after so many readings (history: 10M).")]
_Skip = Annotated[int, typer.Option(min=0, help="Go on after so many readings of a history.")]
_Seed = Annotated[int, typer.Option(help="The same seed and start give the same rows.")]
_Start = Annotated[str | None, typer.Option(help="First time; a history's end. ISO 8601 (now).")]
_To = Annotated[str, typer.Option(help="http or file.")]
_Url = Annotated[
    str, typer.Option(help="Where to, with --to http; else the platform that runs here.")
]
_Path = Annotated[str, typer.Option(help="Where to, with --to file; - is stdout.")]
_Late = Annotated[float, typer.Option(help="Share of rows that are 1 to 30 minutes late.")]
_Duplicates = Annotated[float, typer.Option(help="Share of rows that are sent twice.")]
_Malformed = Annotated[float | None, typer.Option(help="Share of bad rows (0.0002; history: 0).")]
_Faults = Annotated[
    str,
    typer.Option(help="What breaks: story (:TIME of its first run), all, or drift,spikes:3."),
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
    truth: Path | None
    ids: Path | None
    as_json: bool

    def __post_init__(self) -> None:
        if self.to not in ("http", "file"):
            raise UsageError(f"--to {self.to} is unknown", next_step="--to http or --to file")
        if self.to == "http" and not self.url.startswith(("http://", "https://")):
            raise UsageError(f"{self.url!r} is no address", next_step=f"--url {_URL}")
        if self.to == "file" and self.ids is not None:
            raise UsageError("--ids lists answers, and a file gives none", next_step="--to http")
        if self.to == "file" and self.path == _STDOUT and self.as_json:
            raise UsageError(
                "the rows and the counts cannot both go to stdout",
                next_step="--path FILE, or --truth FILE instead of --json",
            )


def simulate(
    domain: _Domain = "homes",
    *,
    homes: _Homes = 1000,
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
    from penstock.simulate.homes import Faults, Homes

    if end_with_stdin:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    _check_domain(domain)
    target = _Target(to, url or _found(to), path, truth, ids, as_json)
    amount = _Amount(homes, rate, None if for_ is None else duration(for_), history, rows, skip)
    schedule = _schedule(amount, _epoch_ms(start), to)
    if replay:  # what is past need not wait
        schedule = replace(schedule, paced=False)
    stream = Homes(
        schedule,
        homes=homes,
        seed=seed,
        faults=Faults(late=late, duplicates=duplicates, malformed=_bad(malformed, amount)),
        serial=serial,
        plant=_plant(faults, seed, schedule, past=history is not None, replay=replay),
    )
    stream.skip(skip)
    _play(stream, target, amount)


def _play(stream: Homes, target: _Target, amount: _Amount) -> None:
    """Hand the rows over, and say at the end what became of them, however it came."""
    from penstock.simulate.homes import SOURCE
    from penstock.simulate.rows import DECIMALS
    from penstock.simulate.truth import Truth

    start_ms = stream.schedule.start_ms
    account = Truth(
        SOURCE, stream.seed, DECIMALS, first=stream.next, start_ms=start_ms, faults=stream.faults
    )
    try:
        if target.to == "http":
            asyncio.run(_send(stream, account, target, amount.for_s, amount.rate))
        else:
            _write(stream, account, target)
    finally:
        _summarise(account, target)


def _check_domain(domain: str) -> None:
    if domain != "homes":
        raise UsageError(
            f"there is no simulator of {domain!r}", next_step="penstock simulate homes"
        )


def _found(to: str) -> str:
    """Where the platform that runs here takes rows, or where one would that started now."""
    from penstock.cli.running import sought

    running = sought() if to == "http" else None
    return f"{running.url}{_PATH}" if running else _URL


def _end_with_stdin() -> None:
    """A sender must not outlive the demo that started it, however that ends."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGINT)


@dataclass(frozen=True, slots=True)
class _Amount:
    """How much is asked for."""

    homes: int
    rate: float | None
    for_s: float | None
    history: str | None
    rows: int | None
    skip: int


def _bad(share: float | None, amount: _Amount) -> float:
    """The share of bad rows; where none is asked for a history has none."""
    if share is not None:
        return share
    return 0.0002 if amount.history is None else 0.0


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


def _schedule(amount: _Amount, start_ms: int, to: str) -> Schedule:
    from penstock.simulate.homes import Schedule

    if amount.history is not None:
        if amount.rate is not None and not amount.rate > 0:
            raise UsageError(f"--rate {amount.rate} is no rate", next_step="--rate 100000")
        rows = _HISTORY_ROWS if amount.rows is None else amount.rows
        return Schedule.history(start_ms, duration(amount.history), rows, max(1, amount.homes))
    if amount.skip:
        raise UsageError("--skip goes on with a history", next_step="--history 30d")
    if amount.rows is not None and amount.rows < 1:
        raise UsageError(f"--rows {amount.rows} is no number of rows", next_step="--rows 100000")
    rate = float(amount.homes) if amount.rate is None else amount.rate
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
    stream: Homes, account: Truth, target: _Target, for_s: float | None, most: float | None
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


def _write(stream: Homes, account: Truth, target: _Target) -> None:
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


def _summarise(account: Truth, target: _Target) -> None:
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
    if target.to == "http" and document["acknowledged"]:
        say("next: penstock reconcile")
    elif target.to == "file" and target.path != _STDOUT:
        say(f"next: penstock ingest homes/readings {target.path}")


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
