"""`penstock open`: a link to the page that lets whoever opens it act there."""

from __future__ import annotations

from typing import Annotated

import typer

from penstock.cli.place import HERE, DataPath, ProjectPath
from penstock.cli.terminal import Json, emit, say


def link(
    project: ProjectPath = HERE,
    data: DataPath = None,
    browser: Annotated[bool, typer.Option(help="Open it in the browser, too.")] = False,
    json: Json = False,
) -> None:
    """Print a link to the running platform's page: once, within ten minutes, it lets you act."""
    from penstock.cli.running import look, post

    running = look(project, data)
    offered = post(f"{running.url}/v1/admin/link", {}, key=running.key("a link needs"))
    url = address(running.url, offered["once"])
    if browser:
        import webbrowser

        webbrowser.open(url)
    if json:
        emit({"url": url, "seconds": offered["seconds"]})
    else:
        print(url)
    say("it opens once, within ten minutes; who opens it may replay dead letters and test alerts")
    say("next: open it in the browser of this machine")


def address(url: str, code: str) -> str:
    """The link of a code: behind the `#`, which is sent to no server."""
    return f"{url}/#once={code}"
