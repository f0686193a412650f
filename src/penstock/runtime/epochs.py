"""The versions of tables, handed from a process that ends in order to the next one.

So that answers which outlive the process are found again, and never where they could be wrong: the
note is used up by whoever opens the data next, to look or to change, and is written only at an end
in order.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from penstock.runtime.audit import has_rebooted

if TYPE_CHECKING:
    from pathlib import Path

    from penstock.serve.cache import Versions
    from penstock.store.ledger import Ledger

_NOTE = "cache_versions"


def resume(versions: Versions, ledger: Ledger, data: Path, *, alone: bool) -> None:
    """Go on with the versions of the process before, where the data are as that one left them.

    Args:
        versions: of this process, nothing counted yet.
        ledger: of the data.
        data: the data directory.
        alone: whether nobody else can have written meanwhile, as to a server.
    """
    noted = ledger.get(_NOTE)
    if not noted:
        return
    ledger.put(_NOTE, "")  # what is done from now on is not in it
    if alone and not has_rebooted(ledger):
        versions.resume(noted, _place(data))


def note(versions: Versions, ledger: Ledger, data: Path) -> None:
    """Leave them to the next process; nothing is written any more.

    Raises:
        StoreDownError: the store is away.
    """
    ledger.put(_NOTE, versions.note(_place(data)))


def _place(data: Path) -> str:
    """Names the data: a copy of them goes ways of its own."""
    return f"{socket.gethostname()}:{data.resolve()}"
