"""`penstock backup`: everything a data directory holds, as one file, while the platform runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.place import HERE, DataPath, Place, ProjectPath, again, find
from penstock.cli.terminal import Json, emit, say
from penstock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator


def backup(
    to: Annotated[Path, typer.Argument(help="FILE.tar, or a folder in which it gets a name.")],
    project: ProjectPath = HERE,
    data: DataPath = None,
    json: Json = False,
) -> None:
    """Write tables, ledger, spool and key to one file; landing is held for a moment only."""
    from penstock.runtime import archive

    place = find(project, data)
    if not (place.data / "engine.key").is_file():
        raise UsageError(
            f"no platform has run in {place.data}",
            next_step="name its data directory with --data, as `penstock demo` printed it",
        )
    file = _file(to, place)
    started = time.perf_counter()
    with _snapshot(place) as (folder, about):
        size = archive.write(folder, about, file)
    seconds = time.perf_counter() - started
    if json:
        emit({"file": str(file), "bytes": size, "seconds": round(seconds, 3), **about})
    else:
        for source in about["sources"]:
            say(f"{source['source']}: {source['received']:,} rows received, all of them in it")
        say(
            f"{size:,} bytes in {file}, as of {about['taken_at']}; landing was held for "
            f"{about['held_ms']:.0f} ms. It holds the key: keep it as you keep the data"
        )
        say(f"next: penstock restore {file} --data NEW-FOLDER{again(project)}")


def _file(to: Path, place: Place) -> Path:
    file = to.resolve()
    if file.suffix != ".tar":
        file /= f"{place.project.name}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.tar"
    if file.is_relative_to(place.data):
        raise UsageError(
            "the backup would lie in the data directory, and be lost with it",
            next_step="name another place, best on another disk",
        )
    return file


def _snapshot(place: Place) -> Any:  # noqa: ANN401 - a context manager of folder and document
    """The snapshot's folder while the block lasts, and what it says of itself."""
    import shutil
    from contextlib import contextmanager

    @contextmanager
    def opened() -> Iterator[tuple[Path, dict[str, Any]]]:
        from penstock.runtime.directory import SNAPSHOTS

        about = _take(place)
        folder = place.data / SNAPSHOTS / Path(about.pop("folder")).name
        try:
            yield folder, about
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    return opened()


def _take(place: Place) -> dict[str, Any]:
    """Ask the platform that runs, which alone can hold its landing; or start an engine to look."""
    from penstock.cli.running import post, sought
    from penstock.engine.datadir import key
    from penstock.runtime.platform import Platform

    running = sought(place.project.root, place.data)
    if running is not None:
        return post(f"{running.url}/v1/admin/snapshot", {}, key=key(place.data))
    platform = Platform(place.project, place.settings, place.data)
    platform.start(land=False)
    try:
        return platform.snapshot()
    finally:
        platform.stop()
