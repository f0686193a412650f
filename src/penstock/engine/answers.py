"""Answers of ClickHouse's HTTP protocol: headers, status, compression, errors in the middle."""

from __future__ import annotations

import secrets
import zlib
from typing import TYPE_CHECKING, Protocol

import msgspec
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from penstock.engine.hushed import hush
from penstock.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from starlette.requests import Request

    from penstock.engine.calls import Call
    from penstock.engine.pool import Result

RETRY = 394  # ClickHouse's QUERY_WAS_CANCELLED: the same statement may be sent again
_STATUS = {60: 404, 81: 404, 47: 404, 62: 400, 27: 400, 117: 400, 36: 400, 73: 400, 497: 403,
           516: 403, 164: 403, 159: 408, 241: 503, 202: 503, RETRY: 503}  # fmt: skip
_SMALL = 1024  # bytes that are not worth compressing
_LEVELS = {"gzip": 1, "zstd": 1}  # this is a loopback: little time is better than few bytes


class CutOffError(Exception):
    """Ends an answer in the middle, so that no client takes it for whole."""


hush(CutOffError)


class _Encoder(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


def whole(request: Request, call: Call, written: int, result: Result, query_id: str) -> Response:
    """An answer in one piece, with what it took."""
    summary = {
        "read_rows": str(result.rows_read),
        "read_bytes": str(result.bytes_read),
        "written_rows": str(written),
        "written_bytes": str(len(call.body) if written else 0),
        "total_rows_to_read": str(result.rows_read),
        "result_rows": str(result.rows),
        "result_bytes": str(len(result.body)),
        "elapsed_ns": str(int(result.seconds * 1e9)),
    }
    text = msgspec.json.encode(summary).decode()
    headers = {**_headers(call, query_id), "X-ClickHouse-Summary": text}
    if request.query_params.get("send_progress_in_http_headers") == "1":
        headers["X-ClickHouse-Progress"] = text
    body, encoding = result.body, _encoding(request)
    if encoding and len(body) >= _SMALL:
        encoder = _encoder(encoding)
        body = encoder.compress(body) + encoder.flush()
        headers["Content-Encoding"] = encoding
    return Response(body, headers=headers, media_type=_media(call.form))


def streamed(
    request: Request, call: Call, blocks: AsyncIterator[bytes], query_id: str
) -> StreamingResponse:
    """An answer block by block; an error on the way is written into it, and it is cut off."""
    encoding = _encoding(request)
    tag = secrets.token_hex(8)  # 16 characters, as ClickHouse's own
    headers = {**_headers(call, query_id), "X-ClickHouse-Exception-Tag": tag}
    if encoding:
        headers["Content-Encoding"] = encoding
    return StreamingResponse(
        _encoded(blocks, _encoder(encoding) if encoding else None, tag),
        headers=headers,
        media_type=_media(call.form),
    )


def failure(error: EngineError, query_id: str, *, killed: bool = False) -> Response:
    """An error, with ClickHouse's code and a status that says whether to try again.

    Args:
        error: of the engine.
        query_id: of the statement.
        killed: somebody ended the statement on purpose: it is not to be sent again.
    """
    headers = {
        "X-ClickHouse-Exception-Code": str(error.code),
        "X-ClickHouse-Query-Id": query_id,
        "X-ClickHouse-Server-Display-Name": "penstock",
    }
    status = 500 if killed else _STATUS.get(error.code, 500)
    if status == 503:  # noqa: PLR2004 - Service Unavailable
        headers["Retry-After"] = "1"
    return PlainTextResponse(f"{error.what}\n", status_code=status, headers=headers)


async def _encoded(
    blocks: AsyncIterator[bytes], encoder: _Encoder | None, tag: str
) -> AsyncIterator[bytes]:
    try:
        async for block in blocks:
            piece = encoder.compress(block) if encoder else block
            if piece:
                yield piece
    except EngineError as error:
        text = _cut(error, tag)
        yield encoder.compress(text) + encoder.flush() if encoder else text
        raise CutOffError from error
    if encoder:
        yield encoder.flush()


def _cut(error: EngineError, tag: str) -> bytes:
    """An error inside an answer, in the form in which ClickHouse's clients look for it."""
    message = f"{error.what}\n".encode()
    frame = (b"\r\n__exception__\r\n%b\r\n", b"%b%d %b\r\n__exception__\r\n")
    return frame[0] % tag.encode() + frame[1] % (message, len(message), tag.encode())


def _headers(call: Call, query_id: str) -> Mapping[str, str]:
    return {
        "X-ClickHouse-Query-Id": query_id,
        "X-ClickHouse-Format": call.form or call.asked,
        "X-ClickHouse-Timezone": "UTC",
        "X-ClickHouse-Server-Display-Name": "penstock",
    }


def _encoding(request: Request) -> str:
    """What to compress with: only where the client says so twice, as ClickHouse has it."""
    if request.query_params.get("enable_http_compression", "0") not in {"1", "true"}:
        return ""
    offered = [
        name.partition(";")[0].strip()
        for name in request.headers.get("accept-encoding", "").lower().split(",")
    ]
    return next((name for name in ("zstd", "lz4", "gzip") if name in offered), "")


def _encoder(encoding: str) -> _Encoder:
    if encoding == "gzip":
        return zlib.compressobj(_LEVELS["gzip"], wbits=31)
    if encoding == "zstd":
        from backports import zstd  # noqa: PLC0415 - by the few who compress

        return zstd.ZstdCompressor(level=_LEVELS["zstd"])
    return _Lz4()


class _Lz4:
    """lz4's frames in the shape of the other two."""

    def __init__(self) -> None:
        import lz4.frame  # noqa: PLC0415 - by the few who compress

        self._frame = lz4.frame.LZ4FrameCompressor()
        self._begun: bytes = self._frame.begin()

    def compress(self, data: bytes, /) -> bytes:
        """Part of the frame."""
        head, self._begun = self._begun, b""
        return bytes(head + self._frame.compress(data))

    def flush(self) -> bytes:
        """The end of the frame."""
        return bytes(self._begun + self._frame.flush())


def _media(form: str) -> str:
    if form.startswith("JSON"):
        return "application/x-ndjson" if "EachRow" in form else "application/json"
    if form.startswith(("TabSeparated", "TSV")):
        return "text/tab-separated-values; charset=UTF-8"
    return "text/csv; charset=UTF-8" if form.startswith("CSV") else "application/octet-stream"
