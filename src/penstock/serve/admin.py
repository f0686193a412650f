"""What only the owner of the data directory may ask of a running platform: by key or session."""

from __future__ import annotations

import asyncio
import hmac
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from penstock.errors import (
    BadInputError,
    InvalidProjectError,
    PenstockError,
    RefusedChangeError,
    UsageError,
)
from penstock.serve.bodies import read_object
from penstock.serve.problems import answer_to, problem
from penstock.serve.session import LINK_S

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from penstock.serve.app import Services
    from penstock.serve.session import Door


class Admin:
    """What changes or takes the platform.

    The key of the data directory opens all of it; the session of a page opens what a person does
    there: replay, and the test of an alert.

    Args:
        services: what does it, and the key.
        door: knows the sessions.
    """

    def __init__(self, services: Services, door: Door) -> None:
        self._services, self._door = services, door

    async def apply(self, request: Request) -> Response:
        """`POST /v1/admin/apply`: `drop`, `forward_only`, `fingerprint`, `project`."""
        return self._stranger(request) or await _asked(request, self._services.apply, "Not applied")

    async def replay(self, request: Request) -> Response:
        """`POST /v1/admin/replay`: `source`, `reason`, `upto`, `look`, `project`."""
        return self._stranger(request, page=True) or await _asked(
            request, self._services.replay, "Not replayed"
        )

    async def test_alert(self, request: Request) -> Response:
        """`POST /v1/admin/alerts/test`: `alert`, as domain/name, and `send`."""
        return self._stranger(request, page=True) or await _asked(
            request, self._services.test_alert, "Not tested"
        )

    async def silence(self, request: Request) -> Response:
        """`POST /v1/admin/alerts/silence`: `alert`, `key`, `seconds`, `reason`."""
        return self._stranger(request, page=True) or await _asked(
            request, self._services.silence, "Not silenced"
        )

    async def snapshot(self, request: Request) -> Response:
        """`POST /v1/admin/snapshot`: where it is and what is in it."""
        if (refused := self._stranger(request)) is not None:
            return refused
        return JSONResponse(await asyncio.to_thread(self._services.snapshot))

    async def heal(self, request: Request) -> Response:
        """`POST /v1/admin/heal`: `reason`, `seen`; how often the engine has been started."""
        return self._stranger(request) or await _asked(request, self._services.heal, "Not healed")

    async def link(self, request: Request) -> Response:
        """`POST /v1/admin/link`: the code of a link that opens one session."""
        if (refused := self._stranger(request)) is not None:
            return refused
        document = {"once": self._services.sessions.offer(), "seconds": LINK_S}
        return JSONResponse(document, headers={"Cache-Control": "no-store"})

    def _stranger(self, request: Request, *, page: bool = False) -> Response | None:
        """The refusal of who may not ask; None where they may. `page`: a session will do."""
        sent = request.headers.get("authorization", "").removeprefix("Bearer ")
        if hmac.compare_digest(sent.encode(), self._services.key.encode()):
            return None
        if page and self._door.may(request):
            return None
        what = "only the owner of the data directory may ask for that"
        how = "Authorization: Bearer <engine.key>"
        if page:
            how += "; in the page: open the link that `penstock open` prints"
        return problem(401, "No key", what, code="no_key", next_step=how)


async def _asked(
    request: Request, work: Callable[[Mapping[str, Any]], dict[str, Any]], refused: str
) -> Response:
    """Do what the body asks for; `refused` is the title of a refusal."""
    try:
        body = read_object(await request.body() or b"{}")
    except ValueError as error:
        return problem(400, "No object", f"the body is no JSON object: {error}", code="no_object",
                       next_step="send {} where there is nothing to say")  # fmt: skip
    try:
        done = await asyncio.to_thread(work, body)
    except BadInputError as error:
        return answer_to(error)
    except PenstockError as error:
        return _refusal(error, refused)
    return JSONResponse(done)


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
