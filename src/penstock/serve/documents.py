"""Documents that pages ask for again and again: packed, and sent once while they do not change."""

from __future__ import annotations

import gzip
import hashlib
from typing import TYPE_CHECKING, Final

from starlette.responses import JSONResponse, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

_WORTH: Final = 1024  # bytes: less than this fits one packet as it is


def sent(request: Request, document: Mapping[str, object] | bytes) -> Response:
    """A JSON document as an answer: 304 to who has it, gzipped for who can read that.

    Args:
        request: that asks for it.
        document: it, or its JSON.
    """
    body = document if isinstance(document, bytes) else bytes(JSONResponse(document).body)
    tag = f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if len(body) > _WORTH and "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body, 6, mtime=0)
    return Response(body, headers=headers, media_type="application/json")
