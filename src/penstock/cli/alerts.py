"""`penstock alerts`: what is looked for, what fires, and what an alert would say now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from penstock.cli.place import HERE, DataPath, ProjectPath, again, find
from penstock.cli.terminal import Command, Group, Json, emit, say, table
from penstock.errors import DeliveryError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

app = typer.Typer(cls=Group, no_args_is_help=True, help="What fires, and who was told.")


@app.command("ls", cls=Command)
def listing(project: ProjectPath = HERE, data: DataPath = None, json: Json = False) -> None:
    """Show the alerts of the running platform and the incidents that fired last."""
    from penstock.cli.running import get, look

    document = get(f"{look(project, data).url}/v1/alerts")
    if json:
        emit(document)
        return
    table(document["alerts"], ["domain", "name", "severity", "state", "firing", "pending", "error"])
    say()
    table(document["incidents"], ["id", "alert", "key", "state", "message"])
    options = again(project, data)
    if document["alerts"]:
        say(f"next: penstock alerts test {document['alerts'][0]['name']}{options}")
    else:
        say(f"there are none: write <domain>/alerts/<name>.sql; next: penstock check{options}")


@app.command(cls=Command)
def test(
    name: Annotated[str, typer.Argument(help="Alert, as overheating or homes/overheating.")],
    project: ProjectPath = HERE,
    data: DataPath = None,
    send: Annotated[
        bool, typer.Option("--send", help="Send a test to each whom the alert tells.")
    ] = False,
    json: Json = False,
) -> None:
    """Ask an alert once: what would fire now, and what would be said; nobody is told of it."""
    from penstock.alerts import look
    from penstock.cli.running import engine_of
    from penstock.engine.client import Client
    from penstock.project.alerts import filled

    alerts = {f"{a.query.domain}/{a.name}": a for a in find(project, data).project.alerts()}
    hits = [path for path in alerts if name in (path, path.rpartition("/")[2])]
    if len(hits) != 1:
        known = ", ".join(sorted(alerts)) or "none"
        many = "more than one alert is" if hits else "there is no alert"
        raise UsageError(f"{many} called {name!r}", next_step=f"known: {known}")
    if send:
        _send(hits[0], project, data, json=json)
        return
    alert = alerts[hits[0]]
    rows = look.ask(alert, Client(engine_of(project, data).address))
    found = [{"key": look.key_of(alert, row), "message": filled(alert, row), "row": row}
             for row in rows]  # fmt: skip
    if json:
        emit({"alert": hits[0], "severity": alert.severity, "rows": found})
        return
    table(found, ["key", "message"])
    say(f"{len(found)} would fire after {alert.wait:g} s; nobody was told")
    say(f"next: penstock alerts ls{again(project, data)}")


def _send(name: str, project: Path, data: Path | None, *, json: bool) -> None:
    """Let the running platform send a test: it alone knows the webhook it was started with."""
    from penstock.cli.running import look, post

    running = look(project, data)
    url = f"{running.url}/v1/admin/alerts/test"
    found = post(url, {"alert": name, "send": True}, key=running.key("a test needs"))
    failed = [each for each in found["sent"] if each["error"]]
    if json:
        emit(found)
    else:
        table(
            [{"channel": s["channel"], "test": s["error"] or "sent"} for s in found["sent"]],
            ["channel", "test"],
        )
    if failed:
        raise DeliveryError(
            f"{failed[0]['channel']} could not be told: {failed[0]['error']}", where=name
        )
    say(f"{found['total']} would fire now; next: penstock alerts ls{again(project, data)}")
