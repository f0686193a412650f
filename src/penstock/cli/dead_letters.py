"""`penstock dead-letters`: what did not fit, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from penstock.cli.place import HERE, DataPath, ProjectPath, again
from penstock.cli.terminal import Command, Group, Json, emit, say, table
from penstock.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from penstock.engine.client import Client
    from penstock.project import Project

app = typer.Typer(
    cls=Group, no_args_is_help=True, help="Records that did not fit, kept with the reason."
)

_DomainName = Annotated[str, typer.Option(help="Domain; else the first.")]


@app.command("ls", cls=Command)
def listing(
    project: ProjectPath = HERE,
    data: DataPath = None,
    domain: Annotated[str, typer.Option(help="Domain; else all.")] = "",
    source: Annotated[str, typer.Option(help="Only of this source.")] = "",
    reason: Annotated[str, typer.Option(help="Only reasons that start so.", metavar="TEXT")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most letters shown.")] = 20,
    json: Json = False,
) -> None:
    """Show dead letters by reason, and the newest of them; --json has the records whole."""
    from penstock.layers import dead_letters

    opened, client = _open(project, data)
    groups = dead_letters.groups(opened, client, domain)
    wanted = dead_letters.Wanted(limit, source, reason, whole=json)
    newest = dead_letters.newest(opened, client, wanted, domain)
    if json:
        emit({"groups": groups, "newest": newest})
        return
    table(groups, ["domain", "source", "reason", "rows", "words"])
    say()
    table(newest, ["source", "part", "pos", "reason", "raw"])
    if newest:
        where, name, part, pos = (newest[0][key] for key in ("domain", "source", "part", "pos"))
        options = again(project, data)
        say("where the SQL is wrong: mend and apply it, then penstock dead-letters replay")
        say(f"next: penstock dead-letters show {where}/{name} {part} {pos}{options}")
    else:
        say(f"there are none; next: penstock status{again(project, data)}")


@app.command(cls=Command)
def show(
    source: Annotated[str, typer.Argument(help="Source, as readings or homes/readings.")],
    part: Annotated[int, typer.Argument(min=0, help="Part.")],
    pos: Annotated[int, typer.Argument(min=0, help="Position.")],
    project: ProjectPath = HERE,
    data: DataPath = None,
    domain: _DomainName = "",
) -> None:
    """Show one dead letter whole."""
    from penstock.layers import dead_letters

    named, _, name = source.rpartition("/")
    opened, client = _open(project, data)
    found = opened.domain(named or domain or opened.domains[0].name)
    letter = dead_letters.one(opened, client, (found.name, name), part, pos)
    if letter is None:
        raise UsageError(
            f"there is no dead letter at {source} {part} {pos}",
            next_step=f"penstock dead-letters ls{again(project, data)}",
        )
    emit(letter)
    say(
        "next: mend what sends it; or the SQL that judges it, penstock apply, and then "
        f"penstock dead-letters replay {found.name}/{name}{again(project, data)}"
    )


@app.command(cls=Command)
def replay(
    source: Annotated[
        str, typer.Argument(help="Source, as readings or homes/readings; else all.")
    ] = "",
    project: ProjectPath = HERE,
    data: DataPath = None,
    reason: Annotated[str, typer.Option(help="Only reasons that start so.", metavar="TEXT")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Land the dead letters that are good by the SQL as it is applied now; the rest stay."""
    from penstock.cli import replay as replaying

    replaying.replay(replaying.Wanted(source, reason, yes=yes, json=json), project, data)


def _open(project: Path, data: Path | None) -> tuple[Project, Client]:
    """The project as far as it can be understood, and a reader's client to its engine."""
    from penstock.cli.running import engine_of
    from penstock.engine.client import Client

    engine = engine_of(project, data)
    found = engine.project()
    if found is None or not found.domains:
        raise UsageError(
            "which project's dead letters is not known here",
            next_step="name the project's folder with --project",
        )
    return found, Client(engine.address)
