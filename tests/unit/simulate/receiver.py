"""A receiver that keeps what it stores, and misbehaves on request."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol


@dataclass
class Receiver:
    """What a receiver was sent. `behave` says for each request, counted from 0, what to do:
    take, busy (429), lose (cut before storing), mute (store, then cut), fail (store, then 500),
    refuse (404).
    """

    behave: Callable[[int], str] = lambda _: "take"
    retry_after: str = "0.05"
    requests: int = 0
    stored: list[bytes] = field(default_factory=list)
    answered: list[bytes] = field(default_factory=list)
    busy: list[bytes] = field(default_factory=list)
    url: str = ""
    transports: dict[tuple[str, int], asyncio.Transport] = field(default_factory=dict)

    async def receive(self, request: Request) -> Response:
        number, self.requests = self.requests, self.requests + 1
        body = await request.body()
        assert request.headers["content-type"] == "application/x-ndjson"
        what = self.behave(number)
        if what == "refuse":
            return JSONResponse({"title": "Not found"}, status_code=404)
        if what == "busy":
            self.busy.append(body)
            return JSONResponse({}, status_code=429, headers={"Retry-After": self.retry_after})
        if what != "lose":
            self.stored.append(body)
        if what in ("lose", "mute"):
            assert request.client is not None
            self.transports[request.client.host, request.client.port].abort()
            return Response()
        if what == "fail":
            return JSONResponse({}, status_code=500)
        self.answered.append(body)
        return JSONResponse({"accepted": body.count(b"\n")}, status_code=202)

    @contextmanager
    def serving(self, port: int = 0) -> Iterator[str]:
        """Serve on a port of 127.0.0.1, a free one by default, and yield the address."""
        receiver = self

        class Protocol(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:
                super().connection_made(transport)
                receiver.transports[transport.get_extra_info("peername")] = transport

        app = Starlette(routes=[Route("/rows", self.receive, methods=["POST"])])
        config = uvicorn.Config(
            app, host="127.0.0.1", port=port, http=Protocol, log_level="critical", lifespan="off"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        self.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/rows"
        try:
            yield self.url
        finally:
            server.should_exit = True
            thread.join(10)
