"""`penstock reconcile`: prove that nothing was lost and nothing doubled, or say where."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import Annotated, Any

import typer

from penstock.cli.place import HERE, DataPath, ProjectPath, again, find, refuse_unused
from penstock.cli.terminal import Json, emit, say

_SHOWN = 20  # differences of one source


def reconcile(
    project: ProjectPath = HERE,
    data: DataPath = None,
    truth: Annotated[
        list[Path] | None,
        typer.Option(help="A sender's truth file to compare with, too.", metavar="FILE"),
    ] = None,
    json: Json = False,
) -> None:
    """Compare received, bronze, silver, dead letters and gold; exit 4 where they differ."""
    document = _document(project, data)
    if truth:
        _compare_truth(document, truth)
    if json:
        emit(document)
    else:
        _tell(document)
    if not document["ok"]:
        say("counts differ: the lines above say where")
        raise typer.Exit(4)
    say(f"everything is accounted for; next: penstock dead-letters ls{again(project, data)}")


def _document(project: Path, data: Path | None) -> dict[str, Any]:
    """The proof, by the platform that runs; where none does, by an engine started to look."""
    from penstock.cli.running import get, sought
    from penstock.runtime.platform import Platform

    if running := sought(project, data):
        return get(f"{running.url}/v1/reconcile")
    place = find(project, data)
    refuse_unused(place.data)

    platform = Platform(place.project, place.settings, place.data)
    platform.start(land=False)
    try:
        return platform.reconcile()
    finally:
        platform.stop()


def _compare_truth(document: dict[str, Any], files: list[Path]) -> None:
    """Add the senders' own counts: acknowledged rows are what must have been received."""
    import json as decoder

    sent = sum(int(decoder.loads(f.read_text())["acknowledged"]) for f in files)
    received = sum(source["received"] for source in document["sources"])
    document["senders"] = {"acknowledged": sent, "received": received, "ok": sent == received}
    document["ok"] = document["ok"] and sent == received


def _tell(document: dict[str, Any]) -> None:
    for source in document["sources"]:
        mark = "ok " if source["ok"] else "BAD"
        print(
            f"{mark} {source['source']}: received {source['received']:,} = bronze "
            f"{source['bronze']:,} = silver {source['silver']:,} + dead letters "
            f"{source['dead_letters']:,}  ({source['batches']:,} batches)"
        )
        for name, value in source["gold"].items():
            print(f"      gold {name} = {value}")
        for found in source["differences"][:_SHOWN]:
            print(
                f"    {found['relation']}: expected {found['expected']}, found {found['found']}"
                f"  at {found['where']}"
            )
        if more := source["unlisted"] + max(0, len(source["differences"]) - _SHOWN):
            print(f"    and {more:,} more")
        for batch in source["open"]:
            print(
                f"      batch {batch['batch']} is being landed: {batch['bronze']:,} of "
                f"{batch['rows']:,} rows are in bronze; it is left out"
            )
        for text in source["uncompared"]:
            print(f"      not compared: {text}")
    if "senders" in document:
        senders = document["senders"]
        print(f"senders acknowledged {senders['acknowledged']:,}, received {senders['received']:,}")
