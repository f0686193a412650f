"""`penstock demo`: a city of a thousand homes, alive, with nothing to set up."""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.place import HERE, DataPath, EnginePort, Port, again, examples, find
from penstock.cli.running import DEMO
from penstock.cli.terminal import Json, emit, say
from penstock.errors import RefusedChangeError
from penstock.settings import Settings, duration

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from penstock.cli.place import Place


def demo(
    for_: Annotated[str, typer.Option("--for", help="End after this long, such as 60s.")] = "",
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

    seconds = duration(for_) if for_ else None
    configure()
    place = find(examples(), data or _folder(), port=port, engine_port=engine_port)
    platform = Platform(place.project, place.settings, place.data)
    account: dict[str, Any] = {}
    with (
        _of_this_version(place, data),
        claim(platform, place) as listener,
        started(platform, place),
    ):
        running = Demo(platform, place.url, homes=homes, history=history)

        def until(stopping: threading.Event) -> None:
            running.start()
            _welcome(place, homes, again(HERE, data))
            say_link(platform, place, again(HERE, data))
            stopping.wait(seconds)
            say("  ending: senders stop, what they sent is landed and counted …")
            account.update(running.finish())

        serve(platform, listener, until=until)
    _report(account, again(HERE, data), as_json=json)


@contextmanager
def _of_this_version(place: Place, data: Path | None) -> Iterator[None]:
    """Where data of an older demo cannot become what the files say now, tell how to begin anew.

    Raises:
        RefusedChangeError: as raised within. Its own way out is for who may change the files, and
            `penstock plan` would be asked about another project.
    """
    try:
        yield
    except RefusedChangeError as error:
        folder = shlex.quote(str(data or _folder()))
        raise RefusedChangeError(
            f"another version of the demo, or of its files, made {place.data}, and this one "
            f"cannot go on with it: {error.what}",
            next_step=f"`penstock reset --data {folder}` removes it, after showing what goes, and "
            f"`penstock demo{again(HERE, data)}` begins anew; or keep it: --data ANOTHER",
        ) from error


def _folder() -> Path:
    """Where the data is kept when no option says so."""
    settings = Settings.load()
    return Path(settings.text("data")) if settings.origins["data"] == "environment" else DEMO


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
    more = "examples/homes/README.md tells more"
    say(f"  next: penstock demo{options} goes on where this ended; {more}")
    if not ok:
        raise typer.Exit(4)


def _welcome(place: Place, homes: int, options: str) -> None:
    say(f"  {place.project.title}   data {place.data}")
    say(f"  Page        {place.url}")
    say(f"  API         {place.url}/openapi.json")
    say(f"  ClickHouse  {place.clickhouse}")
    say(f"  {homes:,} homes send each second; 30 days of history are filled in beside them.")
    say("  Try:  curl -s '" + place.url + "/v1/endpoints/city_heartbeat.json'")
    say(
        f"        curl {place.url}/v1/ingest/homes/readings -d '"
        '{"home_id":7,"ts":"\'$(date -u +%FT%TZ)\'","region":"north","energy":1.2}\''
    )
    say(f"  Stop: Ctrl-C     Look: penstock status{options}")
