"""`penstock up`: run a project until Ctrl-C."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from penstock.cli.place import DataPath, ProjectPath, find
from penstock.cli.terminal import say


def up(
    project: ProjectPath = Path(),
    data: DataPath = None,
    port: Annotated[int | None, typer.Option(help="Port of the page and the API.")] = None,
    engine_port: Annotated[int | None, typer.Option(help="Port of the engine.")] = None,
    reload: Annotated[bool, typer.Option(help="Take files up as they are saved.")] = True,
    ingest: Annotated[
        str, typer.Option(help="Send a source of kind file once it runs: domain/source.")
    ] = "",
) -> None:
    """Run a project: engine, landing, endpoints and page, until Ctrl-C."""
    import threading

    from penstock.runtime.logs import configure
    from penstock.runtime.platform import Platform
    from penstock.runtime.reload import Reloader
    from penstock.runtime.server import reserve, serve

    configure()
    place = find(project, data, port=port, engine_port=engine_port)
    platform = Platform(place.project, place.settings, place.data)
    reloader = Reloader(place.project.root, place.settings.text("prefix"), platform.adopt, say)
    platform.problems, platform.on_apply = reloader.problems, reloader.look_again
    with reserve(platform) as listener:
        applied = platform.start()
        say(f"  {place.project.title or place.project.name}   data {place.data}")
        say(f"  {len(applied.created)} relations created, {len(applied.unchanged)} there already")
        say(f"  Page        {place.url}")
        say(f"  ClickHouse  http://127.0.0.1:{place.settings.number('engine_port')}  (read-only)")
        say("  Stop: Ctrl-C     Look: penstock status" + ("     Files: as saved" if reload else ""))

        def until(stopping: threading.Event) -> None:
            if ingest:
                words = ["ingest", ingest, "--project", str(place.project.root)]
                sender = threading.Thread(target=_run, args=([*words, "--url", place.url],))
                sender.daemon = True  # ends with us: what was acknowledged is kept
                sender.start()
            if reload:
                reloader.run(stopping)
            stopping.wait()

        try:
            serve(platform, listener, until=until)
        finally:
            platform.stop()


def _run(words: list[str]) -> None:
    """Another command of ours, in a process of its own; what it says is shown."""
    import subprocess

    subprocess.run([sys.executable, "-m", "penstock.cli", *words], check=False)
