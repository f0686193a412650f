"""The web server of a platform: serves until told to stop, then closes streams and drains."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import uvicorn

from penstock.engine.listener import listen

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from penstock.runtime.platform import Platform

_GRACE = 3  # seconds that open requests may take after Ctrl-C


def reserve(platform: Platform) -> socket.socket:
    """Take the platform's port before anything is started.

    Raises:
        PortTakenError: another program has it.
    """
    return listen(platform.settings.text("host"), platform.settings.number("port"))


def serve(
    platform: Platform, listener: socket.socket, *, until: Callable[[threading.Event], None]
) -> None:
    """Serve while `until` runs, in its own thread; Ctrl-C ends both.

    Args:
        platform: started.
        listener: from `reserve`.
        until: gets an event that is set when the server has been told to stop; returns when it
            is time to stop.
    """
    application = platform.application()
    config = uvicorn.Config(
        application.app,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_GRACE,
        backlog=1024,
    )
    server = _Server(config)
    stopping = threading.Event()
    server.on_exit = application.live.say_goodbye

    def control() -> None:
        until(stopping)
        server.should_exit = True

    thread = threading.Thread(target=control, name="control", daemon=True)
    server.on_start = thread.start
    server.run(sockets=[listener])
    stopping.set()
    thread.join(60)


class _Server(uvicorn.Server):
    """Tells streams to end as soon as a stop is asked for, so that nothing hangs on them."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.on_exit: Callable[[], None] = lambda: None
        self.on_start: Callable[[], None] = lambda: None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.on_exit()
        await super().shutdown(sockets)
