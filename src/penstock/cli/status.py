"""`penstock status`: how the running platform is."""

from __future__ import annotations

from pathlib import Path

from penstock.cli.place import ProjectPath, find
from penstock.cli.terminal import Json, emit, say, table


def status(project: ProjectPath = Path(), json: Json = False) -> None:
    """Show sources, freshness and the balance of counts."""
    from penstock.cli.running import get

    place = find(project)
    document = get(f"{place.url}/v1/status")
    if json:
        emit(document)
        return
    table(document["sources"], ["domain", "source", "state", "accepted", "landed", "in_flight"])
    balance, fresh = document["balance"], document["freshness_ms"]
    say(f"freshness  p50 {fresh['p50']} ms, p99 {fresh['p99']} ms")
    say(f"rows/s     {document['rows_per_s']:,}")
    say(
        f"balance    received {balance['received']:,} - silver {balance['silver']:,}"
        f" - dead letters {balance['dead_letters']:,} - in flight {balance['in_flight']:,}"
        f" = {balance['difference']}"
    )
    say("next: penstock reconcile")
