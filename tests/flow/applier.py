"""An apply that dies: right after a statement, or while the engine is busy with it.

python applier.py ROOT DOMAIN PORT KEY after|within|never [name to drop …]
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from penstock.engine.client import Address, Client
from penstock.layers import apply as applying
from penstock.layers.apply import Terms
from penstock.layers.states import Consent
from penstock.project import load
from penstock.store.database import Store
from penstock.store.journal import Journal

WITHIN = 0.002  # seconds into a statement


class Dying(Client):
    """Ends its process at the first statement that changes something."""

    when = "never"

    def execute(self, sql: str, **more: Any) -> None:
        if sql.startswith("CREATE DATABASE"):
            super().execute(sql, **more)
            return
        sys.stdout.write(sql.replace("\n", " ") + "\n")
        sys.stdout.flush()
        if self.when == "within":
            threading.Thread(target=die, args=(WITHIN,)).start()
        super().execute(sql, **more)
        if self.when != "never":
            die(0.0)


def die(after: float) -> None:
    time.sleep(after)
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    root, _, port, key, when, *drop = sys.argv[1:]
    client = Dying(Address("127.0.0.1", int(port), "penstock", key))
    client.when = when
    store = Path(root) / "store"
    journal = Journal(Store.open(store / "penstock.db"), store)
    terms = Terms(Consent(drop=frozenset(drop)))
    applying.apply(load(Path(root), rules=False), client, journal, terms)


if __name__ == "__main__":
    main()
