"""The web server of a platform: serves until told to stop, then closes streams and drains."""

from __future__ import annotations

import asyncio
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from penstock.engine.hushed import hush
from penstock.engine.listener import listen

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from types import FrameType

    from penstock.runtime.platform import Platform

_GRACE = 2  # seconds that open requests may take after Ctrl-C


def reserve(platform: Platform) -> socket.socket:
    """Take the platform's port before anything is started.

    Raises:
        PortTakenError: another program has it.
    """
    return listen(platform.settings.text("host"), platform.settings.number("port"))


def serve(
    platform: Platform, listener: socket.socket, *, until: Callable[[threading.Event], None]
) -> None:
    """Serve while `until` runs, in its own thread; Ctrl-C asks it to end, twice ends at once.

    Args:
        platform: started.
        listener: from `reserve`.
        until: gets an event that is set when somebody asks to stop; returns when it is time to.
            The server answers until then, so that senders can still hand over what they have.
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
    hush(asyncio.CancelledError)  # who takes nothing for the grace's length is cut off, in a line
    stopping = threading.Event()
    server = _Server(config, stopping)
    server.on_exit = application.live.say_goodbye

    def control() -> None:
        try:
            until(stopping)
        finally:
            platform.interrupt()  # who waits for a long piece of work is told how far it got
            server.should_exit = True

    thread = threading.Thread(target=control, name="control", daemon=True)
    server.on_start = thread.start
    server.run(sockets=[listener])
    stopping.set()
    thread.join()


class _Server(uvicorn.Server):
    """Leaves the order of stopping to us: first the work, then the streams, then the server."""

    def __init__(self, config: uvicorn.Config, stopping: threading.Event) -> None:
        super().__init__(config)
        self._stopping = stopping
        self.on_exit: Callable[[], None] = lambda: None
        self.on_start: Callable[[], None] = lambda: None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, self._asked) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)

    def _asked(self, _number: int, _frame: FrameType | None) -> None:
        if self._stopping.is_set():
            self.should_exit = True
        self._stopping.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.on_exit()
        await super().shutdown(sockets)
