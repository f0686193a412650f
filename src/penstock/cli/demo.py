"""`penstock demo`: a city of a thousand homes, alive, with nothing to set up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from penstock.cli.place import DataPath, examples, find
from penstock.cli.terminal import Json, emit, say

if TYPE_CHECKING:
    import threading

    from penstock.cli.place import Place

_FOLDER = Path("penstock-demo")


def demo(
    for_: Annotated[str, typer.Option("--for", help="End after this long, such as 60s.")] = "",
    homes: Annotated[int, typer.Option(help="Homes that send each second.")] = 1000,
    history: Annotated[bool, typer.Option(help="Fill in the last 30 days.")] = True,
    data: DataPath = None,
    port: Annotated[int | None, typer.Option(help="Port of the page and the API.")] = None,
    engine_port: Annotated[int | None, typer.Option(help="Port of the engine.")] = None,
    json: Json = False,
) -> None:
    """Run the examples with senders; end with a proof of counts (exit 4 where it fails)."""
    from penstock.runtime.demo import Demo
    from penstock.runtime.logs import configure
    from penstock.runtime.platform import Platform
    from penstock.runtime.server import reserve, serve
    from penstock.settings import duration

    seconds = duration(for_) if for_ else None
    configure()
    place = find(examples(), data or _FOLDER, port=port, engine_port=engine_port)
    platform = Platform(place.project, place.settings, place.data)
    account = {}
    with reserve(platform) as listener:
        platform.start()
        running = Demo(platform, place.url, homes=homes, history=history)

        def until(stopping: threading.Event) -> None:
            running.start()
            _welcome(place, homes)
            stopping.wait(seconds)
            say("  ending: senders stop, what they sent is landed and counted …")
            account.update(running.finish())

        try:
            serve(platform, listener, until=until)
        finally:
            platform.stop()
    _report(account, as_json=json)


def _report(account: dict[str, object], *, as_json: bool) -> None:
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
    say("  next: penstock demo again goes on where this ended; examples/homes/README.md tells more")
    if not ok:
        raise typer.Exit(4)


def _welcome(place: Place, homes: int) -> None:
    say(f"  Penstock   {place.project.title}   data {place.data}")
    say(f"  Page        {place.url}")
    say(f"  API         {place.url}/openapi.json")
    say(f"  ClickHouse  http://127.0.0.1:{place.settings.number('engine_port')}  (read-only)")
    say(f"  {homes:,} homes send each second; 30 days of history are filled in beside them.")
    say("  Try:  curl -s '" + place.url + "/v1/endpoints/city_heartbeat.json'")
    say(
        f"        curl {place.url}/v1/ingest/homes/readings -d '"
        '{"home_id":7,"ts":"\'$(date -u +%FT%TZ)\'","energy":1.2}\''
    )
    say("  Stop: Ctrl-C")
