"""`/v1/sql/saved`: statements kept under names.

They may be written without the key. What is written here runs nowhere by itself and no more may be
read with it than without; and only this machine's programs and the platform's own page get here
(see `SameOrigin`). With a login they will belong to somebody.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse, Response

from penstock.engine.analysts import MAX_LENGTH
from penstock.errors import BadInputError
from penstock.serve.bodies import read_object
from penstock.store.saved_queries import SavedQuery

if TYPE_CHECKING:
    from starlette.requests import Request

    from penstock.store.saved_queries import SavedQueries

_MOST: Final = 500
_LONGEST_NAME: Final = 100
_MOST_BYTES: Final = 5 * MAX_LENGTH
_MOST_SETTINGS: Final = 4_000  # characters of JSON
_LEVELS: Final = 8  # of objects and lists in them


class Saved:
    """The statements of the store, for the page.

    Args:
        queries: in the store.
    """

    def __init__(self, queries: SavedQueries) -> None:
        self._queries = queries

    async def list(self, _request: Request) -> Response:
        """`GET /v1/sql/saved`."""
        found = await asyncio.to_thread(self._queries.all)
        return JSONResponse({"queries": [_document(query) for query in found]})

    async def put(self, request: Request) -> Response:
        """`PUT /v1/sql/saved/{name}`: in place of what had that name."""
        query = await _query(request)
        if not await asyncio.to_thread(self._queries.save, query, most=_MOST):
            raise BadInputError(
                409, "Too many", f"{_MOST} statements are kept already",
                next_step="forget some that nobody runs",
            )  # fmt: skip
        return JSONResponse(_document(query))

    async def delete(self, request: Request) -> Response:
        """`DELETE /v1/sql/saved/{name}`."""
        name = request.path_params["name"]
        if not name.isprintable() or not await asyncio.to_thread(self._queries.forget, name):
            raise BadInputError(
                404, "Not found", f"no statement is kept under {name[:_LONGEST_NAME]!r}",
                next_step="GET /v1/sql/saved lists them",
            )  # fmt: skip
        return Response(status_code=204)


async def _query(request: Request) -> SavedQuery:
    name = request.path_params["name"].strip()
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > _MOST_BYTES:
            raise _bad("the body is too long")
        pieces.append(piece)
    try:
        body = read_object(b"".join(pieces))
    except ValueError as error:
        raise _bad(f"the body is no JSON object: {error}") from None
    sql, database = body.get("sql"), body.get("database", "")
    settings = body.get("settings", {})
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise _bad(f"a name has 1 to {_LONGEST_NAME} characters that can be seen")
    if not isinstance(sql, str) or not sql.strip() or len(sql) > MAX_LENGTH:
        raise _bad(f"sql is a text of 1 to {MAX_LENGTH:,} characters")
    if not isinstance(database, str) or len(database) > _LONGEST_NAME:
        raise _bad("database is the name of one")
    if not isinstance(settings, dict) or not _is_flat(settings):
        raise _bad("settings is an object of a few levels")
    if len(json.dumps(settings)) > _MOST_SETTINGS:
        raise _bad("settings is a small object")
    return SavedQuery(name, sql, database, settings, int(time.time() * 1000))


def _is_flat(value: object, levels: int = _LEVELS) -> bool:
    """Whether a value of JSON has no more levels: what is nested deep cannot be written again."""
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_is_flat(each, levels - 1) for each in inner)


def _document(query: SavedQuery) -> dict[str, Any]:
    return {name: getattr(query, name) for name in query.__slots__}


def _bad(what: str) -> BadInputError:
    return BadInputError(400, "Bad query", what, next_step='{"sql": "SELECT …", "database": "…"}')
