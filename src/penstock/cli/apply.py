"""`penstock apply`: bring the database to what the project's files say."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.place import HERE, DataPath, Place, ProjectPath, again, find
from penstock.cli.plan import Drop, ForwardOnly, beside, consent, opened, show
from penstock.cli.terminal import Json, emit, say

if TYPE_CHECKING:
    from penstock.cli.running import Running
    from penstock.layers.plan import Plan
    from penstock.layers.states import Consent


def apply(
    project: ProjectPath = HERE,
    data: DataPath = None,
    drop: Drop = None,
    forward_only: ForwardOnly = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Show the plan, ask where it does more than create, and apply it; repeating it is safe."""
    from penstock.cli.running import sought

    place = find(project, data)
    agreed = consent(drop, forward_only)
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
    for name in done["unchanged"]:
        say(f"unchanged  {name}")
    say(f"next: penstock {'status' if running else 'up'}{again(project, data)}")


def _standing(place: Place, agreed: Consent, *, yes: bool) -> dict[str, Any]:
    """Apply while no platform runs."""
    from penstock.layers.apply import Terms

    with opened(place) as platform:
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
    return post(f"{running.url}/v1/admin/apply", body, key=key(place.data))


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
            f"{len(more)} changes need somebody who agrees:\n"
            + "\n".join(f"  {s.words}" for s in more),
            next_step="look with `penstock plan`, then `penstock apply --yes`",
        )
    show(found)
    typer.confirm("Apply this?", abort=True, err=True)
