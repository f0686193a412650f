"""A copy of the engine's files while it runs, as a moment between two inserts left them.

Parts never change once they are active: they are linked, not copied. A merge that replaces some may
remove them before they are linked; then it is done again with merges paused. All else (statements,
deduplication logs, mutations) is small and is copied.
"""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from penstock.engine.client import Client

_ACTIVE = "SELECT path FROM system.parts WHERE active"
_PASSING = {"tmp", "shadow", "status", "metadata_dropped"}  # of the running process, or dropped
_TABLE = 3  # store/abc/abcdef01-…: how deep the folder of a table is
_LOGS, _DETACHED, _WHOLE = "deduplication_logs", "detached", "checksums.txt"
_NO_LINKS = {errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK}


def active_parts(client: Client) -> list[Path]:
    """The parts that hold the rows of now, relative to the engine's folder."""
    return [Path(*Path(row["path"]).parts[-_TABLE - 1 :]) for row in client.rows(_ACTIVE)]


@contextmanager
def merges_paused(client: Client) -> Iterator[None]:
    """Let no part be replaced while the block lasts; merges that run begin anew after it."""
    client.execute("SYSTEM STOP MERGES")
    try:
        yield
    finally:
        client.execute("SYSTEM START MERGES")


def copy_rest(engine: Path, to: Path) -> None:
    """Copy everything but parts; takes milliseconds.

    Args:
        engine: the engine's folder.
        to: the copy's, made here.

    Raises:
        OSError: a file went away meanwhile, or the disk refused.
    """
    _copy_folder(engine, to, depth=0)


def link_parts(engine: Path, to: Path, parts: Iterable[Path]) -> None:
    """Link parts into a copy; they may have been replaced since they were listed.

    Args:
        engine: the engine's folder.
        to: the copy's.
        parts: from `active_parts`.

    Raises:
        FileNotFoundError: a part has been removed: by a merge, DROP or TRUNCATE.
        OSError: the disk refused.
    """
    for part in parts:
        _link_folder(engine / part, to / part)
        # A part goes by a rename of its folder: whole to the end, it was whole all the time.
        (engine / part / _WHOLE).stat()


def link(source: Path, to: Path) -> None:
    """Another name for a file that never changes; a copy where the disk has no such names."""
    try:
        os.link(source, to)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        shutil.copy2(source, to)


def _copy_folder(source: Path, to: Path, depth: int) -> None:
    to.mkdir()
    with os.scandir(source) as entries:
        for entry in entries:
            if (depth == 0 and entry.name in _PASSING) or entry.name.endswith(".tmp"):
                continue
            if entry.is_symlink():
                (to / entry.name).symlink_to(Path(entry.path).readlink())
            elif entry.is_file():
                shutil.copy2(entry.path, to / entry.name)
            elif _is_store(source, depth):
                _copy_table(Path(entry.path), to / entry.name)
            else:
                _copy_folder(Path(entry.path), to / entry.name, depth + 1)


def _is_store(folder: Path, depth: int) -> bool:
    """Whether the folders in it are those of tables: store/abc."""
    return depth == _TABLE - 1 and folder.parent.name == "store"


def _copy_table(source: Path, to: Path) -> None:
    """A table's folder without its parts."""
    to.mkdir()
    with os.scandir(source) as entries:
        for entry in entries:
            if entry.is_file():
                shutil.copy2(entry.path, to / entry.name)
            elif entry.name == _LOGS:
                _copy_folder(Path(entry.path), to / entry.name, _TABLE)
            elif entry.name == _DETACHED:
                _link_folder(Path(entry.path), to / entry.name)


def _link_folder(source: Path, to: Path) -> None:
    to.mkdir(parents=True)
    for path in list(source.iterdir()):
        if path.is_dir():
            _link_folder(path, to / path.name)
        else:
            link(path, to / path.name)
