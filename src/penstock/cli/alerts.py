"""`penstock alerts`: what is looked for, what fires, and what an alert would say now."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from penstock.cli.place import HERE, DataPath, ProjectPath, again, find
from penstock.cli.terminal import Command, Group, Json, emit, say, table
from penstock.errors import DeliveryError, UsageError
from penstock.settings import duration

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from penstock.project.objects import Alert, Project

_MANY = 500  # looks of a rehearsal that says how far it is

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
    for silent in document["silences"]:
        about = silent["key"] or "all of it"
        say(f"silent until {_when(silent['until_ms'])}: {silent['alert']}, {about}")
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

    path, alert = _named(name, find(project, data).project)
    if send:
        _send(path, project, data, json=json)
        return
    rows = look.ask(alert, Client(engine_of(project, data).address))
    found = [{"key": look.key_of(alert, row), "message": filled(alert, row), "row": row}
             for row in rows]  # fmt: skip
    if json:
        emit({"alert": path, "severity": alert.severity, "rows": found})
        return
    table(found, ["key", "message"])
    say(f"{len(found)} would fire after {alert.wait:g} s; nobody was told")
    say(f"next: penstock alerts ls{again(project, data)}")


@app.command(cls=Command)
def rehearse(
    name: Annotated[str, typer.Argument(help="Alert, as surge or telemetry/surge.")],
    project: ProjectPath = HERE,
    data: DataPath = None,
    first: Annotated[
        str, typer.Option("--from", help="Begin: now-1d, 2026-01-31T12:00:00Z, epoch ms.")
    ] = "now-1h",
    last: Annotated[str, typer.Option("--to", help="End.")] = "now",
    every: Annotated[
        str, typer.Option(help="Time between two looks; the alert's own unless said.")
    ] = "",
    json: Json = False,
) -> None:
    """Replay the past: when an alert would have fired; nothing is kept and nobody is told.

    It is looked at as if it were then, by the same SELECT with its clock stopped.
    """
    from penstock.alerts.rehearsal import rehearse
    from penstock.cli.running import engine_of
    from penstock.engine.client import Client

    found = find(project, data).project
    path, alert = _named(name, found)
    looks = _looks(first, last, duration(every) if every else alert.every)
    client = Client(engine_of(project, data, write=True).address)
    fired = rehearse(found, alert, client, looks, _shown(looks))
    rows = [
        {"key": i.key, "fired": _when(i.fired_ms), "resolved": _when(i.resolved_ms),
         "message": i.message}
        for i in fired
    ]  # fmt: skip
    if json:
        names = ("key", "state", "since_ms", "fired_ms", "resolved_ms", "message", "row")
        emit({
            "alert": path, "from_ms": looks.start, "to_ms": looks.stop - 1,
            "every_s": looks.step / 1000, "looks": len(looks),
            "incidents": [{name: getattr(i, name) for name in names} for i in fired],
        })  # fmt: skip
        return
    table(rows, ["key", "fired", "resolved", "message"])
    say(f"{len(fired)} would have fired in {len(looks):,} looks; nobody was told")
    say(f"next: penstock alerts ls{again(project, data)}")


@app.command(cls=Command)
def history(
    name: Annotated[str, typer.Argument(help="Alert; all of them unless said.")] = "",
    project: ProjectPath = HERE,
    data: DataPath = None,
    first: Annotated[str, typer.Option("--from", help="Begin, as for rehearse.")] = "now-7d",
    last: Annotated[str, typer.Option("--to", help="End.")] = "now",
    limit: Annotated[int, typer.Option(help="Most incidents.", min=1)] = 200,
    json: Json = False,
) -> None:
    """Show the incidents that fired in a span of time, and who was told; the newest first."""
    from penstock.cli.running import get, look

    span = _looks(first, last, 1.0)
    asked: dict[str, str | int] = {"from": span.start, "to": span.stop, "limit": limit}
    if name:
        asked["alert"] = _named(name, find(project, data).project)[0]
    found = get(f"{look(project, data).url}/v1/alerts/history", asked)
    if json:
        emit(found)
        return
    rows = [
        {"id": i["id"], "alert": f"{i['domain']}/{i['alert']}", "key": i["key"],
         "fired": _when(i["fired_ms"]), "resolved": _when(i["resolved_ms"]),
         "told": ", ".join(f"{t['channel']} {t['event']} {t['state']}" for t in i["told"]),
         "message": i["message"]}
        for i in found["incidents"]
    ]  # fmt: skip
    table(rows, ["id", "alert", "key", "fired", "resolved", "told", "message"])
    say(f"{len(rows)} incidents; next: penstock alerts ls{again(project, data)}")


@app.command(cls=Command)
def silence(
    name: Annotated[str, typer.Argument(help="Alert, as surge or telemetry/surge.")],
    project: ProjectPath = HERE,
    data: DataPath = None,
    length: Annotated[str, typer.Option("--for", help="How long: 30m, 2h, 7d.")] = "2h",
    key: Annotated[
        list[str] | None,
        typer.Option(help="Of one thing alone: the values of the alert's key, in their order."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, for others.")] = "",
    end: Annotated[bool, typer.Option("--end", help="Lift it.")] = False,
    json: Json = False,
) -> None:
    """Tell nobody of an alert for a time; it is looked at all the same.

    What still fires when the time is over is told then.
    """
    from penstock.cli.running import look, post

    path, _ = _named(name, find(project, data).project)
    running = look(project, data)
    body = {
        "alert": path, "seconds": 0 if end else duration(length), "reason": reason,
        "key": key or [],
    }  # fmt: skip
    url = f"{running.url}/v1/admin/alerts/silence"
    found = post(url, body, key=running.key("a silence needs"))
    if json:
        emit(found)
        return
    rows = [
        {"alert": f"{s['domain']}/{s['alert']}", "key": s["key"] or "all",
         "until": _when(s["until_ms"]), "reason": s["reason"]}
        for s in found["silences"]
    ]  # fmt: skip
    table(rows, ["alert", "key", "until", "reason"])
    say(f"next: penstock alerts silence {name} --end{again(project, data)}")


def _looks(first: str, last: str, every: float) -> range:
    """The times of a rehearsal, epoch milliseconds."""
    from penstock.project.macros import moment

    now = time.time_ns() // 1_000_000
    start, stop = (at if at > 0 else now + at for at in (moment(first), moment(last)))
    if start >= stop:
        raise UsageError(f"{first} is not before {last}", next_step="--from now-1d --to now")
    if stop > now:
        raise UsageError(f"{last} has not been yet", next_step="--to now")
    return range(start, stop + 1, max(1, int(every * 1000)))


def _shown(looks: range) -> Callable[[int], None]:
    """Says now and then how far a rehearsal is, on a terminal."""
    if len(looks) < _MANY or not sys.stderr.isatty():
        return lambda _at_ms: None
    step = max(1, len(looks) // 20)

    def show(at_ms: int) -> None:
        done = looks.index(at_ms)
        if done % step == 0:
            say(f"{done:,} of {len(looks):,} looks, at {_when(at_ms)}")

    return show


def _when(at_ms: int | None) -> str:
    if at_ms is None:
        return "-"
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _named(name: str, project: Project) -> tuple[str, Alert]:
    """An alert by domain/name, or by its name while that is the only one."""
    alerts = {f"{a.query.domain}/{a.name}": a for a in project.alerts()}
    hits = [path for path in alerts if name in (path, path.rpartition("/")[2])]
    if len(hits) != 1:
        known = ", ".join(sorted(alerts)) or "none"
        many = "more than one alert is" if hits else "there is no alert"
        raise UsageError(f"{many} called {name!r}", next_step=f"known: {known}")
    return hits[0], alerts[hits[0]]


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
