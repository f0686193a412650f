"""`penstock dead-letters`: what did not fit, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from penstock.cli.place import DataPath, ProjectPath, find
from penstock.cli.terminal import Json, emit, say, table
from penstock.errors import UsageError

app = typer.Typer(no_args_is_help=True, help="Records that did not fit, kept with the reason.")


@app.command("ls")
def listing(
    project: ProjectPath = Path(),
    data: DataPath = None,
    domain: Annotated[str, typer.Option(help="Domain; else the first.")] = "",
    limit: Annotated[int, typer.Option(help="Most letters shown.")] = 20,
    json: Json = False,
) -> None:
    """Show dead letters by reason, and the newest of them."""
    from penstock.engine.client import Client
    from penstock.layers import dead_letters

    place = find(project, data)
    found = place.project.domain(domain or place.project.domains[0].name)
    client = Client(place.engine)
    groups = dead_letters.groups(found, client)
    newest = dead_letters.newest(found, client, limit)
    if json:
        emit({"groups": groups, "newest": newest})
        return
    table(groups, ["source", "reason", "rows"])
    say()
    table(newest, ["source", "part", "pos", "reason", "raw"])
    if newest:
        first = newest[0]
        say(f"next: penstock dead-letters show {first['source']} {first['part']} {first['pos']}")


@app.command()
def show(
    source: Annotated[str, typer.Argument(help="Source.")],
    part: Annotated[int, typer.Argument(help="Part.")],
    pos: Annotated[int, typer.Argument(help="Position.")],
    project: ProjectPath = Path(),
    data: DataPath = None,
    domain: Annotated[str, typer.Option(help="Domain; else the first.")] = "",
) -> None:
    """Show one dead letter whole."""
    from penstock.engine.client import Client
    from penstock.layers import dead_letters

    place = find(project, data)
    found = place.project.domain(domain or place.project.domains[0].name)
    letter = dead_letters.one(found, Client(place.engine), source, part, pos)
    if letter is None:
        raise UsageError(
            f"there is no dead letter at {source} {part} {pos}",
            next_step="penstock dead-letters ls",
        )
    emit(letter)
