"""`penstock up`: run a project until Ctrl-C."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.cli.place import HERE, DataPath, EnginePort, Port, ProjectPath, again, find
from penstock.cli.terminal import say

if TYPE_CHECKING:
    import threading


def up(
    project: ProjectPath = HERE,
    data: DataPath = None,
    port: Port = None,
    engine_port: EnginePort = None,
) -> None:
    """Run a project: engine, landing, endpoints and page, until Ctrl-C."""
    from penstock.cli.foreground import claim, started
    from penstock.runtime.logs import configure
    from penstock.runtime.platform import Platform
    from penstock.runtime.server import serve

    configure()
    place = find(project, data, port=port, engine_port=engine_port)
    platform = Platform(place.project, place.settings, place.data)
    with claim(platform, place) as listener, started(platform, place) as applied:
        say(f"  {place.project.title or place.project.name}   data {place.data}")
        say(f"  {len(applied.created)} relations created, {len(applied.unchanged)} there already")
        say(f"  Page        {place.url}")
        say(f"  ClickHouse  http://127.0.0.1:{place.settings.number('engine_port')}  (read-only)")
        say(f"  Stop: Ctrl-C     Look: penstock status{again(project, data)}")
        serve(platform, listener, until=_wait)


def _wait(stopping: threading.Event) -> None:
    stopping.wait()
    say("  stopping: what is being landed is landed; what else was accepted waits on disk …")
