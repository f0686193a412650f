"""`penstock up`: run a project until Ctrl-C."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from penstock.cli.place import HERE, DataPath, EnginePort, Port, ProjectPath, again, find
from penstock.cli.terminal import say

if TYPE_CHECKING:
    import threading
    from pathlib import Path


def up(
    project: ProjectPath = HERE,
    data: DataPath = None,
    port: Port = None,
    engine_port: EnginePort = None,
    reload: Annotated[bool, typer.Option(help="Take files up as they are saved.")] = True,
    ingest: Annotated[
        str, typer.Option(help="Send a source of kind file once it runs: domain/source.")
    ] = "",
    only: Annotated[
        Literal["landing"] | None,
        typer.Option(help="Share the topics of a platform that runs: land, and nothing else."),
    ] = None,
) -> None:
    """Run a project: engine, landing, endpoints and page, until Ctrl-C."""
    if only:
        _land(project, data)
        return
    from penstock.cli.foreground import claim, say_link, started
    from penstock.runtime.logs import configure
    from penstock.runtime.platform import Platform
    from penstock.runtime.reload import Reloader
    from penstock.runtime.server import serve

    configure()
    place = find(project, data, port=port, engine_port=engine_port)
    platform = Platform(place.project, place.settings, place.data)
    reloader = Reloader(place.project.root, place.settings.text("prefix"), platform.adopt, say)
    platform.problems, platform.on_apply = reloader.problems, reloader.look_again
    options = again(project, data)

    def until(stopping: threading.Event) -> None:
        if ingest:
            _send(["ingest", ingest, *shlex.split(options), "--url", place.url])
        if reload:
            reloader.run(stopping)
        stopping.wait()
        say("  stopping: what is being landed is landed; what else was accepted waits on disk …")

    with claim(platform, place) as listener, started(platform, place) as applied:
        say(f"  {place.project.title or place.project.name}   data {place.data}")
        say(f"  {len(applied.created)} relations created, {len(applied.unchanged)} there already")
        say(f"  Page        {place.url}")
        say_link(platform, place, options)
        say(f"  ClickHouse  {place.clickhouse}")
        for step in applied.waiting:
            say(f"  Goes on filling {step.relation} anew: penstock status shows how far it is")
        files = "     Files: as saved" if reload else ""
        say(f"  Stop: Ctrl-C     Look: penstock status{options}{files}")
        serve(platform, listener, until=until)


def _land(project: Path, data: Path | None) -> None:
    """Land beside the platform that runs, until Ctrl-C."""
    from penstock.cli.foreground import stopping
    from penstock.cli.running import look, post
    from penstock.engine.datadir import key
    from penstock.runtime.companion import Companion
    from penstock.runtime.logs import configure

    configure()
    running = look(project, data)
    place = find(project, data, engine_port=running.engine_port or None)
    url = f"{running.url}/v1/admin/heal"
    secret = key(place.data)
    companion = Companion(
        place.project,
        place.settings,
        place.data,
        lambda asked: post(url, dict(asked), key=secret, timeout=60 if asked else 5),
    )
    with stopping() as stop:
        companion.start()
        try:
            say(f"  Lander {companion.number} of {running.url}   data {place.data}")
            say(f"  Stop: Ctrl-C     Look: penstock sources{again(project, data)}")
            stop.wait()
        finally:
            companion.stop()


def _send(words: list[str]) -> None:
    """Start another command of ours, in a process of its own; what it says is shown."""
    import subprocess
    import threading

    command = [sys.executable, "-m", "penstock", *words]
    # A daemon, as it ends with us: what was acknowledged is kept.
    threading.Thread(
        target=subprocess.run, args=(command,), kwargs={"check": False}, daemon=True
    ).start()
