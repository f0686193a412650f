"""Small files that are whole after a crash: the old content or the new, never half of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def replace(path: Path, content: bytes, *, mode: int = 0o666, draft: Path | None = None) -> None:
    """Put a file in the place of another one, and on the disk.

    Args:
        path: of the file.
        content: all of it.
        mode: rights of the file, less those the process withholds.
        draft: what it is called until it is whole, where a crash may not leave `….new` behind.

    Raises:
        OSError: it could not be written; the old one stands.
    """
    new = draft or path.with_name(f"{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Put on the disk what files a folder has: a new name is not there before that."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
