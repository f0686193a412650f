"""A replay by a platform that dies, with its engine: at the n-th of its writes.

python replayer.py ROOT DATA ENGINE_PORT ROWS within|after|never N
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.engine.client import Client
from penstock.layers import judging
from penstock.project import load
from penstock.runtime.platform import Platform
from penstock.settings import Settings
from penstock.store.replays import Replays

if TYPE_CHECKING:
    from collections.abc import Callable

WITHIN = 0.004  # seconds into a write


class Death:
    """Comes at the n-th write."""

    def __init__(self, when: str, number: int) -> None:
        self.when, self.left = when, number

    def at(self, name: str, write: Callable[[], Any]) -> Any:
        """Do a write, and die within or after it where it is its turn."""
        self.left -= 1
        sys.stdout.write(f"{name}\n")
        sys.stdout.flush()
        mine = self.left == 0 and self.when != "never"
        if mine and self.when == "within":
            threading.Thread(target=die, args=(WITHIN,)).start()
        done = write()
        if mine:
            die(0.0)
        return done


def die(after: float) -> None:
    time.sleep(after)
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    root, data, port, rows, when, number = sys.argv[1:]
    judging.CHUNK_ROWS = int(rows)
    death = Death(when, int(number))
    execute = Client.execute

    def dying(self: Client, sql: str, **more: Any) -> None:
        if sql.startswith("INSERT INTO `raw_sensors` ") or " DELETE WHERE " in sql:
            death.at(sql.split(maxsplit=1)[0].lower(), lambda: execute(self, sql, **more))
        else:
            execute(self, sql, **more)

    opened, closed = Replays.open, Replays.close
    Client.execute = dying  # type: ignore[method-assign]
    Replays.open = lambda *a, **k: death.at("open", lambda: opened(*a, **k))  # type: ignore[method-assign]
    Replays.close = lambda *a, **k: death.at("close", lambda: closed(*a, **k))  # type: ignore[method-assign]
    settings = Settings.load().replace(engine_port=int(port), data=data)
    platform = Platform(load(Path(root)), settings, Path(data))
    platform.open()
    found = platform.replay({})
    sys.stdout.write(f"landed {found['landed']}, {found['stay']} stay\n")
    sys.stdout.flush()
    platform.stop()


if __name__ == "__main__":
    main()
