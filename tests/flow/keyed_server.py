"""The way of a body up to its answer, in a process of its own: store, spool and HTTP; no engine.

Arguments: folder of the data, port. Says `ready` once it answers.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from penstock.engine.listener import listen
from penstock.errors import PenstockError
from penstock.layers.dead_letters import Refused
from penstock.serve.idempotency import Idempotency
from penstock.serve.ingest import Ingest, Landing
from penstock.serve.problems import on_error
from penstock.sources.http import HttpSource
from penstock.store.database import Store
from penstock.store.idempotency import IdempotencyKeys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def lifespan(_app: Starlette) -> AsyncIterator[None]:
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    yield


def main(folder: Path, port: int) -> None:
    with contextlib.suppress(AttributeError):  # where only parents may trace: anybody may
        ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(2**64 - 1))
    keys = IdempotencyKeys(Store.open(folder / "penstock.db"))
    source = HttpSource("homes", "readings", folder / "spool", limit=1 << 30)
    source.resume({})
    keys.resolve("homes", "readings", source.spool.tagged)
    landing = Landing(lambda *_: False, lambda *_: Refused([], 0))
    ingest = Ingest({("homes", "readings"): source}, landing, Idempotency(keys), 1 << 24)
    app = Starlette(
        routes=[Route("/v1/ingest/{domain}/{source}", ingest.__call__, methods=["POST"])],
        exception_handlers={PenstockError: on_error},
        lifespan=lifespan,
    )
    door = listen("127.0.0.1", port)  # before `ready`: whoever comes then is not refused
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[door])


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
