"""A backup's file: whole or refused, whatever is wrong with it, and nothing is overwritten."""

from __future__ import annotations

import io
import json
import stat
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from penstock.errors import BackupError
from penstock.runtime import archive

if TYPE_CHECKING:
    from collections.abc import Callable

ABOUT = {"penstock": "0.1", "engine": "26.9", "schema": "0001", "sources": []}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A snapshot in small."""
    root = tmp_path / "snapshot"
    part = root / "engine" / "store" / "abc" / "abc-1" / "all_1_1_0"
    part.mkdir(parents=True)
    (part / "data.bin").write_bytes(bytes(range(256)) * 8)
    (part / "checksums.txt").write_text("sums")
    (part.parent / "detached").mkdir()
    (root / "engine" / "metadata").mkdir()
    (root / "engine" / "metadata" / "homes").symlink_to("../store/abc/abc-1")
    (root / "spool" / "homes.readings").mkdir(parents=True)
    (root / "spool" / "homes.readings" / "00000001.log").write_bytes(b"PNS2" * 100)
    (root / "penstock.db").write_bytes(b"SQLite format 3")
    (root / "engine.key").write_text("secret")
    (root / "engine.key").chmod(0o600)
    return root


@pytest.fixture
def backup(folder: Path, tmp_path: Path) -> Path:
    file = tmp_path / "backup.tar"
    assert archive.write(folder, ABOUT, file) == file.stat().st_size
    return file


def contents(root: Path) -> dict[str, object]:
    return {
        path.relative_to(root).as_posix(): path.readlink()
        if path.is_symlink()
        else path.read_bytes()
        if path.is_file()
        else None
        for path in sorted(root.rglob("*"))
    }


def test_what_comes_out_is_what_went_in(folder: Path, backup: Path, tmp_path: Path) -> None:
    data = tmp_path / "deep" / "data"
    assert archive.restore(backup, data) == {"format": 1, **ABOUT}
    assert contents(data) == contents(folder)
    assert stat.S_IMODE((data / "engine.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600, "it has the key in it"
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_any_damage_is_refused_and_leaves_nothing(backup: Path, tmp_path: Path) -> None:
    """A bit in every 97th byte that is content or a name; padding between members is nobody's."""
    sound, refused = backup.read_bytes(), 0
    with tarfile.open(backup) as tar:
        used = [
            at
            for member in tar
            for at in (
                *range(member.offset, member.offset + 100),
                *range(member.offset_data, member.offset_data + member.size),
            )
        ]
    for at in used[::97]:
        broken = bytearray(sound)
        broken[at] ^= 0x10
        backup.write_bytes(broken)
        with pytest.raises(BackupError):
            archive.restore(backup, tmp_path / "data")
        refused += 1
        assert not (tmp_path / "data").exists(), at
    assert refused > 50
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    backup.write_bytes(sound)
    archive.restore(backup, tmp_path / "data")


def test_a_checksum_names_its_file(backup: Path, tmp_path: Path) -> None:
    sound = backup.read_bytes()
    backup.write_bytes(sound.replace(b"SQLite format 3", b"SQLite format 2"))
    with pytest.raises(BackupError, match=r"damaged: the checksum of penstock\.db is another"):
        archive.restore(backup, tmp_path / "data")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
def test_a_file_cut_short_is_refused(share: float, backup: Path, tmp_path: Path) -> None:
    with tarfile.open(backup) as tar:
        end = tar.getmembers()[-1].offset_data
    backup.write_bytes(backup.read_bytes()[: int(end * share)])
    with pytest.raises(BackupError, match="damaged"):
        archive.restore(backup, tmp_path / "data")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "name", ["penstock.db", "engine", "spool", "mine.txt"], ids=lambda name: f"has-{name}"
)
def test_a_folder_with_something_in_it_is_refused(name: str, backup: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / name).write_text("mine")
    with pytest.raises(BackupError, match="new or empty folder") as caught:
        archive.restore(backup, tmp_path / "data")
    assert ("penstock reset" in caught.value.next_step) == (name != "mine.txt")
    assert contents(tmp_path / "data") == {name: b"mine"}


def test_an_empty_folder_is_taken(folder: Path, backup: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    archive.restore(backup, tmp_path / "data")
    assert contents(tmp_path / "data") == contents(folder)


@pytest.mark.parametrize(
    ("newer", "word"),
    [({"schema": "9999"}, "schema 9999"), ({"engine": "27.1"}, "engine 27.1")],
)
def test_a_newer_one_is_refused_by_its_versions(
    newer: dict[str, str], word: str, folder: Path, tmp_path: Path
) -> None:
    archive.write(folder, {**ABOUT, **newer, "penstock": "9.9"}, tmp_path / "new.tar")
    with pytest.raises(BackupError, match=word) as caught:
        archive.restore(tmp_path / "new.tar", tmp_path / "data")
    assert caught.value.next_step == "pip install 'penstock>=9.9'"
    assert not (tmp_path / "data").exists()


def test_a_newer_form_of_file_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as later:
        later.setattr(archive, "FORMAT", 2)
        archive.write(folder, ABOUT, tmp_path / "new.tar")
    with pytest.raises(BackupError, match="format 2"):
        archive.restore(tmp_path / "new.tar", tmp_path / "data")


def test_no_file_is_overwritten_by_a_backup(folder: Path, backup: Path) -> None:
    before = backup.read_bytes()
    with pytest.raises(BackupError, match="never written over"):
        archive.write(folder, ABOUT, backup)
    assert backup.read_bytes() == before


def _file(name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = 4
    return member


def _link(name: str, to: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, to
    return member


@pytest.mark.parametrize(
    "evil",
    [
        lambda: [_file("../outside")],
        lambda: [_file("/etc/outside")],
        lambda: [_file("engine/../../outside")],
        lambda: [_file("platform.lock")],
        lambda: [_file("mine.txt")],
        lambda: [_link("engine", "/tmp")],
        lambda: [_link("engine", "../..")],
        lambda: [_link("spool", "engine"), _file("spool/x")],
        lambda: [_link("penstock.db", "/etc/passwd", tarfile.LNKTYPE)],
        lambda: [_link("engine.key", "penstock.db", tarfile.LNKTYPE)],
        lambda: [_link("penstock.db", "", tarfile.FIFOTYPE)],
        lambda: [_file("penstock.db"), _file("penstock.db")],
    ],
    ids=range(12),
)
def test_what_a_stranger_made_writes_nowhere_else(
    evil: Callable[[], list[tarfile.TarInfo]], tmp_path: Path
) -> None:
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        _text(tar, "backup.json", {"format": 1, **ABOUT})
        for member in evil():
            tar.addfile(member, io.BytesIO(b"evil") if member.isreg() else None)
        _text(tar, "checksums.json", {"files": {}, "links": {}})
    before = set(tmp_path.iterdir())
    with pytest.raises(BackupError):
        archive.restore(tmp_path / "evil.tar", tmp_path / "data")
    assert set(tmp_path.iterdir()) == before
    assert not Path("/etc/outside").exists()


def _text(tar: tarfile.TarFile, name: str, document: dict[str, Any]) -> None:
    raw = json.dumps(document).encode()
    member = tarfile.TarInfo(name)
    member.size = len(raw)
    tar.addfile(member, io.BytesIO(raw))


def test_what_is_no_backup_at_all_is_refused(tmp_path: Path) -> None:
    for raw in (b"", b"PK\x03\x04" * 500, b"\0" * 10240):
        (tmp_path / "file").write_bytes(raw)
        with pytest.raises(BackupError, match="damaged"):
            archive.restore(tmp_path / "file", tmp_path / "data")
    with pytest.raises(BackupError, match="No such file"):
        archive.restore(tmp_path / "none.tar", tmp_path / "data")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
