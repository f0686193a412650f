"""`POST /v1/admin/snapshot`: what only the owner of the data directory may ask for."""

from __future__ import annotations

import asyncio
import hmac
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from penstock.serve.problems import problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request


class SnapshotPath:
    """Takes a snapshot into the data directory, for whoever has the key that lies in it.

    Args:
        key: the secret of `engine.key`.
        take: takes it and gives its document.
    """

    def __init__(self, key: str, take: Callable[[], dict[str, Any]]) -> None:
        self._key, self._take = key, take

    async def __call__(self, request: Request) -> Response:
        """Answer with where it is and what is in it."""
        sent = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(sent.encode(), self._key.encode()):
            return problem(
                401, "No key", "only the owner of the data directory may ask for that",
                code="no_key", next_step="Authorization: Bearer <engine.key>",
            )  # fmt: skip
        return JSONResponse(await asyncio.to_thread(self._take))
