"""What the web server would log as a crash of ours, and is the end of an answer as we want it."""

from __future__ import annotations

import logging


class _Hush(logging.Filter):
    def __init__(self, kind: type[BaseException]) -> None:
        super().__init__()
        self._kind = kind

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log a record."""
        return record.exc_info is None or not isinstance(record.exc_info[1], self._kind)


def hush(kind: type[BaseException]) -> None:
    """Let the server of this process say nothing of an exception that ends an answer."""
    logging.getLogger("uvicorn.error").addFilter(_Hush(kind))
