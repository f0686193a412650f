"""`penstock reset`: empty a data directory, of what Penstock has put there and nothing else."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.place import HERE, DataPath, ProjectPath, again, data_of
from penstock.cli.terminal import Json, emit, say
from penstock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_WAIT = 10.0  # seconds an engine gets to end after its platform has


def reset(
    project: ProjectPath = HERE,
    data: DataPath = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Remove tables, ledger, spool and key, after showing what goes; refuse while it runs."""
    from contextlib import ExitStack

    from penstock.engine.datadir import Ownership
    from penstock.runtime import directory
    from penstock.store import LEDGER

    folder = data_of(project, data)
    if not folder.is_dir() or not any(directory.found(folder)):
        say(f"there is nothing of Penstock in {folder}")
        return
    with ExitStack() as owned:
        for name in directory.LOCKS:
            owned.enter_context(Ownership(folder / name, wait=_WAIT if "engine" in name else 0.0))
        sources = _rows(folder / LEDGER)
        going = list(_sizes(folder))
        _show(folder, going, sources)
        if not yes:
            _ask()
        for _, path in directory.found(folder):
            _remove(path)
        for name in directory.LOCKS:
            (folder / name).unlink()
    kept = [path.name for path in directory.strangers(folder)]
    if json:
        emit({"data": str(folder), "removed": going, "sources": sources, "kept": kept})
    if kept:
        say(f"not Penstock's, and left where it is: {', '.join(kept)}")
    if os.environ.get("DATABASE_URL"):
        say("the ledger in the database of DATABASE_URL is still there: empty that, too")
    if os.environ.get("CLICKHOUSE_URL") or os.environ.get("CLICKHOUSE_HOST"):
        say("the tables on the ClickHouse server are still there: drop their databases, too")
    say(f"next: penstock up{again(project, data)}")


def _ask() -> None:
    if not sys.stdin.isatty():
        raise UsageError("nobody is here to agree", next_step="penstock reset --yes")
    typer.confirm("Remove all of this?", abort=True, err=True)


def _show(folder: Path, going: list[dict[str, Any]], sources: list[dict[str, Any]]) -> None:
    say(f"in {folder}:")
    for entry in going:
        say(f"  {entry['name']:<16} {entry['bytes']:>15,} bytes  {entry['what']}")
    for source in sources:
        say(f"  {source['source']}: {source['rows']:,} rows")


def _sizes(folder: Path) -> Iterator[dict[str, Any]]:
    from penstock.runtime import directory

    for entry in directory.ENTRIES:
        paths = list(folder.glob(entry.pattern))
        if paths:
            size = sum(_size(path) for path in paths)
            yield {"name": entry.pattern.rstrip("*"), "bytes": size, "what": entry.what}


def _size(path: Path) -> int:
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    return sum(_size(inner) for inner in path.iterdir())


def _rows(ledger: Path) -> list[dict[str, Any]]:
    """Rows landed by source; none where the ledger cannot be read, which is no hindrance."""
    import sqlite3
    from contextlib import closing

    sql = "SELECT domain || '/' || source AS source, rows FROM stream ORDER BY source"
    try:
        with closing(sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True)) as connection:
            return [{"source": name, "rows": rows} for name, rows in connection.execute(sql)]
    except sqlite3.Error:
        return []


def _remove(path: Path) -> None:
    """Remove a file or a folder; of a link the link only, wherever it leads."""
    if path.is_symlink() or not path.is_dir():
        path.unlink()
    else:
        shutil.rmtree(path)
