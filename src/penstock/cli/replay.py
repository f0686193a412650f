"""`penstock dead-letters replay`: land again what is good by the SQL of now."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from penstock.cli.place import Place, again, find, refuse_unused
from penstock.cli.terminal import emit, say, table
from penstock.errors import RefusedChangeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from penstock.cli.running import Running

    Ask = Callable[[Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The words of the command.

    Attributes:
        source: `readings` or `homes/readings`; empty is all.
        reason: what the reasons start with.
        yes: whether nobody is asked.
        json: whether the answer is one document.
    """

    source: str
    reason: str
    yes: bool
    json: bool


def replay(wanted: Wanted, project: Path, data: Path | None) -> None:
    """Show what would become of the dead letters, ask, and land those that are good now."""
    from penstock.cli.plan import opened
    from penstock.cli.running import sought

    place = find(project, data)
    options = again(project, data)
    running = sought(place.project.root, place.data)
    if running is not None:
        _replay(wanted, _running(place, running), options)
        return
    refuse_unused(place.data)
    with opened(place) as platform:
        _replay(wanted, platform.replay, options)


def _running(place: Place, running: Running) -> Ask:
    """Asks the running platform: it alone can keep its proofs from looking meanwhile."""
    from penstock.cli.running import post
    from penstock.engine.datadir import key

    url = f"{running.url}/v1/admin/replay"
    return lambda asked: post(url, dict(asked), key=key(place.data))


def _replay(wanted: Wanted, ask: Ask, options: str) -> None:
    asked = {"source": wanted.source, "reason": wanted.reason}
    found = ask({**asked, "look": True})
    if found["good"] and not wanted.yes:
        _agree(wanted, found)
    elif not wanted.json:
        _show(found)
    if found["good"]:
        found = ask({**asked, "upto": found["upto"]})
    if wanted.json:
        emit(found)
    say(_end(found, options))


def _agree(wanted: Wanted, found: dict[str, Any]) -> None:
    """Show what would be done and let a person agree to it."""
    if not wanted.json:
        _show(found)
    if not sys.stdin.isatty():
        if wanted.json:
            emit(found)
        raise RefusedChangeError(
            f"{found['good']:,} dead letters would be landed, and somebody has to agree",
            next_step="say so with --yes",
        )
    typer.confirm(f"Land {found['good']:,} records?", abort=True, err=True)


def _show(found: Mapping[str, Any]) -> None:
    rows = list(_rows(found))
    if rows:
        table(rows, ["source", "reason", "rows", "becomes", "for example"])
        say()


def _rows(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for source in found["sources"]:
        for fate in source["fates"]:
            yield {
                "source": source["source"],
                "reason": fate["reason"],
                "rows": f"{fate['rows']:,}",
                "becomes": f"stays: {fate['error']}" if fate["now"] else "good",
                "for example": f"{fate['part']} {fate['pos']}",
            }


def _end(found: Mapping[str, Any], options: str) -> str:
    stay = f"{found['stay']:,} stay dead letters"
    if found["landed"]:
        return f"{found['landed']:,} landed, {stay}; next: penstock reconcile{options}"
    if not found["stay"]:
        return f"there are none to replay; next: penstock status{options}"
    return (
        f"nothing would be good now, {stay}; next: mend the SQL that judges them (_error, in the "
        f"bronze folder), then penstock apply{options}, then this again"
    )
