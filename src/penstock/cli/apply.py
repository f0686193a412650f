"""`penstock apply`: bring the database to what the project's files say."""

from __future__ import annotations

import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.place import HERE, DataPath, Place, ProjectPath, again, find
from penstock.cli.plan import (
    AcceptLoss,
    Carry,
    Drop,
    ForwardOnly,
    beside,
    consent,
    opened,
    show,
)
from penstock.cli.terminal import Json, emit, say
from penstock.errors import EngineDownError, PenstockError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.cli.running import Running
    from penstock.layers.plan import Plan
    from penstock.layers.states import Consent

_LOOK = 0.5  # seconds between looks at a running platform


def apply(
    project: ProjectPath = HERE,
    data: DataPath = None,
    drop: Drop = None,
    forward_only: ForwardOnly = None,
    carry: Carry = None,
    accept_loss: AcceptLoss = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Show the plan, ask where it does more than create, and apply it; repeating it is safe."""
    agreed = consent(drop=drop, forward_only=forward_only, carry=carry, accept_loss=accept_loss)
    following = carry_out(find(project, data), agreed, yes=yes, json=json)
    say(f"next: penstock {following}{again(project, data)}")


def carry_out(place: Place, agreed: Consent, *, yes: bool, json: bool) -> str:
    """Apply what was agreed to and say what was done; gives the command that follows."""
    from penstock.cli.running import sought

    running = sought(place.project.root, place.data)
    if running is not None:
        done = _running(place, running, agreed, yes=yes)
    else:
        done = _standing(place, agreed, yes=yes)
    if json:
        emit(done)
    for name in done["created"]:
        say(f"created    {name}")
    for words in done["changed"]:
        say(f"changed    {words}")
    if done["unchanged"]:
        say(f"unchanged  {len(done['unchanged'])} tables and views")
    return "status" if running else "up"


def _standing(place: Place, agreed: Consent, *, yes: bool) -> dict[str, Any]:
    """Apply while no platform runs."""
    from penstock.layers.apply import Terms

    with opened(place) as platform:
        platform.changes.progress = _progress
        found = platform.changes.plan(agreed)
        _ask(found, yes=yes)
        terms = Terms(agreed, fingerprint=found.fingerprint)
        return platform.changes.apply(terms).document()


def _running(place: Place, running: Running, agreed: Consent, *, yes: bool) -> dict[str, Any]:
    """Ask the running platform to apply: it alone can hold its landing."""
    from penstock.cli.running import post
    from penstock.engine.datadir import key

    found = beside(place, running, agreed)
    _ask(found, yes=yes)
    root = str(place.project.root)
    body = {**agreed.document(), "fingerprint": found.fingerprint, "project": root}
    try:
        with _watching(running.url):
            return post(f"{running.url}/v1/admin/apply", body, key=key(place.data))
    except EngineDownError as error:
        raise EngineDownError(
            f"{error.what}: it ended before all was applied",
            next_step="penstock up: what was agreed to is remembered, and gone on with",
        ) from error


@contextmanager
def _watching(url: str) -> Iterator[None]:
    """Show how far backfills are that another process carries out."""
    from threading import Event, Thread

    from penstock.cli.running import get

    over = Event()

    def look() -> None:
        while not over.wait(_LOOK):
            with suppress(PenstockError):  # the answer to the request itself says what is wrong
                for filling in get(f"{url}/v1/status")["filling"]:
                    _progress(filling["relation"], filling["done"], filling["slices"])

    thread = Thread(target=look, daemon=True)
    if sys.stderr.isatty():
        thread.start()
    try:
        yield
    finally:
        over.set()


def _progress(relation: str, done: int, slices: int) -> None:
    if sys.stderr.isatty():
        end = "\n" if done == slices else ""
        sys.stderr.write(f"\r  filling {relation}: {done} of {slices} slices{end}")
        sys.stderr.flush()


def _ask(found: Plan, *, yes: bool) -> None:
    """Show what will be done and let a person agree to what is more than creating."""
    more = [s for s in found.steps if not s.harmless]
    undone = [d for d in found.drift if d.overwritten]
    if found.refused or not (more or undone):
        return
    if yes:
        return
    if not sys.stdin.isatty():
        from penstock.errors import RefusedChangeError

        raise RefusedChangeError(
            "somebody has to agree:\n" + "\n".join(f"  {s.words}" for s in more),
            next_step="say so with --yes",
        )
    show(found)
    typer.confirm("Apply this?", abort=True, err=True)
