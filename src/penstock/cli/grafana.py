"""`penstock grafana export`: the dashboards as Grafana's own files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from penstock.cli.place import HERE, DataPath, EnginePort, Place, ProjectPath, again, find
from penstock.cli.terminal import Command, Group, Json, emit, say

if TYPE_CHECKING:
    from collections.abc import Collection

app = typer.Typer(cls=Group, no_args_is_help=True, help="Dashboards for Grafana.")


@app.callback()
def _one_command_of_a_group() -> None:
    """Dashboards for Grafana."""


@app.command(cls=Command)
def export(
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("grafana"),
    project: ProjectPath = HERE,
    data: DataPath = None,
    engine_port: EnginePort = None,
    json: Json = False,
) -> None:
    """Write each dashboard as Grafana's JSON, with a data source and what provisions both.

    The panels ask the ClickHouse of the project through Grafana's official data source; they
    refresh every 5 seconds. Files that are there are written anew, and those of dashboards that
    are gone are removed: Grafana would go on showing them.
    """
    import yaml

    from penstock.project import grafana

    place = find(project, data, engine_port=engine_port)
    out = out.resolve()
    documents = {
        f"dashboards/{found.domain}/{found.name}.json": grafana.written(grafana.dashboard(found))
        for found in place.project.dashboards()
    }
    domains = tuple(domain for domain in place.project.domains if domain.dashboards)
    provisioned = {
        "datasources": grafana.sources(domains, _engine(place)),
        "dashboards": grafana.provider(str(out / "dashboards")),
    }
    for kind, document in provisioned.items():
        text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
        documents[f"provisioning/{kind}/penstock.yaml"] = text
    for name, text in documents.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    gone = _remove_others(out, documents)
    if json:
        emit({"out": str(out), "files": sorted(documents), "removed": gone})
        return
    if gone:
        say(f"removed, as the project has them no more: {', '.join(gone)}")
    print("\n".join(str(out / name) for name in sorted(documents)))
    if not domains:
        say("the project has no dashboard: write <domain>/dashboards/<name>.toml")
        say(f"next: penstock check{again(project)}")
        return
    say(f"next: GF_PATHS_PROVISIONING={out / 'provisioning'} grafana server   # docs/grafana.md")


def _remove_others(out: Path, documents: Collection[str]) -> list[str]:
    """Remove dashboards of ours that are not among these; gives their names.

    Others' stay, and so do copies of ours that somebody saved there: they have another uid.
    """
    import json

    from penstock.project import grafana

    gone = []
    for path in sorted(out.glob("dashboards/*/*.json")):
        name = path.relative_to(out).as_posix()
        if name in documents:
            continue
        try:
            found = json.loads(path.read_text("utf-8"))
        except ValueError:
            continue
        ours = grafana.dashboard_uid(path.parent.name, path.stem)
        if isinstance(found, dict) and found.get("uid") == ours:
            path.unlink()
            gone.append(name)
    return gone


def _engine(place: Place) -> dict[str, str | int | bool]:
    """Where ClickHouse is, as the data source takes it; no password is ever written."""
    from penstock.engine.client import Address

    url = place.settings.text("clickhouse_url")
    address = Address.parse(url) if url else None
    return {
        "host": address.host if address else "127.0.0.1",
        "port": address.port if address else place.settings.number("engine_port"),
        "secure": address.secure if address else False,
        "username": (address.user if address else "") or "default",
    }
