"""The built page, served as files: compressed where a build left a compressed twin."""

from __future__ import annotations

import mimetypes
from typing import TYPE_CHECKING

from starlette.responses import FileResponse, HTMLResponse, Response

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request

_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
_MISSING = """<!doctype html><html lang="en"><title>Penstock</title>
<h1>Penstock is running</h1><p>The page is not built. In a clone, <code>make web</code> builds it.
The API is described in <a href="/openapi.json">/openapi.json</a>.</p></html>"""


class Page:
    """Static files of one folder; any other path gets the page itself.

    Args:
        folder: what the build left; may be missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = {
            path.relative_to(folder).as_posix(): path
            for path in (folder.rglob("*") if folder.is_dir() else ())
            if path.is_file()
        }

    async def __call__(self, request: Request) -> Response:
        """Send a file."""
        name = request.path_params.get("path", "").strip("/") or "index.html"
        if name not in self._files:
            if "." in name.rpartition("/")[2]:
                return Response("not found\n", 404, media_type="text/plain")
            name = "index.html"
        if name not in self._files:
            return HTMLResponse(_MISSING)
        return self._send(name, request.headers.get("accept-encoding", ""))

    def _send(self, name: str, accepted: str) -> Response:
        kept = "/immutable/" in name
        headers = {
            "Cache-Control": "public, max-age=31536000, immutable" if kept else "no-cache",
            "X-Content-Type-Options": "nosniff",
            "Vary": "Accept-Encoding",
        }
        if not kept:  # of a document only; its parts are many, and headers are not packed
            headers |= {"Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY"}
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        for encoding, suffix in _ENCODINGS:
            if encoding in accepted and name + suffix in self._files:
                headers["Content-Encoding"] = encoding
                return FileResponse(self._files[name + suffix], headers=headers, media_type=kind)
        return FileResponse(self._files[name], headers=headers, media_type=kind)
