"""`penstock plan`: what `apply` would change, and who would notice."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from penstock.cli.place import HERE, DataPath, Place, ProjectPath, again, find
from penstock.cli.terminal import Json, emit, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.cli.running import Running
    from penstock.layers.plan import Plan
    from penstock.layers.states import Consent
    from penstock.layers.steps import Step
    from penstock.runtime.platform import Platform

Drop = Annotated[
    list[str] | None,
    typer.Option("--drop", help="A relation or a column (homes.readings.hum) that may go."),
]
ForwardOnly = Annotated[
    list[str] | None,
    typer.Option("--forward-only", help="A relation that takes rows from now on, unfilled."),
]
Carry = Annotated[
    list[str] | None,
    typer.Option("--carry", help="A relation that keeps rows its source has let go of."),
]
AcceptLoss = Annotated[
    list[str] | None,
    typer.Option("--accept-loss", help="A relation that may lose rows its source has let go of."),
]
_CHANGES = 3


def plan(
    project: ProjectPath = HERE,
    data: DataPath = None,
    drop: Drop = None,
    forward_only: ForwardOnly = None,
    carry: Carry = None,
    accept_loss: AcceptLoss = None,
    json: Json = False,
) -> None:
    """Show how the files differ from the database. Exit code 3 where they do, 0 where not."""
    place = find(project, data)
    agreed = consent(drop=drop, forward_only=forward_only, carry=carry, accept_loss=accept_loss)
    found = read(place, agreed)
    if json:
        emit(found.document())
    else:
        show(found)
    if found.steps:
        if not json:
            apply = f"penstock apply{again(project, data)}"
            say("next: " + (apply if not found.refused else "change what is refused"))
        raise typer.Exit(_CHANGES)
    from penstock.cli.running import sought

    following = "status" if sought(place.project.root, place.data) else "up"
    say(f"next: penstock {following}{again(project, data)}")


def consent(**agreed: list[str] | None) -> Consent:
    """What was agreed to on the command line, by the names of `Consent`."""
    from penstock.layers.states import Consent

    return Consent(**{name: frozenset(listed or ()) for name, listed in agreed.items()})


def read(place: Place, agreed: Consent) -> Plan:
    """The plan of a place, whether its platform runs, could run, or never ran."""
    from penstock.cli.running import sought
    from penstock.layers import plan as plans
    from penstock.layers.states import State
    from penstock.store import LEDGER
    from penstock.store.journal import Applied

    running = sought(place.project.root, place.data)
    if running is not None:
        return beside(place, running, agreed)
    elsewhere = place.settings.text("database_url") or place.settings.text("clickhouse_url")
    if not (place.data / LEDGER).exists() and not elsewhere:
        return plans.make(place.project, State(), Applied(), agreed)
    with opened(place) as platform:
        return platform.changes.plan(agreed)


def beside(place: Place, running: Running, agreed: Consent) -> Plan:
    """The plan, read beside a platform that runs."""
    from penstock.engine.client import Client
    from penstock.layers.apply import plan as make
    from penstock.store.database import Store
    from penstock.store.journal import Journal

    client = Client(running.engine(write=True))
    store = Store.of(place.settings, place.data)
    try:
        return make(place.project, client, Journal(store, place.data), agreed)
    finally:
        client.close()
        store.close()


@contextmanager
def opened(place: Place) -> Iterator[Platform]:
    """A platform whose engine runs while the block does."""
    from penstock.runtime.platform import Platform

    platform = Platform(place.project, place.settings, place.data)
    platform.open()
    try:
        yield platform
    finally:
        platform.stop()


def show(found: Plan) -> None:
    """A plan for people."""
    for step in found.steps:
        print(f"{step.label:<13}{step.words}")
        for sql in step.sql if step.kind not in ("create", "recreate") else ():
            print(f"{'':<13}  {_short(sql)}")
        if step.rows or step.bytes:
            print(f"{'':<13}touches {step.rows:,} rows, {step.bytes:,} bytes")
        if step.kind != "create":
            print(f"{'':<13}read by {step.readers}")
        if step.ways:
            print(f"{'':<13}instead {step.ways}")
    for drift in found.drift:
        fate = "the plan undoes it" if drift.overwritten else "the plan leaves it"
        print(f"{'drift':<13}{drift.name} was changed by hand: {drift.words}; {fate}")
    print(_summary(found.steps, len(found.unchanged)))


def _short(sql: str, most: int = 300) -> str:
    line = " ".join(sql.split())
    return line if len(line) <= most else f"{line[:most]}…"


def _summary(steps: tuple[Step, ...], unchanged: int) -> str:
    if not steps:
        return f"no changes: {unchanged} tables and views are as their files say"
    labels = dict.fromkeys(s.label for s in steps)
    counts = [f"{sum(s.label == label for s in steps)} {label}" for label in labels]
    noun = "change" if len(steps) == 1 else "changes"
    return f"{len(steps)} {noun}: {', '.join(counts)}; {unchanged} unchanged"
