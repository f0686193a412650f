"""What only the owner of the data directory may ask of a running platform."""

from __future__ import annotations

import asyncio
import hmac
import json
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from penstock.errors import InvalidProjectError, PenstockError, RefusedChangeError, UsageError
from penstock.serve.problems import problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request


class Admin:
    """What takes the whole platform; the key of the data directory opens it.

    Args:
        key: the secret of `engine.key`.
        apply: applies a plan with the landing held; gets `drop`, `forward_only`, `fingerprint` and
            `project`, the folder that is meant; gives what was done.
        snapshot: takes a snapshot into the data directory; gives its document.
        replay: lands dead letters again that are good by now; gets `source`, `reason`, `upto` and
            `project`, and `look`, which changes nothing; gives what becomes of them.
    """

    def __init__(
        self,
        key: str,
        apply: Callable[[Mapping[str, Any]], dict[str, Any]],
        snapshot: Callable[[], dict[str, Any]],
        replay: Callable[[Mapping[str, Any]], dict[str, Any]],
    ) -> None:
        self._key, self._apply, self._snapshot = key, apply, snapshot
        self._replay = replay

    async def apply(self, request: Request) -> Response:
        """`POST /v1/admin/apply`."""
        return await self._asked(request, self._apply, "Not applied")

    async def replay(self, request: Request) -> Response:
        """`POST /v1/admin/replay`."""
        return await self._asked(request, self._replay, "Not replayed")

    async def snapshot(self, request: Request) -> Response:
        """`POST /v1/admin/snapshot`: where it is and what is in it."""
        if (refused := self._stranger(request)) is not None:
            return refused
        return JSONResponse(await asyncio.to_thread(self._snapshot))

    async def _asked(
        self, request: Request, work: Callable[[Mapping[str, Any]], dict[str, Any]], refused: str
    ) -> Response:
        """Do what the body asks for; `refused` is the title of a refusal."""
        if (stranger := self._stranger(request)) is not None:
            return stranger
        try:
            body = json.loads(await request.body() or b"{}")
            done = await asyncio.to_thread(work, body)
        except ValueError:
            return problem(400, "No JSON", "the body is no JSON", code="no_json")
        except PenstockError as error:
            return _refusal(error, refused)
        return JSONResponse(done)

    def _stranger(self, request: Request) -> Response | None:
        """The refusal of a request without the key; None where it has it."""
        sent = request.headers.get("authorization", "").removeprefix("Bearer ")
        if hmac.compare_digest(sent.encode(), self._key.encode()):
            return None
        what = "only the owner of the data directory may ask for that"
        how = "Authorization: Bearer <engine.key>"
        return problem(401, "No key", what, code="no_key", next_step=how)


def _refusal(error: PenstockError, title: str) -> Response:
    """The error as it would have come from the command, with its exit code."""
    status = (
        409 if isinstance(error, RefusedChangeError | InvalidProjectError | UsageError) else 500
    )
    body = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": error.what,
        "code": title.lower().replace(" ", "_"),
        "next": error.next_step,
        "exit_code": error.exit_code,
        "reference": error.reference,
    }
    return JSONResponse(body, status, media_type="application/problem+json")
