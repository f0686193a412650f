"""The fence against a lander that wakes after another has taken its stream."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import msgspec

from penstock import durable
from penstock.errors import EngineError

if TYPE_CHECKING:
    from pathlib import Path

_STALE = 1001  # none of ClickHouse's codes: the client turns it into StaleLeaseError


class Leases:
    """The highest lease epoch seen of every stream, kept on disk across restarts.

    Args:
        path: a small JSON file, rewritten only when an epoch rises.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        raw = path.read_bytes() if path.exists() else b"{}"
        self._epochs = msgspec.json.decode(raw, type=dict[str, int])

    def check(self, lease: str) -> None:
        """Take note of `stream=epoch`.

        Raises:
            EngineError: a higher epoch has been seen: the sender must stop writing; or this is
                no lease.
        """
        stream, _, text = lease.rpartition("=")
        if not stream or not text.isdecimal():
            raise EngineError(f"Code: 36. {lease!r} is no lease: stream=epoch", code=36)
        epoch = int(text)
        with self._lock:
            seen = self._epochs.get(stream, 0)
            if epoch < seen:
                raise EngineError(
                    f"Code: {_STALE}. lease {epoch} of {stream} is over: {seen} holds it now",
                    code=_STALE,
                )
            if epoch > seen:
                raised = {**self._epochs, stream: epoch}
                # Before it counts: a fence that is not on disk is none.
                durable.replace(self._path, msgspec.json.encode(raised))
                self._epochs = raised
