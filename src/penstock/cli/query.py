"""`penstock query`: one statement against the running engine, with any format."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from penstock.cli.place import DataPath, ProjectPath, find


def query(
    sql: Annotated[str, typer.Argument(help="The statement; - reads standard input.")],
    project: ProjectPath = Path(),
    data: DataPath = None,
    output: Annotated[str, typer.Option("--format", help="ClickHouse format.")] = "PrettyCompact",
    database: Annotated[str, typer.Option(help="Where unqualified names are looked up.")] = "",
    write: Annotated[bool, typer.Option("--write", help="Send the key: allow changes.")] = False,
) -> None:
    """Run a statement; without --write only reading is allowed."""
    from dataclasses import replace

    from penstock.engine.client import Client

    place = find(project, data)
    address = place.engine
    if not write and not place.settings.text("clickhouse_url"):
        address = replace(address, user="", key="")
    client = Client(address)
    text = sys.stdin.read() if sql == "-" else sql
    first = place.project.domains[0].database if place.project.domains else ""
    sys.stdout.buffer.write(client.fetch(text, output, database=database or first))
    sys.stdout.flush()
