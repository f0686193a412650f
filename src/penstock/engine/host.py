"""The host: the process that owns the embedded engine and serves it over HTTP on loopback.

Started by the supervisor as `python -m penstock.engine.host`; it ends when the pipe on its
standard input closes, so it never outlives the platform that started it.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import threading
import time
from pathlib import Path

import uvicorn

from penstock.engine import analysts
from penstock.engine.datadir import Ownership, check_version, key
from penstock.engine.front import Front
from penstock.engine.healing import heal
from penstock.engine.inserts import STAGING
from penstock.engine.leases import Leases
from penstock.engine.pool import MAIN, Pool
from penstock.engine.writes import Writes
from penstock.errors import PenstockError

_CONNECTIONS = 6
_VISITORS = 3
_GRACE = 0.3  # seconds that statements get to end by themselves when the engine stops
_HANGING = 2  # seconds more for clients that neither send nor take
_TAKEOVER = 10.0  # seconds to wait for an engine that is shutting down


def run(data: Path, door: int, memory: int, *, healing: bool = True) -> None:
    """Own the data directory and serve until standard input closes.

    Args:
        data: the platform's data directory; the engine's is `engine` inside it.
        door: file descriptor of the listening socket, which the supervisor holds open.
        memory: most bytes the engine may use.
        healing: False only in the test that proves healing is needed.

    Raises:
        DataDirError, DataDirTakenError: what to do is in the error.
    """
    with Ownership(data / "engine.lock", wait=_TAKEOVER):
        check_version(data)
        if healing:
            for healed in heal(data / "engine"):
                _say({"event": "healed", "table": healed.table, "part": healed.part})
        pool = Pool(data / "engine", size=_CONNECTIONS, visitors=_VISITORS, memory=memory)
        with pool.connection() as connection:
            for database in (STAGING, analysts.EMPTY):
                connection.run(f"CREATE DATABASE IF NOT EXISTS {database} ENGINE = Memory")
            connection.run(f"CREATE DATABASE IF NOT EXISTS {MAIN}")
        writes = Writes(data / "engine.writes")
        front = Front(pool, key(data), Leases(data / "leases.json"), writes)
        server = uvicorn.Server(
            uvicorn.Config(
                front,
                log_level="warning",
                access_log=False,
                lifespan="off",
                ws="none",
                server_header=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=_HANGING,
            )
        )
        threading.Thread(target=_stop_with_parent, args=(server, front), daemon=True).start()
        _say({"event": "ready", "pid": os.getpid()})
        server.run(sockets=[socket.socket(fileno=door)])
        pool.close()


def _stop_with_parent(server: uvicorn.Server, front: Front) -> None:
    sys.stdin.buffer.read()
    server.should_exit = True
    time.sleep(_GRACE)
    front.close()


def _say(event: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Entry of the process; an error is one JSON line on standard output, for the supervisor."""
    parser = argparse.ArgumentParser(prog="penstock-engine")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--socket", type=int, required=True)
    parser.add_argument("--memory", type=int, required=True)
    parser.add_argument("--no-healing", action="store_true")
    words = parser.parse_args()
    try:
        run(words.data, words.socket, words.memory, healing=not words.no_healing)
    except PenstockError as error:
        kind = type(error).__name__
        _say({"event": "failed", "kind": kind, "what": error.what, "where": error.where,
              "next": error.next_step})  # fmt: skip
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
