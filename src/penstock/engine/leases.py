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
    """The highest lease epoch seen of every stream, or part of one, kept on disk across restarts.

    Args:
        path: a small JSON file, rewritten only when an epoch rises.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        raw = path.read_bytes() if path.exists() else b"{}"
        self._epochs = msgspec.json.decode(raw, type=dict[str, int])

    def check(self, lease: str) -> None:
        """Take note of `stream=epoch`, or of several with commas between: of each part one.

        Raises:
            EngineError: a higher epoch of one of them has been seen: the sender must stop writing;
                or this is no lease.
        """
        shown = dict(_read(each) for each in lease.split(","))
        with self._lock:
            for stream, epoch in shown.items():
                if epoch < (seen := self._epochs.get(stream, 0)):
                    raise EngineError(
                        f"Code: {_STALE}. lease {epoch} of {stream} is over: {seen} holds it now",
                        code=_STALE,
                    )
            if any(epoch > self._epochs.get(stream, 0) for stream, epoch in shown.items()):
                raised = {**self._epochs, **shown}
                # Before it counts: a fence that is not on disk is none.
                durable.replace(self._path, msgspec.json.encode(raised))
                self._epochs = raised


def _read(lease: str) -> tuple[str, int]:
    stream, _, text = lease.rpartition("=")
    if not stream or not text.isdecimal():
        raise EngineError(f"Code: 36. {lease!r} is no lease: stream=epoch", code=36)
    return stream, int(text)
