"""The data directory: one owner, named by its lock; the key; the version that wrote it."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import time
from typing import TYPE_CHECKING, Self

from penstock import durable
from penstock.errors import DataDirError, DataDirTakenError

if TYPE_CHECKING:
    from pathlib import Path

VERSION = "26.9"  # of the engine that writes the directory


class Ownership:
    """Holds a lock file for as long as the process lives; the kernel releases it on a kill.

    Args:
        path: the lock file; its folder is made where it is missing.
        wait: seconds to wait for another process to let go (an engine that is shutting down).
        held: what it means that another process has it.

    Raises:
        DataDirTakenError: another process holds it; the error names that process.
        DataDirError: the folder cannot be written.
    """

    def __init__(
        self,
        path: Path,
        *,
        wait: float = 0.0,
        held: str = "another Penstock owns this data directory",
    ) -> None:
        self.path, self._held = path, held
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+", encoding="utf-8")
        except OSError as error:
            raise _unwritable(path.parent, error) from error
        self._take(time.monotonic() + wait)

    def _take(self, deadline: float) -> None:
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() < deadline:
                    time.sleep(0.05)
                    continue
                self._file.seek(0)
                owner = self._file.read().strip() or "unknown"
                self._file.close()
                raise DataDirTakenError(
                    f"{self._held}: process {owner}",
                    where=str(self.path.parent),
                    next_step=f"stop it (kill {owner}), or use another folder: PENSTOCK_DATA=…",
                ) from None
            break
        try:
            self._file.seek(0)
            self._file.truncate()
            self._file.write(str(os.getpid()))
            self._file.flush()
        except OSError as error:
            self._file.close()
            raise _unwritable(self.path.parent, error) from error

    def release(self) -> None:
        """Let go of the directory."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def key(data: Path) -> str:
    """The secret of a data directory, made on first use, readable by its owner only."""
    path = data / "engine.key"
    if not path.exists():
        data.mkdir(parents=True, exist_ok=True)
        _write(path, secrets.token_urlsafe(32))
    return path.read_text().strip()


def check_version(data: Path) -> None:
    """Refuse a directory that a newer engine wrote; note our own version otherwise.

    Raises:
        DataDirError: the directory is of a newer engine.
    """
    path = data / "engine.version"
    written = (path.read_text().strip() if path.exists() else "") or VERSION
    numbers = [int(n) for n in written.split(".") if n.isdecimal()]
    if not numbers or numbers > [int(n) for n in VERSION.split(".")]:
        raise DataDirError(
            f"this data was written by engine {written}; here is {VERSION}",
            where=str(data),
            next_step="upgrade Penstock, or use another folder: PENSTOCK_DATA=…",
        )
    if written != VERSION or not path.exists():
        _write(path, VERSION)


def _write(path: Path, text: str) -> None:
    """Write a small file, for its owner only, so that a crash leaves all of it or nothing."""
    try:
        durable.replace(path, text.encode(), mode=0o600)
    except OSError as error:
        raise _unwritable(path.parent, error) from error


def _unwritable(folder: Path, error: OSError) -> DataDirError:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    return DataDirError(
        f"{folder} cannot be written: {error.strerror}",
        where=str(folder),
        next_step="free some space on that disk"
        if full
        else "choose a folder that you may write with PENSTOCK_DATA=…",
    )
