"""A snapshot: a data directory as it was between two batches, taken while the platform runs.

::

    landing held:  list active parts · copy the engine's small files and the leases
                   · measure the spool · pin the ledger
    landing again: link the parts and the spool · copy the pinned ledger

Everything in it fits together: what the ledger says is landed is in the engine, what is not is in
the spool. The spool is measured before the ledger is pinned: a body's key is written down before
the body is, so no body is in the copy whose key is not.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
import uuid
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import penstock
from penstock.engine import snapshot as engine
from penstock.engine.datadir import VERSION
from penstock.errors import BackupError
from penstock.runtime.directory import ENGINE, SNAPSHOTS, SPOOL
from penstock.store import LEDGER
from penstock.store.schema import HEAD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from penstock.engine.client import Client
    from penstock.layers.landing import Lander
    from penstock.sources.http import HttpSource
    from penstock.sources.spool import Kept
    from penstock.store.ledger import Ledger

_TRIES = 3
_SMALL = ("engine.key", "engine.version", "leases.json")


@dataclass
class Snapshots:
    """Takes snapshots of one data directory.

    Attributes:
        data: the directory.
        client: to its engine.
        ledger: of it.
        landers: held for the moment of a snapshot.
        sources: the sources with a spool.
        since_ms: since when bodies may wait for their answers to be written down: the spool of
            that time goes along.
    """

    data: Path
    client: Client
    ledger: Ledger
    landers: list[Lander]
    sources: Mapping[tuple[str, str], HttpSource]
    since_ms: Callable[[], int]

    def take(self) -> dict[str, Any]:
        """Take a snapshot into a folder of its own inside the data directory.

        Returns:
            `folder`, whose owner removes it; `held_ms`, how long nothing was landed; and what a
            backup says of itself: versions, time, rows of each source.

        Raises:
            BackupError: tables were dropped meanwhile, or the disk refused.
        """
        folder = self.data / SNAPSHOTS / uuid.uuid4().hex
        gone = ""
        for attempt in range(_TRIES):
            still = engine.merges_paused(self.client) if attempt else nullcontext()
            try:
                with still:
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
        since = self.since_ms()
        with _pinned(self.data / LEDGER) as moment:
            with ExitStack() as held:
                for lander in list(self.landers):
                    held.enter_context(lander.hold)
                began = time.monotonic()
                parts = engine.active_parts(self.client)
                engine.copy_rest(self.data / ENGINE, folder / ENGINE)
                for name in _SMALL:
                    if (self.data / name).exists():
                        shutil.copy2(self.data / name, folder / name)
                spools = {k: s.spool.kept(since_ms=since) for k, s in list(self.sources.items())}
                moment.pin()
                taken_at = datetime.now(UTC)
                totals = self.ledger.totals()
                held_ms = (time.monotonic() - began) * 1000
            self._link_spools(folder / SPOOL, spools)
            engine.link_parts(self.data / ENGINE, folder / ENGINE, parts)
            moment.copy(folder / LEDGER)
        landed = {key: total.rows for key, total in totals.items()}
        return {
            "held_ms": round(held_ms, 1),
            "taken_at": taken_at.isoformat(timespec="milliseconds"),
            "penstock": penstock.__version__,
            "engine": VERSION,
            "schema": HEAD,
            "sources": [
                {
                    "source": "/".join(key),
                    "received": landed.get(key, 0) + kept.waiting,
                    "landed": landed.get(key, 0),
                }
                for key, kept in spools.items()
            ],
        }

    def _link_spools(self, to: Path, spools: Mapping[tuple[str, str], Kept]) -> None:
        """Link the spools, also those of sources that the project has let go of."""
        measured = {".".join(key): kept for key, kept in spools.items()}
        to.mkdir()
        for folder in sorted((self.data / SPOOL).glob("*/")):
            (to / folder.name).mkdir()
            kept = measured.get(folder.name)
            names = [p.name for p in kept.segments] if kept else [p.name for p in folder.iterdir()]
            for name in dict.fromkeys([*names, "incarnation"]):
                engine.link(folder / name, to / folder.name / name)
            if kept and names:
                _cut(to / folder.name / names[-1], kept.size)


def discard(data: Path) -> None:
    """Remove what a backup that was killed has left."""
    shutil.rmtree(data / SNAPSHOTS, ignore_errors=True)


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
