"""Errors as RFC 9457 problem documents: code, cause, next step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from penstock.errors import (
    BadInputError,
    DataDirTakenError,
    EngineDownError,
    EngineError,
    PenstockError,
    RefusedChangeError,
    SpoolFullError,
    StoreDownError,
    UsageError,
)

if TYPE_CHECKING:
    from starlette.requests import Request

# ClickHouse's codes that mean the caller's value was off, not the platform.
_CALLERS = {6, 26, 27, 32, 36, 38, 41, 53, 69, 70, 72, 130, 131, 321, 386, 456, 457, 691}
_TIMEOUT = 159
# The others, the first that fits: what they are over HTTP.
_PLAIN: tuple[tuple[type[PenstockError], int, str, str], ...] = (
    (UsageError, 404, "Not found", "not_found"),
    (RefusedChangeError, 409, "Not now", "not_now"),
    (DataDirTakenError, 409, "Not now", "not_now"),
    (PenstockError, 500, "It failed", "failed"),
)
_QUERY_FAILED = "run the SQL of its file with `penstock query` to see what it stumbles on"


def problem(
    status: int, title: str, detail: str, *, code: str, next_step: str = "", reference: str = ""
) -> Response:
    """A problem document; `reference` is that of an error of ours, see docs/errors.md."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code}
    if next_step:
        body["next"] = next_step
    if reference:
        body["reference"] = reference
    return JSONResponse(body, status, media_type="application/problem+json")


async def on_error(_request: Request, error: Exception) -> Response:
    """Turn one of our errors into its document; anything else is not handled here."""
    return answer_to(error)


def answer_to(error: Exception) -> Response:
    """An error's document.

    Raises:
        Exception: the error, where it is none of ours.
    """
    if isinstance(error, BadInputError):
        code = error.title.lower().replace(" ", "_").replace("-", "_")
        answer = problem(
            error.status,
            error.title,
            error.what,
            code=code,
            next_step=error.next_step,
            reference=error.reference,
        )
        if error.status == 409:  # noqa: PLR2004 - Conflict: it will pass
            answer.headers["Retry-After"] = "1"
        return answer
    if isinstance(error, SpoolFullError):
        answer = problem(429, "Too many records wait", error.what, code="spool_full",
                         next_step=error.next_step, reference=error.reference)  # fmt: skip
        answer.headers["Retry-After"] = "1"
        return answer
    if isinstance(error, (EngineDownError, StoreDownError)):
        return _away(error)
    if isinstance(error, EngineError):
        return _engine_problem(error)
    for kind, status, title, code in _PLAIN:
        if isinstance(error, kind):
            return problem(status, title, error.what, code=code,
                           next_step=error.next_step, reference=error.reference)  # fmt: skip
    raise error


async def on_refusal(request: Request, error: Exception) -> Response:
    """Turn the web framework's own refusals, such as a wrong method, into documents too."""
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for no other
    allowed = (error.headers or {}).get("Allow", "")
    answer = problem(
        error.status_code,
        error.detail,
        f"{request.method} {request.url.path}: {error.detail.lower()}",
        code=error.detail.lower().replace(" ", "_"),
        next_step=f"use {allowed}" if allowed else "/openapi.json lists every path",
    )
    answer.headers.update(error.headers or {})
    return answer


def _away(error: EngineDownError | StoreDownError) -> Response:
    engine = isinstance(error, EngineDownError)
    answer = problem(
        503,
        "The engine is restarting" if engine else "The metadata store is away",
        error.what,
        code="engine_down" if engine else "store_down",
        next_step="try again in a second",
        reference=error.reference,
    )
    answer.headers["Retry-After"] = "1"
    return answer


def _engine_problem(error: EngineError) -> Response:
    if error.code in _CALLERS:
        return problem(400, "Bad parameter", error.what, code=f"clickhouse_{error.code}",
                       next_step="the types of all parameters are in /openapi.json",
                       reference=error.reference)  # fmt: skip
    status = 504 if error.code == _TIMEOUT else 500
    return problem(status, "The query failed", error.what, code=f"clickhouse_{error.code}",
                   next_step=error.next_step or _QUERY_FAILED,
                   reference=error.reference)  # fmt: skip
