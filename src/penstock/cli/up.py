"""`penstock up`: run a project until Ctrl-C."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from penstock.cli.place import DataPath, ProjectPath, find
from penstock.cli.terminal import say

if TYPE_CHECKING:
    import threading


def up(
    project: ProjectPath = Path(),
    data: DataPath = None,
    port: Annotated[int | None, typer.Option(help="Port of the page and the API.")] = None,
    engine_port: Annotated[int | None, typer.Option(help="Port of the engine.")] = None,
) -> None:
    """Run a project: engine, landing, endpoints and page, until Ctrl-C."""
    from penstock.runtime.logs import configure
    from penstock.runtime.platform import Platform
    from penstock.runtime.server import reserve, serve

    configure()
    place = find(project, data, port=port, engine_port=engine_port)
    platform = Platform(place.project, place.settings, place.data)
    with reserve(platform) as listener:
        applied = platform.start()
        say(f"  {place.project.title or place.project.name}   data {place.data}")
        say(f"  {len(applied.created)} relations created, {len(applied.unchanged)} there already")
        say(f"  Page        {place.url}")
        say(f"  ClickHouse  http://127.0.0.1:{place.settings.number('engine_port')}  (read-only)")
        say("  Stop: Ctrl-C     Look: penstock status")
        try:
            serve(platform, listener, until=_wait)
        finally:
            platform.stop()


def _wait(stopping: threading.Event) -> None:
    stopping.wait()
