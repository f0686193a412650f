"""`penstock demo`: a city of a thousand homes, alive, with nothing to set up; or meters."""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.place import HERE, DataPath, EnginePort, Port, again, examples, find
from penstock.cli.running import DEMO, DEMO_KAFKA
from penstock.cli.terminal import Json, emit, say
from penstock.errors import IncarnationError, RefusedChangeError, SourceDownError, UsageError
from penstock.settings import Settings, duration

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from penstock.cli.place import Place
    from penstock.runtime.demo import Part
    from penstock.runtime.platform import Platform

_DOMAINS = ("homes", "telemetry")
_PARTITIONS = 12  # of the topic, where the demo makes it


def demo(
    for_: Annotated[str, typer.Option("--for", help="End after this long, such as 60s.")] = "",
    domain: Annotated[str, typer.Option(help="Who sends: homes, telemetry, or both.")] = "homes",
    kafka: Annotated[
        bool, typer.Option("--kafka", help="Telemetry through KAFKA_BOOTSTRAP_SERVERS.")
    ] = False,
    devices: Annotated[int, typer.Option(min=1, help="Meters that send (telemetry).")] = 10_000,
    rate: Annotated[
        float | None, typer.Option(help="Messages a second of all meters; one each by default.")
    ] = None,
    homes: Annotated[int, typer.Option(min=1, help="Homes that send each second.")] = 1000,
    history: Annotated[bool, typer.Option(help="Fill in the last 30 days.")] = True,
    data: DataPath = None,
    port: Port = None,
    engine_port: EnginePort = None,
    json: Json = False,
) -> None:
    """Run the examples with senders; end with a proof of counts (exit 4 where it fails)."""
    from penstock.cli.foreground import claim, say_link, started
    from penstock.runtime.demo import Demo
    from penstock.runtime.logs import configure
    from penstock.runtime.platform import Platform
    from penstock.runtime.server import serve

    seconds, domains = duration(for_) if for_ else None, _domains(domain, kafka=kafka)
    configure()
    place = _place(data, port, engine_port, kafka=kafka)
    platform, options = Platform(place.project, place.settings, place.data), again(HERE, data)
    account: dict[str, Any] = {}
    with (
        _of_this_version(place, data),
        claim(platform, place) as listener,
        started(platform, place),
    ):
        parts = {
            "homes": lambda: _homes(platform, place.url, homes, history=history),
            "telemetry": lambda: _telemetry(platform, place.url, devices, rate),
        }
        running = Demo(platform, place.url, [parts[name]() for name in domains])

        def until(stopping: threading.Event) -> None:
            running.start()
            _welcome(place, domains, f"{homes:,} homes", f"{rate or devices:g} messages", options)
            say_link(platform, place, options)
            stopping.wait(seconds)
            say("  ending: senders stop, what they sent is landed and counted …")
            account.update(running.finish())

        serve(platform, listener, until=until)
    _report(account, _same(domain, kafka=kafka) + options, as_json=json)


def _place(data: Path | None, port: int | None, engine_port: int | None, *, kafka: bool) -> Place:
    """The examples and their data; brokers only where they are asked for, and the topic made."""
    place = find(
        examples(), data or _folder(kafka=kafka), port=port, engine_port=engine_port,
        kafka_bootstrap_servers=None if kafka else "",
    )  # fmt: skip
    if kafka:
        _make_topic(place.settings)
    return place


def _same(domain: str, *, kafka: bool) -> str:
    """The options by which another run goes on with this one's."""
    return ("" if domain == "homes" else f" --domain {domain}") + (" --kafka" if kafka else "")


def _domains(text: str, *, kafka: bool) -> list[str]:
    """Who sends, of what was asked for."""
    domains = [word.strip() for word in text.split(",") if word.strip()]
    if not domains or not set(domains) <= set(_DOMAINS) or len(set(domains)) < len(domains):
        raise UsageError(
            f"--domain {text} is none of the demo",
            next_step="--domain homes, --domain telemetry or --domain homes,telemetry",
        )
    if kafka and "telemetry" not in domains:
        raise UsageError(
            "--kafka is for telemetry: homes send over HTTP",
            next_step="penstock demo --domain telemetry --kafka",
        )
    return domains


def _make_topic(settings: Settings) -> None:
    """See that the brokers answer and have the topic, before anything is started.

    Raises:
        SourceDownError: none is named, or none answers.
    """
    from penstock.runtime.demo_telemetry import TOPIC
    from penstock.simulate.kafka import make_topic
    from penstock.sources.kafka import brokers

    if not (found := brokers(settings)):
        raise SourceDownError(
            "--kafka needs brokers, and KAFKA_BOOTSTRAP_SERVERS names none",
            next_step='make stack SERVICES="kafka redis", then eval "$(make -s stack)"; '
            "or leave out --kafka: the same is sent over HTTP",
        )
    make_topic(found, TOPIC, _PARTITIONS)


def _homes(platform: Platform, url: str, homes: int, *, history: bool) -> Part:
    from penstock.runtime.demo_homes import HomesDemo
    from penstock.runtime.senders import Senders

    return HomesDemo(platform, url, Senders(platform.data), homes, history)


def _telemetry(platform: Platform, url: str, devices: int, rate: float | None) -> Part:
    from penstock.runtime.demo_telemetry import TOPIC, TelemetryDemo
    from penstock.runtime.senders import Senders

    ends = None
    if platform.settings.text("kafka_bootstrap_servers"):
        from penstock.simulate.kafka import ends_of
        from penstock.sources.kafka import brokers

        ends = partial(ends_of, brokers(platform.settings), TOPIC)
    senders = Senders(platform.data)
    return TelemetryDemo(platform, url, senders, devices, rate or float(devices), ends)


@contextmanager
def _of_this_version(place: Place, data: Path | None) -> Iterator[None]:
    """Where data of an older demo cannot become what the files say now, tell how to begin anew.

    Raises:
        RefusedChangeError: as raised within. Its own way out is for who may change the files, and
            `penstock plan` would be asked about another project.
    """
    try:
        yield
    except (RefusedChangeError, IncarnationError) as error:
        folder = shlex.quote(str(data or place.data))
        raise RefusedChangeError(
            f"another version of the demo, or of its files, made {place.data}, and this one "
            f"cannot go on with it: {error.what}",
            next_step=f"`penstock reset --data {folder}` removes it, after showing what goes, and "
            f"`penstock demo{again(HERE, data)}` begins anew; or keep it: --data ANOTHER",
        ) from error


def _folder(*, kafka: bool = False) -> Path:
    """Where the data is kept when no option says so: with a topic elsewhere than without."""
    settings = Settings.load()
    if settings.origins["data"] == "environment":
        return Path(settings.text("data"))
    return DEMO_KAFKA if kafka else DEMO


def _report(account: dict[str, Any], options: str, *, as_json: bool) -> None:
    if as_json:
        emit(account)
    verdict = account["reconcile"]
    ok = isinstance(verdict, dict) and verdict["ok"]
    say(
        f"  received {account['received']:,} = silver {account['silver']:,} + dead letters "
        f"{account['dead_letters']:,}: {'accounted for' if ok else 'THEY DIFFER'}"
    )
    if others := account["others"]:
        say(f"  {others:,} of them came from elsewhere than the demo's own senders")
    # Of each kind the newest, one that was found before one that has just begun.
    told = sorted(account["faults"], key=lambda fault: bool(fault["found"]))
    newest = {fault["kind"]: fault for fault in told}
    for kind, fault in newest.items():
        since = fault["start"][:19].replace("T", " ")
        what = f"{kind} of home {fault['home_id']} since {since}"
        say(f"  {what}: {fault['evidence'] or 'not found yet: ' + fault['why']} ({fault['by']})")
    for part in account["domains"].values():
        if "via" in part:
            _say_telemetry(part)
    more = "examples/homes/README.md" if "homes" in account["domains"] else "docs/telemetry.md"
    say(f"  next: penstock demo{options} goes on where this ended; {more} tells more")
    if not ok:
        raise typer.Exit(4)


def _say_telemetry(part: dict[str, Any]) -> None:
    """What became of the meters' messages."""
    rates, source = part["rates"], part["source"]
    say(
        f"  telemetry over {part['via']}: {part['sent']:,} messages sent at "
        f"{rates['sent_per_s']:,.0f}/s, {part['landed']:,} landed"
    )
    if source["state"] == "blocked":
        say(f"  its source is blocked: {source['reason']}")
    for one in part["incidents"]:
        since = one["start"][:19].replace("T", " ")
        say(f"  planted: {one['kind']} of {one['device_id']} ({one['user_id']}) since {since}")


def _welcome(place: Place, domains: list[str], homes: str, messages: str, options: str) -> None:
    say(f"  {place.project.title}   data {place.data}")
    say(f"  Page        {place.url}")
    say(f"  API         {place.url}/openapi.json")
    say(f"  ClickHouse  {place.clickhouse}")
    if "telemetry" in domains:
        brokers = place.settings.text("kafka_bootstrap_servers")
        over = f"through the topic at {brokers}" if brokers else "over HTTP"
        say(f"  {messages} of meters a second {over}.")
        top = f"{place.url}/v1/endpoints/telemetry/top_devices.json"
        say(f"  Try:  curl -s '{top}'")
    if "homes" in domains:
        say(f"  {homes} send each second; 30 days of history are filled in beside them.")
        say("  Try:  curl -s '" + place.url + "/v1/endpoints/city_heartbeat.json'")
        say(
            f"        curl {place.url}/v1/ingest/homes/readings -d '"
            '{"home_id":7,"ts":"\'$(date -u +%FT%TZ)\'","region":"north","energy":1.2}\''
        )
    say(f"  Stop: Ctrl-C     Look: penstock status{options}")
