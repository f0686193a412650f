"""A snapshot: a data directory as it was between two batches, taken while the platform runs.

::

    landing held:  list active parts · copy the engine's small files and the leases
                   · pin the ledger · link the spool
    landing again: link the parts · copy the pinned ledger

Everything in it fits together: what the ledger says is landed is in the engine, what is not is in
the spool, and the spool is the one that the ledger knows.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
import uuid
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import penstock
from penstock.engine import snapshot as engine
from penstock.engine.datadir import VERSION
from penstock.errors import BackupError, UsageError
from penstock.runtime.directory import LEDGER, SNAPSHOTS, SPOOL
from penstock.store.schema import HEAD

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from penstock.engine.client import Client
    from penstock.layers.landing import Lander
    from penstock.sources.http import HttpSource
    from penstock.store.ledger import Ledger

_TRIES = 3
_ENGINE = "engine"
_SMALL = ("engine.key", "engine.version", "leases.json")
_RECENT_MS = 60_000  # segments landed whole go along that long: a body's answer may be on its way


@dataclass
class Snapshots:
    """Takes snapshots of one data directory.

    Attributes:
        data: the directory.
        client: to its engine.
        ledger: of it.
        landers: held for the moment of a snapshot.
        sources: the sources with a spool.
    """

    data: Path
    client: Client
    ledger: Ledger
    landers: list[Lander]
    sources: Mapping[tuple[str, str], HttpSource]

    def take(self) -> dict[str, Any]:
        """Take a snapshot into a folder of its own inside the data directory.

        Returns:
            `folder`, whose owner removes it; `held_ms`, how long nothing was landed; and what a
            backup says of itself: versions, time, rows of each source.

        Raises:
            BackupError: tables were dropped meanwhile, or the disk refused.
        """
        if not (self.data / LEDGER).is_file() or not (self.data / _ENGINE).is_dir():
            raise UsageError(
                "engine and metadata are not both in the data directory: a server has them",
                where=str(self.data),
                next_step="back the servers up by their own means: BACKUP of ClickHouse, pg_dump",
            )
        folder = self.data / SNAPSHOTS / uuid.uuid4().hex
        gone = ""
        for _ in range(_TRIES):
            try:
                return {"folder": str(folder), **self._take(folder)}
            except FileNotFoundError as error:
                shutil.rmtree(folder, ignore_errors=True)
                gone = str(error.filename)
            except (OSError, sqlite3.Error) as error:
                shutil.rmtree(folder, ignore_errors=True)
                raise BackupError(
                    f"the snapshot cannot be written: {error}",
                    where=str(folder),
                    next_step="free some space on the disk of the data directory",
                ) from error
        raise BackupError(
            "tables were dropped or emptied while they were copied",
            where=gone,
            next_step="try again when nobody changes tables",
        )

    def _take(self, folder: Path) -> dict[str, Any]:
        folder.mkdir(parents=True, mode=0o700)
        with ExitStack() as stack:
            moment = stack.enter_context(_pinned(self.data / LEDGER))
            with ExitStack() as held:
                for lander in list(self.landers):
                    held.enter_context(lander.hold)
                began = time.monotonic()
                parts = engine.active_parts(self.client)
                engine.copy_rest(self.data / _ENGINE, folder / _ENGINE)
                for name in _SMALL:
                    if (self.data / name).exists():
                        shutil.copy2(self.data / name, folder / name)
                moment.pin()
                spools = self._link_spools(folder / SPOOL)
                totals = self.ledger.totals()
                taken_at = datetime.now(UTC)
                held_ms = (time.monotonic() - began) * 1000
            engine.link_parts(self.data / _ENGINE, folder / _ENGINE, parts)
            moment.copy(folder / LEDGER)
        for path, size in spools.growing.items():
            _cut(path, size)
        return {
            "held_ms": round(held_ms, 1),
            "taken_at": taken_at.isoformat(timespec="milliseconds"),
            "penstock": penstock.__version__,
            "engine": VERSION,
            "schema": HEAD,
            "sources": [
                {
                    "source": "/".join(key),
                    "received": (totals[key].rows if key in totals else 0) + waiting,
                    "landed": totals[key].rows if key in totals else 0,
                }
                for key, waiting in spools.waiting.items()
            ],
        }

    def _link_spools(self, to: Path) -> _Spools:
        """Link the spools, also those of sources that the project has let go of."""
        found = _Spools()
        to.mkdir()
        since = int(time.time() * 1000) - _RECENT_MS
        live = {f"{domain}.{name}": (domain, name) for domain, name in list(self.sources)}
        for folder in sorted((self.data / SPOOL).iterdir()):
            (to / folder.name).mkdir()
            if folder.name not in live:
                for path in folder.iterdir():
                    engine.link(path, to / folder.name / path.name)
                continue
            key = live[folder.name]
            kept, size, found.waiting[key] = self.sources[key].spool.kept(since_ms=since)
            engine.link(folder / "incarnation", to / folder.name / "incarnation")
            for path in kept:
                engine.link(path, to / folder.name / path.name)
            if kept:
                found.growing[to / folder.name / kept[-1].name] = size
        return found


def discard(data: Path) -> None:
    """Remove what a backup that was killed has left."""
    shutil.rmtree(data / SNAPSHOTS, ignore_errors=True)


@dataclass
class _Spools:
    """Links to segments that still grow with the bytes that count; rows that wait, by source."""

    growing: dict[Path, int] = field(default_factory=dict)
    waiting: dict[tuple[str, str], int] = field(default_factory=dict)


@dataclass
class _Moment:
    """A state of the ledger that a reading transaction keeps, however it goes on."""

    connection: sqlite3.Connection

    def pin(self) -> None:
        self.connection.execute("BEGIN")
        self.connection.execute("SELECT count(*) FROM sqlite_master").fetchone()

    def copy(self, to: Path) -> None:
        to.touch(mode=0o600)
        with closing(sqlite3.connect(to)) as copy:
            self.connection.backup(copy)


@contextmanager
def _pinned(path: Path) -> Iterator[_Moment]:
    with closing(sqlite3.connect(path, isolation_level=None, timeout=15)) as connection:
        yield _Moment(connection)


def _cut(path: Path, size: int) -> None:
    """Put a copy of the first bytes in the place of a link whose file may still grow."""
    if path.stat().st_nlink == 1:
        with path.open("r+b") as file:
            file.truncate(size)
        return
    new = path.with_suffix(".new")
    with path.open("rb") as grows, new.open("wb") as file:
        while size and (piece := grows.read(min(size, 1 << 20))):
            size -= len(piece)
            file.write(piece)
    new.replace(path)
