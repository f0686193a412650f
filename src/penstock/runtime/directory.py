"""What lies in a data directory: the one list that backup, restore and reset go by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.store import LEDGER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SPOOL, ENGINE, SNAPSHOTS = "spool", "engine", "snapshots"
LOCKS = ("platform.lock", "engine.lock")


@dataclass(frozen=True, slots=True)
class Entry:
    """Files or folders of one purpose.

    Attributes:
        pattern: of their names.
        what: they are, for people.
        saved: whether a backup has them.
    """

    pattern: str
    what: str
    saved: bool = False


# In the order in which they may go: a ledger without its spool or its engine refuses to start,
# while a spool without its ledger would be landed again.
ENTRIES = (
    Entry(SPOOL, "records received", saved=True),
    Entry(ENGINE, "tables", saved=True),
    Entry(SNAPSHOTS, "snapshots on their way into a backup"),
    Entry(f"{LEDGER}*", "the ledger of what has landed", saved=True),
    Entry("leases.json*", "lease epochs", saved=True),
    Entry("engine.key*", "the key", saved=True),
    Entry("engine.version*", "the version that wrote it", saved=True),
    Entry("engine.writes", "a counter of writes"),
    Entry("engine-config", "configuration of the engine"),
    Entry("truth-*.json*", "the demo's accounts"),
    Entry("running.json*", "who runs here"),
    Entry("apply.lock", "who changes tables here"),
    Entry("lander-*.lock", "who lands here beside the platform"),
)


def found(data: Path) -> Iterator[tuple[Entry, Path]]:
    """What of it is there, in that order."""
    for entry in ENTRIES:
        for path in sorted(data.glob(entry.pattern)):
            yield entry, path


def strangers(data: Path) -> list[Path]:
    """What is there and is not ours."""
    ours = {path for _, path in found(data)} | {data / name for name in LOCKS}
    return [path for path in sorted(data.iterdir()) if path not in ours]


def saved(name: str) -> bool:
    """Whether a backup may have a file or folder of this name at its top."""
    return any(entry.saved and name == entry.pattern.rstrip("*") for entry in ENTRIES)
