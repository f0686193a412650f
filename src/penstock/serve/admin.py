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
    """Applies a plan with the landing held; the key of the data directory opens it.

    Args:
        key: the secret of `engine.key`.
        apply: gets `drop`, `forward_only`, `fingerprint` and `project`, the folder that is meant;
            gives what was done.
    """

    def __init__(self, key: str, apply: Callable[[Mapping[str, Any]], dict[str, Any]]) -> None:
        self._key, self._apply = key, apply

    async def apply(self, request: Request) -> Response:
        """`POST /v1/admin/apply`."""
        sent = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(sent.encode(), self._key.encode()):
            what = "only the owner of the data directory may apply"
            how = "Authorization: Bearer <engine.key>"
            return problem(401, "No key", what, code="no_key", next_step=how)
        try:
            body = json.loads(await request.body() or b"{}")
            done = await asyncio.to_thread(self._apply, body)
        except ValueError:
            return problem(400, "No JSON", "the body is no JSON", code="no_json")
        except PenstockError as error:
            return _refusal(error)
        return JSONResponse(done)


def _refusal(error: PenstockError) -> Response:
    """The error as it would have come from the command, with its exit code."""
    status = (
        409 if isinstance(error, RefusedChangeError | InvalidProjectError | UsageError) else 500
    )
    body = {
        "type": "about:blank",
        "title": "Not applied",
        "status": status,
        "detail": error.what,
        "code": "not_applied",
        "next": error.next_step,
        "exit_code": error.exit_code,
    }
    return JSONResponse(body, status, media_type="application/problem+json")
