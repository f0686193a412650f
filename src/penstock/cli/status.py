"""`penstock status`: how the running platform is."""

from __future__ import annotations

from penstock.cli.place import HERE, DataPath, ProjectPath, again
from penstock.cli.terminal import Json, emit, say, table


def status(project: ProjectPath = HERE, data: DataPath = None, json: Json = False) -> None:
    """Show sources, freshness and the balance of counts."""
    from penstock.cli.running import get, look

    document = get(f"{look(project, data).url}/v1/status")
    if json:
        emit(document)
        return
    table(document["sources"], ["domain", "source", "state", "accepted", "landed", "in_flight"])
    balance, fresh = document["balance"], document["freshness_ms"]
    print(f"freshness  p50 {fresh['p50']} ms, p99 {fresh['p99']} ms")
    print(f"rows/s     {document['rows_per_s']:,}")
    print(
        f"balance    received {balance['received']:,} - silver {balance['silver']:,}"
        f" - dead letters {balance['dead_letters']:,} - in flight {balance['in_flight']:,}"
        f" = {balance['difference']}"
    )
    for filling in document["filling"]:
        print(f"filling    {filling['relation']}: {filling['done']} of {filling['slices']} slices")
    redis = document["cache"]["redis"]
    if redis["state"] != "off":
        away = "" if redis["state"] == "up" else "; answers go on without it"
        print(
            f"redis      {redis['state']}{': ' + redis['reason'] if redis['reason'] else ''}{away}"
        )
    for problem in document["problems"]:
        print(f"problem    {problem['file']}: {problem['cause']}")
    say(f"next: penstock reconcile{again(project, data)}")
