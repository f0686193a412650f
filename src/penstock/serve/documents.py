"""Documents that pages ask for again and again: packed, and sent once while they do not change."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from starlette.responses import JSONResponse, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

_WORTH: Final = 1024  # bytes: less than this fits one packet as it is
_KEPT: Final = 4 << 20  # bytes of packed documents: more than all that a project has at a time


class Packed:
    """The newest documents as gzip, so that a crowd of first visits packs each of them once.

    Args:
        most: bytes to keep; what was asked for longest ago goes first.
    """

    def __init__(self, most: int = _KEPT) -> None:
        self._most = most
        self._held = 0
        self._by_tag: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, tag: str, body: bytes) -> bytes:
        """`body` as gzip.

        Args:
            tag: that stands for these very bytes.
            body: to be packed where it is not here yet.
        """
        with self._lock:  # held while it packs: who asks meanwhile gets the same
            packed = self._by_tag.get(tag)
            if packed is None:
                packed = gzip.compress(body, 6, mtime=0)
                self._by_tag[tag] = packed
                self._held += len(packed)
            self._by_tag.move_to_end(tag)
            while self._held > self._most:
                self._held -= len(self._by_tag.popitem(last=False)[1])
            return packed


_PACKED: Final = Packed()


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
        body = _PACKED.of(tag, body)
    return Response(body, headers=headers, media_type="application/json")
