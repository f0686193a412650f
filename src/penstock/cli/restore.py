"""`penstock restore`: a data directory made of a backup."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads the annotation
from typing import Annotated

import typer

from penstock.cli.place import HERE, DataPath, ProjectPath, again, data_of
from penstock.cli.terminal import Json, emit, say


def restore(
    file: Annotated[Path, typer.Argument(help="Written by penstock backup.")],
    project: ProjectPath = HERE,
    data: DataPath = None,
    json: Json = False,
) -> None:
    """Restore a backup into a new or empty data directory; a damaged one changes nothing."""
    from penstock.runtime import archive

    folder = data_of(project, data)
    about = archive.restore(file, folder)
    if json:
        emit({"data": str(folder), **about})
        return
    for source in about["sources"]:
        say(f"{source['source']}: {source['received']:,} rows received by {about['taken_at']}")
    say(f"restored into {folder}; what was received after that moment is not in it")
    say(f"next: penstock up{again(project, data)}, then penstock reconcile")
