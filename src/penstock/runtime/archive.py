"""A backup: one tar file with a checksum of everything in it, refused whole where one is wrong.

::

    backup.json      versions, time, rows of each source
    spool/… engine/… penstock.db engine.key …
    checksums.json   sha256 of every file, target of every link; a file cut short has none
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
import uuid
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

import penstock
from penstock import durable
from penstock.engine.datadir import VERSION
from penstock.errors import BackupError
from penstock.runtime.directory import found as held
from penstock.runtime.directory import saved, strangers
from penstock.store.schema import HEAD

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT = 1  # of the archive; raised when an older Penstock could not read it
_ABOUT, _SUMS = "backup.json", "checksums.json"
_PIECE = 1 << 20
_ANOTHER = "use another backup; nothing was changed"


def write(folder: Path, about: dict[str, Any], to: Path) -> int:
    """Write a snapshot's folder into one file, which appears whole or not at all.

    Args:
        folder: of the snapshot.
        about: what the backup says of itself.
        to: the file; it must not be there yet.

    Returns:
        Bytes of the file.

    Raises:
        BackupError: it is there already, or cannot be written.
    """
    if to.exists():
        raise BackupError(
            "a backup is never written over another file",
            where=str(to),
            next_step="name another file, or a folder in which it gets a name by the time",
        )
    half = to.with_name(f"{to.name}.part")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # has the key
        with os.fdopen(descriptor, "wb") as file:
            _write_members(file, folder, {"format": FORMAT, **about})
            file.flush()
            os.fsync(file.fileno())
        half.rename(to)
        durable.sync_folder(to.parent)
    except OSError as error:
        half.unlink(missing_ok=True)
        raise BackupError(
            f"the backup cannot be written: {error.strerror}",
            where=str(error.filename or to),
            next_step="free some space there, or name another place",
        ) from error
    return to.stat().st_size


def restore(file: Path, data: Path) -> dict[str, Any]:
    """Make a data directory of a backup; it appears whole or not at all.

    Args:
        file: written by `write`.
        data: missing or empty.

    Returns:
        What the backup says of itself.

    Raises:
        BackupError: the directory has something in it, or the backup is damaged or newer.
    """
    _refuse_full(data)
    fresh = data.with_name(f".{data.name}-{uuid.uuid4().hex}")
    try:
        data.parent.mkdir(parents=True, exist_ok=True)
        fresh.mkdir(mode=0o700)
        with file.open("rb") as opened:
            about = _Reader(file, fresh).run(opened)
        os.sync()  # all of it, before its name says that it is there
        fresh.rename(data)
        durable.sync_folder(data.parent)
    except (tarfile.TarError, ValueError) as error:
        raise _damaged(file, f"it is no tar file of ours ({error})") from error
    except OSError as error:
        raise BackupError(
            f"the backup cannot be restored: {error.strerror}",
            where=str(error.filename or data),
            next_step="name a file that is there, and a new folder on a disk with some space",
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return about


def _write_members(file: BinaryIO, folder: Path, about: dict[str, Any]) -> None:
    sums: dict[str, dict[str, str]] = {"files": {}, "links": {}}
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        sums["files"][_ABOUT] = _add_text(tar, _ABOUT, about)
        for path in _walk(folder):
            name = path.relative_to(folder).as_posix()
            member = tar.gettarinfo(path, name)
            member.type = tarfile.REGTYPE if member.islnk() else member.type
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            if member.isreg():
                member.size = path.stat().st_size
                with path.open("rb") as source:
                    hashed = _Hashed(source)
                    tar.addfile(member, hashed)
                sums["files"][name] = hashed.sum.hexdigest()
            else:
                tar.addfile(member)
                if member.issym():
                    sums["links"][name] = member.linkname
        _add_text(tar, _SUMS, sums)


def _walk(folder: Path) -> Iterator[Path]:
    """Everything in a folder, in the order of names; a folder before what is in it."""
    for path in sorted(folder.iterdir()):
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)


def _add_text(tar: tarfile.TarFile, name: str, document: dict[str, Any]) -> str:
    raw = json.dumps(document, indent=1).encode()
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(raw), 0o600
    tar.addfile(member, io.BytesIO(raw))
    return hashlib.sha256(raw).hexdigest()


class _Hashed:
    """A file whose bytes are hashed as they are read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.sum = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self.sum.update(piece)
        return piece


class _Reader:
    """Reads an archive into a folder; nothing in it is believed before all sums are right."""

    def __init__(self, file: Path, to: Path) -> None:
        self._file, self._to = file, to
        self._found: dict[str, dict[str, str]] = {"files": {}, "links": {}}

    def run(self, opened: BinaryIO) -> dict[str, Any]:
        """Read all of it, and give what it says of itself."""
        with tarfile.open(fileobj=opened, mode="r:") as tar:
            first = tar.next()
            if first is None or first.name != _ABOUT:
                raise _damaged(self._file, "it does not begin as a backup does")
            raw = self._text(tar, first)
            about: dict[str, Any] = dict(json.loads(raw))
            _refuse_newer(about, self._file)
            self._found["files"][_ABOUT] = hashlib.sha256(raw).hexdigest()
            while (member := tar.next()) is not None and member.name != _SUMS:
                self._take(tar, member)
            if member is None:
                raise _damaged(self._file, "its end is missing")
            self._compare(json.loads(self._text(tar, member)))
        return about

    def _take(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        name = PurePosixPath(member.name)
        if ".." in name.parts or not name.parts or not saved(name.parts[0]):
            raise _damaged(self._file, f"{member.name} is none of its files")
        path = self._to / name
        if member.isdir():
            path.mkdir(mode=0o700)
        elif member.issym():
            target = PurePosixPath(os.path.normpath(name.parent / member.linkname))
            if target.is_absolute() or target.parts[0] != name.parts[0]:
                raise _damaged(self._file, f"{member.name} links to somewhere else")
            path.symlink_to(member.linkname)
            self._found["links"][member.name] = member.linkname
        elif member.isreg():
            self._found["files"][member.name] = self._copy(tar, member, path)
        else:
            raise _damaged(self._file, f"{member.name} is no file")

    def _copy(self, tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> str:
        source = tar.extractfile(member)
        assert source is not None  # noqa: S101 - it is a regular file
        digest = hashlib.sha256()
        # Exclusive, and never through a link that came before it.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, member.mode & 0o700)
        with os.fdopen(descriptor, "wb") as file:
            while piece := source.read(_PIECE):
                digest.update(piece)
                file.write(piece)
        return digest.hexdigest()

    def _compare(self, wanted: dict[str, dict[str, str]]) -> None:
        for kind, found in self._found.items():
            for name in sorted(found.keys() | wanted.get(kind, {}).keys()):
                if found.get(name) != wanted.get(kind, {}).get(name):
                    raise _damaged(self._file, f"the checksum of {name} is another one")

    def _text(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
        source = tar.extractfile(member)
        if source is None:
            raise _damaged(self._file, f"{member.name} is no file")
        return source.read()


def _refuse_full(data: Path) -> None:
    if not data.exists() or (data.is_dir() and not any(data.iterdir())):
        return
    ours = data.is_dir() and any(held(data)) and not strangers(data)
    raise BackupError(
        "a backup is restored into a new or empty folder only, and this one is not",
        where=str(data),
        next_step="empty it with `penstock reset`, or name another folder with --data"
        if ours
        else "name another folder with --data",
    )


def _refuse_newer(about: dict[str, Any], file: Path) -> None:
    """Refuse what only a newer Penstock can read."""
    here = {"format": str(FORMAT), "engine": VERSION, "schema": HEAD}
    newer = [
        f"{name} {about.get(name)} (here {own})"
        for name, own in here.items()
        if _numbers(about.get(name)) > _numbers(own)
    ]
    if newer:
        raise BackupError(
            f"the backup was made by Penstock {about.get('penstock')}; this is "
            f"{penstock.__version__}: {', '.join(newer)}",
            where=str(file),
            next_step=f"pip install 'penstock>={about.get('penstock')}'",
        )


def _numbers(text: object) -> list[int]:
    return [int(word) for word in str(text).split(".") if word.isdecimal()]


def _damaged(file: Path, why: str) -> BackupError:
    return BackupError(f"the backup is damaged: {why}", where=str(file), next_step=_ANOTHER)
