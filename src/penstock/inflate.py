"""Compressed bodies of HTTP requests, opened under a bound."""

from __future__ import annotations

import gzip
import io
import zlib

ENCODINGS = ("gzip", "zstd", "lz4")


def inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """The content of a body, all members or frames of it.

    Args:
        body: as it came.
        encoding: one of `ENCODINGS`, as in HTTP's Content-Encoding.
        limit: most bytes wanted.

    Returns:
        At most `limit` + 1 bytes: one more than the limit says that there is more, so that a
        bomb never costs more than that.

    Raises:
        ValueError: the body is not whole, or not of that encoding; in words for the sender.
    """
    from backports import zstd  # noqa: PLC0415 - paid by those who send compressed bodies

    raw = io.BytesIO(body)
    try:
        if encoding == "gzip":
            return gzip.GzipFile(fileobj=raw).read(limit + 1)
        if encoding == "zstd":
            return zstd.ZstdFile(raw).read(limit + 1)
        import lz4.frame  # noqa: PLC0415 - as above

        content: bytes = lz4.frame.LZ4FrameFile(raw).read(limit + 1)
    except EOFError as error:
        raise ValueError(f"the {encoding} body ends too early") from error
    except (gzip.BadGzipFile, zlib.error, zstd.ZstdError, RuntimeError) as error:
        raise ValueError(f"the body is no {encoding}: {error}") from error
    return content
