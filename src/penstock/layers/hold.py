"""The hold on a lander: taken by itself for each batch, and by whoever needs it to stand still."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType


class Hold:
    """A lock that who lets go of it does not get again before one who waits.

    A plain lock may be taken anew by the thread that has just let go of it: a lander with much to
    do would keep a backfill waiting for many batches. Which of several who wait is the next but
    one is not said.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turn = threading.Lock()  # of who is the next to have it

    def __enter__(self) -> None:
        with self._turn:
            self._lock.acquire()

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._lock.release()

    def locked(self) -> bool:
        """Whether somebody has it."""
        return self._lock.locked()
