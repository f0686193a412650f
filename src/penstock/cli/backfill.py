"""`penstock backfill`: fill gold tables anew from what is stored, while rows go on coming."""

from __future__ import annotations

from typing import Annotated

import typer

from penstock.cli.apply import carry_out
from penstock.cli.place import HERE, DataPath, ProjectPath, again, find
from penstock.cli.plan import AcceptLoss, Carry, consent
from penstock.cli.terminal import Json, say
from penstock.errors import UsageError


def backfill(
    relations: Annotated[list[str], typer.Argument(help="As hourly_stats or homes.hourly_stats.")],
    project: ProjectPath = HERE,
    data: DataPath = None,
    carry: Carry = None,
    accept_loss: AcceptLoss = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Fill relations anew with what their files say, after a change that took new rows only."""
    place = find(project, data)
    bronze = {r.name for r in place.project.relations() if r.stage == "bronze"}
    known = {name for r in place.project.relations() if r.views and not bronze & set(r.reads)
             for name in (r.name, f"{r.database}.{r.name}")}  # fmt: skip
    strange = [name for name in relations if name not in known]
    if strange:
        raise UsageError(
            f"{strange[0]} is no table that a view of this project fills",
            next_step=f"name one of {', '.join(sorted(n for n in known if '.' in n)) or 'none'}",
        )
    agreed = consent(rebuild=relations, carry=carry, accept_loss=accept_loss)
    following = carry_out(place, agreed, yes=yes, json=json)
    say(f"next: penstock {following}{again(project, data)}")
