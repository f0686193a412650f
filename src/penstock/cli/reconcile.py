"""`penstock reconcile`: prove that nothing was lost and nothing doubled, or say where."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from penstock.cli.place import DataPath, ProjectPath, find
from penstock.cli.terminal import Json, emit, say

_SHOWN = 20  # differences of one source


def reconcile(
    project: ProjectPath = Path(),
    data: DataPath = None,
    truth: Annotated[
        list[Path] | None, typer.Option(help="A sender's truth file to compare with, too.")
    ] = None,
    json: Json = False,
) -> None:
    """Compare received, bronze, silver, dead letters and gold; exit 4 where they differ."""
    place = find(project, data)
    document = _document(place)
    if truth:
        _compare_truth(document, truth)
    if json:
        emit(document)
    else:
        _tell(document)
    if not document["ok"]:
        raise typer.Exit(4)


def _document(place: Any) -> dict[str, Any]:  # noqa: ANN401 - a Place
    from penstock.cli.running import answers, get

    if answers(place.url):
        return get(f"{place.url}/v1/reconcile")
    from penstock.runtime.platform import Platform

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
        say(
            f"{mark} {source['source']}: received {source['received']:,} = bronze "
            f"{source['bronze']:,} = silver {source['silver']:,} + dead letters "
            f"{source['dead_letters']:,}  ({source['batches']:,} batches)"
        )
        for name, value in source["gold"].items():
            say(f"      gold {name} = {value}")
        for found in source["differences"][:_SHOWN]:
            say(
                f"    {found['relation']}: expected {found['expected']}, found {found['found']}"
                f"  at {found['where']}"
            )
        if more := source["unlisted"] + max(0, len(source["differences"]) - _SHOWN):
            say(f"    and {more:,} more")
        for batch in source["open"]:
            say(
                f"      batch {batch['batch']} is being landed: {batch['bronze']:,} of "
                f"{batch['rows']:,} rows are in bronze; it is left out"
            )
        for text in source["uncompared"]:
            say(f"      not compared: {text}")
    if "senders" in document:
        senders = document["senders"]
        say(f"senders acknowledged {senders['acknowledged']:,}, received {senders['received']:,}")
    say("everything is accounted for" if document["ok"] else "counts differ: see above")
